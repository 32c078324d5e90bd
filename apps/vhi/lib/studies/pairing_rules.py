"""The rules for a STIR or a T1W series: conditions on its header, which a site may replace by its own."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom.datadict import tag_for_keyword

from ..errors import InputError, SettingsError
from .dicom_frames import Series

_EXAMPLE = 'InversionTime = [100, 300], SeriesDescription = "regular expression", or InversionTime = false'


@dataclass(frozen=True)
class Condition:
    """One attribute of the header: a range of numbers, a pattern found in its text, or present or absent."""

    keyword: str
    low: float | None = None
    high: float | None = None
    pattern: str | None = None
    present: bool | None = None

    def holds(self, series: Series) -> bool:
        if self.pattern is not None:
            return re.search(self.pattern, series.first.text(self.keyword), re.IGNORECASE) is not None
        number = series.number(self.keyword)
        if self.present is not None:
            given = number != 0 if number is not None else bool(series.first.text(self.keyword))
            return given == self.present
        return number is not None and (self.low or 0.0) <= number <= (self.high or 0.0)

    def __str__(self) -> str:
        if self.pattern is not None:
            return f"{self.keyword} matching {self.pattern!r}"
        if self.present is not None:
            return f"{'some' if self.present else 'no'} {self.keyword}"
        return f"{self.keyword} {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class RoleRule:
    """The rule by which a series fits a role.

    Parameters
    ----------
    conditions : tuple of Condition
        All must hold.
    prefer : str
        Pattern of descriptions that decides between series that fit equally well.
    alternatives : tuple of tuple of Condition
        Less usual sequences of the role; a series of which one of these holds fits too, behind those of `conditions`.
    take : tuple of str
        UIDs of series that were chosen by hand; in a study with one of them nothing else is asked.
    """

    conditions: tuple[Condition, ...]
    prefer: str
    alternatives: tuple[tuple[Condition, ...], ...] = ()
    take: tuple[str, ...] = ()

    def fits(self, series: Series) -> bool:
        return series.uid in self.take or any(
            _all_hold(conditions, series) for conditions in (self.conditions, *self.alternatives)
        )

    def fits_plainly(self, series: Series) -> bool:
        """Whether it fits by the usual conditions."""
        return _all_hold(self.conditions, series)

    def may_fit(self, series: Series) -> bool:
        """Whether another echo of the series may fit, whatever this one's echo time."""
        every = (
            tuple(condition for condition in conditions if condition.keyword != "EchoTime")
            for conditions in (self.conditions, *self.alternatives)
        )
        return series.uid in self.take or any(_all_hold(conditions, series) for conditions in every)

    def __str__(self) -> str:
        return ", ".join(str(condition) for condition in self.conditions)


def _all_hold(conditions: tuple[Condition, ...], series: Series) -> bool:
    return all(condition.holds(series) for condition in conditions)


_T1_SAID = Condition("SeriesDescription", pattern=r"(?<![a-z0-9])t1(?![0-9])(?!.*\b(map|rho))")


@dataclass(frozen=True)
class PairingRules:
    """How a study's STIR and T1W series are known.

    STIR: the inversion time at which fat has no signal lies between 130 ms at 0.5 T and 260 ms at 3 T; fluid is suppressed
    near 2000 ms, T1 contrast prepared near 900 ms. T1W: short repetition and echo time, no inversion. Where the description
    says T1, also a repetition time up to 1500 ms, and a T1 FLAIR: inversion at 400 to 1300 ms. Whether the images then look
    T1-weighted is checked when they are measured (`core.contrast`).
    """

    stir: RoleRule = RoleRule((Condition("InversionTime", 100, 300),), r"\bsi\b|sij|sacro|isg|ilia")
    t1w: RoleRule = RoleRule(
        (
            Condition("RepetitionTime", 0, 1200),
            Condition("EchoTime", 0, 30),
            Condition("InversionTime", present=False),
            Condition("ScanningSequence", pattern=r"^(?!.*\bIR\b)"),
        ),
        r"t1",
        (
            (
                Condition("RepetitionTime", 0, 1500),
                Condition("EchoTime", 0, 30),
                Condition("InversionTime", present=False),
                Condition("ScanningSequence", pattern=r"^(?!.*\bIR\b)"),
                _T1_SAID,
            ),
            (
                Condition("RepetitionTime", 1000, 3500),
                Condition("EchoTime", 0, 30),
                Condition("InversionTime", 400, 1300),
                _T1_SAID,
            ),
        ),
    )


def read_rules(path: Path) -> PairingRules:
    """A site's rules from a TOML file with the tables `stir` and `t1w`; a table that is there replaces that role's rule.

    Each entry is a DICOM keyword: `[low, high]`, a regular expression (upper or lower case alike; an absent attribute is the
    empty text), `true` (present) or `false` (absent or zero). `prefer` is the regular expression of descriptions for ties;
    `take` a list of UIDs of series that were chosen by hand.

    Raises
    ------
    InputError
        The file cannot be read.
    SettingsError
        It holds something else.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"The pairing rules {path} cannot be read ({error.strerror or error}); check the path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"The pairing rules {path.name} are no TOML file ({error}); see docs/dicom.md.") from error
    unknown = sorted(set(content) - {"stir", "t1w"})
    if unknown or not content:
        raise SettingsError(
            f"The pairing rules {path.name} need tables [stir] or [t1w] and no other; found {', '.join(unknown) or 'nothing'}."
        )
    standard = PairingRules()
    return PairingRules(
        _role(content["stir"], "stir", standard.stir) if "stir" in content else standard.stir,
        _role(content["t1w"], "t1w", standard.t1w) if "t1w" in content else standard.t1w,
    )


def _role(table: Any, name: str, standard: RoleRule) -> RoleRule:
    if not isinstance(table, dict):
        raise SettingsError(f"The pairing rule {name} must be a table [{name}].")
    entries = dict(table)
    prefer = _pattern("prefer", entries.pop("prefer", standard.prefer))
    take = entries.pop("take", [])
    if not isinstance(take, list) or not all(isinstance(uid, str) for uid in take):
        raise SettingsError(f'The pairing rule {name} has take = {take!r}; write for example take = ["1.2.840.1"].')
    conditions = tuple(_condition(keyword, value) for keyword, value in entries.items())
    if not conditions:
        return RoleRule(standard.conditions, prefer, standard.alternatives, tuple(take))
    return RoleRule(conditions, prefer, take=tuple(take))


def _condition(keyword: str, value: Any) -> Condition:
    if tag_for_keyword(keyword) is None:
        raise SettingsError(f"The pairing rules name {keyword}, which is no DICOM keyword; write for example {_EXAMPLE}.")
    if isinstance(value, bool):
        return Condition(keyword, present=value)
    if isinstance(value, str):
        return Condition(keyword, pattern=_pattern(keyword, value))
    if (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(number, int | float) for number in value)
        and value[0] <= value[1]
    ):
        return Condition(keyword, float(value[0]), float(value[1]))
    raise SettingsError(f"The pairing rule for {keyword} is {value!r}; write for example {_EXAMPLE}.")


def _pattern(keyword: str, value: Any) -> str:
    try:
        re.compile(value)
    except (re.error, TypeError) as error:
        raise SettingsError(f"The pairing rule for {keyword} is no regular expression ({error}); found {value!r}.") from error
    return str(value)
