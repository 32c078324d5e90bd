"""All settings of one measurement."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import SettingsError
from .setting import SettingInfo, settings_of
from .thresholds import ThresholdRule
from .transforms import POST_TRANSFORMS, PostTransform


@dataclass(frozen=True)
class VhiSettings:
    """How thresholds are found and what happens to the thresholded map; the defaults are the paper's method.

    Parameters
    ----------
    threshold_rule : ThresholdRule
    post_transforms : tuple of PostTransform
        Applied in this order to the grade map.
    """

    threshold_rule: ThresholdRule = field(default_factory=ThresholdRule)
    post_transforms: tuple[PostTransform, ...] = tuple(cls() for cls in POST_TRANSFORMS)

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> VhiSettings:
        """Settings with some of them changed, by name.

        Raises
        ------
        SettingsError
            Unknown name (with the nearest known one), or a value outside the setting's range.
        """
        known = {info.name for info in cls.describe()}
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}."
                raise SettingsError(f"There is no setting {name!r}; {hint}")

        def built(part: Any) -> Any:
            return part(**{info.name: values[info.name] for info in settings_of(part) if info.name in values})

        return cls(built(ThresholdRule), tuple(built(transform) for transform in POST_TRANSFORMS))

    def values(self) -> dict[str, bool | int | float | str]:
        """Every setting by name."""
        parts = (self.threshold_rule, *self.post_transforms)
        return {info.name: getattr(part, info.name) for part in parts for info in settings_of(type(part))}

    @staticmethod
    def describe() -> tuple[SettingInfo, ...]:
        """Every setting with its default, range, meaning and source."""
        return tuple(info for part in (ThresholdRule, *POST_TRANSFORMS) for info in settings_of(part))
