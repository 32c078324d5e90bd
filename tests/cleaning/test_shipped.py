"""The shipped version: whole, and at work on a scan."""

import numpy as np
import pytest

from lib.cleaning.evaluation import agreement
from lib.cleaning.features import lesion_features
from lib.cleaning.model import load_cleaning, propose
from lib.cleaning.rule import limits_of, weight_of
from lib.cli.proposal import CLEANING_DIR
from lib.core.context import context_of
from lib.core.pipeline import measure_vhi
from lib.phantom.study import make_phantom
from lib.training.cleaning import cleaned_scans
from lib.versions import read_live


@pytest.fixture(scope="module")
def model():
    return load_cleaning(CLEANING_DIR)


def test_its_manifest_says_what_it_learnt_and_reached(model):
    manifest = read_live(CLEANING_DIR).manifest
    assert [case.case_id for case in manifest.training_cases] == [one.case_id for one in model.tables if one.as_measured]
    assert set(manifest.metrics["leave_one_patient_out"]["cases"]) == {one.case_id for one in model.tables}
    assert all(one.readers == ("R1", "R1", "R2", "R2") for one in model.tables)


@pytest.mark.slow
def test_every_lesion_of_a_phantom_gets_a_decision_and_a_reason(model):
    study = make_phantom(5, (112, 112, 9))
    result = measure_vhi(study.t1w, study.stir, normal_bone=study.normal_bone, disease_region=study.disease_region)
    proposal = propose(result, model)
    assert [one.lesion for one in proposal.lesions] == list(result.lesions)
    limits = limits_of(
        np.array([one.probability for one in proposal.lesions]),
        weight_of(lesion_features(result), np.array([one.lesion.voxels for one in proposal.lesions])),
        model.limit,
    )
    assert [one.keep for one in proposal.lesions] == [
        one.probability >= at for one, at in zip(proposal.lesions, limits, strict=True)
    ]
    assert all(one.reason for one in proposal.lesions)
    assert len(proposal.uncertain) <= 10
    assert proposal.keeps().sum() == len(proposal.kept)


@pytest.mark.data
def test_joints_lie_on_both_sides_of_every_real_scan(vhi_data):
    for scan in cleaned_scans(vhi_data):
        result = scan.measure()
        context = context_of(result.t1w, result.disease_region.mask)
        rows = context.present.any(axis=1).sum(axis=1)
        assert (rows * context.spacing_mm[1] > 30).all(), scan.case_id
        assert (context.present.any(axis=2).sum(axis=1) >= 8).all(), scan.case_id
        assert np.abs(context.joints[0].mean() - context.joints[1].mean()) * context.spacing_mm[2] > 60


@pytest.mark.data
def test_on_scans_that_it_learnt_it_does_what_the_readers_did(vhi_data, model):
    scan = cleaned_scans(vhi_data)[0]
    result = scan.measure()
    table = scan.tables(result)[0]
    keep = np.array([one.keep for one in propose(result, model).lesions])
    # not a measure of its worth, which leaving patients out gives: here features, forest and limit of the file work together
    assert agreement(table.voxels, keep, table.consensus).sensitivity > 0.9
