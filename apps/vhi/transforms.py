"""Our post-transforms as MONAI's dictionary transforms; importing this imports MONAI. See docs/monai.md."""

from .lib.post_transforms.map_transforms import DropSmallComponentsd, DropSmallVolumesd, FillHolesd, Hysteresisd

__all__ = ["DropSmallComponentsd", "DropSmallVolumesd", "FillHolesd", "Hysteresisd"]
