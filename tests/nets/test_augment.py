"""Images and masks move together; the generator decides everything."""

import torch

from lib.nets.augment import PUBLISHED, Augmentation, augment

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
