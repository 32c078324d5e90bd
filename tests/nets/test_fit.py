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
from lib.nets.augment import Augmentation, augment
from lib.nets.fit import Slices, _loss_of_readings, fit, read_curve, read_trained, seconds_per_step, soft_dice, validate
from lib.nets.recipes import PLANS, Plan, Recipe

pytestmark = pytest.mark.slow  # seconds in all

TINY = Recipe("tiny", steps=12, batch=4, widths=(4, 8), shuffle=2, warm_up=0.25)
STILL = Augmentation(
    rotation_deg=0, scale=(1, 1), shear=0, translation=0, flip=0, elastic=0, log_gamma=(0, 0), log_gain=0, bias_field=0, noise=0
)  # fmt: skip


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


def apart(a: torch.nn.Module, b: torch.nn.Module) -> float:
    """How far two networks' parameters lie from each other."""
    return float(sum((x - y).detach().square().sum() for x, y in zip(a.parameters(), b.parameters(), strict=True)) ** 0.5)


def test_a_run_goes_on_from_another_network_which_stays_as_it_was(tmp_path):
    parent = fit(TINY, 0, bright_discs(0), tmp_path / "parent")
    before = [tensor.clone() for tensor in weights(parent)]
    gentle = replace(TINY, learning_rate=1e-5)
    child = fit(gentle, 1, bright_discs(1), tmp_path / "child", start=parent)
    assert 0 < apart(child, parent) < 0.05 * apart(fit(gentle, 1, bright_discs(1), tmp_path / "scratch"), parent)
    assert all(torch.equal(a, b) for a, b in zip(before, weights(parent), strict=True))


def test_a_pull_keeps_a_run_near_the_network_that_it_goes_on_from(tmp_path):
    parent = fit(TINY, 0, bright_discs(0), tmp_path / "parent")
    free, held = (fit(replace(TINY, pull=pull), 1, bright_discs(1), tmp_path / str(pull), start=parent) for pull in (0.0, 100.0))
    assert 0 < apart(held, parent) < 0.8 * apart(free, parent)


def test_a_pull_of_the_whole_way_each_step_ends_where_it_began(tmp_path):
    parent = fit(TINY, 0, bright_discs(0), tmp_path / "parent")
    rigid = replace(TINY, schedule="constant", pull=1 / TINY.learning_rate)
    assert apart(fit(rigid, 1, bright_discs(1), tmp_path / "rigid", start=parent), parent) == 0


def test_a_killed_run_that_goes_on_from_a_network_resumes_to_the_same_weights_and_from_no_other(tmp_path):
    parent, other = (fit(TINY, seed, bright_discs(0), tmp_path / f"parent{seed}") for seed in (0, 1))
    held = replace(TINY, pull=20.0)
    whole = fit(held, 3, bright_discs(1), tmp_path / "whole", start=parent, every=4)
    fit(held, 3, bright_discs(1), tmp_path / "killed", start=parent, every=4, stop_after=8)
    with pytest.raises(ModelError, match="another recipe, seed or data"):
        fit(held, 3, bright_discs(1), tmp_path / "killed", start=other, every=4)
    resumed = fit(held, 3, bright_discs(1), tmp_path / "killed", start=parent, every=4)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))


def test_a_recipe_comes_back_from_a_manifest_and_an_imported_network_gets_the_usual_one():
    recipe = replace(TINY, pull=20.0, kernel=5)
    assert Recipe.from_dict(recipe.as_dict() | {"precision": "float32"}, recipe.layout()) == recipe
    imported = Recipe.from_dict({"name": "imported", "source_file": "a.pt"}, {"widths": [16, 32], "shuffle": 1, "bias": True})
    assert (imported.widths, imported.shuffle, imported.bias, imported.kernel) == ((16, 32), 1, True, 3)


def test_seeds_differ(tmp_path):
    a, b = (fit(TINY, seed, bright_discs(0), tmp_path / str(seed)) for seed in (0, 1))
    assert not torch.equal(weights(a)[0], weights(b)[0])


def test_a_checkpoint_of_another_recipe_seed_or_data_is_refused(tmp_path):
    fit(TINY, 0, bright_discs(0), tmp_path, stop_after=4)
    for recipe, seed, data in ((replace(TINY, batch=2), 0, 0), (TINY, 1, 0), (TINY, 0, 1)):
        with pytest.raises(ModelError, match="another recipe, seed or data"):
            fit(recipe, seed, bright_discs(data), tmp_path)


def other_discs(seed: int) -> Slices:
    """Larger slices, of which half is not judged."""
    discs = bright_discs(seed)
    ignored = np.zeros_like(discs.masks)
    ignored[:, :16] = True
    grown = [np.pad(array, ((0, 0), (8, 8), (8, 8))) for array in (discs.images, discs.masks, ignored)]
    return Slices(*grown)


def test_slices_of_other_scanners_take_part_and_resume_too(tmp_path):
    mixed = replace(TINY, other=2)
    whole = fit(mixed, 0, bright_discs(0), tmp_path / "whole", other=other_discs(1), every=4)
    fit(mixed, 0, bright_discs(0), tmp_path / "killed", other=other_discs(1), every=4, stop_after=4)
    with pytest.raises(ModelError, match="another recipe, seed or data"):
        fit(mixed, 0, bright_discs(0), tmp_path / "killed", other=replace(other_discs(1), ignored=None), every=4)
    resumed = fit(mixed, 0, bright_discs(0), tmp_path / "killed", other=other_discs(1), every=4)
    alone = fit(TINY, 0, bright_discs(0), tmp_path / "alone", every=4)
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    assert not torch.equal(weights(whole)[0], weights(alone)[0])
    with pytest.raises(ModelError, match="needs slices of other scanners"):
        fit(mixed, 0, bright_discs(0), tmp_path / "none")


def test_slices_are_made_at_the_pixels_that_a_recipe_learns(tmp_path):
    affine = np.diag([-TRAINING_PIXEL_SPACING_MM, 1.0, -TRAINING_PIXEL_SPACING_MM, 1.0])[:, [0, 2, 1, 3]]
    grid = Grid((32, 48, 2), affine)
    data = np.random.default_rng(0).uniform(1, 2, grid.shape).astype(np.float32)
    scans = [(Volume(data, grid), Mask(data > 0, grid))]
    made = Slices.of(scans, ignored=[data > 0], pixel_spacing_mm=2 * TRAINING_PIXEL_SPACING_MM)
    assert made.images.shape == made.masks.shape == made.ignored.shape == (2, 24, 16)


def test_frozen_normalisations_keep_the_statistics_that_they_had_though_weights_move(tmp_path):
    parent = fit(TINY, 0, bright_discs(0), tmp_path / "parent")
    frozen, free = (
        fit(replace(TINY, frozen_norm=kept), 1, bright_discs(1), tmp_path / str(kept), start=parent, validation=bright_discs(2))
        for kept in (True, False)
    )

    def statistics(net: torch.nn.Module) -> list[torch.Tensor]:
        return [tensor for name, tensor in net.state_dict().items() if "running" in name]

    assert all(torch.equal(a, b) for a, b in zip(statistics(frozen), statistics(parent), strict=True))
    assert not torch.equal(statistics(free)[0], statistics(parent)[0])
    assert apart(frozen, parent) > 0


def test_a_blend_ends_part_of_the_way_from_the_start_to_what_was_learnt(tmp_path):
    parent = fit(TINY, 0, bright_discs(0), tmp_path / "parent")
    whole, part = (
        fit(replace(TINY, frozen_norm=True, blend=blend), 1, bright_discs(1), tmp_path / str(blend), start=parent)
        for blend in (1.0, 0.25)
    )
    for origin, learnt, blended in zip(parent.parameters(), whole.parameters(), part.parameters(), strict=True):
        torch.testing.assert_close(blended, 0.75 * origin + 0.25 * learnt)


def test_a_window_shows_parts_of_larger_slices_resumes_and_leaves_smaller_ones_whole(tmp_path, monkeypatch):
    seen: list[torch.Size] = []

    def noted(images: torch.Tensor, *given: object) -> object:
        seen.append(images.shape)
        return augment(images, *given)

    monkeypatch.setattr("lib.nets.fit.augment", noted)
    part = replace(TINY, window=16)
    whole = fit(part, 0, bright_discs(0), tmp_path / "whole", every=4)
    fit(part, 0, bright_discs(0), tmp_path / "killed", every=4, stop_after=4)
    resumed = fit(part, 0, bright_discs(0), tmp_path / "killed", every=4)
    fit(replace(part, pseudo=2), 0, bright_discs(0), tmp_path / "replay", pseudo=bright_discs(1))
    assert {tuple(shape) for shape in seen} == {(4, 1, 16, 16)}
    assert all(torch.equal(a, b) for a, b in zip(weights(whole), weights(resumed), strict=True))
    with pytest.raises(ModelError, match="another recipe, seed or data"):
        fit(TINY, 0, bright_discs(0), tmp_path / "killed", every=4)
    alone, same = (fit(replace(TINY, window=n), 0, bright_discs(0), tmp_path / f"window{n}") for n in (0, 64))
    assert torch.equal(weights(alone)[0], weights(same)[0])


def test_what_is_ignored_decides_no_weight(tmp_path):
    mixed = replace(TINY, other=2, augmentation=STILL)
    discs = bright_discs(1)
    ignored = discs.masks.copy()
    ignored[:, :16] = True
    other = Slices(discs.images, discs.masks, ignored)
    drawn_over = Slices(discs.images, discs.masks ^ ignored, ignored)
    a, b = (fit(mixed, 0, bright_discs(0), tmp_path / name, other=data) for name, data in (("a", other), ("b", drawn_over)))
    assert all(torch.equal(x, y) for x, y in zip(weights(a), weights(b), strict=True))


def test_labels_that_are_read_in_several_ways_teach_one_network_whose_first_answer_is_kept(tmp_path):
    discs = bright_discs(1, 40)
    middles = discs.masks.copy()
    middles[:, :, ::2] = False  # what the labels are drawn over: every other column
    drawn = Slices(discs.images, discs.masks & ~middles, np.zeros_like(discs.masks), middles)
    read = replace(TINY, steps=60, batch=8, learning_rate=0.02, readings=True, augmentation=STILL)
    whole = fit(read, 3, drawn, tmp_path / "whole", every=20)
    fit(read, 3, drawn, tmp_path / "killed", every=20, stop_after=20)
    resumed = fit(read, 3, drawn, tmp_path / "killed", every=20)
    kept = read_trained(tmp_path / "whole", read)
    assert all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(*map(weights, (whole, resumed, kept)), strict=True))
    assert [tensor.shape for tensor in weights(whole)] == [tensor.shape for tensor in weights(TINY.network())]
    with torch.no_grad():
        sure = whole(torch.from_numpy(discs.images)[:, None]).sigmoid()[:, 0].numpy()
    assert sure[drawn.masks].mean() > 0.7 > 0.3 > sure[middles].mean()
    with pytest.raises(ModelError, match="pass slices that tell discs and canal"):
        fit(read, 0, bright_discs(0), tmp_path / "none")


def test_each_reading_counts_what_it_tells_and_no_more():
    """Pixels of bone, disc (drawn as bone), ground and one that is ignored, of which each answer is told what it thinks."""
    region, ignored, disc = torch.tensor([1.0, 0, 0, 0]), torch.tensor([0.0, 0, 0, 1]), torch.tensor([0.0, 1, 0, 0])
    masks = torch.stack([region, ignored, disc]).view(1, 3, 2, 2)
    read = replace(TINY, readings=True, soft_dice_weight=0.0)
    sure, cross_entropy = 3.0, torch.nn.functional.softplus
    right = torch.tensor([[sure, -sure, -sure, sure], [sure, sure, -sure, sure], [sure, sure, -sure, -sure]]).view(1, 3, 2, 2)
    # the loss is a mean over all pixels, those that do not count as 0: three count, but two where the disc is ignored
    least = cross_entropy(torch.tensor(-sure))
    torch.testing.assert_close(_loss_of_readings(read, right, masks), least * (3 + 2 + 3) / 4 / 3)
    for answer, pixel, counts in ((0, 1, True), (1, 1, False), (2, 1, True), (0, 3, False), (1, 3, False), (2, 3, False)):
        wrong = right.clone()
        wrong[0, answer].view(-1)[pixel] *= -1
        more = _loss_of_readings(read, wrong, masks) - _loss_of_readings(read, right, masks)
        torch.testing.assert_close(more, torch.tensor(sure / 4 / 3 if counts else 0.0))


def test_a_student_without_pseudo_labels_is_refused(tmp_path):
    with pytest.raises(ModelError, match="needs pseudo-labelled slices"):
        fit(replace(TINY, pseudo=2), 0, bright_discs(0), tmp_path)


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
    assert read_curve(tmp_path) == reports
    assert 0 < reports[0].cpu_s < reports[1].cpu_s < reports[2].cpu_s


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


def test_soft_dice_of_both_classes_by_hand():
    probability = torch.tensor([[0.5, 0.5], [0.0, 0.0]])
    masks = torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    # first sample: 2 * 0.5 / (0.5 + 1) in both classes; second: nothing of foreground is matched, background 2 * 2 / (2 + 2)
    assert float(soft_dice(probability, masks, both_classes=True)) == pytest.approx((2 / 3 + 2 / 3 + 1 + 1) / 4)
    # a faint foreground where there is none has a Dice of 0 there, and costs the background little
    faint = torch.tensor([[0.1, 0.1]])
    expected = (0 + 2 * 1.8 / (2 * 0.81 + 2)) / 2
    assert float(soft_dice(faint, torch.zeros(1, 2), both_classes=True)) == pytest.approx(expected)


def test_only_the_published_recipe_monitors_both_classes(tmp_path):
    assert [recipe.both_classes for recipe in PLANS["paper"].recipes()] == [True]
    assert not any(recipe.both_classes for name in ("vhi", "quick") for recipe in PLANS[name].recipes())
    # weights are the same whatever is monitored, the curve is not
    plain, both = (fit(replace(TINY, both_classes=one), 0, bright_discs(0), tmp_path / str(one)) for one in (False, True))
    for a, b in zip(weights(plain), weights(both), strict=True):
        assert torch.equal(a, b)
    curves = [read_curve(tmp_path / str(one))[-1].soft_dice for one in (False, True)]
    assert curves[0] < curves[1], "background is most of a slice, and easier"


def test_recipes_come_back_from_their_manifests_and_older_ones_stay_equal():
    for plan in PLANS.values():
        for recipe in plan.recipes():
            assert Recipe.from_dict(recipe.as_dict(), recipe.layout()) == recipe
    assert "both_classes" not in PLANS["vhi"].members[0].as_dict()
    assert "both_classes" not in repr(PLANS["vhi"].members[0])


def scan(size_i: int, size_j: int) -> tuple[Volume, Mask]:
    """A scan at the training spacing whose body fills the frame; every voxel is bone or marrow by chance."""
    affine = OBLIQUE.copy()
    affine[:3, :3] *= TRAINING_PIXEL_SPACING_MM / np.linalg.norm(affine[:3, :3], axis=0)
    affine[2, 2] *= 5
    data = np.random.default_rng(size_i).random((size_i, size_j, 2))
    grid = Grid(data.shape, affine)
    return Volume(data, grid), Mask(data > 0.5, grid)


def test_slices_of_scans_of_two_sizes_are_grown_by_air_to_the_largest_and_no_label_is_cut():
    scans = [scan(8, 10), scan(8, 10), scan(10, 6)]
    slices = Slices.of(scans)
    assert slices.images.shape == slices.masks.shape == (6, 10, 10)
    assert slices.masks.dtype == np.bool_
    assert slices.masks.sum() == sum(mask.voxels for _, mask in scans)
    # the first two get a column of air on each side, the third two rows of air above and below
    np.testing.assert_array_equal(slices.masks[4:, 2:8], scans[2][1].data.transpose(2, 1, 0)[:, ::-1])
    np.testing.assert_array_equal(slices.masks[:2, :, 1:9], scans[0][1].data.transpose(2, 1, 0)[:, ::-1])
    for air in (slices.masks[4:, [0, 1, 8, 9]], slices.images[4:, [0, 1, 8, 9]], slices.images[:4, :, [0, 9]]):
        assert not air.any()


def test_labelled_and_pseudo_labelled_slices_of_two_sizes_are_learnt_together(tmp_path):
    student = replace(TINY, pseudo=2, steps=2)
    small, wide = Slices.of([scan(8, 10)], student.multiple), Slices.of([scan(24, 6)], student.multiple)
    assert small.images.shape[1:] != wide.images.shape[1:]
    trained = fit(student, 0, small, tmp_path, pseudo=wide)
    assert all(bool(tensor.isfinite().all()) for tensor in weights(trained))


def test_slices_are_grown_to_a_multiple_of_the_networks_blocks():
    affine = OBLIQUE.copy()
    affine[:3, :3] *= TRAINING_PIXEL_SPACING_MM / np.linalg.norm(affine[:3, :3], axis=0)
    grid = Grid((10, 9, 1), affine)
    data = np.random.default_rng(0).random(grid.shape)
    assert Slices.of([(Volume(data, grid), Mask(data > 0.5, grid))], multiple=4).images.shape == (1, 12, 12)


def test_validation_by_hand():
    """A network without weights answers 0.5 everywhere, which counts as bone."""
    net = TINY.network()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
    masks = np.zeros((3, 8, 8), dtype=bool)
    masks[0, :4] = True  # half of the slice
    masks[1] = True
    loss, soft, per_slice = validate(net, replace(TINY, soft_dice_weight=0.0), Slices(np.zeros((3, 8, 8), np.float32), masks))
    assert loss == pytest.approx(np.log(2))
    # 2 * 0.5 * 96 / (0.25 * 192 + 96)
    assert soft == pytest.approx(2 / 3)
    assert per_slice == pytest.approx((2 * 32 / 96 + 1 + 0) / 3)


def test_long_runs_are_validated_forty_times_and_at_the_first_report(tmp_path):
    recipe = replace(TINY, steps=90)
    fit(recipe, 0, bright_discs(0), tmp_path, validation=bright_discs(1, 2), every=1)
    validated = [point.step for point in read_curve(tmp_path) if not np.isnan(point.validation_dice)]
    assert validated == [1, *range(3, 91, 3)]
    # the first report comes at a third of the first stride: 90 steps are 30 strides of ceil(90 / 40) = 3


def test_the_pace_of_a_step_is_measured():
    assert seconds_per_step(TINY, bright_discs(0), None, steps=2) > 0


def test_the_published_recipe_is_the_published_network():
    paper = PLANS["paper"]
    assert [recipe.name for recipe in paper.members] == ["paper"] * 3
    assert not paper.flip
    recipe = paper.members[0]
    assert sum(p.numel() for p in recipe.network().parameters()) == 450_897
    assert (recipe.steps, recipe.batch, recipe.learning_rate, recipe.schedule) == (100 * 350, 4, 0.001, "constant")
    assert (recipe.weight_decay, recipe.soft_dice_weight, recipe.clip_norm, recipe.pseudo) == (0.0, 0.0, None, 0)


def test_a_plan_without_unlabelled_scans_has_no_pseudo_labels():
    student = replace(TINY, name="student", pseudo=2)
    plan = Plan("p", members=(TINY, student))
    assert plan.without_unlabelled() == Plan("p", members=(TINY, replace(student, pseudo=0)))
    assert [recipe.steps for recipe in plan.with_steps({"tiny": 7, "student": 9}).members] == [7, 9]
    assert plan.first(1) == Plan("p", members=(TINY,))
