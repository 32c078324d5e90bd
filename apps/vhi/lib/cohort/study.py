"""The analyses of a study, from its table: which readings go into each, which are left out and why, and what was found.

Every analysis is a result that can stand alone; the statistics are those of the other modules of this room.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from ..errors import SettingsError
from .agreement import (
    BlandAltman,
    IntraclassCorrelation,
    MeasurementError,
    bland_altman,
    icc_a1,
    measurement_error,
)
from .assumptions import Assumptions, check_assumptions
from .estimate import Summary, summary
from .failure import Disagreement, RegionFailures, disagreements, region_failures
from .regression import Regression, linear_regression
from .response import (
    CrossTable,
    StandardisedResponseMean,
    clinical_responses,
    cross_table,
    imaging_response,
    standardised_response_mean,
)
from .scales import SCALES, Scale, on_scale
from .sensitivity import Sensitivity, sensitivity
from .table import METHODS, NUMBERS, VISITS, CohortTable, Reading, Visit, natural

VHI, VHI_VOXELS, SPARCC = "vhi_mm3", "vhi_voxels", "sparcc"
UNITS = {VHI: "mm³", VHI_VOXELS: "voxels", SPARCC: "points"}
Key = tuple[str, str]


@dataclass(frozen=True)
class StudySettings:
    """Settings that a user may choose.

    Parameters
    ----------
    truncate_vhi_mm3 : float, optional
        Above it readings are left out on the truncated scale; the upper fence of the readings when absent.
    fewest_votes : int
        Of the composite reference standard.
    vhi_response_mm3, sparcc_response : float
        A decrease of more than that is a response by imaging.
    failure_sd : float
        Reader differences further from 0 than this many standard deviations are looked at one by one.
    reading : int
        Which of a reader's readings the analyses of numbers take.
    per_reader : bool
        Regressions for each reader too, not of the readers' mean alone.
    """

    truncate_vhi_mm3: float | None = None
    fewest_votes: int = 3
    vhi_response_mm3: float = 0.0
    sparcc_response: float = 0.0
    failure_sd: float = 2.0
    reading: int = 1
    per_reader: bool = False

    def __post_init__(self) -> None:
        if self.truncate_vhi_mm3 is not None and not 0 < self.truncate_vhi_mm3 < math.inf:
            raise SettingsError(f"VHI is truncated at {self.truncate_vhi_mm3:g} mm3; pass a volume above 0.")
        for name, value in (("vhi", self.vhi_response_mm3), ("sparcc", self.sparcc_response)):
            if not 0 <= value < math.inf:
                raise SettingsError(f"The decrease of {name} that counts as response is {value:g}; pass 0 or more.")
        if not 0 < self.failure_sd < math.inf:
            raise SettingsError(f"Failures lie beyond {self.failure_sd:g} standard deviations; pass a number above 0.")
        if self.fewest_votes < 1:
            raise SettingsError(f"The reference standard needs {self.fewest_votes} votes; pass 1 or more.")


@dataclass(frozen=True)
class LeftOut:
    """A visit (or a subject: `visit` is "") that an analysis could not use."""

    subject: str
    visit: str
    why: str


@dataclass(frozen=True, eq=False)
class ReadersMean:
    """A column's mean over all readers of one method, by visit, of the visits that every one of them read."""

    column: str
    method: str | None
    readers: tuple[str, ...]
    values: Mapping[Key, float]
    left_out: tuple[LeftOut, ...]


def readers_mean(
    table: CohortTable, column: str, method: str | None, reading: int = 1, readers: Sequence[str] | None = None
) -> ReadersMean:
    """The mean of the readers; `readers` None takes all who have values in the column."""
    who = tuple(readers if readers is not None else table.readers(column, method))
    by_reader = {reader: table.of_reader(column, reader, reading, method) for reader in who}
    values, left_out = {}, []
    for key in _ordered(table):
        missing = [reader for reader in who if key not in by_reader[reader]]
        if who and not missing:
            values[key] = float(np.mean([by_reader[reader][key] for reader in who]))
        else:
            left_out.append(LeftOut(*key, _not_read(column, missing, method)))
    return ReadersMean(column, method, who, values, tuple(left_out))


def main_method(table: CohortTable) -> str | None:
    """The method whose VHI stands for the study: semi-automatic where anybody read so."""
    column = vhi_column(table)
    return next((method for method in METHODS if table.readers(column, method)), None)


def vhi_column(table: CohortTable) -> str:
    """The column that VHI is analysed in: mm3, or voxels (the paper's unit) where nobody's mm3 are known."""
    return VHI if table.readers(VHI) or not table.readers(VHI_VOXELS) else VHI_VOXELS


def unused(table: CohortTable, settings: StudySettings) -> tuple[str, ...]:
    """A sentence for each reader and method whose numbers are in the table and in no analysis of numbers."""
    column, sentences = vhi_column(table), []
    by_reader: dict[tuple[str, str], list[Reading]] = {}
    for made in table.readings:
        by_reader.setdefault((made.reader, made.method), []).append(made)
    for (reader, method), readings in by_reader.items():
        volumes = [made for made in readings if any(name.startswith("vhi") for name in made.values)]
        without = [made for made in volumes if column not in made.values]
        if without:
            names = dict.fromkeys(name for made in without for name in made.values if name.startswith("vhi"))
            sentences.append(
                f"Reader {reader}, {method}: {len(without)} of {len(volumes)} readings have no {column}, which VHI is analysed "
                f"in; what they have ({', '.join(names)}) is in no analysis."
            )
        numbers = sorted({made.reading for made in readings})
        if numbers and settings.reading not in numbers:
            shown = ", ".join(map(str, numbers))
            sentences.append(
                f"Reader {reader}{f', {method}' if method else ''}, has reading {shown} alone; analyses of numbers take reading "
                f"{settings.reading} (--reading), so none of it is in them."
            )
    return tuple(sentences)


def truncation_point(values: Sequence[float]) -> float:
    """The upper fence of `(n,)` values: third quartile plus 1.5 interquartile ranges. Tukey 1977.

    The paper truncates by eye; a rule makes two studies alike. `nan` without values.
    """
    if not len(values):
        return math.nan
    low, high = np.percentile(np.asarray(values, dtype=np.float64), [25, 75])
    return float(high + 1.5 * (high - low))


@dataclass(frozen=True, eq=False)
class Relation:
    """VHI against SPARCC on the three scales of VHI. `keys` are the visits of `regressions["raw"]`'s points, in order."""

    who: str
    method: str
    keys: tuple[Key, ...]
    regressions: Mapping[Scale, Regression]
    truncate_at: float
    left_out: tuple[LeftOut, ...]


def relation(table: CohortTable, settings: StudySettings, reader: str | None = None) -> Relation | str:
    """Regression of VHI on SPARCC; of the readers' mean, or of one reader. A sentence where there is nothing to relate."""
    method = main_method(table)
    if method is None or not table.readers(SPARCC):
        return "It needs VHI and SPARCC scores; " + (
            "no VHI at the sensitive threshold was given." if method is None else "no SPARCC score was given."
        )
    only = None if reader is None else [reader]
    vhi = readers_mean(table, vhi_column(table), method, settings.reading, only)
    sparcc = readers_mean(table, SPARCC, None, settings.reading, only)
    keys = tuple(key for key in _ordered(table) if key in vhi.values and key in sparcc.values)
    left_out = _once((*vhi.left_out, *sparcc.left_out))
    x, y = [sparcc.values[key] for key in keys], [vhi.values[key] for key in keys]
    at = settings.truncate_vhi_mm3 if settings.truncate_vhi_mm3 is not None else truncation_point(y)
    if not keys:
        return "No visit has both VHI and SPARCC of every reader."
    subjects = [subject for subject, _ in keys]
    fits = {scale: linear_regression(x, on_scale(y, scale, at), subjects=subjects) for scale in SCALES}
    return Relation(reader or "mean of " + _names(vhi.readers), method, keys, fits, at, left_out)


@dataclass(frozen=True, eq=False)
class ReaderAgreement:
    """Two readers on one measure.

    `values[scale]` are both readers' numbers of the n visits `keys`, `(n,)` float each, in the unit that
    `lib.cohort.scales.on_scale` gives them; `nan` where truncated.
    """

    column: str
    method: str | None
    readers: tuple[str, str]
    keys: tuple[Key, ...]
    values: Mapping[Scale, tuple[np.ndarray, np.ndarray]]
    limits: Mapping[Scale, BlandAltman]
    assumptions: Mapping[Scale, Assumptions]
    icc: Mapping[Scale, IntraclassCorrelation]
    error: Mapping[Scale, MeasurementError]
    truncate_at: float | None
    left_out: tuple[LeftOut, ...]

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest mean of both readers, untransformed."""
        means = self.limits["raw"].means
        return (float(means.min()), float(means.max())) if means.size else (math.nan, math.nan)


def agreements(table: CohortTable, column: str, settings: StudySettings) -> tuple[ReaderAgreement, ...]:
    """Every two readers of a measure, by method; SPARCC has no method, and is not truncated as the paper does not."""
    by_pair = []
    methods: Sequence[str | None] = (
        [None] if column == SPARCC else [method for method in METHODS if table.readers(column, method)]
    )
    for method in methods:
        for pair in combinations(table.readers(column, method), 2):
            by_pair.append(_agreement(table, column, method, pair, settings))
    return tuple(agreement for agreement in by_pair if agreement is not None)


def _agreement(
    table: CohortTable, column: str, method: str | None, pair: tuple[str, str], settings: StudySettings
) -> ReaderAgreement | None:
    """None where the two have no visit in common."""
    first, second = (table.of_reader(column, reader, settings.reading, method) for reader in pair)
    keys = tuple(key for key in _ordered(table) if key in first and key in second)
    if not keys:
        return None
    left_out = tuple(
        LeftOut(*key, _not_read(column, [who for who, has in zip(pair, (first, second), strict=True) if key not in has], method))
        for key in _ordered(table)
        if key not in keys
    )
    a, b = np.array([first[key] for key in keys]), np.array([second[key] for key in keys])
    at: float | None = None
    scales: tuple[Scale, ...] = ("raw", "log")
    if column != SPARCC:
        scales = SCALES
        at = settings.truncate_vhi_mm3 if settings.truncate_vhi_mm3 is not None else truncation_point([*a, *b])
    values = {scale: (on_scale(a, scale, at), on_scale(b, scale, at)) for scale in scales}
    both = {scale: np.stack(values[scale], axis=1) for scale in scales}
    subjects = [subject for subject, _ in keys]
    limits = {scale: bland_altman(*values[scale], subjects=subjects) for scale in scales}
    return ReaderAgreement(
        column,
        method,
        pair,
        keys,
        values,
        limits,
        {scale: check_assumptions(limit, subjects=[subjects[n] for n in limit.kept]) for scale, limit in limits.items()},
        {scale: icc_a1(both[scale], subjects=subjects) for scale in scales},
        {scale: measurement_error(both[scale]) for scale in scales},
        at,
        left_out,
    )


@dataclass(frozen=True, eq=False)
class MeasureChange:
    """One imaging measure at both visits: the readers' mean of the n subjects who have both.

    `baseline` and `follow_up` are `(n,)` floats in the measure's unit, `response` `(n,)` as `lib.cohort.response` has it: 1
    responded, 0 did not, `nan` not known.
    """

    column: str
    subjects: tuple[str, ...]
    baseline: np.ndarray
    follow_up: np.ndarray
    response: np.ndarray
    srm: StandardisedResponseMean
    left_out: tuple[LeftOut, ...]

    @property
    def change(self) -> np.ndarray:
        """`(n,)` float: follow-up minus baseline in the unit of the measure, negative where it fell."""
        return self.follow_up - self.baseline

    @property
    def directions(self) -> tuple[str, ...]:
        """ "improved" where the measure fell, "worsened" where it rose, else "unchanged", of each subject."""
        return tuple("improved" if change < 0 else "worsened" if change > 0 else "unchanged" for change in self.change)

    def values(self) -> dict[str, tuple[float, float]]:
        """Baseline and follow-up by subject."""
        pairs = zip(self.baseline.tolist(), self.follow_up.tolist(), strict=True)
        return dict(zip(self.subjects, pairs, strict=True))

    def response_of(self) -> dict[str, float]:
        return dict(zip(self.subjects, (float(value) for value in self.response), strict=True))


@dataclass(frozen=True, eq=False)
class Agreeing:
    """Two definitions of response and how far they agree."""

    a: str
    b: str
    table: CrossTable


@dataclass(frozen=True, eq=False)
class Response:
    """Response of each subject by imaging and by the clinical definitions for which there are values.

    `clinical` maps a definition to each subject's response (1, 0, `nan`); `primary` is the one that the figures are split by.
    """

    vhi: MeasureChange | None
    sparcc: MeasureChange | None
    clinical: Mapping[str, Mapping[str, float]]
    primary: str | None
    agreement: tuple[Agreeing, ...]
    change: Regression | None
    change_subjects: tuple[str, ...]
    sensitivity: Sensitivity


def response(table: CohortTable, settings: StudySettings) -> Response | str:
    """Change between the visits; a sentence where nobody has two."""
    method = main_method(table)
    vhi = None if method is None else _change(table, vhi_column(table), method, settings.reading, settings.vhi_response_mm3)
    sparcc = _change(table, SPARCC, None, settings.reading, settings.sparcc_response) if table.readers(SPARCC) else None
    measures = {name: measure for name, measure in (("VHI", vhi), ("SPARCC", sparcc)) if measure is not None and measure.subjects}
    if not measures:
        return "It needs subjects with VHI or SPARCC at baseline and follow-up of every reader; there are none."
    clinical = _clinical(table)
    primary = next(iter(clinical), None)
    by_name: dict[str, Mapping[str, float]] = {name: measure.response_of() for name, measure in measures.items()}
    by_name |= clinical
    agreement = [
        Agreeing(
            a,
            b,
            cross_table(
                [by_name[a].get(subject, math.nan) for subject in who], [by_name[b].get(subject, math.nan) for subject in who]
            ),
        )
        for a, b in combinations(by_name, 2)
        if (a in measures or b in measures) and (who := table.subjects)
    ]
    fit, subjects = None, tuple[str, ...]()
    if len(measures) == 2 and vhi is not None and sparcc is not None:
        x, y = (dict(zip(measure.subjects, measure.change, strict=True)) for measure in (sparcc, vhi))
        subjects = tuple(subject for subject in vhi.subjects if subject in x)
        fit = linear_regression([x[subject] for subject in subjects], [y[subject] for subject in subjects])
    of_vhi, of_sparcc = (None if name not in measures else measures[name].values() for name in ("VHI", "SPARCC"))
    return Response(
        measures.get("VHI"),
        measures.get("SPARCC"),
        clinical,
        primary,
        tuple(agreement),
        fit,
        subjects,
        sensitivity(of_vhi, of_sparcc, clinical),
    )


def _change(table: CohortTable, column: str, method: str | None, reading: int, threshold: float) -> MeasureChange:
    mean = readers_mean(table, column, method, reading)
    subjects = tuple(subject for subject in table.subjects if all((subject, visit) in mean.values for visit in VISITS))
    before, after = (np.array([mean.values[subject, visit] for subject in subjects]) for visit in VISITS)
    left_out = []
    for subject in table.subjects:
        missing = [visit.replace("_", "-") for visit in VISITS if (subject, visit) not in mean.values]
        if missing:
            left_out.append(LeftOut(subject, "", f"no {column_text(column)} of every reader at {' nor at '.join(missing)}"))
    return MeasureChange(
        column,
        subjects,
        before,
        after,
        imaging_response(before, after, threshold),
        standardised_response_mean(before, after),
        tuple(left_out),
    )


def _clinical(table: CohortTable) -> dict[str, dict[str, float]]:
    subjects = table.subjects
    values = {}
    for column in ("basdai", "spinal_vas_cm", "asdas"):
        for visit, name in zip(VISITS, (column, f"{column}_after"), strict=True):
            known = table.of_visit(column, visit)
            if known:
                values[name] = np.array([known.get(subject, math.nan) for subject in subjects])
    responses = clinical_responses(values)
    # a definition that nobody has the values for says nothing
    return {
        name: dict(zip(subjects, (float(value) for value in response), strict=True))
        for name, response in responses.items()
        if not np.isnan(response).all()
    }


@dataclass(frozen=True, eq=False)
class FailureAnalysis:
    """The visits on which two readers of VHI differ most, the largest difference first, each with what is recorded of it.

    `sd` is the standard deviation of the differences, in the unit of VHI; a difference beyond `limit` is a failure.
    """

    readers: tuple[str, str]
    method: str
    n: int
    sd: float
    limit: float
    failures: tuple[tuple[Visit, Disagreement], ...]
    left_out: tuple[LeftOut, ...]


def failure_analysis(table: CohortTable, agreement: ReaderAgreement, settings: StudySettings) -> FailureAnalysis:
    """Visits whose reader difference lies more than some standard deviations from 0. Hepburn et al. 2023, section 2.7.4."""
    visits = [table.visits[key] for key in agreement.keys]
    failures = disagreements(*agreement.values["raw"], [visit.disagreement for visit in visits], settings.failure_sd)
    sd = agreement.limits["raw"].sd
    return FailureAnalysis(
        agreement.readers,
        agreement.method or "",
        len(agreement.keys),
        sd,
        settings.failure_sd * sd,
        tuple((visits[failure.position], failure) for failure in failures),
        agreement.left_out,
    )


def ratings_of(table: CohortTable) -> RegionFailures | None:
    """Readers' ratings of the automatic region, one per visit, reader and reading; None where nobody rated."""
    ratings: dict[tuple[str, str, str, int], str | None] = {}
    for reading in table.readings:
        if reading.rating is not None or reading.method == METHODS[0]:
            ratings[reading.key[:4]] = reading.rating or ratings.get(reading.key[:4])
    return region_failures(ratings.values()) if any(ratings.values()) else None


EFFORT = ("clicks", "seconds", "boundary_edits")


@dataclass(frozen=True)
class Effort:
    """Clicks, seconds or boundary edits of the readings of one reader by one method."""

    column: str
    reader: str
    method: str
    summary: Summary


def effort(table: CohortTable) -> tuple[Effort, ...]:
    """Median and range of effort, by reader and method."""
    by_reader: dict[tuple[str, str, str], list[float]] = {}
    for reading in table.readings:
        for column in EFFORT:
            if column in reading.values:
                by_reader.setdefault((column, reading.reader, reading.method), []).append(reading.values[column])
    ordered = sorted(by_reader, key=lambda key: (key[0], natural(key[1]), key[2]))
    return tuple(Effort(*key, summary(by_reader[key])) for key in ordered)


@dataclass(frozen=True, eq=False)
class Study:
    """Everything that the table alone gives. What could not be done is a sentence in its place."""

    table: CohortTable
    settings: StudySettings
    relations: tuple[Relation, ...] | str
    vhi_agreement: tuple[ReaderAgreement, ...]
    sparcc_agreement: tuple[ReaderAgreement, ...]
    response: Response | str
    failures: tuple[FailureAnalysis, ...]
    ratings: RegionFailures | None
    effort: tuple[Effort, ...] = field(default=())

    @property
    def vhi_unit(self) -> str:
        """Unit of every VHI, its limits and differences: "mm³" or "voxels"."""
        return UNITS[vhi_column(self.table)]


def analyse(table: CohortTable, settings: StudySettings | None = None) -> Study:
    """All analyses of the numbers of a cohort.

    Parameters
    ----------
    table : CohortTable
        Readings and visits.
    settings : StudySettings, optional
        The paper's choices when absent.

    Returns
    -------
    Study
        VHI against SPARCC, agreement between readers, response to treatment, failures, effort. What could not be done is a
        sentence in its place.

    Notes
    -----
    Hepburn et al. 2023, section 2.7.
    """
    chosen = settings or StudySettings()
    mean = relation(table, chosen)
    relations: tuple[Relation, ...] | str = mean if isinstance(mean, str) else (mean,)
    method = main_method(table)
    if chosen.per_reader and not isinstance(relations, str):
        both = [who for who in table.readers(vhi_column(table), method) if who in table.readers(SPARCC)]
        each = [relation(table, chosen, who) for who in both]
        relations = (*relations, *(result for result in each if not isinstance(result, str)))
    vhi = agreements(table, vhi_column(table), chosen)
    return Study(
        table=table,
        settings=chosen,
        relations=relations,
        vhi_agreement=vhi,
        sparcc_agreement=agreements(table, SPARCC, chosen),
        response=response(table, chosen),
        failures=tuple(failure_analysis(table, agreement, chosen) for agreement in vhi if agreement.method == method),
        ratings=ratings_of(table),
        effort=effort(table),
    )


def column_text(column: str) -> str:
    """How sentences call a column."""
    return {VHI: "VHI", VHI_VOXELS: "VHI in voxels", SPARCC: "SPARCC score"}.get(
        column, column if column not in NUMBERS else column.replace("_", " ")
    )


def _ordered(table: CohortTable) -> list[Key]:
    return sorted(table.visits, key=lambda key: (natural(key[0]), VISITS.index(key[1])))


def _not_read(column: str, missing: Sequence[str], method: str | None) -> str:
    of = "anybody" if not missing else f"reader {_names(missing)}"
    return f"no {method + ' ' if method else ''}{column_text(column)} of {of}"


def _names(readers: Sequence[str]) -> str:
    return " and ".join(readers)


def _once(left_out: Sequence[LeftOut]) -> tuple[LeftOut, ...]:
    """One entry per visit, with all reasons."""
    reasons: dict[Key, list[str]] = {}
    for absent in left_out:
        reasons.setdefault((absent.subject, absent.visit), []).append(absent.why)
    return tuple(LeftOut(*key, "; ".join(why)) for key, why in reasons.items())
