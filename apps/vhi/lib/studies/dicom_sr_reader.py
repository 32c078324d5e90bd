"""VHI of a structured report (TID 1500), as this program writes it: who read, how, and the volumes.

Items are known by their codes; the two grades by the tracking identifiers that `lib.reports.dicom_sr` gives them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pydicom.dataset import Dataset

from ..core.chain import RecordedChain
from ..core.proposal import Stage
from ..core.settings import other_measure_stated
from ..core.stages import NAMES, STAGES

STRUCTURED_REPORTS = ("1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.22")
_GROUP, _TRACKING, _VOLUME = ("125007", "DCM"), ("112039", "DCM"), ("118565006", "SCT")
_PERSON, _ALGORITHM, _PARAMETER, _MM3 = ("121008", "DCM"), ("111001", "DCM"), ("111002", "DCM"), "mm3"
# by stage; reports from before stages were stated call every volume VHI
SENSITIVE, CONSERVATIVE = (
    [f"{name} at the {grade} threshold" for name in NAMES.values()] for grade in ("sensitive", "conservative")
)
_STAGE = ("VHI-STAGE", "99VHI")
_STAGES: dict[str, Stage] = {f"VHI-{stage.upper()}": stage for stage in STAGES}


@dataclass(frozen=True)
class ReportedVhi:
    """The content of a structured report on one reading.

    Parameters
    ----------
    reader : str
        Family and given name; "" where no person observed.
    manual : bool
        Whether no algorithm had a part in the inflammation.
    sensitive_mm3 : float
    conservative_mm3 : float or None
    segmentations : frozenset of str
        SOP instance UIDs of what the report refers to.
    stage : "raw", "proposed", "cleaned" or None
        None where the report does not say: a reader's number counted as cleaned then.
    chain : RecordedChain or None
        Of the post-transforms, as the parameters of the algorithm name it; None where `manual`.
    settings : tuple of str or None
        Of thresholds and parts left out that were changed, each by name and value; None where `manual`.
    """

    reader: str
    manual: bool
    sensitive_mm3: float
    conservative_mm3: float | None
    segmentations: frozenset[str]
    chain: RecordedChain | None = None
    stage: Stage | None = None
    settings: tuple[str, ...] | None = None


def read_vhi_report(report: Dataset) -> ReportedVhi | None:
    """The VHI in a structured report; None where it reports none."""
    if str(report.get("SOPClassUID", "")) not in STRUCTURED_REPORTS:
        return None
    items = list(_items(report))
    groups = {_tracking(item): item for item in items if _code(item) == _GROUP}
    group = _named(groups, SENSITIVE)
    sensitive = _volume(group)
    if group is None or sensitive is None:
        return None
    names = [str(item.get("PersonName", "")) for item in items if _code(item) == _PERSON]
    manual = all(_code(part) != _ALGORITHM for part in _items(group))
    stated = _stated(group)
    return ReportedVhi(
        " ".join(part for part in names[0].split("=")[0].split("^")[:2] if part) if names else "",
        manual,
        sensitive,
        _volume(_named(groups, CONSERVATIVE)),
        frozenset(_referenced(report)),
        None if manual else _chain(stated),
        _stage(group),
        None if manual else other_measure_stated(stated),
    )


def _items(item: Dataset) -> Iterator[Dataset]:
    """Every content item below one, at any depth."""
    for child in item.get("ContentSequence") or ():
        yield child
        yield from _items(child)


def _code(item: Dataset) -> tuple[str, str]:
    names = item.get("ConceptNameCodeSequence")
    return (str(names[0].get("CodeValue", "")), str(names[0].get("CodingSchemeDesignator", ""))) if names else ("", "")


def _tracking(group: Dataset) -> str:
    return next((str(child.TextValue) for child in group.get("ContentSequence") or () if _code(child) == _TRACKING), "")


def _named(groups: Mapping[str, Dataset], names: Sequence[str]) -> Dataset | None:
    return next((groups[name] for name in names if name in groups), None)


def _stage(group: Dataset) -> Stage | None:
    for item in group.get("ContentSequence") or ():
        if _code(item) == _STAGE and item.get("ConceptCodeSequence"):
            return _STAGES.get(str(item.ConceptCodeSequence[0].get("CodeValue", "")))
    return None


def _volume(group: Dataset | None) -> float | None:
    """Of both sides: a measurement of one side has a finding site below it."""
    for item in () if group is None else group.get("ContentSequence") or ():
        if _code(item) != _VOLUME or not item.get("MeasuredValueSequence") or _has_side(item):
            continue
        value = item.MeasuredValueSequence[0]
        units = value.get("MeasurementUnitsCodeSequence")
        if units and str(units[0].get("CodeValue", "")) == _MM3:
            return float(value.NumericValue)
    return None


def _stated(group: Dataset) -> dict[str, str]:
    """The parameters of the algorithm by name: changed settings, and the chain of post-transforms."""
    texts = [str(item.get("TextValue", "")) for item in _items(group) if _code(item) == _PARAMETER]
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def _chain(stated: Mapping[str, str]) -> RecordedChain:
    """Reports from before there was a choice name no chain: it is the paper's."""
    if "post_transforms" not in stated:
        return RecordedChain.of(None)
    return RecordedChain.of({"name": stated["post_transforms"], "sha256": stated.get("post_transforms_sha256", "")})


def _has_side(item: Dataset) -> bool:
    return any(
        str(child.get("ValueType", "")) == "CODE" and child.get("ContentSequence") for child in item.get("ContentSequence") or ()
    )


def _referenced(report: Dataset) -> Iterator[str]:
    for study in report.get("CurrentRequestedProcedureEvidenceSequence") or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for instance in series.get("ReferencedSOPSequence") or ():
                yield str(instance.get("ReferencedSOPInstanceUID", ""))
