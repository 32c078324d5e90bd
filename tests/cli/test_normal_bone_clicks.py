"""`measure` with clicks in normal bone, and without any normal bone."""

import json

import numpy as np
import pytest

from lib.batch.case_list import BatchCase
from lib.cli.measure import NOT_MEASURED_FILES, RESULT_FILES
from lib.core.volume import Mask, Volume
from lib.errors import InputError
from lib.studies.nifti import read_mask, write_mask, write_volume
from madeup_pelvis import Pelvis

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture
def call(tmp_path):
    """The options of a scan whose slices differ, so that the automatic normal bone is unsure."""
    scan = Pelvis()
    scan.stir[:, :, 2:7] *= np.array([1.4, 0.7, 1.0, 0.8, 1.2])
    write_volume(tmp_path / "t1w.nii.gz", Volume(scan.t1w, scan.grid))
    write_volume(tmp_path / "stir.nii.gz", Volume(scan.stir, scan.grid))
    write_mask(tmp_path / "region.nii.gz", Mask(scan.region, scan.grid))
    files = [
        f"--{name}={tmp_path / file}.nii.gz" for name, file in (("t1w", "t1w"), ("stir", "stir"), ("disease-region", "region"))
    ]
    return ["measure", *files, f"--out={tmp_path / 'out'}"]


def test_without_normal_bone_the_region_and_the_places_to_click_are_written_and_with_these_it_is_measured(call, run, tmp_path):
    out = tmp_path / "out"
    ended = run(call)
    assert ended.code == 2
    assert ended.error.startswith("Not measured. The places that look like normal bone differ")
    assert {path.name for path in out.iterdir()} == set(NOT_MEASURED_FILES)
    facts = json.loads((out / "not_measured.json").read_text())
    assert facts["measured"] is False
    assert facts["disease_region"]["voxels"] == read_mask(out / "disease_region.nii.gz", "region").voxels > 0
    assert facts["reason"] in (out / "not_measured.html").read_text().replace("&#39;", "'")
    places = facts["places_to_click"]
    assert [one["slice_number"] for one in places] == [one["voxel"][2] + 1 for one in places]

    clicks = [",".join(map(str, one["voxel"])) for one in places[:1]]
    assert run([*call, *(f"--normal-bone-at={one}" for one in clicks)]).code == 0
    assert {path.name for path in out.iterdir()} == set(RESULT_FILES) - {"overlay.png"}
    content = json.loads((out / "vhi.json").read_text())
    assert content["normal_bone"]["source"] == "clicked"
    assert content["normal_bone"]["clicks"] == [one["voxel"] for one in places[:1]]
    assert content["thresholds"]["rule"] == "robust"
    assert content["provenance"]["choices"] == {"normal_bone_at": "; ".join(clicks)}
    assert "grown by the program from 1 click of a reader" in (out / "report.html").read_text()


def test_a_batch_lists_it_as_not_measured(call, run, tmp_path):
    row = "t1w.nii.gz,stir.nii.gz,region.nii.gz"
    (tmp_path / "cases.csv").write_text(
        f'case,t1w,stir,disease_region,normal_bone_at\nplain,{row},\nclicked,{row},"64,45,4"\nwrong,{row},"1,1,1"\n'
    )
    out = tmp_path / "many"
    ended = run(["batch", str(tmp_path / "cases.csv"), f"--out={out}", "--jobs=1"])
    assert ended.code == 3
    failures = (out / "failures.csv").read_text()
    assert "plain,not measured: The places that look like normal bone differ" in failures.replace('"', "")
    assert "click 1,1,1 (slice 2) lies outside the bone" in failures
    assert (out / "plain" / "region_stir.png").is_file()
    assert not (out / "plain" / "vhi.json").exists()
    assert (out / "clicked" / "vhi.json").is_file()


@pytest.mark.parametrize(
    ("forms", "written"),
    [
        ("json", {"not_measured.json"}),
        ("masks", {"not_measured.json", "disease_region.nii.gz"}),
        ("html", {"not_measured.json", "not_measured.html", "region_stir.png", "region_t1w.png"}),
    ],
)
def test_of_a_scan_that_is_not_measured_what_was_asked_for_is_written(call, run, tmp_path, forms, written):
    ended = run([*call, f"--forms={forms}"])
    assert ended.code == 2
    assert {one.name for one in (tmp_path / "out").iterdir()} == written
    assert ("not_measured.html" if forms == "html" else "not_measured.json") in ended.error


@pytest.mark.parametrize("text", ["1,2", "a,b,c", "1,2,-3", "1,2,3,4"])
def test_a_click_that_is_no_voxel_is_refused(call, run, text):
    ended = run([*call, f"--normal-bone-at={text}"])
    assert ended.code == 2
    assert f"the normal-bone click '{text}' is no voxel; needed are three whole numbers I,J,K" in ended.error


def test_a_mask_and_clicks_together_are_refused(tmp_path):
    with pytest.raises(InputError, match="normal bone is given as a mask and by clicks; leave one of the two out"):
        BatchCase("one", tmp_path, tmp_path, normal_bone=tmp_path, normal_bone_at="1,2,3")
