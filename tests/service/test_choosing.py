"""The next case by what the networks say, with the reason; phantoms and the shipped networks."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lib.core.active_learning import feature_distance, uncertain_and_unlike
from lib.errors import ModelError, RequestError
from lib.service.service import MODEL_DIR, StudyConfig, VhiService
from lib.studies.nifti import write_volume
from lib.versions import publish, read_live, verify
from phantoms_once import phantom_once

pytestmark = pytest.mark.slow

CASES = {"p": 3, "q": 4, "r": 5, "s": 6}


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantoms")
    for case, seed in CASES.items():
        study = phantom_once(seed, (112, 112, 9))
        write_volume(folder / f"{case}_T1W.nii.gz", study.t1w)
        write_volume(folder / f"{case}_STIR.nii.gz", study.stir)
    settle(VhiService(folder))
    return folder


@pytest.fixture
def studies(computed: Path, tmp_path: Path) -> Path:
    return shutil.copytree(computed, tmp_path / "studies")


def settle(service: VhiService) -> None:
    """The work of the background thread, until nothing is left."""
    for _ in range(2 * len(CASES)):
        service.precomputing.one_case()


def ready(studies: Path, **config) -> VhiService:
    service = VhiService(studies, config=StudyConfig(**config))
    settle(service)
    return service


def facts(service: VhiService, case: str) -> dict:
    return dict(service.disease_region(f"{case}_STIR").facts)


def offer(service: VhiService, order: str, reader: str = "anna", **more):
    return service.next_case(reader, order=order, **more)


def submit_region(service: VhiService, case: str, shift: int = 0, reader: str = "anna") -> str:
    answer = service.disease_region(f"{case}_STIR")
    labels = np.roll(answer.labels, shift, axis=0)
    made = service.submit(f"{case}_STIR", labels, answer.grid, [("disease region", 1)], reader=reader)
    service.leases.release(case, reader)
    settle(service)
    return made.submission_id


@pytest.mark.parametrize(("measure", "fact"), [("disagreement", "member_disagreement"), ("entropy", "entropy")])
def test_the_case_that_the_networks_are_least_sure_of_comes_first_and_says_so(studies, measure, fact):
    service = ready(studies)
    values = {case: facts(service, case)[fact] for case in CASES}
    offered = offer(service, "uncertain", values={"measure": measure})
    assert offered.case.case_id == max(values, key=values.__getitem__)
    assert "more unsure than 3 of 3 others" in offered.reason
    assert offered.facts[measure] == pytest.approx(values[offered.case.case_id])
    assert offered.facts["model_version"] in offered.reason


def test_a_held_case_comes_first_and_other_readers_cases_not_at_all(studies):
    service = ready(studies)
    first = offer(service, "uncertain").case.case_id
    again = offer(service, "first")
    assert again.case.case_id == first
    assert "handed to you before" in again.reason
    assert offer(service, "uncertain", "ben").case.case_id != first


def test_diverse_weighs_being_unsure_against_being_unlike_what_is_labelled(studies):
    service = ready(studies)
    submit_region(service, "p")
    entries = json.loads(next((studies / ".vhi" / "scores").iterdir()).read_text())["cases"]
    unlike = feature_distance({case: entry["features"] for case, entry in entries.items()}, {"p"})
    assert unlike["p"] == 0
    assert set(entries) == set(CASES)
    for weight in ("0", 0.5, 1):
        scores = uncertain_and_unlike({c: entries[c]["disagreement"] for c in CASES}, unlike, float(weight))
        offered = offer(service, "diverse", f"anna{weight}", values={"weight": weight})
        assert offered.facts["score"] == pytest.approx(scores[offered.case.case_id], abs=1e-4)
        service.leases.release(offered.case.case_id, f"anna{weight}")
        assert offered.case.case_id == max(scores, key=scores.__getitem__)
        assert "spreads from the nearest labelled case" in offered.reason


def test_review_offers_the_submitted_case_that_the_networks_dispute_until_it_was_looked_at(studies):
    service = ready(studies)
    submit_region(service, "p")
    disputed = submit_region(service, "q", shift=9)
    submit_region(service, "r", shift=9, reader="ben")
    offered = offer(service, "review")
    assert offered.case.case_id == "q"
    assert offered.facts["submission"] == disputed
    assert offered.facts["dice"] < 0.9
    assert "hand it in corrected, or as it is" in offered.reason
    assert offer(service, "review").case.case_id == "q"  # still to be answered
    assert offer(service, "review", "chief", everyone=True).case.case_id == "r"  # q is held
    submit_region(service, "q", shift=9)  # as it was: the reader insists
    assert offer(service, "review") is None
    # another version asks again
    live = read_live(MODEL_DIR)
    models = studies.parent / "models"
    publish(models, replace(live.manifest, version="next"), verify(live))
    service = VhiService(studies, model_dir=models)
    settle(service)
    assert offer(service, "review").facts["model_version"] == "next"


def test_the_scores_outlast_a_restart_and_the_loss_of_their_file(studies, tmp_path):
    first = offer(ready(studies), "uncertain")
    (path,) = (studies / ".vhi" / "scores").iterdir()
    assert path.stem == read_live(MODEL_DIR).manifest.version
    for content in (path.read_bytes(), b"{", b'{"version": 3}'):
        path.write_bytes(content)
        service = ready(studies)
        service.leases.release(first.case.case_id, "anna")
        offered = offer(service, "uncertain")
        assert (offered.case, offered.reason, offered.facts) == (first.case, first.reason, first.facts)


def test_a_case_that_was_not_looked_at_yet_comes_last_and_goes_with_its_scans(studies):
    service = ready(studies)
    for role in ("T1W", "STIR"):
        shutil.copy(studies / f"p_{role}.nii.gz", studies / f"a_{role}.nii.gz")
        (studies / f"s_{role}.nii.gz").unlink()
    service.cases.refresh()
    for order in ("uncertain", "diverse"):
        offers = [offer(service, order, f"{order}-{n}") for n in range(4)]
        assert offers[-1].case.case_id == "a"
        assert "have not looked at it yet" in offers[-1].reason
        for n, one in enumerate(offers):
            service.leases.release(one.case.case_id, f"{order}-{n}")
    settle(service)
    (path,) = (studies / ".vhi" / "scores").iterdir()
    assert set(json.loads(path.read_text())["cases"]) == {"p", "q", "r", "a"}


def test_a_blinded_study_keeps_its_order_and_reviews_nothing(studies):
    for order in ("first", "uncertain", "diverse"):
        service = VhiService(studies, data=studies.parent / order, config=StudyConfig(blinded=True, seed=1))
        offered = offer(service, order)
        assert offered.case == service._blinding.order(list(service.cases.index.cases), "anna", 1)[0]
        assert "blinded" in offered.reason
        with pytest.raises(RequestError, match="none comes back for review"):
            offer(service, "review")


def test_options_that_make_no_sense_are_refused(studies, tmp_path):
    service = ready(studies)
    with pytest.raises(RequestError, match="measure must be disagreement or entropy"):
        offer(service, "uncertain", values={"measure": "luck"})
    for value in ("much", 1.5, True, float("nan")):
        with pytest.raises(RequestError, match="weight must be a number from 0 to 1"):
            offer(service, "diverse", values={"weight": value})
    assert offer(service, "diverse", values={"weight": "", "client_id": "anna"}) is not None
    with pytest.raises(ModelError, match="No trained model"):
        offer(VhiService(studies, model_dir=tmp_path / "none"), "uncertain", "ben")
