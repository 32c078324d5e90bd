"""Stored objects come back whole, by frames, as metadata and as bulk data, in the form that the client takes."""

from __future__ import annotations

import io
import re
import tempfile
from pathlib import Path

import numpy as np
import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence
from pydicom.uid import RLELossless

from compressed import rle
from embedded import ANY_SYNTAX, COMPRESSED, bytes_of, place_of, slice_of
from lib.studies.dicom_voxels import read_stored

pytestmark = pytest.mark.slow  # seconds in all

UNCOMPRESSED = ["plain", "implicit", "big endian", "deflated", "enhanced"]
MEDIA = {
    "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])": "image/jpeg",
    "JPEG-LS Lossless Image Compression": "image/jls",
    "JPEG 2000 Image Compression (Lossless Only)": "image/jp2",
    "RLE Lossless": "image/dicom-rle",
}
OCTETS = 'multipart/related; type="application/octet-stream"'
EXPLICIT = "1.2.840.10008.1.2.1"


@pytest.fixture(scope="module")
def full(lasting, objects):
    for content in objects.values():
        answer = lasting.post(content)
        assert answer.status_code == 200, answer.text
    return lasting


def values_of(content: bytes) -> np.ndarray:
    """Stored values, by the project's own reader of files."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.dcm"
        path.write_bytes(content)
        return read_stored(path)


@pytest.mark.parametrize("form", [*UNCOMPRESSED, *COMPRESSED, "enhanced, compressed", "seg", "sr"])
def test_an_instance_comes_back_byte_by_byte(full, objects, form):
    ((kind, content),) = full.parts(place_of(objects[form]), ANY_SYNTAX)
    assert content == objects[form]
    syntax = pydicom.dcmread(io.BytesIO(objects[form])).file_meta.TransferSyntaxUID
    assert kind == f"application/dicom; transfer-syntax={syntax}"


@pytest.mark.parametrize("form", [*UNCOMPRESSED, *COMPRESSED, "enhanced, compressed"])
def test_an_instance_is_sent_uncompressed_to_who_takes_nothing_else(full, objects, form):
    ((kind, content),) = full.parts(
        place_of(objects[form]), f'multipart/related; type="application/dicom"; transfer-syntax={EXPLICIT}'
    )
    assert kind.endswith(EXPLICIT)
    sent, kept = pydicom.dcmread(io.BytesIO(content)), pydicom.dcmread(io.BytesIO(objects[form]))
    assert sent.file_meta.TransferSyntaxUID == EXPLICIT
    np.testing.assert_array_equal(values_of(content), values_of(objects[form]))
    assert sent.SOPInstanceUID == kept.SOPInstanceUID
    assert sent.PatientName == kept.PatientName


@pytest.mark.parametrize("form", COMPRESSED)
def test_compressed_frames_are_sent_as_they_are_kept(full, objects, form):
    stored = pydicom.dcmread(io.BytesIO(objects[form]))
    for accept in (f"{OCTETS}; transfer-syntax=*", "*/*", f'multipart/related; type="{MEDIA[form]}"'):
        ((kind, content),) = full.parts(f"{place_of(objects[form])}/frames/1", accept)
        assert kind == f"{MEDIA[form]}; transfer-syntax={stored.file_meta.TransferSyntaxUID}"
        assert content == next(pydicom.encaps.generate_frames(stored.PixelData, number_of_frames=1))


@pytest.mark.parametrize("form", COMPRESSED)
def test_compressed_frames_are_decoded_for_who_takes_plain_bytes_alone(full, objects, form):
    ((kind, content),) = full.parts(f"{place_of(objects[form])}/frames/1", OCTETS)
    assert kind == f"application/octet-stream; transfer-syntax={EXPLICIT}"
    np.testing.assert_array_equal(np.frombuffer(content, "<u2"), values_of(objects[form]).ravel())


@pytest.mark.parametrize("form", UNCOMPRESSED)
def test_plain_frames_are_little_endian_whatever_the_file_is(full, objects, form):
    expected = values_of(objects[form])
    numbers = ",".join(str(number + 1) for number in range(len(expected)))
    parts = full.parts(f"{place_of(objects[form])}/frames/{numbers}", OCTETS)
    assert len(parts) == len(expected)
    for (kind, content), frame in zip(parts, expected, strict=True):
        assert kind == f"application/octet-stream; transfer-syntax={EXPLICIT}"
        np.testing.assert_array_equal(np.frombuffer(content, "<u2"), frame.ravel())


def test_frames_come_in_the_order_that_was_asked_for(full, objects):
    expected = values_of(objects["enhanced, compressed"])
    parts = full.parts(f"{place_of(objects['enhanced, compressed'])}/frames/5,1,5", OCTETS)
    for (_, content), frame in zip(parts, expected[[4, 0, 4]], strict=True):
        np.testing.assert_array_equal(np.frombuffer(content, "<u2"), frame.ravel())


def test_frames_of_single_bits_begin_at_a_byte_of_their_own(served):
    # 7 x 9 pixels: no frame but the first begins at a byte
    frames = np.random.default_rng(2).integers(0, 2, (3, 7, 9), dtype=np.uint8)
    one = slice_of(BitsAllocated=1, BitsStored=1, HighBit=0, Rows=7, Columns=9, NumberOfFrames=3)
    one.SOPClassUID = one.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.66.4"
    one.PixelData = np.packbits(frames.ravel(), bitorder="little").tobytes()
    one["PixelData"].VR = "OB"
    content = bytes_of(one)
    served.store(one)
    for number, (_, packed) in enumerate(served.parts(f"{place_of(content)}/frames/1,2,3", OCTETS)):
        unpacked = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")[:63]
        np.testing.assert_array_equal(unpacked, frames[number].ravel())
        assert len(packed) == 8


def test_a_frame_in_several_fragments_is_put_together_by_the_offset_table(served):
    frames = np.random.default_rng(4).integers(0, 9, (2, 16, 16)).astype("<u2")
    one = slice_of(Rows=16, Columns=16, NumberOfFrames=2)
    coded = [rle(frame, None) for frame in frames]
    one.PixelData = encapsulate(coded, fragments_per_frame=3, has_bot=True)
    one["PixelData"].is_undefined_length, one["PixelData"].VR = True, "OB"
    one.file_meta.TransferSyntaxUID = RLELossless
    served.store(one)
    path = f"{place_of(bytes_of(one))}/frames/2"
    ((_, content),) = served.parts(path, f"{OCTETS}; transfer-syntax=*")
    assert content.rstrip(b"\0") == coded[1].rstrip(b"\0")


def test_fragments_that_nobody_says_belong_together_are_refused(served):
    one = slice_of(NumberOfFrames=2)
    one.PixelData = encapsulate([b"\1" * 60, b"\2" * 60], fragments_per_frame=3, has_bot=False)
    one["PixelData"].is_undefined_length, one["PixelData"].VR = True, "OB"
    one.file_meta.TransferSyntaxUID = RLELossless
    served.store(one)
    answer = served.get(f"{place_of(bytes_of(one))}/frames/1", f"{OCTETS}; transfer-syntax=*")
    assert answer.status_code == 422
    assert "2 frames in 6 fragments" in answer.json()["detail"]


@pytest.mark.parametrize("form", ["plain", "enhanced", "seg", "sr", "big endian", "deflated"])
def test_metadata_are_those_of_the_file(full, objects, form):
    (found,) = full.matches(f"{place_of(objects[form])}/metadata")
    file = pydicom.dcmread(io.BytesIO(objects[form]))
    assert found["00083002"]["Value"] == [file.file_meta.TransferSyntaxUID]
    back = Dataset.from_json(found, bulk_data_uri_handler=lambda uri: b"")
    expected = {element.tag for element in file if element.tag.group != 2}
    assert {element.tag for element in back} == expected | {0x00083002}
    for element in file:
        if element.VR not in ("SQ", "OB", "OW", "OF", "UN") and element.tag != 0x00080005:
            assert back[element.tag].value == element.value or str(back[element.tag].value) == str(element.value), element


def test_a_sequence_is_told_with_its_items(full, objects):
    file = pydicom.dcmread(io.BytesIO(objects["enhanced"]))
    (found,) = full.matches(f"{place_of(objects['enhanced'])}/metadata")
    frames = found["52009230"]["Value"]
    assert len(frames) == file.NumberOfFrames
    for item, frame in zip(frames, file.PerFrameFunctionalGroupsSequence, strict=True):
        assert item["00209113"]["Value"][0]["00200032"]["Value"] == list(frame.PlanePositionSequence[0].ImagePositionPatient)


def test_metadata_of_a_study_and_of_a_series_list_every_instance(full, objects):
    place = place_of(objects["seg"])
    study, series = "/".join(place.split("/")[:3]), "/".join(place.split("/")[:5])
    header = pydicom.dcmread(io.BytesIO(objects["seg"]), stop_before_pixels=True)
    of_study = {one["00080018"]["Value"][0] for one in full.matches(f"{study}/metadata")}
    expected = {pydicom.dcmread(io.BytesIO(one), stop_before_pixels=True) .SOPInstanceUID for one in objects.values()}  # fmt: skip
    assert of_study == expected
    assert [one["00080018"]["Value"] for one in full.matches(f"{series}/metadata")] == [[header.SOPInstanceUID]]


def test_long_values_are_at_addresses_of_their_own(served):
    inner = Dataset()
    inner.add_new(0x00431029, "OB", b"inside" * 500)
    one = slice_of()
    one.add_new(0x00430010, "LO", "MAKER")
    one.add_new(0x00431030, "OB", b"long" * 50_000)
    one.add_new(0x00431031, "OB", b"short")
    one.ReferencedImageSequence = Sequence([Dataset(), inner])
    served.store(one)
    (found,) = served.matches(f"{place_of(bytes_of(one))}/metadata")
    assert found["00431031"] == {"vr": "OB", "InlineBinary": "c2hvcnQA"}
    client = DICOMwebClient(served.url)
    for element, content in (
        (found["00431030"], b"long" * 50_000),
        (found["00081140"]["Value"][1]["00431029"], b"inside" * 500),
        (found["7FE00010"], one.PixelData),
    ):
        assert element["BulkDataURI"].startswith(served.url)
        assert client.retrieve_bulkdata(element["BulkDataURI"]) == [content]
    assert served.get(f"{place_of(bytes_of(one))}/bulkdata/00990099", "*/*").status_code == 404
    assert served.get(f"{place_of(bytes_of(one))}/bulkdata/nonsense", "*/*").status_code == 404


def test_an_element_whose_value_breaks_its_rules_is_left_out_of_the_metadata(served):
    one = slice_of()
    content = bytes_of(one)
    place = content.index(b"\x18\x00\x50\x00DS")
    broken = content[: place + 8] + b"x" * content[place + 6] + content[place + 8 + content[place + 6] :]
    assert served.post(broken).status_code == 200
    (found,) = served.matches(f"{place_of(content)}/metadata")
    assert "00180050" not in found
    assert "00280030" in found
    ((_, back),) = served.parts(place_of(content), ANY_SYNTAX)
    assert back == broken


@pytest.mark.parametrize(
    ("path", "accept", "sentence"),
    [
        ("/frames/1", "image/png", "image/jls in transfer syntax .*, or decoded as application/octet-stream"),
        ("/frames/1", 'multipart/related; type="image/jp2"', "image/jls"),
        ("", 'multipart/related; type="application/dicom"; transfer-syntax=1.2.840.10008.1.2.4.90', "as they are kept"),
        ("", "text/html", "application/dicom"),
        ("/metadata", "application/dicom+xml", r"answered as application/dicom\+json"),
    ],
)
def test_a_form_that_is_not_there_is_406(full, objects, path, accept, sentence):
    answer = full.get(place_of(objects["JPEG-LS Lossless Image Compression"]) + path, accept)
    assert answer.status_code == 406
    assert re.search(sentence, answer.json()["detail"])


def test_a_client_may_prefer(full, objects):
    place = place_of(objects["JPEG-LS Lossless Image Compression"])
    ((kind, _),) = full.parts(f"{place}/frames/1", f'multipart/related; type="image/jls"; q=0.2, {OCTETS}; q=0.9')
    assert kind.startswith("application/octet-stream")
    answer = full.get(f"{place}/frames/1", "image/jls")
    assert answer.headers["Content-Type"].startswith("image/jls")
    answer = full.get(place, "application/dicom")
    assert answer.content == objects["JPEG-LS Lossless Image Compression"]


@pytest.mark.parametrize(("frames", "status"), [("0", 404), ("2", 404), ("1,7", 404), ("x", 400), ("1,,2", 400), ("-1", 400)])
def test_a_frame_that_is_not_there_is_told(full, objects, frames, status):
    assert full.get(f"{place_of(objects['plain'])}/frames/{frames}", "*/*").status_code == status


def test_a_report_has_no_frames(full, objects):
    answer = full.get(f"{place_of(objects['sr'])}/frames/1", "*/*")
    assert (answer.status_code, answer.json()["detail"]) == (404, "This instance holds no voxels.")


@pytest.mark.parametrize("path", ["/studies/1.9", "/studies/1.9/metadata", "/studies/1.9/series/1.8/instances/1.7/frames/1"])
def test_what_is_not_there_is_404_with_its_name(served, path):
    answer = served.get(path, "*/*")
    assert answer.status_code == 404
    assert "There is no" in answer.json()["detail"]


def test_the_length_of_a_series_is_known_before_it_is_sent(full, objects):
    series = place_of(objects["enhanced"]).rpartition("/instances/")[0]
    answer = full.get(series, ANY_SYNTAX)
    assert int(answer.headers["Content-Length"]) == len(answer.content)
    assert "Transfer-Encoding" not in answer.headers


def test_dicomweb_client_retrieves(full, objects):
    client = DICOMwebClient(full.url)
    header = pydicom.dcmread(io.BytesIO(objects["enhanced"]), stop_before_pixels=True)
    uids = (header.StudyInstanceUID, header.SeriesInstanceUID)
    study = client.retrieve_study(uids[0])
    assert {one.SOPInstanceUID for one in study} == {
        pydicom.dcmread(io.BytesIO(one), stop_before_pixels=True).SOPInstanceUID for one in objects.values()
    }
    (frame,) = client.retrieve_instance_frames(*uids, header.SOPInstanceUID, [2])
    np.testing.assert_array_equal(np.frombuffer(frame, "<u2"), values_of(objects["enhanced"])[1].ravel())
    assert len(list(client.iter_series(*uids))) == 1
    assert client.retrieve_instance_metadata(*uids, header.SOPInstanceUID)["00280008"]["Value"] == [header.NumberOfFrames]
