"""A run learns, and a killed run resumes to the same weights."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from drawing import OBLIQUE
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
from lib.core.volume import Grid, Mask, Volume
from lib.errors import ModelError
from lib.nets.fit import PAPER, QUICK, Recipe, Slices, fit, read_trained, soft_dice

TINY = Recipe("tiny", steps=12, batch=4, widths=(4, 8), warm_up=0.25)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def bright_discs(seed: int, count: int = 8) -> Slices:
    """Discs, brighter than a noisy ground: what any network can learn."""
    rng = np.random.default_rng(seed)
    i, j = np.indices((32, 32))
    centres, radii = rng.uniform(10, 22, (count, 2)), rng.uniform(4, 9, count)
    masks = np.stack([np.hypot(i - c[0], j - c[1]) < r for c, r in zip(centres, radii, strict=True)])
    return Slices((masks + 0.1 * rng.standard_normal(masks.shape)).astype(np.float32), masks)


def weights(net: torch.nn.Module) -> list[torch.Tensor]:
    return list(net.state_dict().values())


def test_a_killed_run_resumes_to_the_weights_of_one_that_was_not(tmp_path):
    whole = fit(TINY, 3, bright_discs(0), tmp_path / "whole", every=4)
    fit(TINY, 3, bright_discs(0), tmp_path / "killed", every=4, stop_after=8)
    resumed = fit(TINY, 3, bright_discs(0), tmp_path / "killed", every=4)
    for a, b in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(a, b)


def test_pseudo_labelled_slices_take_part_and_resume_too(tmp_path):
    student = replace(TINY, pseudo=2)
    whole = fit(student, 0, bright_discs(0), tmp_path / "whole", pseudo=bright_discs(1), every=4)
    fit(student, 0, bright_discs(0), tmp_path / "killed", pseudo=bright_discs(1), every=4, stop_after=4)
    resumed = fit(student, 0, bright_discs(0), tmp_path / "killed", pseudo=bright_discs(1), every=4)
    alone = fit(TINY, 0, bright_discs(0), tmp_path / "alone", every=4)
    for a, b in zip(weights(whole), weights(resumed), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(weights(whole)[0], weights(alone)[0])


def test_seeds_differ(tmp_path):
    a, b = (fit(TINY, seed, bright_discs(0), tmp_path / str(seed)) for seed in (0, 1))
    assert not torch.equal(weights(a)[0], weights(b)[0])


def test_a_checkpoint_of_another_recipe_seed_or_data_is_refused(tmp_path):
    fit(TINY, 0, bright_discs(0), tmp_path, stop_after=4)
    for recipe, seed, data in ((replace(TINY, batch=2), 0, 0), (TINY, 1, 0), (TINY, 0, 1)):
        with pytest.raises(ModelError, match="another recipe, seed or data"):
            fit(recipe, seed, bright_discs(data), tmp_path)


def test_a_student_without_pseudo_labels_is_refused(tmp_path):
    with pytest.raises(ModelError, match="needs pseudo-labelled slices"):
        fit(replace(TINY, pseudo=2), 0, bright_discs(0), tmp_path)


@pytest.mark.slow
def test_a_run_learns_what_it_is_shown_and_says_so(tmp_path):
    reports = []
    recipe = replace(TINY, steps=150, batch=8, learning_rate=0.02)
    fit(recipe, 0, bright_discs(0, 40), tmp_path, validation=bright_discs(9), report=reports.append, every=50)
    assert [r.step for r in reports] == [50, 100, 150]
    assert reports[-1].loss < 0.5 * reports[0].loss
    assert reports[-1].validation_dice > 0.8
    assert reports[-1].left_s == 0.0
    rows = list(csv.DictReader((tmp_path / "curve.csv").open()))
    assert [float(row["epoch"]) for row in rows] == [50 * 8 / 40, 100 * 8 / 40, 150 * 8 / 40]
    assert float(rows[-1]["validation_dice"]) == reports[-1].validation_dice


def test_an_unfinished_run_is_not_read_as_a_trained_network(tmp_path):
    fit(TINY, 0, bright_discs(0), tmp_path, stop_after=8)
    with pytest.raises(ModelError, match="stopped at step 8 of 12"):
        read_trained(tmp_path, TINY)
    trained = fit(TINY, 0, bright_discs(0), tmp_path)
    for a, b in zip(weights(trained), weights(read_trained(tmp_path, TINY)), strict=True):
        assert torch.equal(a, b)


def test_soft_dice_by_hand():
    # 2 * 0.5 / (0.25 + 0.25 + 1)
    assert float(soft_dice(torch.tensor([0.5, 0.5]), torch.tensor([1.0, 0.0]))) == pytest.approx(2 / 3)


def test_slices_of_scans_of_two_sizes_are_cut_and_reflected_to_the_commonest():
    affine = OBLIQUE.copy()
    affine[:3, :3] *= TRAINING_PIXEL_SPACING_MM / np.linalg.norm(affine[:3, :3], axis=0)
    affine[2, 2] *= 5

    def scan(size_i: int, size_j: int) -> tuple[Volume, Mask]:
        data = np.random.default_rng(size_i).random((size_i, size_j, 2))
        grid = Grid(data.shape, affine)
        return Volume(data, grid), Mask(data > 0.5, grid)

    scans = [scan(8, 10), scan(8, 10), scan(10, 6)]
    slices = Slices.of(scans)
    assert slices.images.shape == slices.masks.shape == (6, 10, 8)
    assert slices.masks.dtype == np.bool_
    # of the third, two columns are cut on each side, and two rows are reflected above and below
    hung = scans[2][1].data.transpose(2, 1, 0)[:, ::-1, 1:9]
    np.testing.assert_array_equal(slices.masks[4:, 2:8], hung)
    np.testing.assert_array_equal(slices.masks[4:, 1], hung[:, 1])


def test_the_two_recipes_are_the_shipped_and_the_published_network():
    assert sum(p.numel() for p in PAPER.network().parameters()) == 450_897
    assert sum(p.numel() for p in QUICK.network().parameters()) == 450_676
    assert (PAPER.steps, PAPER.batch, PAPER.learning_rate) == (100 * 350, 4, 0.001)
