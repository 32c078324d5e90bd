"""Is the T1W series T1-weighted and the STIR series fat-suppressed?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .caution import Caution, cautions
from .pair_cache import PairCache
from .volume import Volume

# On T1W, fat and fatty marrow fill much of the frame with high signal; on STIR they are suppressed and only fluid and vessels
# are bright. Measured on the published scans: 0.61 to 0.91 on 23 T1W series, 0.41 to 0.57 on 8 STIR series, and within each of
# the 8 pairs T1W higher by 0.19 or more; 0.75 to 0.83 on 12 T1W series of another scanner.
LOWEST_T1W = 0.59
# Coil fall-off alone can pull a T1W series below that. Where fat is suppressed, what is bright is a thin tail: the 75th over the
# 95th percentile exceeds the 90th over the 99th, by 0.06 to 0.23 on 8 STIR series, by at most 0.01 on 35 T1W series.
BRIGHT_TAIL = 0.05
# Median of fat over median of muscle. Measured: 2.03 to 2.49 on 20 published T1W series, 1.88 to 2.08 on three with abnormal
# marrow, 1.68 to 2.23 on 12 of another scanner after contrast agent, 2.7 on T1W phantoms; 1.3 to 1.8 on inverted T1W series.
FAT_TO_MUSCLE = (1.5, 2.9)
# Proton-density phantoms have 1.7 too, but there nearly all tissue is bright: filled to 0.93, T1W series of such ratios to 0.83.
FLAT_FILL, FLAT_RATIO = 0.88, 1.75
# Share of the frame below a fifth of its bright voxels: air, vessels, cortical bone. Measured: 0.037 or more on 23 T1W series,
# 0.021 or more on parts cut out of them, 0.009 or less on four with an inverted grey scale.
LOWEST_DARK_SHARE = 0.011


def bright_fill(volume: Volume) -> float:
    """Intensity of the 90th percentile relative to the 99th: how much of the frame is bright, 0 to 1."""
    q90, q99 = np.percentile(_sample(volume), [90, 99])
    return float(q90 / q99) if q99 > 0 else 0.0


def bright_tail(volume: Volume) -> float:
    """By how much the 75th over the 95th percentile of intensity exceeds the 90th over the 99th; high for a thin bright tail."""
    q75, q90, q95, q99 = np.percentile(_sample(volume), [75, 90, 95, 99])
    return float(q75 / q95 - q90 / q99) if q95 > 0 else 0.0


def _sample(volume: Volume) -> np.ndarray:
    """Every second pixel each way, every third of 336 or more: percentiles of so many are those of all."""
    i, j = (max(2, n // 112) for n in volume.data.shape[:2])
    return volume.data[::i, ::j]


@dataclass(frozen=True)
class Tissues:
    """Medians of muscle and of fat on T1W and the upper limit of dark [scanner units]; the share of the frame that is dark."""

    muscle: float
    fat: float
    dark: float
    dark_share: float


TISSUES: PairCache[Volume, Volume, Tissues] = PairCache()  # contrast, STIR and surroundings all ask


def tissues(t1w: Volume) -> Tissues:
    """All that is not air, divided in two by Otsu's threshold: muscle and other grey tissue, fat and other bright tissue."""
    return TISSUES.find(t1w, t1w) or TISSUES.keep(t1w, t1w, _tissues(t1w))


def _tissues(t1w: Volume) -> Tissues:
    sample = _sample(t1w)[::2, ::2].ravel()
    bright = float(np.percentile(sample, 99))
    tissue = sample[sample > 0.15 * bright]
    if bright <= 0 or not tissue.size:
        return Tissues(*[float("nan")] * 4)
    dark = 0.2 * bright
    dark_share = float((sample < dark).mean())
    grey = tissue < _otsu(np.minimum(tissue, bright))
    if grey.all() or not grey.any():
        return Tissues(float("nan"), float("nan"), dark, dark_share)
    return Tissues(float(np.median(tissue[grey])), float(np.median(tissue[~grey])), dark, dark_share)


def _otsu(values: np.ndarray) -> float:
    """The threshold between two classes of greatest separation (Otsu 1979), of 256 bins."""
    counts, edges = np.histogram(values, 256)
    centres = (edges[1:] + edges[:-1]) / 2
    below, sums = np.cumsum(counts)[:-1], np.cumsum(counts * centres)
    above = values.size - below
    separation = below * above * (sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)) ** 2
    return float(edges[1:-1][np.argmax(separation)])


def t1w_warnings(t1w: Volume) -> tuple[str, ...]:
    """A sentence where a series given as T1W does not look T1-weighted."""
    return _t1w_warnings(t1w, bright_fill(t1w))


def _t1w_warnings(t1w: Volume, fill: float) -> tuple[str, ...]:
    classes = tissues(t1w)
    ratio = classes.fat / classes.muscle
    low, high = FAT_TO_MUSCLE
    if classes.dark_share < LOWEST_DARK_SHARE:
        what = f"hardly anything is dark, {100 * classes.dark_share:.1f}% of the frame, usually above 3.5%; inverted grey scale?"
    elif fill < LOWEST_T1W and bright_tail(t1w) > BRIGHT_TAIL:
        what = f"90th/99th percentile {fill:.2f}, usually above {LOWEST_T1W}; fat-suppressed?"
    elif ratio < low or (ratio < FLAT_RATIO and fill > FLAT_FILL):
        what = f"fat is {ratio:.1f} times as bright as muscle, usually 1.7 to 2.5; proton density or fat-suppressed?"
    elif ratio > high:
        what = f"fat is {ratio:.1f} times as bright as muscle, usually 1.7 to 2.5; T2-weighted or rescaled?"
    else:
        return ()
    return (f"{t1w.name} does not look T1-weighted ({what}); the disease region may be wrong. Check the series.",)


def check_contrasts(t1w: Volume, stir: Volume) -> tuple[str, ...]:
    """Refuse a T1W and a STIR series given in each other's place, or one series given twice.

    Returns
    -------
    tuple of str
        Warnings, for a series that looks unlike its name without being the other one.

    Raises
    ------
    InputError
        When the series are exchanged or the same.
    """
    middle = t1w.data.shape[2] // 2  # one slice tells two series apart
    if np.array_equal(t1w.data[..., middle], stir.data[..., middle]) and np.array_equal(t1w.data, stir.data):
        raise InputError(f"{t1w.name} and {stir.name} hold the same voxels; pass both series of one visit, T1W and STIR.")
    as_t1w, as_stir = bright_fill(t1w), bright_fill(stir)
    if as_t1w < as_stir:
        raise InputError(
            f"{t1w.name} and {stir.name} seem to be exchanged: bright fat and marrow fill more of the series given as STIR "
            f"(90th/99th percentile {as_stir:.2f}) than of the one given as T1W ({as_t1w:.2f}). Pass them the other way round."
        )
    warnings: list[str] = [*cautions("t1w", _t1w_warnings(t1w, as_t1w))]
    if as_stir > LOWEST_T1W:
        sentence = (
            f"{stir.name} does not look fat-suppressed (90th/99th percentile {as_stir:.2f}, usually below {LOWEST_T1W}); "
            "what is bright may be fat. Check the series."
        )
        warnings.append(Caution(sentence, "fat suppression"))
    return tuple(warnings)
