"""Images and masks move together; the generator decides everything."""

from dataclasses import replace

import pytest
import torch

from lib.nets.augment import PUBLISHED, Augmentation, PublishedAugmentation, augment

STILL = Augmentation(
    rotation_deg=0, scale=(1, 1), shear=0, translation=0, flip=0, elastic=0, log_gamma=(0, 0), log_gain=0, bias_field=0, noise=0
)


def batch() -> tuple[torch.Tensor, torch.Tensor]:
    images = torch.zeros(4, 1, 64, 64)
    images[:, :, 10:30, 20:50] = 1.0
    return images, (images > 0.5).float()


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_ranges_nothing_changes():
    images, masks = batch()
    moved, moved_masks = augment(images, masks, generator(), STILL)
    torch.testing.assert_close(moved, images, atol=1e-4, rtol=0)
    torch.testing.assert_close(moved_masks, masks)


def test_a_certain_flip_mirrors_left_and_right():
    images, masks = batch()
    moved, moved_masks = augment(images, masks, generator(), Augmentation(**(vars(STILL) | {"flip": 1.0})))
    torch.testing.assert_close(moved, images.flip(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(moved_masks, masks.flip(3))


def test_the_mask_follows_the_image_through_every_deformation():
    images, masks = batch()
    shape_only = Augmentation(log_gamma=(0, 0), log_gain=0, bias_field=0, noise=0)
    moved, moved_masks = augment(images, masks, generator(3), shape_only)
    assert not torch.equal(moved_masks, masks)
    torch.testing.assert_close((moved > 0.5).float(), moved_masks)


def test_one_seed_gives_one_batch_and_another_seed_another():
    images, masks = batch()
    first, again, other = (augment(images, masks, generator(seed))[0] for seed in (5, 5, 6))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_masks_stay_zero_and_one_and_images_finite_in_both_recipes():
    images, masks = batch()
    for ranges in (Augmentation(), PUBLISHED):
        for seed in range(5):
            moved, moved_masks = augment(images, masks, generator(seed), ranges)
            assert torch.isfinite(moved).all()
            assert set(moved_masks.unique().tolist()) <= {0.0, 1.0}


def test_the_published_transforms_are_those_of_the_paper():
    assert PublishedAugmentation() == PUBLISHED
    assert (PUBLISHED.rotation_deg, PUBLISHED.scale, PUBLISHED.shear, PUBLISHED.flip) == (10, (0.9, 1.1), 0.2, 0.5)
    assert (PUBLISHED.elastic_points, PUBLISHED.elastic_sd_pixels, PUBLISHED.power) == (12, 3, (0.6, 1.2))


def test_published_transforms_take_the_nearest_pixel_and_mix_none():
    images = torch.randn(2, 1, 48, 48, generator=generator()).abs()
    moved, _ = augment(images, (images > 1).float(), generator(1), replace(PUBLISHED, power=(1.0, 1.0)))
    assert not torch.equal(moved, images)
    for before, after in zip(images, moved, strict=True):
        assert set(after.unique().tolist()) <= set(before.unique().tolist())


def test_published_displacements_have_the_published_size_in_pixels():
    """An image whose intensity is its column shows by how many pixels each pixel came from another column."""
    still = PublishedAugmentation(rotation_deg=0, scale=(1, 1), shear=0, flip=0, power=(1, 1))
    h, w = 120, 240
    columns = torch.arange(w).float().expand(64, 1, h, w)
    moved, _ = augment(columns, torch.zeros_like(columns), generator(2), still)
    inside = (moved - columns)[..., 20:-20, 20:-20]
    # between control points of standard deviation 3 a cubic interpolation leaves 0.75 to 0.85 of it on average
    assert 2.0 < float(inside.std()) < 3.0
    at_points = (moved - columns)[..., 0, 0].abs()  # a corner is a control point; outward moves are reflected
    assert float(at_points.square().mean().sqrt()) == pytest.approx(3.0, rel=0.3)


def test_published_powers_are_uniform():
    images = torch.full((4000, 1, 2, 2), 0.5)
    still = PublishedAugmentation(rotation_deg=0, scale=(1, 1), shear=0, flip=0, elastic_sd_pixels=0)
    moved, _ = augment(images, torch.zeros_like(images), generator(3), still)
    powers = (moved[:, 0, 0, 0].log() / torch.tensor(0.5).log()).sort().values
    expected = torch.linspace(0.6, 1.2, 4000)
    # the largest distance of 4,000 uniform values from their line is below 0.03 of the range; log-uniform ones lie 0.09 apart
    assert float((powers - expected).abs().max()) < 0.03 * 0.6


def test_the_transforms_of_the_shipped_recipes_are_as_they_were():
    """Numbers of the build that trained the shipped networks."""
    images, masks = batch()
    moved, moved_masks = augment(images, masks, generator(11))
    assert float(moved.sum()) == pytest.approx(2424.1375, rel=1e-5)
    assert float(moved_masks.sum()) == 2238
