"""VHI of a scan from the regions in force for a reader, with what the cleaning model proposes; measurements are kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from ..core.pipeline import VhiResult
from ..core.settings import VhiSettings
from ..readings.store import ReadingStore
from .automatic import Automatic, AutomaticRegions
from .begun import shown_to
from .keep import Kept
from .proposals import OFF, Proposals
from .regions import InForce, measured, regions_in_force
from .scans import Scans


class Measuring:
    """Measures what readers are shown; `kept` is how many results stay in memory. Callers hold the case's lock."""

    def __init__(self, readings: ReadingStore, automatic: Automatic, proposals: Proposals, kept: int) -> None:
        self.readings, self.automatic, self._proposals = readings, automatic, proposals
        self._results: Kept[VhiResult] = Kept(kept)

    def shown(self, reader: str | None, reading: int) -> Callable[[Scans], AutomaticRegions]:
        """The automatic regions of a scan as that reader first saw them in that reading, see `lib.service.begun`."""
        return partial(shown_to, self.readings, self.automatic, reader, reading)

    def regions(self, scans: Scans, reader: str | None, reading: int) -> InForce:
        """The regions that the reader's measurement rests on.

        Raises
        ------
        VhiError
        """
        return regions_in_force(self.readings, self.shown(reader, reading), scans, reader, reading)

    def show(self, scans: Scans, reader: str | None, reading: int, settings: VhiSettings, mode: str) -> tuple[InForce, VhiResult]:
        """The automatic result for a reader, with the regions that it rests on; it is noted that they saw it.

        Raises
        ------
        VhiError
        """
        regions = self.regions(scans, reader, reading)
        version = None if mode == OFF else self._proposals.live_version()
        result = self.result(scans, version, regions, settings)
        if reader is not None:
            self.readings.note_shown(scans.case.case_id, reader, reading, settings.values(), version)
        return regions, result

    def result(self, scans: Scans, proposal: str | None, regions: InForce, settings: VhiSettings) -> VhiResult:
        """The automatic result, with what that version of the cleaning model proposes.

        Raises
        ------
        VhiError
        """
        key = (scans.case.case_id, regions.key, tuple(settings.values().items()), proposal)
        result = self._results.find(key) if regions.key else None
        if result is None:
            if proposal is not None:
                result = self._proposals.proposed(self.result(scans, None, regions, settings), proposal)
            else:
                result = measured(scans, regions, settings)
                result = replace(result, warnings=(*scans.warnings, *result.warnings))
            if regions.key:
                self._results.keep(key, result)
        return result
