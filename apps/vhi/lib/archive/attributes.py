"""The attributes that searches know: at which level they stand, which are always told, and which can be searched by.

PS3.18, tables 10.6.1-5 and 10.6.3-3 to 5, and what viewers ask for beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword


class Level(IntEnum):
    """A level of DICOM's information model: study, series or instance."""

    STUDY = 0
    SERIES = 1
    INSTANCE = 2


@dataclass(frozen=True)
class Searchable:
    """An attribute with a column of its own in the index."""

    keyword: str
    level: Level

    @property
    def tag(self) -> str:
        return tag_of(self.keyword)

    @property
    def vr(self) -> str:
        return dictionary_VR(int(self.tag, 16))


def tag_of(keyword: str) -> str:
    """The tag of an attribute as eight hexadecimal digits."""
    tag = tag_for_keyword(keyword)
    if tag is None:
        raise KeyError(keyword)
    return f"{tag:08X}"


def keyword_of(name: str) -> str | None:
    """The keyword that a client means by a keyword or by a tag in hexadecimal digits; None for neither."""
    if len(name) == 8 and all(digit in "0123456789abcdefABCDEF" for digit in name):
        return keyword_for_tag(int(name, 16)) or None
    return name if tag_for_keyword(name) is not None else None


SHOWN: dict[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "StudyDate",
        "StudyTime",
        "AccessionNumber",
        "ReferringPhysicianName",
        "TimezoneOffsetFromUTC",
        "StudyDescription",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyID",
    ),
    Level.SERIES: (
        "SeriesDate",
        "SeriesTime",
        "Modality",
        "SeriesDescription",
        "BodyPartExamined",
        "ProtocolName",
        "SeriesInstanceUID",
        "SeriesNumber",
        "FrameOfReferenceUID",
        "PerformedProcedureStepStartDate",
        "PerformedProcedureStepStartTime",
        "RequestAttributesSequence",
    ),
    Level.INSTANCE: (
        "SOPClassUID",
        "SOPInstanceUID",
        "InstanceNumber",
        "NumberOfFrames",
        "Rows",
        "Columns",
        "BitsAllocated",
    ),
}
# sent on request, by includefield
MORE: dict[Level, tuple[str, ...]] = {
    Level.STUDY: (
        "IssuerOfPatientID",
        "OtherPatientIDs",
        "EthnicGroup",
        "PatientComments",
        "PatientAge",
        "PatientSize",
        "PatientWeight",
        "Occupation",
        "AdditionalPatientHistory",
        "PatientIdentityRemoved",
        "DeidentificationMethod",
        "NameOfPhysiciansReadingStudy",
        "AdmittingDiagnosesDescription",
        "ProcedureCodeSequence",
    ),
    Level.SERIES: (
        "Manufacturer",
        "InstitutionName",
        "StationName",
        "InstitutionalDepartmentName",
        "PerformingPhysicianName",
        "OperatorsName",
        "ManufacturerModelName",
        "DeviceSerialNumber",
        "SoftwareVersions",
        "MagneticFieldStrength",
        "Laterality",
        "PatientPosition",
        "PerformedProcedureStepID",
        "PerformedProcedureStepDescription",
    ),
    Level.INSTANCE: (),  # all of the instance's own metadata
}
_SEARCHED = {
    Level.STUDY: (*SHOWN[Level.STUDY], "ModalitiesInStudy"),
    Level.SERIES: tuple(one for one in SHOWN[Level.SERIES] if not one.endswith("Sequence")),
    Level.INSTANCE: ("SOPClassUID", "SOPInstanceUID", "InstanceNumber"),
}
SEARCHABLE: dict[str, Searchable] = {
    keyword: Searchable(keyword, level) for level, keywords in _SEARCHED.items() for keyword in keywords
}
