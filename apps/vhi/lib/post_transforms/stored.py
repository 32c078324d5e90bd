"""Settings as a reading or a batch stored them: `VhiSettings.stored` the other way round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.settings import POST_TRANSFORMS_KEY, VhiSettings
from .chain_file import chain_of_record


def settings_of_stored(values: Mapping[str, Any]) -> VhiSettings:
    """Settings by name, with a site's chain where one is recorded among them.

    Raises
    ------
    SettingsError
        An unknown setting, or a chain that cannot be built any more.
    """
    record = values.get(POST_TRANSFORMS_KEY)
    others = {name: value for name, value in values.items() if name != POST_TRANSFORMS_KEY}
    return VhiSettings.from_values(others, None if record is None else chain_of_record(record))
