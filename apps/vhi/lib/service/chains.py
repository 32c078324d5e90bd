"""Which chain of post-transforms a reading is measured with: the one that it began with, or the one that is chosen by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..core.chain import CHANGED, PAPER, Chain
from ..core.settings import POST_TRANSFORMS_KEY, VhiSettings
from ..errors import RequestError, SettingsError
from ..post_transforms import chain_of_record, settings_of_stored
from ..readings.store import ReadingStore

# "as the reading began; what begins now, as the server was started"
DEFAULT = "default"


class Chains:
    """The chains that a server offers beside the paper's; the first is that of readings which begin.

    Parameters
    ----------
    readings : ReadingStore
        Knows with which chain a reader was shown a number.
    chains : sequence of Chain
        As `lib.post_transforms.read_chain` gives them.

    Raises
    ------
    SettingsError
        Two of one name.
    """

    def __init__(self, readings: ReadingStore, chains: Sequence[Chain] = ()) -> None:
        self._readings = readings
        self._first = chains[0] if chains else None
        self._chains = {chain.name: chain for chain in chains}
        if len(self._chains) < len(chains):
            raise SettingsError("Two chains of post-transforms have one name; a chain is named as its file is, rename one.")

    @property
    def names(self) -> tuple[str, ...]:
        """The chains that can be chosen: none where there is but the paper's chain."""
        return (DEFAULT, *self._chains, *(() if PAPER in self._chains else (PAPER,))) if self._chains else ()

    def settings(self, case_id: str, reader: str | None, reading: int, values: Mapping[str, Any]) -> VhiSettings:
        """The settings that a viewer chose, with the chain that it names, or that the reading has.

        Parameters
        ----------
        case_id, reader, reading
            The reading; nobody's where `reader` is None.
        values : mapping
            Settings by name; `post_transforms` is the name of a chain.

        Raises
        ------
        SettingsError
            An unknown setting or chain, or a value outside its range.
        """
        others = {name: value for name, value in values.items() if name != POST_TRANSFORMS_KEY}
        stored = None if reader is None else self._readings.settings_shown(case_id, reader, reading)
        record = None if stored is None else stored.get(POST_TRANSFORMS_KEY)
        chain_at_start = None if record is None else chain_of_record(record)
        chain = self._chosen(
            values.get(POST_TRANSFORMS_KEY, DEFAULT), self._first if stored is None else chain_at_start, chain_at_start
        )
        return VhiSettings.from_values(others, None if chain is None or chain.name == PAPER else chain)

    def settings_next(self, case_id: str, reader: str | None, reading: int, values: Mapping[str, Any]) -> VhiSettings:
        """The settings of the measurement that follows: by `settings` where `values` name any, else by `settings_for`."""
        return self.settings(case_id, reader, reading, values) if values else self.settings_for(case_id, reader, reading)

    def settings_for(self, case_id: str, reader: str | None, reading: int) -> VhiSettings:
        """The settings with which a reader last saw a number in that reading; the server's for one who saw none."""
        stored = None if reader is None else self._readings.settings_shown(case_id, reader, reading)
        return self.settings(case_id, reader, reading, {}) if stored is None else settings_of_stored(stored)

    def _chosen(self, name: Any, default: Chain | None, chain_at_start: Chain | None) -> Chain | None:
        if name == DEFAULT:
            return default
        if chain_at_start is not None and name == chain_at_start.name:
            return chain_at_start  # as it was then, whatever its file holds now
        if name in (PAPER, CHANGED):
            return None
        if name not in self._chains:
            offered = ", ".join(self.names or (DEFAULT, PAPER))
            raise RequestError(f"There is no chain of post-transforms {str(name)[:60]!r}; there are {offered}.")
        return self._chains[name]


def with_chain_named(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Stored settings as viewers are told them and send them back: of a chain its name alone."""
    record = settings.get(POST_TRANSFORMS_KEY) or {}
    return {**settings, POST_TRANSFORMS_KEY: record.get("name", PAPER)}
