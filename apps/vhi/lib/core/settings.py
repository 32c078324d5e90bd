"""All settings of one measurement."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..errors import SettingsError
from .chain import PAPER, Chain, chain_of_settings
from .limits import AnatomicalLimits
from .setting import SettingInfo, settings_of
from .thresholds import PAPER as PAPER_RULE
from .thresholds import ROBUST, ThresholdRule
from .transforms import POST_TRANSFORMS, PostTransform

# what a site's chain is called where settings are named
POST_TRANSFORMS_KEY = "post_transforms"


@dataclass(frozen=True)
class VhiSettings:
    """How thresholds are found and what happens to the thresholded map; the defaults are the paper's method.

    Parameters
    ----------
    threshold_rule : ThresholdRule
    post_transforms : tuple of PostTransform
        Applied in this order to the grade map, unless there is a site's chain.
    site_chain : Chain, optional
        Takes their place.
    limits : AnatomicalLimits
        Which parts of the anatomy count.
    """

    threshold_rule: ThresholdRule = field(default_factory=ThresholdRule)
    post_transforms: tuple[PostTransform, ...] = tuple(cls() for cls in POST_TRANSFORMS)
    site_chain: Chain | None = None
    limits: AnatomicalLimits = field(default_factory=AnatomicalLimits)

    @classmethod
    def from_values(cls, values: Mapping[str, Any], site_chain: Chain | None = None) -> VhiSettings:
        """Settings with some of them changed, by name.

        Raises
        ------
        SettingsError
            Unknown name (with the nearest known one), a value outside the setting's range, or one that a site's chain overrules.
        """
        known = {info.name for info in cls.describe()}
        for name in values:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known))}."
                raise SettingsError(f"There is no setting {name!r}; {hint}")

        def built(part: Any) -> Any:
            return part(**{info.name: values[info.name] for info in settings_of(part) if info.name in values})

        settings = cls(built(ThresholdRule), tuple(built(step) for step in POST_TRANSFORMS), site_chain, built(AnatomicalLimits))
        if site_chain is not None:
            settings._refuse_overruled(site_chain)
        return settings

    def _refuse_overruled(self, site_chain: Chain) -> None:
        # viewers send every setting along, those at their defaults too
        for part in self.post_transforms:
            for info in settings_of(type(part)):
                if getattr(part, info.name) != info.default:
                    raise SettingsError(
                        f"Setting {info.name} belongs to the paper's chain of post-transforms and has no effect in the chain "
                        f"{site_chain.name!r}; leave it at {info.default}, or write it into the chain's file."
                    )

    @cached_property
    def chain(self) -> Chain:
        """The post-transforms that are applied."""
        return self.site_chain or chain_of_settings(self.post_transforms)

    @property
    def is_papers_chain(self) -> bool:
        """Whether what is applied to the thresholded map is the paper's method."""
        return self.chain.name == PAPER

    def values(self) -> dict[str, bool | int | float | str]:
        """Every setting by name that has an effect."""
        parts = (self.threshold_rule, *(self.post_transforms if self.site_chain is None else ()), self.limits)
        return {info.name: getattr(part, info.name) for part in parts for info in settings_of(type(part))}

    def stored(self) -> dict[str, Any]:
        """Every setting, and a site's chain whole: what settings are made from again, see
        `lib.post_transforms.settings_of_stored`."""
        return {**self.values(), **({} if self.site_chain is None else {POST_TRANSFORMS_KEY: self.site_chain.record()})}

    def recorded(self) -> dict[str, Any]:
        """`settings` and `post_transforms` as results keep them."""
        return {"settings": self.values(), "post_transforms": self.chain.record()}

    @staticmethod
    def describe() -> tuple[SettingInfo, ...]:
        """Every setting with its default, range, meaning and source."""
        return tuple(info for part in (ThresholdRule, *POST_TRANSFORMS, AnatomicalLimits) for info in settings_of(part))


def other_measure(values: Mapping[str, Any], drawn: bool) -> tuple[str, ...]:
    """Settings of thresholds and of parts left out that make a number another measure than the default ones do.

    Parameters
    ----------
    values : mapping
        Settings by name, as `VhiSettings.values` gives and `vhi.json` keeps them; what is missing is at its default.
    drawn : bool
        Whether a reader drew normal bone: the default rule is the paper's then, else the robust one, which no other setting
        changes.

    Returns
    -------
    tuple of str
        Each in words; empty where the number is the default measure. Two numbers are one measure where these are equal.
    """
    usual = PAPER_RULE if drawn else ROBUST
    rule = values.get("rule", "auto")
    rule = usual if rule == "auto" else rule
    # of the thresholds' settings all but the rule belong to the paper's alone
    thresholds = [info for info in settings_of(ThresholdRule) if info.name != "rule" and rule == PAPER_RULE]
    infos = (*thresholds, *settings_of(AnatomicalLimits))
    changed = [_in_words(info.name, values[info.name]) for info in infos if values.get(info.name, info.default) != info.default]
    return (*([] if rule == usual else [f"rule {rule} of a {'drawn' if drawn else 'grown or proposed'} normal bone"]), *changed)


def other_measure_stated(stated: Mapping[str, str]) -> tuple[str, ...]:
    """As `other_measure`, of changed settings as a structured report states them; a rule counts whatever the normal bone."""
    infos = (*settings_of(ThresholdRule), *settings_of(AnatomicalLimits))
    return tuple(_in_words(info.name, stated[info.name]) for info in infos if info.name in stated)


def _in_words(name: str, value: Any) -> str:
    """A setting that is not at its default, as a clinician reads it."""
    if name == "leave_out_above":
        return f"the part above the {str(value).upper()} disc left out"
    if name == "leave_out_joint_space":
        return "the joint space left out"
    return f"{name.replace('_', ' ')} {value}"


def other_measure_of(numbers: Mapping[str, Any]) -> tuple[str, ...]:
    """As `other_measure`, of a stored result's `vhi.json`; settings that it does not state count as default."""
    settings = (numbers.get("provenance") or {}).get("settings") or {}
    return other_measure(settings, drawn=(numbers.get("normal_bone") or {}).get("source", "given") == "given")
