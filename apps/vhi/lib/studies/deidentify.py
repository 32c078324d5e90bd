"""Image series without whose they are: what showing and measuring them needs is kept, and everything else is left out.

The standard's profile (PS3.15, annex E, Basic Application Level Confidentiality Profile) lists what is to be taken out of a data
set. Here what stays is listed, so that nothing passes that nobody thought of: private elements, attributes of later editions,
texts where numbers belong. Numbers stay if they are numbers, words if they are among the standard's own, descriptions nowhere.
Frames are decoded and written anew without compression, since code streams have room for comments; of a pixel cell the stored
bits alone remain, since old files keep overlays in the others.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import uuid
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from ..errors import InputError
from ..files import result_folder
from .dicom_content import files_in
from .dicom_files import dicom_among, read_header
from .dicom_frames import ENHANCED_MR, MR_IMAGE
from .dicom_voxels import read_cells, values_of
from .pairing import Role

_NUMBERS = frozenset(
    {
        # pixels
        "SamplesPerPixel", "NumberOfFrames", "Rows", "Columns", "BitsAllocated", "BitsStored", "HighBit", "PixelRepresentation",
        "WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept",
        # where they lie
        "PixelSpacing", "SliceThickness", "SpacingBetweenSlices", "ImagePositionPatient", "ImageOrientationPatient",
        "SliceLocation", "InstanceNumber", "InStackPositionNumber", "DimensionIndexValues", "DimensionIndexPointer",
        "FunctionalGroupPointer",
        # how they were acquired
        "RepetitionTime", "EchoTime", "EffectiveEchoTime", "InversionTime", "InversionTimes", "FlipAngle", "EchoTrainLength",
        "NumberOfAverages", "MagneticFieldStrength",
    }
)  # fmt: skip
_YES_NO = frozenset({"YES", "NO"})
_IMAGE_TYPE = frozenset({"ORIGINAL", "DERIVED", "PRIMARY", "SECONDARY", "MIXED"})
_WORDS: dict[str, frozenset[str]] = {
    "Modality": frozenset({"MR"}),
    "PhotometricInterpretation": frozenset({"MONOCHROME1", "MONOCHROME2"}),
    "BurnedInAnnotation": _YES_NO,
    "LossyImageCompression": frozenset({"00", "01"}),
    "ImageType": _IMAGE_TYPE,
    "FrameType": _IMAGE_TYPE,
    "PatientPosition": frozenset({"HFS", "HFP", "HFDR", "HFDL", "FFS", "FFP", "FFDR", "FFDL"}),
    "ScanningSequence": frozenset({"SE", "IR", "GR", "EP", "RM"}),
    "SequenceVariant": frozenset({"SK", "MTC", "SS", "TRSS", "SP", "MP", "OSP", "NONE"}),
    "MRAcquisitionType": frozenset({"2D", "3D"}),
    "InversionRecovery": _YES_NO,
    "PixelPresentation": frozenset({"MONOCHROME"}),
    "VolumetricProperties": frozenset({"VOLUME"}),
    "VolumeBasedCalculationTechnique": frozenset({"NONE"}),
    "ComplexImageComponent": frozenset({"MAGNITUDE"}),
    "RescaleType": frozenset({"US"}),
    "VOILUTFunction": frozenset({"LINEAR", "LINEAR_EXACT"}),
    "DimensionOrganizationType": frozenset({"3D"}),
}
_SEQUENCES = frozenset(
    {
        "SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PixelMeasuresSequence", "PlanePositionSequence",
        "PlaneOrientationSequence", "PixelValueTransformationSequence", "FrameVOILUTSequence", "FrameContentSequence",
        "MRImageFrameTypeSequence", "MRTimingAndRelatedParametersSequence", "MREchoSequence", "MRModifierSequence",
        "DimensionOrganizationSequence", "DimensionIndexSequence",
    }
)  # fmt: skip
_REPLACED_UIDS = frozenset({"FrameOfReferenceUID", "DimensionOrganizationUID"})
# there must be such an element, and it says nothing
_EMPTY = (
    "StudyDate", "StudyTime", "AccessionNumber", "ReferringPhysicianName", "PatientBirthDate", "PatientSex", "StudyID",
    "Manufacturer", "PositionReferenceIndicator",
)  # fmt: skip
_SERIES_NUMBER: dict[Role, int] = {"T1W": 1, "STIR": 2}
_NUMBER_VRS = {"US", "SS", "UL", "SL", "FD", "FL", "DS", "IS", "AT"}
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


class BurnedInError(InputError):
    """Text may stand in the pixels; the sentence names nobody, so that it may be shown to readers who read blinded."""


@dataclass(frozen=True)
class Pseudonym:
    """The names of a series in place of its own.

    Attributes
    ----------
    alias : in place of the patient's name and id
    role : in place of the descriptions
    key : secret behind the replaced UIDs
    """

    alias: str
    role: Role
    key: bytes

    def uid(self, uid: str) -> str:
        """A UID in place of another: always the same for one UID of one alias, and another for another alias.

        Two visits of one patient may share a frame of reference; under two aliases nothing shows that.
        """
        digest = hmac.new(self.key, f"{self.alias}/{uid}".encode("utf-8", "replace"), hashlib.sha256).digest()
        return f"2.25.{uuid.UUID(bytes=digest[:16], version=4).int}"  # PS3.5, B.2


def write_deidentified(folder: Path, target: Path, pseudonym: Pseudonym) -> None:
    """Write the images below a folder again, each as `<its replaced UID>.dcm` in `target`, all or none.

    Parameters
    ----------
    folder : Path
        Of one series.
    target : Path
        New.
    pseudonym : Pseudonym

    Raises
    ------
    BurnedInError
        Text may stand in the pixels.
    InputError
        A file cannot be read, or is no MR image.
    OutputError
    """
    paths, _ = dicom_among(files_in(folder, pseudonym.role))
    headers = [(path, read_header(path)) for path in paths]
    for path, header in headers:
        check_pixels(header, path.name, pseudonym.role)
    with result_folder(target, ()) as staging:
        for path, header in headers:
            cells = values_of(read_cells(path), header, path.name)
            image = deidentified(header, cells, pseudonym)
            image.save_as(staging / f"{image.SOPInstanceUID}.dcm", enforce_file_format=True)


def check_pixels(header: Dataset, name: str, role: Role) -> None:
    """Refuse an image whose pixels may hold text.

    Raises
    ------
    BurnedInError
        It says so, or was made from other images and does not say that it holds none.
    InputError
        It is no MR image.

    Notes
    -----
    Burned In Annotation (0028,0301) and Image Type (0008,0008): PS3.3, C.7.6.1; of Enhanced MR also Frame Type, C.8.13.5.1.
    """
    burned_in = str(header.get("BurnedInAnnotation") or "").strip().upper()
    if burned_in == "YES":
        raise BurnedInError(
            f"The {role} series says that text is burned into its pixels (Burned In Annotation YES). It may name the patient, so "
            "that nobody can read it blinded; send the images without text."
        )
    if header.get("SOPClassUID") not in (MR_IMAGE, *ENHANCED_MR):
        raise InputError(f"{name} is no MR image, so that it cannot be shown without names; pass the original series.")
    if burned_in != "NO" and {"DERIVED", "SECONDARY"} & _image_types(header):
        raise BurnedInError(
            f"The {role} series was made from other images (Image Type DERIVED or SECONDARY) and does not say that its pixels "
            "hold no text (Burned In Annotation NO), so that nobody can read it blinded; send the original images."
        )


def deidentified(header: Dataset, values: np.ndarray, pseudonym: Pseudonym) -> Dataset:
    """An image under a pseudonym, ready to be written.

    Parameters
    ----------
    header : Dataset
        Of the image; not changed.
    values : (frames, rows, columns) integer array
        As stored, before any rescaling, with all bits of a cell.
    pseudonym : Pseudonym
    """
    written = _kept(header, pseudonym)
    written.SOPClassUID = UID(str(header.SOPClassUID))
    for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
        setattr(written, keyword, UID(pseudonym.uid(str(header[keyword].value))))
    for keyword in _EMPTY:
        setattr(written, keyword, "")
    written.PatientName = written.PatientID = pseudonym.alias
    written.StudyDescription, written.SeriesDescription = "MR", pseudonym.role
    written.SeriesNumber = _SERIES_NUMBER[pseudonym.role]
    written.PatientIdentityRemoved, written.LongitudinalTemporalInformationModified = "YES", "REMOVED"
    written.DeidentificationMethod = "PS3.15 E Basic Profile, attributes kept by list"
    written.HighBit = int(written.BitsStored) - 1
    content = values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    written.PixelData = content + b"\0" * (len(content) % 2)
    written["PixelData"].VR = "OW"
    written.file_meta = FileMetaDataset()
    written.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    written.file_meta.MediaStorageSOPClassUID = written.SOPClassUID
    written.file_meta.MediaStorageSOPInstanceUID = written.SOPInstanceUID
    written.preamble = bytes(128)
    return written


def _kept(dataset: Dataset, pseudonym: Pseudonym) -> Dataset:
    """The part of a data set, or of an item in one, that stays."""
    copy = Dataset()
    for element in dataset:
        keyword = element.keyword
        if keyword in _SEQUENCES and element.VR == "SQ":
            setattr(copy, keyword, Sequence([_kept(item, pseudonym) for item in element.value]))
        elif keyword in _REPLACED_UIDS and element.value:
            setattr(copy, keyword, UID(pseudonym.uid(str(element.value))))
        elif (values := _values(element)) is not None:
            copy.add_new(element.tag, element.VR, values)
    return copy


def _values(element: DataElement) -> list[object] | None:
    """The values of an element that may stay; None where it may not."""
    given = list(element.value) if isinstance(element.value, MultiValue | list | tuple) else [element.value]
    if element.keyword in _WORDS:
        words: list[object] = [word for word in (str(text).strip().upper() for text in given) if word in _WORDS[element.keyword]]
        return words or None
    if element.keyword not in _NUMBERS or element.VR not in _NUMBER_VRS:
        return None
    if element.VR in ("DS", "IS"):
        texts: list[object] = [str(value).strip() for value in given]
        return texts if all(_NUMBER.fullmatch(str(text)) for text in texts) else None
    return given if all(isinstance(value, int | float) for value in given) else None


def _image_types(header: Dataset) -> set[str]:
    """All values of Image Type and of the Frame Types within."""
    identifiers: set[str] = set()
    todo = [header]
    while todo:
        dataset = todo.pop()
        for element in dataset:
            if element.VR == "SQ" and element.keyword in _SEQUENCES:
                todo += list(element.value)
            elif element.keyword in ("ImageType", "FrameType") and element.value:
                given = [element.value] if isinstance(element.value, str) else element.value
                identifiers |= {str(text).strip().upper() for text in given}
    return identifiers
