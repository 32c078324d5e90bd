"""`--post-transforms FILE`: a site's own chain in place of the paper's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..core.settings import VhiSettings

CHAIN_HELP = "A site's own chain of post-transforms (JSON, YAML), see docs/monai.md."


def chosen_settings(values: Mapping[str, object], chain: Path | None) -> VhiSettings:
    """The settings that a user chose by name, with the chain of a file.

    Raises
    ------
    SettingsError
        An unknown setting, a value outside its range, a setting that the chain would overrule, or a chain that cannot be used.
    InputError
        No such file, or no configuration.
    """
    from ..core.chain import PAPER
    from ..core.limits import AnatomicalLimits
    from ..core.setting import settings_of
    from ..core.settings import VhiSettings
    from ..core.thresholds import ThresholdRule
    from ..errors import SettingsError

    settings = VhiSettings.from_values(values)
    if chain is None:
        return settings
    from ..post_transforms import read_chain

    overruled = sorted(set(values) - {info.name for part in (ThresholdRule, AnatomicalLimits) for info in settings_of(part)})
    if overruled:
        raise SettingsError(
            f"--set {overruled[0]} changes the paper's chain, and --post-transforms {chain} puts another one in its place; write "
            "the value into that file, or leave the file out."
        )
    site_chain = read_chain(chain)
    return settings if site_chain.name == PAPER else VhiSettings.from_values(values, site_chain)
