"""A file that was cut anywhere is told from a whole one, in every transfer syntax."""

from __future__ import annotations

import io

import pydicom
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from embedded import COMPRESSED, bytes_of, slice_of
from lib.archive.instance import read_instance
from lib.errors import InputError
from lib.studies.dicom_structure import structure_of

# what damaged headers make pydicom say; the archive hides it while it runs
pytestmark = [pytest.mark.filterwarnings("ignore::UserWarning"), pytest.mark.slow]
FORMS = ["plain", "implicit", "big endian", "deflated", "enhanced", "enhanced, compressed", "seg", *COMPRESSED]


@pytest.mark.parametrize("form", [*FORMS, "sr"])
def test_a_whole_file_is_read(objects, tmp_path, form):
    (tmp_path / "one.dcm").write_bytes(objects[form])
    instance = read_instance(tmp_path / "one.dcm")
    header = pydicom.dcmread(io.BytesIO(objects[form]))
    assert (instance.study_uid, instance.series_uid, instance.sop_uid, instance.sop_class, instance.syntax) == (
        header.StudyInstanceUID,
        header.SeriesInstanceUID,
        header.SOPInstanceUID,
        header.SOPClassUID,
        header.file_meta.TransferSyntaxUID,
    )


@pytest.mark.parametrize("form", FORMS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), missing=st.one_of(st.none(), st.integers(1, 64)))
def test_an_image_cut_anywhere_is_refused(tmp_path, objects, form, share, missing):
    whole = objects[form]
    cut = tmp_path / "cut.dcm"
    cut.write_bytes(whole[: -min(missing, len(whole))] if missing else whole[: int(share * len(whole))])
    if form == "deflated" and len(whole) - cut.stat().st_size == 1:
        return  # behind deflated data stands a byte that makes their number even
    with pytest.raises(InputError, match="truncated|no DICOM file|damaged|does not say"):
        read_instance(cut)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(128, 1500), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused_and_never_a_crash(tmp_path, objects, changes):
    content = bytearray(objects["enhanced"])
    for place, value in changes:
        content[place] = value
    (tmp_path / "damaged.dcm").write_bytes(content)
    try:
        read_instance(tmp_path / "damaged.dcm")
    except InputError:
        return


def test_zeros_behind_the_last_element_are_padding(tmp_path, objects):
    path = tmp_path / "padded.dcm"
    path.write_bytes(objects["plain"] + bytes(5000))
    assert structure_of(path).pixels is not None
    path.write_bytes(objects["plain"] + bytes(3))
    assert structure_of(path).pixels is not None


def test_voxels_that_are_fewer_than_the_header_says_are_refused(tmp_path):
    one = slice_of()
    one.PixelData = one.PixelData[:-2]
    (tmp_path / "short.dcm").write_bytes(bytes_of(one))
    with pytest.raises(InputError, match=r"short.dcm is truncated: its voxels need \d+ bytes, it holds \d+"):
        read_instance(tmp_path / "short.dcm")


def test_sequences_nested_without_end_are_refused(tmp_path):
    innermost = Dataset()
    for _ in range(200):
        outer = Dataset()
        outer.ReferencedImageSequence = Sequence([innermost])
        outer["ReferencedImageSequence"].is_undefined_length = True
        innermost = outer
    one = slice_of()
    one.ReferencedImageSequence = innermost.ReferencedImageSequence
    one["ReferencedImageSequence"].is_undefined_length = True
    for item in _items(one):
        item.is_undefined_length_sequence_item = True
    (tmp_path / "deep.dcm").write_bytes(bytes_of(one))
    with pytest.raises(InputError, match="nests sequences"):
        read_instance(tmp_path / "deep.dcm")


def _items(dataset):
    while "ReferencedImageSequence" in dataset:
        dataset = dataset.ReferencedImageSequence[0]
        yield dataset


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID"])
def test_a_file_without_its_identifiers_is_refused(tmp_path, name):
    one = slice_of()
    delattr(one, name)
    content = io.BytesIO()
    one.file_meta.MediaStorageSOPClassUID, one.file_meta.MediaStorageSOPInstanceUID = "1.2", "1.3"
    pydicom.dcmwrite(content, one, enforce_file_format=True)
    (tmp_path / "one.dcm").write_bytes(content.getvalue())
    with pytest.raises(InputError, match=f"one.dcm has no {name}"):
        read_instance(tmp_path / "one.dcm")
