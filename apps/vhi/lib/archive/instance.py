"""The index's record of a DICOM file: its identifiers, the attributes searches know, and its metadata as DICOM JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydicom
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.uid import UID

from ..errors import InputError
from ..studies.dicom_files import UNREADABLE
from ..studies.dicom_structure import DEFLATED, PLAIN, Structure, structure_of
from .attributes import MORE, SHOWN, Level, tag_of

# stands in the kept metadata for the address of the instance, as JSON writes it; quotes within values are escaped there, so
# that no value can look like this
HERE = '"BulkDataURI":"\\u0000'
# binary values longer than this are fetched by an address of their own [bytes]
LARGEST_INLINE = 1024
_DEFERRED = 64 * 1024
_BINARY = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")
_UID = re.compile(r"[0-9]+(\.[0-9]+)*")
_PIXELS = (0x7FE00010, 0x7FE00008, 0x7FE00009)


@dataclass(frozen=True)
class Instance:
    """One SOP instance in a file.

    `attributes` holds, for each level, the values that searches compare with, by keyword; `shown` and `more` the same level's
    elements as DICOM JSON; `metadata` all elements but long binary ones, as the text of a DICOM JSON object.
    """

    study_uid: str
    series_uid: str
    sop_uid: str
    sop_class: str
    syntax: str
    attributes: dict[Level, dict[str, str]]
    shown: dict[Level, dict[str, Any]]
    more: dict[Level, dict[str, Any]]
    metadata: str


def is_uid(text: str) -> bool:
    """Whether a text has the form of a UID; nothing else ever becomes a part of a path."""
    return len(text) <= 64 and _UID.fullmatch(text) is not None


def read_instance(path: Path) -> Instance:
    """Read a file for the index, voxels left where they are.

    Raises
    ------
    InputError
        It is no DICOM file, truncated, damaged, or without the identifiers that an archive needs.
    """
    try:
        structure = structure_of(path)
        # inflated files cannot be read again by position
        defer = None if structure.syntax == DEFLATED else _DEFERRED
        header = pydicom.dcmread(path, stop_before_pixels=True, defer_size=defer)
        uids = {name: str(header.get(name) or "") for name in _IDENTIFIERS}
        _check_uids(path, uids)
        _check_voxels(path, structure, uids["SOPClassUID"])
        return _instance(structure, header, uids)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{path.name} cannot be read ({error.strerror or error}).") from error
    except UNREADABLE as error:
        raise InputError(f"{path.name} is damaged: its header cannot be read ({type(error).__name__}).") from error


_IDENTIFIERS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")


def _check_uids(path: Path, uids: dict[str, str]) -> None:
    for name, value in uids.items():
        if not value:
            raise InputError(f"{path.name} has no {name}; it is truncated, or not a DICOM object that can be kept.")
        if not is_uid(value):
            raise InputError(
                f"{path.name}: its {name} is {value[:80]!r}, which is no UID: digits and single points, at most 64 characters."
            )


def _check_voxels(path: Path, structure: Structure, sop_class: str) -> None:
    """Refuse an image without its voxels, or with fewer than its header says."""
    name = UID(sop_class).name
    pixels = structure.pixels
    if pixels is None:
        if name.endswith(("Image Storage", "Segmentation Storage")):
            raise InputError(f"{path.name} is truncated: it is an image ({name}) and holds no voxels.")
        return
    frames = structure.number(0x00280008, 1)
    if pixels.fragments is not None:
        if len(pixels.fragments) < 2:
            raise InputError(f"{path.name} is truncated: it holds no compressed voxels.")
        return
    if structure.syntax not in PLAIN:
        return
    bits = structure.number(0x00280100) * structure.number(0x00280002, 1)
    needed = (frames * structure.number(0x00280010) * structure.number(0x00280011) * bits + 7) // 8
    if structure.text(0x00280004) == "YBR_FULL_422":
        needed = needed * 2 // 3
    if pixels.length < needed:
        raise InputError(f"{path.name} is truncated: its voxels need {needed} bytes, it holds {pixels.length}.")


def _instance(structure: Structure, header: Dataset, uids: dict[str, str]) -> Instance:
    elements = _json(header, "\0/bulkdata/", structure)
    if "00080005" in elements:
        elements["00080005"] = {"vr": "CS", "Value": ["ISO_IR 192"]}  # what JSON is written in
    elements["00083002"] = {"vr": "UI", "Value": [structure.syntax]}
    kept: dict[str, dict[Level, dict[str, Any]]] = {"shown": {}, "more": {}}
    attributes: dict[Level, dict[str, str]] = {}
    for level in Level:
        for name, keywords in (("shown", SHOWN[level]), ("more", MORE[level])):
            tags = [tag_of(keyword) for keyword in keywords]
            kept[name][level] = {tag: elements[tag] for tag in sorted(tags) if tag in elements}
        attributes[level] = {keyword: _searched(elements.get(tag_of(keyword))) for keyword in SHOWN[level]}
    return Instance(
        uids["StudyInstanceUID"],
        uids["SeriesInstanceUID"],
        uids["SOPInstanceUID"],
        uids["SOPClassUID"],
        structure.syntax,
        attributes,
        kept["shown"],
        kept["more"],
        json.dumps(dict(sorted(elements.items())), ensure_ascii=False, separators=(",", ":")),
    )


def _searched(element: dict[str, Any] | None) -> str:
    """The value that searches compare with; several values are joined by backslashes, a name's groups by equals signs."""
    if element is None or element["vr"] == "SQ":
        return ""
    values = element.get("Value", [])
    texts = ("=".join(value.values()) if isinstance(value, dict) else str(value) for value in values if value is not None)
    return "\\".join(texts)


def _json(dataset: Dataset, address: str, structure: Structure | None = None) -> dict[str, Any]:
    """DICOM JSON of a data set. An element whose value breaks the rules of its VR is left out: JSON cannot hold it."""
    elements: dict[str, Any] = {}
    for tag in sorted(dataset.keys()):
        if tag.group in (0, 2) or tag.element == 0:
            continue  # group lengths
        raw = dataset.get_item(tag)
        here = f"{address}{int(tag):08X}"
        try:
            elements[f"{int(tag):08X}"] = _element(raw, dataset, here)
        except UNREADABLE:
            continue
    if structure is not None:
        for number in _PIXELS:
            if number in structure.elements:
                vr = "OF" if number == _PIXELS[1] else "OD" if number == _PIXELS[2] else structure.elements[number].vr or "OW"
                elements[f"{number:08X}"] = {"vr": vr if vr in _BINARY else "OW", "BulkDataURI": f"{address}{number:08X}"}
    return elements


def _element(raw: DataElement | RawDataElement | None, dataset: Dataset, here: str) -> dict[str, Any]:
    if isinstance(raw, RawDataElement) and raw.length > _DEFERRED and raw.VR in _BINARY:
        return {"vr": raw.VR, "BulkDataURI": here}  # never read
    element = dataset[raw.tag]  # type: ignore[union-attr]
    if element.VR == "SQ":
        return {"vr": "SQ", "Value": [_json(item, f"{here}.{index}.") for index, item in enumerate(element.value or [])]}
    value = element.value
    if isinstance(value, bytes) and len(value) > LARGEST_INLINE:
        return {"vr": element.VR if element.VR in _BINARY else "OB", "BulkDataURI": here}
    element_json = element.to_json_dict(None, 0)
    if isinstance(value, MultiValue) and not len(value):
        element_json.pop("Value", None)
    json.dumps(element_json, allow_nan=False)  # a number that is not finite is no JSON
    return dict(element_json)
