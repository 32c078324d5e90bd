"""A simulated trial whose truth is known: of numbers, and of scans with readers.

Of numbers: bias and spread of two readers and the slope of VHI on SPARCC are planted, so that intervals can be tried. Of scans:
pelvises before and after treatment, measured by the method itself, and readers whose cleaning differs in known ways.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..core.library import ndimage
from ..core.pipeline import VhiResult, measure_vhi
from ..core.volume import Mask, Volume
from ..errors import SettingsError
from .study import PhantomStudy, make_phantom

VISITS = ("baseline", "follow_up")
READERS = ("1", "2")
_BENT_STREAM = 1
# a lesion of the automatic result is inflammation when at least this share of its voxels is in the truth
TRUE_SHARE = 0.3
QUADRANTS = (("ilium", "upper"), ("ilium", "lower"), ("sacrum", "upper"), ("sacrum", "lower"))
SIDES = ("right", "left")
N_SPARCC_SLICES = 6
DEPTH_MM = 10.0
# what each reader takes for oedema in a quadrant of one slice: readers differ in how small a spot they still score
LEAST_MM2 = {"1": 10.0, "2": 40.0}


@dataclass(frozen=True)
class Bent:
    """The ways in which a reviewer may bend a trial of either kind; by default nothing is bent.

    Parameters
    ----------
    effect : float
        How strong the treatment is in patients who respond: 1 as usual (SPARCC falls by 60% on average, the radius of lesions by
        40%), 0.5 half of it, 0 for a treatment that does nothing.
    reader_bias : float
        Share by which the second reader's VHI is larger (below 0: smaller) than it would be.
    threshold_bias : float
        Share by which the thresholds lie too high at follow-up. Of a trial of numbers, which has no thresholds: by which every
        VHI at follow-up is too small.
    missing : float
        Probability that a visit is missing, whatever it would have shown.
    """

    effect: float = 1.0
    reader_bias: float = 0.0
    threshold_bias: float = 0.0
    missing: float = 0.0

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("true effect", self.effect, 0.0, 2.0),
            ("reader bias", self.reader_bias, -0.9, 10.0),
            ("threshold bias", self.threshold_bias, -0.9, 0.9),
            ("share of missing visits", self.missing, 0.0, 0.9),
        ):
            if not low <= value <= high:
                raise SettingsError(f"The {name} of a simulated trial is {value:g}; pass a number from {low:g} to {high:g}.")


@dataclass(frozen=True)
class PlantedNumbers:
    """The truth that a trial of numbers is drawn from.

    VHI [mm3] of the readers' mean is `intercept + slope * SPARCC` and normal noise of `residual_sd`; the first reader's VHI minus
    the second's is normal with `bias` and `sd` [mm3]. `correlation` is the share of both variances that belongs to the patient,
    and so to both visits.
    """

    n_patients: int = 29
    bias: float = 200.0
    sd: float = 2200.0
    slope: float = 900.0
    intercept: float = 30000.0
    residual_sd: float = 4000.0
    correlation: float = 0.0
    bent: Bent = field(default_factory=Bent)

    def __post_init__(self) -> None:
        if self.n_patients < 1 or self.sd < 0 or self.residual_sd < 0:
            raise SettingsError("A simulated trial needs a patient or more, and standard deviations of 0 or more.")
        if not 0 <= self.correlation <= 1:
            raise SettingsError(f"The correlation of a patient's visits is {self.correlation:g}; pass a number from 0 to 1.")
        # volumes are none below 0, and cutting them off there would change what is planted
        if self.intercept < 5 * (self.residual_sd + self.sd / 2) + abs(self.bias) or self.slope < 0:
            raise SettingsError("The planted intercept is too near 0: volumes would fall below it. Raise it, or lower the noise.")


@dataclass(frozen=True, eq=False)
class TrialNumbers:
    """A trial without images.

    Parameters
    ----------
    vhi : (n, 2, 2) float array
        Patient, visit (`VISITS`), reader (`READERS`) [mm3].
    sparcc : (n, 2, 2) float array
        Likewise, 0 to 72.
    present : (n, 2) bool array
        Which visits took place; the numbers of the others are in no row.
    clinical : mapping
        basdai, spinal_vas_cm, asdas and crp_mg_l to (n, 2) arrays: patient, visit.
    """

    planted: PlantedNumbers
    vhi: np.ndarray
    sparcc: np.ndarray
    present: np.ndarray
    clinical: Mapping[str, np.ndarray]

    @property
    def subjects(self) -> tuple[str, ...]:
        return tuple(subject_name(n) for n in range(len(self.vhi)))

    def rows(self) -> list[dict[str, str]]:
        """The columns of a cohort table: one row per patient, visit that took place, and reader."""
        return [
            {
                "subject": subject_name(n),
                "visit": VISITS[visit],
                "reader": READERS[reader],
                "method": "semi-automatic",
                "vhi_mm3": repr(float(self.vhi[n, visit, reader])),
                "sparcc": repr(float(self.sparcc[n, visit, reader])),
                **{name: repr(float(values[n, visit])) for name, values in self.clinical.items()},
            }
            for n, visit, reader in np.ndindex(self.vhi.shape)
            if self.present[n, visit]
        ]


def subject_name(n: int) -> str:
    """S01, S02, ... for patients 0, 1, ..."""
    return f"S{n + 1:02d}"


def simulate_numbers(seed: int, planted: PlantedNumbers | None = None) -> TrialNumbers:
    """A trial of numbers with known bias, spread and slope.

    SPARCC of the readers' mean and its fall under treatment are drawn anew for every seed; given SPARCC, the planted numbers
    hold exactly, without rounding or cutting off. What is bent changes the same patients: it draws nothing of theirs anew.
    """
    planted = planted or PlantedNumbers()
    rng = np.random.default_rng(seed)
    n, bent = planted.n_patients, planted.bent
    before = np.clip(rng.gamma(1.6, 10.0, n), 0, 50)
    responds = rng.random(n) < 0.6
    left = np.where(responds, _weakened(rng.uniform(0.1, 0.7, n), bent.effect), rng.uniform(0.8, 1.2, n))
    after = np.clip(before * left, 0, 55)
    score = np.round(np.stack([before, after], axis=1) * 2) / 2
    apart = np.round(rng.normal(-1.5, 6, (n, 2)))
    apart = np.clip(apart, -2 * np.minimum(score, 72 - score), 2 * np.minimum(score, 72 - score))
    noise, difference = rng.normal(0, planted.residual_sd, (n, 2)), rng.normal(0, planted.sd, (n, 2))
    clinical = _clinical(rng, responds)
    also = np.random.default_rng([seed, _BENT_STREAM])
    of_patient = [also.normal(0, sd, (n, 1)) for sd in (planted.residual_sd, planted.sd)]
    noise, difference = (
        np.sqrt(1 - planted.correlation) * of_visit + np.sqrt(planted.correlation) * shared
        for of_visit, shared in zip((noise, difference), of_patient, strict=True)
    )
    mean, difference = planted.intercept + planted.slope * score + noise, planted.bias + difference
    vhi = np.stack([mean + difference / 2, mean - difference / 2], axis=2)
    vhi[:, 1] *= 1 - bent.threshold_bias
    vhi[:, :, 1] *= 1 + bent.reader_bias
    return TrialNumbers(
        planted,
        vhi=vhi,
        sparcc=np.stack([score + apart / 2, score - apart / 2], axis=2),
        present=also.random((n, 2)) >= bent.missing,
        clinical=clinical,
    )


def _weakened(left: np.ndarray, effect: float) -> np.ndarray:
    """The share that the treatment leaves, when it is `effect` times as strong."""
    return np.asarray(left if effect == 1 else np.maximum(1 - effect * (1 - left), 0.0))


def _clinical(rng: np.random.Generator, responds: np.ndarray) -> dict[str, np.ndarray]:
    """Clinical scores at both visits, in one decimal; a response of the bone is mostly, not always, felt."""
    n = responds.size
    felt = np.where(rng.random(n) < 0.8, responds, ~responds)
    gain = np.where(felt, rng.uniform(0.3, 0.8, n), rng.uniform(-0.2, 0.2, n))

    def scale(low: float, high: float, top: float) -> np.ndarray:
        before = rng.uniform(low, high, n)
        after = before * (1 - gain) + rng.normal(0, 0.05 * high, n)
        return np.round(np.clip(np.stack([before, after], axis=1), 0, top), 1)

    return {
        "basdai": scale(4, 8.5, 10),
        "spinal_vas_cm": scale(4, 9, 10),
        "asdas": scale(2.1, 4.5, 10),
        "crp_mg_l": scale(2, 40, 1000),
    }


def as_csv(rows: Sequence[Mapping[str, str]]) -> str:
    """Rows of a cohort table as the text of a CSV file; the columns are those of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@dataclass(frozen=True)
class PatientPlan:
    """One patient of a trial of scans: the pelvis, and factors on the lesions' radii at both visits.

    `difference` says at which visit the second reader cleans otherwise, and how: "anatomical" (takes away the largest lesion of
    the ilium) or "artefact" (keeps all that is no inflammation). `present` says which visits take place.
    """

    subject: str
    seed: int
    n_lesions: int
    scales: tuple[float, float]
    difference: tuple[str, str] | None
    manual: bool
    clinical: Mapping[str, tuple[float, float]]
    present: tuple[bool, bool] = (True, True)
    reader_bias: float = 0.0
    threshold_bias: float = 0.0


@dataclass(frozen=True, eq=False)
class TrialReading:
    """The marks of one reader; `reading` counts from 1, `method` is "manual" or "semi-automatic"."""

    reader: str
    reading: int
    method: str
    mask: Mask


@dataclass(frozen=True, eq=False)
class TrialScore:
    """A SPARCC score as counted from the truth: (6, 2, 4) quadrants by slice, side (`SIDES`) and `QUADRANTS`, (6, 2) depth and
    intensity."""

    oedema: np.ndarray
    depth: np.ndarray
    intensity: np.ndarray

    @property
    def total(self) -> int:
        return int(self.oedema.sum() + self.depth.sum() + self.intensity.sum())


@dataclass(frozen=True, eq=False)
class TrialScan:
    """One visit: its images and truth, the automatic result, the readings, and in what the readers differ.

    `second_minus_first_voxels` is by how much the second reader's semi-automatic reading exceeds the first's; `disagreement`
    names a difference that was planted.
    """

    plan: PatientPlan
    visit: str
    study: PhantomStudy
    result: VhiResult
    readings: tuple[TrialReading, ...]
    second_minus_first_voxels: int
    disagreement: str | None

    @cached_property
    def sparcc(self) -> dict[str, TrialScore]:
        """Each reader's score."""
        return {reader: score_sparcc(self.study, LEAST_MM2[reader]) for reader in READERS}

    def rows(self) -> list[dict[str, str]]:
        """The columns of a cohort table: one row per reading."""
        when = VISITS.index(self.visit)
        return [
            {
                "subject": self.plan.subject,
                "visit": self.visit,
                "reader": reading.reader,
                "reading": str(reading.reading),
                "method": reading.method,
                "vhi_mm3": repr(reading.mask.volume_mm3),
                "vhi_voxels": str(reading.mask.voxels),
                "sparcc": str(self.sparcc[reading.reader].total) if reading.reading == 1 else "",
                "disagreement": self.disagreement or "",
                **{name: repr(values[when]) for name, values in self.plan.clinical.items()},
            }
            for reading in self.readings
        ]


def plan_trial(seed: int, n_patients: int = 29, bent: Bent | None = None) -> tuple[PatientPlan, ...]:
    """Who is in a trial of scans. Three patients have a planted difference (two anatomical, one artefact, as the paper found),
    the first eight are read by hand too. What is bent changes the same patients. At least one visit takes place.
    """
    bent = bent or Bent()
    rng = np.random.default_rng(seed)
    responds = rng.random(n_patients) < 0.6
    clinical = _clinical(rng, responds)
    order = rng.permutation(n_patients)
    kinds = dict(zip(order.tolist(), ("anatomical", "artefact", "anatomical"), strict=False))
    present = np.random.default_rng([seed, _BENT_STREAM]).random((n_patients, 2)) >= bent.missing
    present[0, 0] |= not present.any()
    plans = []
    for n in range(n_patients):
        before = float(rng.uniform(0.7, 1.2))
        left = _weakened(np.asarray(rng.uniform(0.4, 0.75)), bent.effect) if responds[n] else rng.uniform(0.9, 1.15)
        after = before * float(left)
        plans.append(
            PatientPlan(
                subject=subject_name(n),
                seed=int(rng.integers(2**31)),
                n_lesions=int(rng.integers(2, 7)),
                scales=(before, min(max(after, 0.2), 1.5)),
                difference=(VISITS[int(rng.integers(2))] if kinds[n] == "artefact" else VISITS[0], kinds[n])
                if n in kinds
                else None,
                manual=n < 8,
                clinical={name: (float(values[n, 0]), float(values[n, 1])) for name, values in clinical.items()},
                present=(bool(present[n, 0]), bool(present[n, 1])),
                reader_bias=bent.reader_bias,
                threshold_bias=bent.threshold_bias,
            )
        )
    return tuple(plans)


def simulate_scans(plans: Sequence[PatientPlan], shape: tuple[int, int, int] = (80, 80, 12)) -> Iterator[TrialScan]:
    """The visits of a trial that take place, one after the other, so that only one is in memory.

    Parameters
    ----------
    plans : sequence of PatientPlan
        As `plan_trial` gives them, or some of them: each patient is the same alone.
    shape : (I, J, K)
        Voxels of every scan.
    """
    for plan in plans:
        for visit, takes_place in zip(VISITS, plan.present, strict=True):
            if takes_place:
                yield simulate_scan(plan, visit, shape)


def simulate_scan(plan: PatientPlan, visit: str, shape: tuple[int, int, int] = (80, 80, 12)) -> TrialScan:
    """One visit of one patient: scanned, measured with the true regions, and read."""
    when = VISITS.index(visit)
    study = make_phantom(plan.seed, shape, n_lesions=plan.n_lesions, lesion_scale=plan.scales[when], visit=when)
    stir = _brightened(study, plan.threshold_bias) if when else study.stir
    result = measure_vhi(study.t1w, stir, (), study.normal_bone, None, study.disease_region)
    rng = np.random.default_rng([plan.seed, when])
    kind = plan.difference[1] if plan.difference and plan.difference[0] == visit else None
    first, second = _cleaned(study, result, kind, rng)
    planted = kind if first.voxels != second.voxels else None
    second = _biased(second, plan.reader_bias, study.disease_region)
    readings = [TrialReading(reader, 1, "semi-automatic", mask) for reader, mask in zip(READERS, (first, second), strict=True)]
    if plan.manual and when == 0:
        readings += [
            TrialReading(reader, reading, "manual", _drawn(study, rng, edge))
            for reader, edge in zip(READERS, (0.4, 0.6), strict=True)
            for reading in (1, 2)
        ]
    return TrialScan(plan, visit, study, result, tuple(readings), second.voxels - first.voxels, planted)


def _brightened(study: PhantomStudy, share: float) -> Volume:
    """STIR whose normal bone is brighter by a share, and with it both thresholds: they scale with that bone."""
    if not share:
        return study.stir
    data = np.where(study.normal_bone.data, study.stir.data * (1 + share), study.stir.data)
    return Volume(data.astype(study.stir.data.dtype), study.stir.grid, study.stir.name)


def _biased(mask: Mask, share: float, region: Mask) -> Mask:
    """A mask made larger, or smaller, by a share of its voxels, at its outline and within the disease region."""
    change = round(share * mask.voxels)
    if not change:
        return mask
    grown = change > 0
    distance = ndimage.distance_transform_edt(~mask.data if grown else mask.data, mask.grid.spacing_mm)
    candidates = np.flatnonzero(region.data & ~mask.data if grown else mask.data)
    nearest = candidates[np.argsort(distance.ravel()[candidates], kind="stable")[: abs(change)]]
    data = mask.data.copy()
    data.ravel()[nearest] = grown
    return Mask(data, mask.grid, mask.name)


def _cleaned(study: PhantomStudy, result: VhiResult, kind: str | None, rng: np.random.Generator) -> tuple[Mask, Mask]:
    """The lesions that two readers keep of the automatic result. The first keeps what is inflammation; the second too, and in
    every other scan the smallest lesion that is none, unless a larger difference was planned.
    """
    labels, count = result.lesion_labels, len(result.lesions)
    size = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    hit = np.bincount(labels[study.lesions > 0], minlength=count + 1)[1:]
    true = hit >= TRUE_SHARE * size
    second = true.copy()
    if kind == "anatomical":
        in_ilium = np.isin(study.lesions, [lesion.label for lesion in study.lesion_table if lesion.bone == "ilium"])
        ilium = np.bincount(labels[in_ilium], minlength=count + 1)[1:] > hit / 2
        candidates = np.flatnonzero(true & ilium) if (true & ilium).any() else np.flatnonzero(true)
        if candidates.size:
            second[candidates[np.argmax(size[candidates])]] = False
    elif kind == "artefact":
        second[:] = True
    elif rng.random() < 0.5 and not true.all():
        false = np.flatnonzero(~true)
        second[false[np.argmin(size[false])]] = True

    def mask(kept: np.ndarray) -> Mask:
        return Mask(np.concatenate([[False], kept])[labels], study.grid, "inflammation")

    return mask(true), mask(second)


def _drawn(study: PhantomStudy, rng: np.random.Generator, edge: float) -> Mask:
    """Inflammation drawn by hand: the truth with an uneven outline, generous for a low `edge` and tight for a high one."""
    soft = ndimage.gaussian_filter((study.lesions > 0).astype(np.float32), (0.8, 0.8, 0.3))
    uneven = ndimage.gaussian_filter(rng.standard_normal(soft.shape, dtype=np.float32), (1.5, 1.5, 0.5))
    # uneven where there is an outline, and nowhere else
    return Mask((soft + 0.15 * uneven / uneven.std() > edge) & (soft > 0.1), study.grid, "inflammation")


def score_sparcc(study: PhantomStudy, least_mm2: float) -> TrialScore:
    """SPARCC as a perfect eye would score it, by the truth: the six slices in a row that hold most oedema.

    A quadrant counts with `least_mm2` of oedema in the slice, depth with 10 mm of it from side to side, intensity where it is
    as bright as fluid (the brightest 0.5% of the scan) in its brightest tenth.
    """
    per_slice = np.count_nonzero(study.lesions, axis=(0, 1))
    windows = np.convolve(per_slice, np.ones(N_SPARCC_SLICES, dtype=int), mode="valid")
    start = int(np.argmax(windows))
    width, area = study.grid.spacing_mm[0], study.grid.spacing_mm[0] * study.grid.spacing_mm[1]
    fluid = float(np.percentile(study.stir.data, 99.5))
    oedema = np.zeros((N_SPARCC_SLICES, 2, 4), dtype=bool)
    depth, intensity = np.zeros((N_SPARCC_SLICES, 2), dtype=bool), np.zeros((N_SPARCC_SLICES, 2), dtype=bool)
    for row in range(N_SPARCC_SLICES):
        labels, stir = study.lesions[:, :, start + row], study.stir.data[:, :, start + row]
        for lesion in study.lesion_table:
            spot = labels == lesion.label
            if np.count_nonzero(spot) * area < least_mm2:
                continue
            side = SIDES.index(lesion.side)
            oedema[row, side, QUADRANTS.index((lesion.bone, lesion.level))] = True
            depth[row, side] |= bool(np.ptp(np.flatnonzero(spot.any(axis=1))) + 1 >= DEPTH_MM / width)
            intensity[row, side] |= bool(np.percentile(stir[spot], 90) >= fluid)
    return TrialScore(oedema, depth, intensity)
