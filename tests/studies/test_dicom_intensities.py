"""Whether the slices of a series have one scale of intensity, by what headers say beside the rescaling."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from lib.errors import InputError
from lib.studies.dicom_frames import Frame
from lib.studies.dicom_intensities import check_one_scale

LARGEST = 1000.0


def items(*values: dict[str, object]) -> Sequence:
    made = []
    for one in values:
        item = Dataset()
        for keyword, value in one.items():
            setattr(item, keyword, value)
        made.append(item)
    return Sequence(made)


def mapped(*scales: tuple[str, float, float], **header: object) -> Frame:
    """A slice with real world mappings: label, slope, intercept."""
    mappings = [
        {"LUTLabel": label, "RealWorldValueSlope": slope, "RealWorldValueIntercept": more} for label, slope, more in scales
    ]
    return Frame(Path("0001.dcm"), items({"RealWorldValueMappingSequence": items(*mappings), **header})[0])


def philips(slope: object, vr: str = "FL", *, converted: bool = False) -> Frame:
    """A slice with Philips' scale slope, in its header or where a legacy converted image keeps what it has no place for."""
    kept, header = Dataset(), Dataset()
    kept.private_block(0x2005, "Philips MR Imaging DD 001", create=True).add_new(0x0E, vr, slope)
    if not converted:
        return Frame(Path("0001.dcm"), kept)
    group = items({"UnassignedPerFrameConvertedAttributesSequence": Sequence([kept])})[0]
    header.PerFrameFunctionalGroupsSequence = Sequence([group])
    return Frame(Path("0001.dcm"), header, 0)


def no_sequence() -> Frame:
    """A slice that has numbers where sequences belong, in its header and in the private group."""
    group, header = Dataset(), Dataset()
    group.private_block(0x2005, "Philips MR Imaging DD 005", create=True).add_new(0x0F, "FL", 2.0)
    header.PerFrameFunctionalGroupsSequence = Sequence([group])
    header.add_new("RealWorldValueMappingSequence", "FL", 2.0)
    return Frame(Path("0001.dcm"), header, 0)


NOTHING = Frame(Path("0001.dcm"), Dataset())


@pytest.mark.parametrize(
    "frames",
    [
        [NOTHING, NOTHING],
        [mapped(("", 0.5, 0)), mapped(("", 0.5, 0)), NOTHING],
        # the same values by another slope and another rescaling
        [mapped(("", 0.5, 0), RescaleSlope=2), mapped(("", 1, 0), RescaleSlope=4)],
        [mapped(("", 0.5, 0), RescaleSlope=1, RescaleIntercept=-10), mapped(("", 0.5, 0), RescaleSlope=1, RescaleIntercept=-10)],
        # one of two mappings is of all slices alike, in whatever order they come
        [mapped(("raw", 1, 0), ("map", 3, 0)), mapped(("map", 5, 0), ("raw", 1, 0))],
        [mapped(("", float("nan"), 0)), mapped(("", 2, 0))],
        [philips(2.0), philips(2.0), philips(0.0), philips(None)],
        [philips(2.0, converted=True)] * 2,
        [philips(b"abcd", "OB"), philips(2.0)],
        [Frame(Path("0001.dcm"), items({"RealWorldValueMappingSequence": Sequence()})[0]), mapped(("", 2, 0))],
        [no_sequence(), mapped(("", 2, 0))],
    ],
)
def test_one_scale_is_read(frames):
    check_one_scale(frames, LARGEST, "STIR")


@pytest.mark.parametrize(
    "frames",
    [
        [mapped(("", 0.5, 0)), mapped(("", 0.6, 0))],
        [mapped(("", 0.5, 0)), mapped(("", 0.5, 20))],
        [mapped(("", 0.5, 0), RescaleSlope=2), mapped(("", 0.5, 0), RescaleSlope=4)],
        [mapped(("raw", 1, 0)), mapped(("map", 1, 0))],
        [NOTHING, philips(2.0), philips(4.0)],
        [philips(float("nan")), philips(2.0), philips(4.0)],
        [philips(2.0, converted=True), philips(8.0, converted=True)],
    ],
)
def test_scales_that_differ_are_refused(frames):
    with pytest.raises(InputError, match="its slices have different scales of intensity"):
        check_one_scale(frames, LARGEST, "STIR")
