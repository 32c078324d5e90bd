"""A training goes on from networks that did not learn what measures it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
from lib.errors import InputError
from lib.nets.fit import Slices, fit
from lib.nets.recipes import Plan, Recipe
from lib.nets.unet import UNet, coarser
from lib.nets.weights import pack
from lib.studies.labelled import LabelledCase
from lib.training.groups import Group
from lib.training.initial_weights import Start
from lib.versions import Manifest, publish

TINY = Recipe("tiny", steps=2, batch=2, widths=(4, 8), shuffle=2)
PLAN = Plan("tiny", (replace(TINY, name="on", steps=5),))


def case(case_id: str) -> LabelledCase:
    return LabelledCase(case_id, Path(f"{case_id}.nii.gz"), Path(f"{case_id}_mask.nii.gz"))


@pytest.fixture
def work(tmp_path) -> Path:
    """What a training with folds leaves: one network of fold0, that learnt the scan a."""
    masks = np.zeros((2, 16, 16), dtype=bool)
    masks[:, 4:12, 4:12] = True
    fit(TINY, 0, Slices(masks.astype(np.float32), masks), tmp_path / "fold0" / "member0")
    (tmp_path / "cross_validation.json").write_text(json.dumps({"folds": {"fold0": {"learnt": ["a"], "held_out": ["b"]}}}))
    return tmp_path


def test_a_fold_goes_on_from_its_own_network_though_it_had_other_steps(work):
    (net,) = Start(work, folds=work).networks(Group("fold0", (case("a"),), (case("b"),)), PLAN)
    saved = torch.load(work / "fold0" / "member0" / "checkpoint.pt", weights_only=True)["net"]
    assert all(torch.equal(tensor, saved[name]) for name, tensor in net.state_dict().items())


def test_networks_that_learnt_what_measures_the_fold_are_refused(work):
    for group in (Group("fold0", (), (case("a"),)), Group("fold0", (), (), held_out_other=(case("a"),))):
        with pytest.raises(InputError, match="learnt a, which measure fold0"):
            Start(work, folds=work).networks(group, PLAN)


def test_a_fold_or_member_that_was_not_trained_or_is_laid_out_otherwise_is_refused(work):
    group = Group("fold0", (case("a"),), (case("b"),))
    with pytest.raises(InputError, match="holds no measured fold1"):
        Start(work, folds=work).networks(replace(group, name="fold1"), PLAN)
    with pytest.raises(InputError, match="member1 holds no trained network"):
        Start(work, folds=work).networks(group, Plan("two", PLAN.members * 2))
    with pytest.raises(InputError, match="cannot be gone on from by wide"):
        Start(work, folds=work).networks(group, Plan("wide", (replace(TINY, widths=(8, 16)),)))


def test_without_a_version_the_ensemble_of_all_scans_starts_from_random_weights(work):
    assert Start(work, folds=work).networks(Group("ensemble", (case("a"),), ()), PLAN) == ()


def test_networks_of_coarser_pixels_go_on_from_one_of_blocks_as_large(tmp_path):
    fine, other = UNet((4, 8), 4, bias=False), UNet((4, 8), 2, bias=False)
    manifest = Manifest(
        version="v", created="2026-01-01T00:00:00+00:00", code_version="1", sha256="", members=2,
        network=[{"widths": [4, 8], "shuffle": shuffle, "bias": False} for shuffle in (2, 4)],
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM, recipes=[{"name": "one"}] * 2, seeds=[0, 1], training_cases=[],
    )  # fmt: skip
    publish(tmp_path, manifest, pack([other, fine]))
    coarse = replace(TINY, other=2, pixel_spacing_mm=2 * TRAINING_PIXEL_SPACING_MM)
    group, start = Group("fold0", (), (), other=(case("a"),)), Start(tmp_path, "v")
    first, second = start.networks(group, Plan("kind", (coarse, coarse), kind=True))
    expected = coarser(fine.half().float(), 2).state_dict()
    for net in (first, second):
        assert all(torch.equal(tensor, expected[name]) for name, tensor in net.state_dict().items())
    with pytest.raises(InputError, match="No member of v has the filters 4, 8 and pixel blocks of 6"):
        start.networks(group, Plan("kind", (replace(coarse, pixel_spacing_mm=3 * TRAINING_PIXEL_SPACING_MM),), kind=True))
