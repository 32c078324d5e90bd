"""The routes of the earlier visit: for the reader who is signed in, with that reader's own visit alone, and none of a blinded study."""

from __future__ import annotations

import gzip

import nibabel
import numpy as np
import pytest

from lib.datastores.case_datastore import CaseDatastore
from standin import signed_in
from study_folder import INFLAMMATION, StudyFolder, phantom_truth

pytestmark = pytest.mark.slow  # seconds in all

ROUTES = ("/vhi/earlier", "/vhi/earlier/image", "/vhi/earlier/label")


@pytest.fixture
def served(client, accounts, tmp_path):
    """Two visits of one patient, the first of which anna finished; `image` is the second."""

    def serve(**config):
        study_folder = StudyFolder(tmp_path / "studies", phantom_truth())
        for case_id in ("p_baseline", "p_follow_up"):
            study_folder.add_case(case_id)
        made = client(accounts=accounts)
        made.vhi.service = service = study_folder.service(several_readers=True, **config)
        made.vhi.store = CaseDatastore(service)
        names = {case.t1w.name[: -len("_T1W.nii.gz")]: case.case_id for case in service.cases.index.cases}
        first, made.image = (f"{names[name]}_STIR" for name in ("p_baseline", "p_follow_up"))
        study_folder.draw_regions(service, first)
        study_folder.submit(service, (INFLAMMATION, study_folder.lesions == 1), image=first)
        made.study_folder = study_folder
        return made

    return serve


def test_a_reader_gets_scan_and_mask_on_the_grid_of_the_open_case(served):
    made = served()
    anna, asked = signed_in(made, "anna"), {"image": made.image}
    facts, image, label = (made.get(route, params=asked, headers=anna) for route in ROUTES)
    assert facts.json()["case"] == "p_baseline"
    scan, kept = (nibabel.Nifti1Image.from_bytes(gzip.decompress(one.content)) for one in (image, label))
    np.testing.assert_allclose(scan.affine, made.study_folder.grid.affine)
    assert scan.get_data_dtype() in (np.int16, np.int32, np.float32)  # what the viewer reads
    assert kept.get_data_dtype() == np.uint8
    assert kept.shape == scan.shape == made.study_folder.grid.shape
    assert np.asarray(kept.dataobj).sum() > 0


@pytest.mark.parametrize("route", ROUTES)
def test_nobody_else_gets_it(served, route):
    made = served()
    asked = {"image": made.image}
    assert made.get(route, params=asked).status_code == 401
    root = made.get(route, params=asked, headers=signed_in(made, "root"))  # who finished no visit of their own
    assert (root.status_code, "No earlier visit" in root.json()["detail"]) == (404, True)


@pytest.mark.parametrize("route", ROUTES)
def test_a_blinded_study_shows_none_whoever_asks(served, route):
    made = served(blinded=True, seed=5)
    for who in ("anna", "root"):
        answer = made.get(route, params={"image": made.image, "client_id": "anna"}, headers=signed_in(made, who))
        assert (answer.status_code, "This study is blinded" in answer.json()["detail"]) == (404, True)
