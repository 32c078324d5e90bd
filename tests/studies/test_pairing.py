"""Which files of a folder are a case, and what waits for what."""

import gzip
import os
import shutil

import numpy as np
import pytest

from lib.core.volume import Grid, Volume
from lib.errors import InputError, UnknownImageError
from lib.studies.nifti import write_volume
from lib.studies.pairing import ARCHIVE, CaseFinder, CaseIndex, Waiting, find_cases

GRID = Grid((8, 7, 5), np.diag([1.0, 2.0, 3.0, 1.0]))


def scan(path, seed=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_volume(path, Volume(np.random.default_rng(seed).normal(size=GRID.shape), GRID))
    return path


def ids(index):
    return [case.case_id for case in index.cases]


def reason(index, name):
    return next(one.reason for one in index.waiting if one.name == name)


@pytest.mark.parametrize(
    ("t1w", "stir", "case_id"),
    [
        ("1013_T1W.nii.gz", "1013_STIR.nii.gz", "1013"),
        ("1013_T1W.nii", "1013_STIR.nii.gz", "1013"),
        ("1013_t1w.NII.GZ", "1013_stir.nii.gz", "1013"),
        ("7/t1w.nii.gz", "7/stir.nii.gz", "7"),
        ("a/b/p-2_v.1_T1W.nii.gz", "c/p-2_v.1_STIR.nii.gz", "p-2_v.1"),
        ("images_study/T1W/1013_T1W.nii.gz", "images_study/STIR/1013_STIR.nii.gz", "1013"),
        ("data/images_study/T1W/Pre_Scans/1013_T1W.nii.gz", "data/images_study/STIR/Pre_Scans/1013_STIR.nii.gz", "1013"),
    ],
)
def test_a_pair_is_found_in_every_layout(tmp_path, t1w, stir, case_id):
    scan(tmp_path / t1w)
    scan(tmp_path / stir, 1)
    index = find_cases(tmp_path)
    assert [(case.case_id, case.t1w, case.stir) for case in index.cases] == [(case_id, tmp_path / t1w, tmp_path / stir)]
    assert index.waiting == ()
    for role in ("T1W", "STIR"):
        assert index.of_image(f"{case_id}_{role}") == (index.cases[0], role)
    assert index.case(case_id) == index.cases[0]


def test_a_study_that_is_the_folder_itself_has_its_name(tmp_path):
    scan(tmp_path / "p7" / "t1w.nii.gz")
    scan(tmp_path / "p7" / "stir.nii.gz")
    assert ids(find_cases(tmp_path / "p7")) == ["p7"]


def test_cases_are_sorted_and_masks_and_hidden_folders_are_no_scans(tmp_path):
    for name in ("b", "a"):
        scan(tmp_path / f"{name}_T1W.nii.gz")
        scan(tmp_path / f"{name}_STIR.nii.gz", 1)
    for place in (".vhi", "truth", "segmentations", "labels"):
        scan(tmp_path / place / "c_T1W.nii.gz")
    index = find_cases(tmp_path)
    assert ids(index) == ["a", "b"]
    assert index.waiting == ()


def test_half_a_pair_waits_and_is_offered_when_the_other_half_comes(tmp_path):
    finder = CaseFinder(tmp_path)
    scan(tmp_path / "1013_T1W.nii.gz")
    first = finder.find()
    assert ids(first) == []
    assert "STIR series is missing" in reason(first, "1013")
    with pytest.raises(UnknownImageError, match=r"no image '1013_T1W' here yet \(Its STIR series is missing"):
        first.of_image("1013_T1W")
    scan(tmp_path / "1013_STIR.nii.gz", 1)
    assert ids(finder.find()) == ["1013"]


def test_a_second_file_for_one_series_makes_the_case_wait(tmp_path):
    for place in ("a", "b"):
        scan(tmp_path / place / "1013_T1W.nii.gz")
    scan(tmp_path / "1013_STIR.nii.gz")
    index = find_cases(tmp_path)
    assert ids(index) == []
    assert reason(index, "1013") == "Two files are its T1W series: a/1013_T1W.nii.gz and b/1013_T1W.nii.gz; keep one."


@pytest.mark.parametrize("name", ["a b_T1W.nii.gz", "-x_T1W.nii.gz", f"{'x' * 65}_T1W.nii.gz", "ä_T1W.nii.gz"])
def test_a_case_id_that_could_not_be_an_address_waits(tmp_path, name):
    scan(tmp_path / name)
    (one,) = find_cases(tmp_path).waiting
    assert "case id may hold letters" in one.reason


def test_a_file_of_no_known_role_waits_with_how_to_name_it(tmp_path):
    scan(tmp_path / "knee.nii.gz")
    assert "ends neither with _T1W nor with _STIR" in reason(find_cases(tmp_path), "knee.nii.gz")


@pytest.mark.parametrize("suffix", [".nii.gz", ".nii"])
def test_a_file_that_is_still_being_copied_waits_until_it_is_whole(tmp_path, suffix):
    whole = scan(tmp_path / "elsewhere" / f"x{suffix}").read_bytes()
    shutil.rmtree(tmp_path / "elsewhere")
    scan(tmp_path / f"1013_STIR{suffix}", 1)
    target = tmp_path / f"1013_T1W{suffix}"
    finder = CaseFinder(tmp_path)
    for share in (0.0, 0.02, 0.5, 0.99):
        target.write_bytes(whole[: int(share * len(whole))])
        index = finder.find()
        assert ids(index) == []
        assert "T1W" in reason(index, "1013")
    target.write_bytes(whole)
    assert ids(finder.find()) == ["1013"]


def test_a_scan_waits_as_long_as_the_copy_beside_it_says_that_slices_are_missing(tmp_path):
    scan(tmp_path / "1013_STIR.nii.gz", 1)
    scan(tmp_path / "1013_T1W.nii.gz")
    copy = scan(tmp_path / "1013_T1W_Eq_1.nii.gz")
    finder = CaseFinder(tmp_path)
    index = finder.find()
    assert ids(index) == []
    assert "lies 1013_T1W_Eq_1.nii.gz, which dcm2niix writes" in reason(index, "1013")
    copy.unlink()
    assert ids(finder.find()) == ["1013"]


def test_an_archive_in_several_parts_is_whole_too(tmp_path):
    scan(tmp_path / "1013_STIR.nii.gz", 1)
    content = scan(tmp_path / "1013_T1W.nii").read_bytes()
    (tmp_path / "1013_T1W.nii").unlink()
    (tmp_path / "1013_T1W.nii.gz").write_bytes(gzip.compress(content[:1000]) + gzip.compress(content[1000:]))
    assert ids(find_cases(tmp_path)) == ["1013"]


@pytest.mark.parametrize(
    "content",
    [b"", b"no image", gzip.compress(b"x" * 2000), b"\x1f\x8b" + b"\0" * 400],
    ids=["empty", "text", "text packed", "packed wrongly"],
)
def test_what_is_no_image_waits_with_the_reason(tmp_path, content):
    scan(tmp_path / "1013_STIR.nii.gz")
    (tmp_path / "1013_T1W.nii.gz").write_bytes(content)
    assert "1013_T1W.nii.gz" in reason(find_cases(tmp_path), "1013")


def test_a_folder_that_did_not_change_is_not_read_again(tmp_path, monkeypatch):
    for n in range(3):
        scan(tmp_path / f"{n}_T1W.nii.gz")
        scan(tmp_path / f"{n}_STIR.nii.gz", 1)
    finder = CaseFinder(tmp_path)
    first = finder.find()
    monkeypatch.setattr("lib.studies.pairing._index_of", lambda *_: pytest.fail("read again"))
    assert finder.find() is first


def test_a_removed_scan_leaves_half_a_pair(tmp_path):
    finder = CaseFinder(tmp_path)
    scan(tmp_path / "1013_T1W.nii.gz")
    scan(tmp_path / "1013_STIR.nii.gz", 1)
    assert ids(finder.find()) == ["1013"]
    (tmp_path / "1013_STIR.nii.gz").unlink()
    assert ids(finder.find()) == []


def test_a_folder_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="cannot be listed"):
        find_cases(tmp_path / "nowhere")


def test_a_broken_link_makes_its_case_wait(tmp_path):
    scan(tmp_path / "1013_STIR.nii.gz")
    os.symlink(tmp_path / "gone", tmp_path / "1013_T1W.nii.gz")
    assert "cannot be read" in reason(find_cases(tmp_path), "1013")


@pytest.mark.parametrize("image_id", ["", "1013", "../1013_T1W", "1013_T2", "x" * 500, "a\nb"])
def test_an_unknown_id_is_refused_on_one_short_line(tmp_path, image_id):
    with pytest.raises(UnknownImageError, match="There is no image") as refused:
        find_cases(tmp_path).of_image(image_id)
    assert len(str(refused.value)) < 200
    assert "\n" not in str(refused.value)


@pytest.mark.data
def test_the_published_folder_holds_eight_pairs_and_fifteen_halves(vhi_data):
    index = find_cases(vhi_data)
    assert ids(index) == ["1007", "1012", "1013", "1016", "1234", "2015", "3002", "4386"]
    assert len(index.waiting) == 15


def test_why_a_study_waits_is_its_own_reason_or_the_archives_or_that_it_is_not_listed():
    waiting = (Waiting(ARCHIVE, "The archive is away."), Waiting("1.2", "T1W is missing."))
    index = CaseIndex((), waiting)
    assert index.why_waiting("1.2") == "T1W is missing."
    assert index.why_waiting("1.3") == "The archive is away."
    assert "does not list this study" in CaseIndex((), waiting[1:]).why_waiting("1.3")


def test_a_file_that_the_system_would_not_let_be_read_is_tried_again(tmp_path, monkeypatch):
    for role in ("T1W", "STIR"):
        scan(tmp_path / f"a_{role}.nii.gz")
    finder = CaseFinder(tmp_path)
    with monkeypatch.context() as for_now:

        def refused(*_):
            raise InputError("T1W cannot be read") from OSError(5, "Input/output error")

        for_now.setattr("lib.studies.pairing._looks_whole", lambda *_: False)
        for_now.setattr("lib.studies.pairing.read_volume", refused)
        assert [one.reason for one in finder.find().waiting] == ["T1W cannot be read"]
    assert ids(finder.find()) == ["a"]
