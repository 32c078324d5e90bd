"""The kind of image in a series (magnitude or phase, water or fat, a map), and the contrasts within one series."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..errors import InputError
from .dicom_frames import Frame, Series

# values of ImageType or FrameType behind the second (PS3.3, C.7.6.1.1.2 and C.8.13.3.1), and what scanners write there
_TYPES: dict[str, str] = {
    "phase image": r"P|P_\w+|PHASE|PHASE[ _]MAP|FILTERED_PHASE|VELOCITY\w*",
    "imaginary part": r"I|I_\w+|IMAGINARY",
    "real part": r"R|R_\w+|REAL",
    "map": r"E?ADC\w*|FA|(?!PHASE)(.*[ _])?MAP|B0|QUANTITY|STD_DEVIATION|TTP|MTT|R?CB[VF]|[TZ]_\w+|FAT_?FRACTION|.*PERCENT\w*",
    "projection": r"PROJECTION( IMAGE)?|(THIN[ _])?MN?IP|MIN_?IP|MAX_?IP|MIN IP|MAXIMUM|MINIMUM",
    "subtraction": r"SUB|SUBTRACT(ION)?",
    "reformatted": r"(CSA )?MPR|CPR|REFORMATTED|RESAMPLED|CURVED",
    "opposed phase": r"OP|OPP_?PHASE|OUT_?PHASE|OPPOSED_PHASE|OUT_OF_PHASE",
    "fat": r"F|FAT",
    "water": r"W|WATER",
}
_TYPE_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _TYPES.items()}
_COMPONENTS = {"PHASE": "phase image", "REAL": "real part", "IMAGINARY": "imaginary part"}
_GE_COMPONENT = (0x0043, "GEMS_PARM_01", 0x2F)
_GE_COMPONENTS = {1: "phase image", 2: "real part", 3: "imaginary part"}
# what is no picture of tissue in the weighting of its sequence, and never T1W or STIR
_NO_SCAN = ("phase image", "imaginary part", "map", "projection", "subtraction")
# words of descriptions, lower case, between spaces; they only count against a series
_WORDS: dict[str, str] = {
    "phase image": r"(?<!in )phase|pha",
    "map": r"adc|fieldmap|(\w+ )?map(ping)?|b0|fat fraction|ff",
    "projection": r"mips?|min ?ip|projection",
    "subtraction": r"subs?|subtr\w*",
    "reformatted": r"mpr|reformat\w*|recon|resampled",
    "opposed phase": r"opp(osed)?|out of phase|outphase",
    "real part": r"real|imag\w*",
}
_WORD_PATTERNS = {kind: re.compile(rf"\b({pattern})\b") for kind, pattern in _WORDS.items()}
_AGENT = re.compile(
    r"\b(post|gd|gad\w*|km|ce|contrast|kontrast\w*|dotarem|magnevist|prohance|multihance|omniscan)\b| \+ ?(c|km|gd)\b|\bc ?\+ "
)
_NO_AGENT = re.compile(r"\b(pre|no|non|without|w o|ohne|sans|nativ\w*)\b")
_FAT_SUPPRESSED = re.compile(r"\b(fs|fat ?sat|fatsup\w*|spair|spir|chess|water|dixon w|we)\b")


@dataclass(frozen=True)
class Doubts:
    """Reasons against a series as the plain scan of its weighting; fewer are better, in this order."""

    contrast_agent: bool
    fat_suppressed: bool
    derived: bool
    kinds: tuple[str, ...]

    @property
    def rank(self) -> tuple[int, int, int]:
        return int(self.contrast_agent), int(self.fat_suppressed), int(self.derived) + len(self.kinds)


def kinds_of(frame: Frame) -> tuple[str, ...]:
    """The kinds that a frame's header states, beside a plain magnitude image, in words as ``phase image`` or ``map``."""
    values = [value.strip() for value in frame.image_type.upper().split("\\")[2:]]
    kinds = {kind for kind, pattern in _TYPE_PATTERNS.items() if any(pattern.fullmatch(value) for value in values)}
    component = _COMPONENTS.get(frame.text("ComplexImageComponent").upper()) or _ge_component(frame)
    if component:
        kinds.add(component)
    return tuple(kind for kind in _TYPES if kind in kinds)


def no_scan(frame: Frame) -> str | None:
    """Why a frame is of no scan in the weighting of its sequence, as ``phase image``; None where it is of one."""
    return next((kind for kind in kinds_of(frame) if kind in _NO_SCAN), None)


def doubts_of(series: Series, *, contrast_agent: bool = False, fat_suppressed: bool = False) -> Doubts:
    """The doubts that a series' header and description raise about it.

    Parameters
    ----------
    series : Series
    contrast_agent, fat_suppressed : bool
        What other attributes of the header say.
    """
    kinds = set(kinds_of(series.first))
    words = _words(series)
    described = {kind for kind, pattern in _WORD_PATTERNS.items() if pattern.search(words)}
    return Doubts(
        contrast_agent or bool(_AGENT.search(words) and not _NO_AGENT.search(words)),
        fat_suppressed or "water" in kinds or bool(_FAT_SUPPRESSED.search(words)),
        series.first.image_type.upper().startswith("DERIVED"),
        tuple(sorted(kinds - {"water"} | described)),
    )


def contrasts_of(series: Series) -> tuple[Series, ...]:
    """The contrasts of a series that has several images at one place: by ImageType, echo and inversion time.

    Magnitude and phase, echoes, and Dixon's water, fat, in and opposed phase come in one series from some scanners. A series with
    one image at each place, or whose images at one place do not differ in these, is returned as it is.
    """
    places = Counter(_place(frame) for frame in series.frames)
    if max(places.values()) < 2 or "" in places:
        return (series,)
    groups: dict[tuple[str, ...], list[Frame]] = {}
    for frame in series.frames:
        groups.setdefault(_contrast(frame), []).append(frame)
    if len(groups) < 2:
        return (series,)
    differing = [k for k in range(len(_CONTRAST)) if len({key[k] for key in groups}) > 1]
    return tuple(
        replace(series, frames=tuple(frames), contrast=", ".join(key[k] or "without" for k in differing))
        for key, frames in sorted(groups.items())
    )


def contrast_for(name: str, contrasts: Sequence[Series], fits: Callable[[Series], bool]) -> Series:
    """The contrast of one series that a role means.

    Parameters
    ----------
    name : str
        What messages call the series.
    contrasts : sequence of Series
        Of one series.
    fits : callable
        Whether a contrast has the times of the role.

    Raises
    ------
    InputError
        Several are as good.
    """
    candidates = list(contrasts)
    least = min(
        (doubts_of(contrast).rank for contrast in candidates if no_scan(contrast.first) is None and fits(contrast)), default=None
    )
    for keep in (
        lambda contrast: no_scan(contrast.first) is None,
        fits,
        lambda contrast: least is None or doubts_of(contrast).rank == least,
    ):
        candidates = [contrast for contrast in candidates if keep(contrast)] or candidates
    if len(candidates) > 1:
        raise InputError(
            f"{name}: one series holds {len(contrasts)} contrasts ({'; '.join(series.contrast for series in contrasts)}), and "
            "which one is meant cannot be told; pass the files of one of them."
        )
    return candidates[0]


_CONTRAST: tuple[Callable[[Frame], str], ...] = (
    lambda frame: frame.image_type,
    lambda frame: frame.text("ComplexImageComponent") or _ge_component(frame),
    lambda frame: _time("TE", frame, "EchoTime"),
    lambda frame: _time("TI", frame, "InversionTime"),
)


def _contrast(frame: Frame) -> tuple[str, ...]:
    return tuple(property_of(frame) for property_of in _CONTRAST)


def _time(name: str, frame: Frame, keyword: str) -> str:
    try:
        return f"{name} {round(float(frame.get(keyword)), 1):g} ms"
    except (TypeError, ValueError):
        return ""


def _place(frame: Frame) -> str:
    """Position and orientation to 0.01 mm, as text; empty where the header does not give them."""
    try:
        numbers = (*frame.floats("ImagePositionPatient", 3), *frame.floats("ImageOrientationPatient", 6))
    except InputError:
        return ""
    return " ".join(f"{round(number, 2) + 0.0:.2f}" for number in numbers)


def _ge_component(frame: Frame) -> str:
    group, creator, element = _GE_COMPONENT
    try:
        value = frame.header.private_block(group, creator)[element].value
        return _GE_COMPONENTS.get(int(value if isinstance(value, int) else value[0]), "")
    except (KeyError, TypeError, ValueError, IndexError):
        return ""


def _words(series: Series) -> str:
    text = f"{series.first.text('SeriesDescription')} {series.first.text('ProtocolName')}"
    return " ".join(re.sub(r"[^\w+]|_", " ", text.lower()).split()) + " "
