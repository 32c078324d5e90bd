"""VHI of a structured report (TID 1500), as this program writes it: who read, how, and the volumes.

Items are known by their codes; the two grades by the tracking identifiers that `lib.reports.dicom_sr` gives them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydicom.dataset import Dataset

from ..core.chain import RecordedChain

STRUCTURED_REPORTS = ("1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.88.22")
_GROUP, _TRACKING, _VOLUME = ("125007", "DCM"), ("112039", "DCM"), ("118565006", "SCT")
_PERSON, _ALGORITHM, _PARAMETER, _MM3 = ("121008", "DCM"), ("111001", "DCM"), ("111002", "DCM"), "mm3"
SENSITIVE, CONSERVATIVE = "VHI at the sensitive threshold", "VHI at the conservative threshold"


@dataclass(frozen=True)
class ReportedVhi:
    """What a report says of one reading.

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
    chain : RecordedChain or None
        Of the post-transforms, as the parameters of the algorithm name it; None where `manual`.
    """

    reader: str
    manual: bool
    sensitive_mm3: float
    conservative_mm3: float | None
    segmentations: frozenset[str]
    chain: RecordedChain | None = None


def read_vhi_report(report: Dataset) -> ReportedVhi | None:
    """The VHI in a structured report; None where it reports none."""
    if str(report.get("SOPClassUID", "")) not in STRUCTURED_REPORTS:
        return None
    items = list(_items(report))
    groups = {_tracking(one): one for one in items if _code(one) == _GROUP}
    sensitive = _volume(groups.get(SENSITIVE))
    if sensitive is None:
        return None
    names = [str(one.get("PersonName", "")) for one in items if _code(one) == _PERSON]
    manual = all(_code(one) != _ALGORITHM for one in _items(groups[SENSITIVE]))
    return ReportedVhi(
        " ".join(part for part in names[0].split("=")[0].split("^")[:2] if part) if names else "",
        manual,
        sensitive,
        _volume(groups.get(CONSERVATIVE)),
        frozenset(_referenced(report)),
        None if manual else _chain(groups[SENSITIVE]),
    )


def _items(item: Dataset) -> Iterator[Dataset]:
    """Every content item below one, at any depth."""
    for one in item.get("ContentSequence") or ():
        yield one
        yield from _items(one)


def _code(item: Dataset) -> tuple[str, str]:
    names = item.get("ConceptNameCodeSequence")
    return (str(names[0].get("CodeValue", "")), str(names[0].get("CodingSchemeDesignator", ""))) if names else ("", "")


def _tracking(group: Dataset) -> str:
    return next((str(one.TextValue) for one in group.get("ContentSequence") or () if _code(one) == _TRACKING), "")


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


def _chain(group: Dataset) -> RecordedChain:
    """Reports from before there was a choice name no chain: it is the paper's."""
    texts = [str(one.get("TextValue", "")) for one in _items(group) if _code(one) == _PARAMETER]
    stated = {name: value for name, _, value in (text.partition("=") for text in texts)}
    if "post_transforms" not in stated:
        return RecordedChain.of(None)
    return RecordedChain.of({"name": stated["post_transforms"], "sha256": stated.get("post_transforms_sha256", "")})


def _has_side(item: Dataset) -> bool:
    return any(
        str(one.get("ValueType", "")) == "CODE" and one.get("ContentSequence") for one in item.get("ContentSequence") or ()
    )


def _referenced(report: Dataset) -> Iterator[str]:
    for study in report.get("CurrentRequestedProcedureEvidenceSequence") or ():
        for series in study.get("ReferencedSeriesSequence") or ():
            for one in series.get("ReferencedSOPSequence") or ():
                yield str(one.get("ReferencedSOPInstanceUID", ""))
