"""Effects of other scanners change intensities and the frame, never where anatomy lies."""

import pytest
import torch

from lib.nets.augment import Augmentation, ScannerAugmentation, augment, augmentation_of
from lib.nets.scanner_effects import ScannerEffects, frame_edges, with_effects

NONE = ScannerEffects(air=0, coarse=0, sharp=0, curve=0, ghost=0)
STILL = {
    "rotation_deg": 0, "scale": (1, 1), "shear": 0, "translation": 0, "flip": 0, "elastic": 0, "log_gamma": (0, 0), "log_gain": 0,
    "bias_field": 0, "noise": 0,
}  # fmt: skip


def square() -> torch.Tensor:
    images = torch.full((4, 1, 32, 32), 0.2)
    images[:, :, 8:24, 8:24] = 1.0
    return images


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_without_effects_images_stay_as_they_are():
    assert torch.equal(with_effects(square(), generator(), NONE), square())


@pytest.mark.parametrize("name", ["coarse", "sharp", "curve", "ghost"])
def test_each_effect_changes_every_image_where_it_is_certain_and_the_square_stays_in_its_place(name):
    changed = with_effects(square(), generator(), ScannerEffects(**vars(NONE) | {name: 1.0}))
    assert torch.isfinite(changed).all()
    assert (changed >= 0).all()
    for before, after in zip(square(), changed, strict=True):
        assert not torch.equal(before, after)
        assert after[0, 10:22, 10:22].mean() > 2 * after[0, :6, :6].mean()


def test_a_bent_grey_scale_keeps_air_black_and_the_brightest_as_bright():
    bent = with_effects(square() - 0.2, generator(), ScannerEffects(**vars(NONE) | {"curve": 1.0}))
    torch.testing.assert_close(bent[:, :, 0, 0], torch.zeros(4, 1))
    torch.testing.assert_close(bent.amax((1, 2, 3)), torch.full((4,), 0.8))


def test_a_frame_that_ends_in_air_holds_neither_image_nor_mask_beyond_it():
    moving = ScannerAugmentation(**STILL | {"scale": (1.5, 1.5)}, effects=ScannerEffects(**vars(NONE) | {"air": 1.0, "cut": 0.0}))
    images, masks = augment(torch.ones(2, 1, 30, 30), torch.ones(2, 2, 30, 30), generator(), moving)
    # seen from half as far again, the frame fills the middle 20 of 30 pixels
    assert images[:, :, 5:25, 5:25].min() == pytest.approx(1.0)
    assert masks[:, :, 5:25, 5:25].min() == 1
    outside = torch.ones(30, 30, dtype=torch.bool)
    outside[4:26, 4:26] = False
    assert images[:, :, outside].max() == 0
    assert masks[:, :, outside].max() == 0


def test_a_mirrored_frame_has_no_air():
    mirrored = ScannerAugmentation(**STILL | {"scale": (1.5, 1.5)}, effects=NONE)
    images, _ = augment(torch.ones(2, 1, 30, 30), torch.ones(2, 1, 30, 30), generator(), mirrored)
    assert images.min() > 0.99


def test_at_most_the_given_share_of_a_side_is_cut_off_and_only_from_frames_that_end_in_air():
    ends, left = frame_edges(torch.Size((200, 1, 50, 50)), generator(), ScannerEffects(air=0.5, cut=0.2))
    assert 60 < int(ends.sum()) < 140
    assert left[~ends].min() == 1
    assert left[:, :, 10:40, 10:40].min() == 1
    assert (left[ends].mean((1, 2, 3)) < 1).float().mean() > 0.8


def test_ranges_come_back_from_a_manifest():
    for ranges in (Augmentation(noise=0.5), ScannerAugmentation(noise=0.5, effects=ScannerEffects(ghost=0.7))):
        content = vars(ranges) | ({"effects": vars(ranges.effects)} if isinstance(ranges, ScannerAugmentation) else {})
        assert augmentation_of(content | {"scale": [0.85, 1.18], "log_gamma": [-0.5, 0.4]}) == ranges
