"""What lies between a scan and the networks, as transforms of MONAI.

A bundle takes this module along, with those it imports: they are the program's own, so that a bundle computes what it computes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import ensure_tuple

from ..core.disease_region import SMALLEST_PIECE, drop_small_pieces
from ..core.normalise import TRAINING_PIXEL_SPACING_MM, NetworkFrame, normalise_t1w
from ..core.volume import Grid, Volume
from ..errors import InputError

_AFFINE, _SHAPE = "scan_affine", "scan_shape"


class NormaliseT1Wd(MapTransform):
    """Divides a scan by three times the standard deviation of its whole volume.

    `(1, I, J, K)` MetaTensor of any number type to float32, without unit.

    Raises
    ------
    InputError
        It is no single volume, it is constant, or a voxel is not finite.
    """

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            image = out[key]
            volume = Volume(_single(image, str(key)).astype(np.float64), _grid_of(image, str(key)), str(key))
            out[key] = MetaTensor(torch.from_numpy(normalise_t1w(volume))[None], meta=_meta_of(image))
        return out


class HangSlicesd(MapTransform):
    """Hangs the slices of a scan as the networks know them, and resamples them where the pixels are of another size.

    `(1, I, J, K)` MetaTensor with its affine in RAS+ mm to `(1, K, H, W)`: rows from superior to inferior, columns from the
    patient's right to the left. `UnhangSlicesd` is the way back.

    Parameters
    ----------
    keys : str or sequence of str
        Images, or masks: what is 0.5 or more of a mask that was resampled stays.
    pixel_spacing_mm : float
        What the networks were trained at. A direction that differs by less than 10% is left alone.
    masks : str or sequence of str
        Which of `keys` are masks.
    """

    def __init__(
        self,
        keys: KeysCollection,
        pixel_spacing_mm: float = TRAINING_PIXEL_SPACING_MM,
        masks: KeysCollection = (),
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.pixel_spacing_mm = pixel_spacing_mm
        self.masks = set(ensure_tuple(masks))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            image = out[key]
            grid = _grid_of(image, str(key))
            slices = NetworkFrame.of(grid, self.pixel_spacing_mm).slices(_single(image, str(key)))
            if key in self.masks:
                slices = (slices >= 0.5).astype(np.float32)
            meta = {**_meta_of(image), _AFFINE: np.array(grid.affine), _SHAPE: list(grid.shape)}
            out[key] = MetaTensor(torch.from_numpy(slices)[None], meta=meta)
        return out


class UnhangSlicesd(MapTransform):
    """The way back of `HangSlicesd`: `(C, K, H, W)` answers to `(C, I, J, K)` on the scan's own grid.

    Parameters
    ----------
    keys : str or sequence of str
    orig_keys : str
        The scan that was hung, with what `HangSlicesd` noted of it.
    pixel_spacing_mm : float
        As it was given to `HangSlicesd`.
    """

    def __init__(
        self,
        keys: KeysCollection,
        orig_keys: str = "image",
        pixel_spacing_mm: float = TRAINING_PIXEL_SPACING_MM,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.orig_keys = orig_keys
        self.pixel_spacing_mm = pixel_spacing_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            meta = _meta_of(out[self.orig_keys])
            if _AFFINE not in meta:
                raise InputError(f"{self.orig_keys} was not hung by HangSlicesd; put that before the network.")
            rows, columns, slices = (int(n) for n in meta[_SHAPE])
            grid = Grid((rows, columns, slices), np.asarray(meta[_AFFINE], dtype=np.float64))
            frame = NetworkFrame.of(grid, self.pixel_spacing_mm)
            channels = np.asarray(torch.as_tensor(out[key]).detach().cpu().float().numpy())
            scan = np.stack([np.ascontiguousarray(frame.volume(channel)) for channel in channels])
            out[key] = MetaTensor(torch.from_numpy(scan), affine=torch.from_numpy(np.array(grid.affine)), meta=_scan_meta(meta))
        return out


class DropSmallPiecesd(MapTransform):
    """Clears the pieces of a mask that are smaller than a share of the largest one.

    `(1, I, J, K)` to the same; a piece is a 26-connected group of voxels that are not 0.

    Parameters
    ----------
    smallest : float
        Share of the largest piece's voxels, 0 to 1.

    Notes
    -----
    `monai.transforms.RemoveSmallObjectsd` takes a number of voxels, `KeepLargestConnectedComponentd` leaves a number of pieces;
    neither knows a share.
    """

    def __init__(self, keys: KeysCollection, smallest: float = SMALLEST_PIECE, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.smallest = smallest

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            mask = out[key]
            kept = drop_small_pieces(_single(mask, str(key)) > 0, self.smallest).astype(np.float32)
            out[key] = MetaTensor(torch.from_numpy(kept)[None], meta=_meta_of(mask))
        return out


def _single(image: Any, name: str) -> np.ndarray:
    """The one channel of an image."""
    array: np.ndarray = torch.as_tensor(image).detach().cpu().numpy()
    if array.ndim != 4 or len(array) != 1:
        raise InputError(f"{name} has shape {array.shape}; one channel of a 3-D scan is needed: (1, I, J, K).")
    return array[0]


def _meta_of(image: Any) -> dict[str, Any]:
    return dict(getattr(image, "meta", {}))


def _scan_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of the scan beside its grid, which an answer has of its own."""
    return {name: value for name, value in meta.items() if name not in ("affine", "original_affine", _AFFINE, _SHAPE)}


def _grid_of(image: Any, name: str) -> Grid:
    affine = getattr(image, "affine", None)
    if affine is None:
        raise InputError(f"{name} does not say where its voxels lie; load it with LoadImaged.")
    return Grid(tuple(image.shape[1:]), np.asarray(affine, dtype=np.float64))
