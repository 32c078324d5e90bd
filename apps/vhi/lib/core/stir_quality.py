"""Did fat suppression or the patient's stillness fail on STIR?

Fat is dark on STIR wherever the inversion pulse reached it; where it did not, fat is bright and counts as inflammation. A patient
who moves leaves copies of the bright parts along the phase-encoding direction, which are seen best in the air around the body.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from .caution import Caution
from .contrast import Tissues, tissues
from .disease_region import eroded
from .library import ndimage
from .pair_cache import PairCache
from .volume import Volume

# Of fat over muscle on one half of the frame over that on the other. docs/verdict.md has the scans it was measured on.
MOST_UNEVEN_FAT = 1.25
# Mean of the air around the body over the median of muscle; likewise.
BRIGHTEST_AIR = 0.11
LEAST_AIR = 0.01
FEWEST_PIXELS = 200
# a third of the pixels each way tells as much, in a ninth of the time
STEP = 3


@dataclass(frozen=True)
class StirQuality:
    """`fat_unevenness`: fat over muscle, the brighter half of the frame over the other; `air`: air over muscle; nan: unknown."""

    fat_unevenness: float
    air: float


def stir_quality(t1w: Volume, stir: Volume, shown: Tissues | None = None) -> StirQuality:
    """Measure on STIR what T1W says is fat, muscle and air.

    Parameters
    ----------
    t1w, stir : Volume
        On one grid.
    shown : Tissues, optional
        Of T1W; worked out when absent.
    """
    classes = shown or tissues(t1w)
    anatomy, signal = t1w.data[::STEP, ::STEP].astype(np.float32), stir.data[::STEP, ::STEP]
    fat = _inner((anatomy > 0.9 * classes.fat) & (anatomy < 2.5 * classes.fat), 1)
    muscle = _inner((anatomy > 0.75 * classes.muscle) & (anatomy < 1.25 * classes.muscle), 1)
    air = _air(anatomy)
    whole = float(np.median(signal[muscle])) if np.count_nonzero(muscle) >= FEWEST_PIXELS else float("nan")
    return StirQuality(
        _unevenness(signal, fat, muscle, _left_right_axis(t1w)),
        float(signal[air].mean()) / whole if air.mean() >= LEAST_AIR and whole > 0 else float("nan"),
    )


def _left_right_axis(volume: Volume) -> int:
    return int(np.argmax(np.abs(volume.grid.affine[0, :2])))


def _unevenness(signal: np.ndarray, fat: np.ndarray, muscle: np.ndarray, axis: int) -> float:
    middle = signal.shape[axis] // 2
    ratios = []
    for half in (slice(None, middle), slice(middle, None)):
        part = (slice(None),) * axis + (half,)
        bright, grey = signal[part][fat[part]], signal[part][muscle[part]]
        if min(bright.size, grey.size) < FEWEST_PIXELS or np.median(grey) <= 0:
            return float("nan")
        ratios.append(float(np.median(bright) / np.median(grey)))
    return max(ratios) / min(ratios) if min(ratios) > 0 else float("nan")


def _air(anatomy: np.ndarray) -> np.ndarray:
    """All that lies outside the body on T1W, a finger's breadth off the skin."""
    body = ndimage.gaussian_filter(anatomy, (0.7, 0.7, 0)) > 0.12 * np.percentile(anatomy, 99)
    for k in range(body.shape[2]):
        body[..., k] = ndimage.binary_fill_holes(body[..., k])
    return _inner(np.pad(~body, ((2, 2), (2, 2), (0, 0)), constant_values=True), 2)[2:-2, 2:-2]


def _inner(mask: np.ndarray, pixels: int) -> np.ndarray:
    """The pixels that lie so far inside of a mask, slice by slice, along rows, columns and both."""
    return eroded(eroded(mask, pixels, 0), pixels, 1)


QUALITIES: PairCache[Volume, Volume, StirQuality] = PairCache()


def quality_of(t1w: Volume, stir: Volume) -> StirQuality:
    """The same, measured once for the same objects."""
    known = QUALITIES.find(stir, t1w)
    return known or QUALITIES.keep(stir, t1w, stir_quality(t1w, stir))


def stir_warnings(t1w: Volume, stir: Volume) -> Iterator[Caution]:
    """Sentences where STIR cannot be trusted."""
    quality = quality_of(t1w, stir)
    if quality.fat_unevenness > MOST_UNEVEN_FAT:
        yield Caution(
            f"Fat suppression of {stir.name} seems to have failed on one side: against muscle, fat is "
            f"{quality.fat_unevenness:.2f} times as bright there as on the other side, usually below 1.15. "
            "What is bright there may be fat.",
            "fat suppression",
        )
    if quality.air > BRIGHTEST_AIR:
        yield Caution(
            f"{stir.name} shows signal in the air around the body ({100 * quality.air:.0f}% of muscle, usually below 8%): the "
            "patient may have moved. Bright streaks may be copies of vessels or bowel.",
            "motion",
        )
