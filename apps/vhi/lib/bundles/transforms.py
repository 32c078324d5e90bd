"""The steps between a scan and the networks, as transforms of MONAI.

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
from ..core.orientation import DisplayOrientation
from ..core.volume import Grid, Volume
from ..errors import InputError

_AFFINE, _FRAME = "scan_affine", "network_frame"


class HangSlicesd(MapTransform):
    """A T1W scan as the networks see it: normalised, its slices hung, the air beyond the body left out.

    `(1, I, J, K)` MetaTensor with its affine in RAS+ mm to `(1, K, H, W)` float32: T1W over three standard deviations, rows from
    superior to inferior, columns from the patient's right to the left, resampled where the pixels are of another size.
    `UnhangSlicesd` is the way back.

    Parameters
    ----------
    keys : str
        The scan.
    masks : str or sequence of str
        Masks on its grid, to be hung alike: what is 0.5 or more after resampling stays.
    pixel_spacing_mm : float
        What the networks were trained at. A direction that differs by less than 10% is left alone.

    Raises
    ------
    InputError
        It is no single volume, it is constant, or a voxel is not finite.
    """

    def __init__(
        self,
        keys: KeysCollection,
        masks: KeysCollection = (),
        pixel_spacing_mm: float = TRAINING_PIXEL_SPACING_MM,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.masks = ensure_tuple(masks)
        self.pixel_spacing_mm = pixel_spacing_mm

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            scan = out[key]
            volume = Volume(_single(scan, str(key)).astype(np.float64), _grid_of(scan, str(key)), str(key))
            frame = NetworkFrame.of(volume, self.pixel_spacing_mm)
            out[key] = _hung(frame.slices(normalise_t1w(volume)), scan, volume.grid, frame)
            for mask in self.masks:
                slices = frame.slices(_single(out[mask], str(mask))) >= 0.5
                out[mask] = _hung(slices.astype(np.float32), out[mask], volume.grid, frame)
        return out


class UnhangSlicesd(MapTransform):
    """The way back of `HangSlicesd`: `(C, K, H, W)` answers to `(C, I, J, K)` on the scan's own grid.

    Parameters
    ----------
    keys : str or sequence of str
    orig_keys : str
        The scan that was hung, with what `HangSlicesd` noted of it.
    """

    def __init__(self, keys: KeysCollection, orig_keys: str = "image", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.orig_keys = orig_keys

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        out = dict(data)
        for key in self.key_iterator(out):
            meta = _meta_of(out[self.orig_keys])
            if _FRAME not in meta:
                raise InputError(f"{self.orig_keys} was not hung by HangSlicesd; put that before the network.")
            frame = _frame_of(meta[_FRAME])
            channels = torch.as_tensor(out[key]).detach().cpu().float().numpy()
            scan = torch.from_numpy(np.stack([np.ascontiguousarray(frame.volume(channel)) for channel in channels]))
            affine = torch.as_tensor(np.asarray(meta[_AFFINE], dtype=np.float64))
            out[key] = MetaTensor(scan, affine=affine, meta=_scan_meta(meta))
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


def _hung(slices: np.ndarray, scan: Any, grid: Grid, frame: NetworkFrame) -> MetaTensor:
    """`(K, H, W)` slices with what the way back needs, as arrays, which a data loader puts together and takes apart."""
    hanging, (i, j) = frame.hanging, frame.body
    numbers = (
        hanging.transpose, hanging.flip_rows, hanging.flip_columns, *frame.shape,
        i.start, i.stop, j.start, j.stop, *frame.own_size, *frame.network_size,
    )  # fmt: skip
    meta = {**_meta_of(scan), _AFFINE: np.array(grid.affine), _FRAME: np.array(numbers, dtype=np.int64)}
    return MetaTensor(torch.from_numpy(slices)[None], meta=meta)


def _frame_of(numbers: Any) -> NetworkFrame:
    """The frame that `_hung` noted."""
    n = [int(one) for one in np.asarray(numbers).ravel()]
    hanging = DisplayOrientation(bool(n[0]), bool(n[1]), bool(n[2]))
    body = slice(n[6], n[7]), slice(n[8], n[9])
    return NetworkFrame(hanging, (n[3], n[4], n[5]), body, (n[10], n[11]), (n[12], n[13]))


def _single(image: Any, name: str) -> np.ndarray:
    """The one channel of an image."""
    array: np.ndarray = torch.as_tensor(image).detach().cpu().numpy()
    if array.ndim != 4 or len(array) != 1:
        raise InputError(f"{name} has shape {array.shape}; one channel of a 3-D scan is needed: (1, I, J, K).")
    return array[0]


def _meta_of(image: Any) -> dict[str, Any]:
    return dict(getattr(image, "meta", {}))


def _scan_meta(meta: Mapping[str, Any]) -> dict[str, Any]:
    """The facts about the scan beside its grid, which an answer has of its own."""
    return {name: value for name, value in meta.items() if name not in ("affine", "original_affine", _AFFINE, _FRAME)}


def _grid_of(image: Any, name: str) -> Grid:
    affine = getattr(image, "affine", None)
    if affine is None:
        raise InputError(f"{name} does not say where its voxels lie; load it with LoadImaged.")
    return Grid(tuple(image.shape[1:]), np.asarray(affine, dtype=np.float64))
