"""Our post-transforms as MONAI's dictionary transforms, for chains of other people: `vhi.transforms` in the installed package.

Importing this module imports MONAI. Each is a thin shell over the same function that `measure` uses; a site's chain that names
them (`--post-transforms`) runs that function without MONAI.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from monai.utils import TransformBackends, convert_to_dst_type

from ..core.post_transform import PostTransform
from ..core.transforms.holes import FillHolesd as _FillHoles
from ..core.transforms.hysteresis import Hysteresisd as _Hysteresis
from ..core.transforms.small_components import DropSmallComponentsd as _DropSmallComponents
from ..core.transforms.small_volumes import DropSmallVolumesd as _DropSmallVolumes
from ..core.volume import Grid
from ..errors import InputError

__all__ = ["DropSmallComponentsd", "DropSmallVolumesd", "FillHolesd", "Hysteresisd"]


class GradeMapTransform(MapTransform):
    """Base of the four: runs one of our steps on each grade map of a dictionary.

    A grade map is a channel-first array or tensor of shape (1, I, J, K) with the values 0, 1 (at or above the sensitive
    threshold) and 2 (at or above both), of any number type; a mask of 0 and 1 is one too. K counts the slices. What comes back
    has the type, number type, device and metadata of what went in; the given map is not changed.
    """

    backend = [TransformBackends.NUMPY]  # noqa: RUF012 - as its base declares it
    # whether the size of a voxel matters, which a MetaTensor alone knows
    needs_affine = False

    def __init__(self, keys: KeysCollection, step: PostTransform, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.step = step

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """A new dictionary in which the maps under the keys are replaced.

        Raises
        ------
        KeyError
            A key is missing, and that is not allowed.
        InputError
            Not a grade map, or one without a place in the patient where a size in mm was asked for.
        """
        changed = dict(data)
        for key in self.key_iterator(changed):
            changed[key] = self._applied(changed[key], changed, str(key))
        return changed

    def _applied(self, given: Any, data: Mapping[Hashable, Any], key: str) -> Any:
        grade = _grade_of(given, key)
        region = self._region(data, grade.shape)
        kept = self.step.apply(grade, self._grid(given, grade.shape, key), region)
        return convert_to_dst_type(np.ascontiguousarray(kept)[np.newaxis], given)[0]

    def _region(self, data: Mapping[Hashable, Any], shape: tuple[int, ...]) -> np.ndarray:
        return np.ones(shape, dtype=bool)

    def _grid(self, given: Any, shape: tuple[int, ...], key: str) -> Grid:
        if isinstance(given, MetaTensor):
            return Grid((shape[0], shape[1], shape[2]), np.asarray(given.affine.detach().cpu(), dtype=float))
        if self.needs_affine:
            raise InputError(
                f"{type(self).__name__}: {key!r} is a {type(given).__name__} without an affine, so its mm are not known; pass "
                "a MetaTensor, as LoadImaged gives one."
            )
        return Grid((shape[0], shape[1], shape[2]), np.eye(4))


class DropSmallComponentsd(GradeMapTransform):
    """Clear groups of few pixels, slice by slice: the paper's clearing.

    Parameters
    ----------
    keys : str or sequence of str
    min_pixels : int
        Smallest group that stays; one of exactly this many pixels stays.
    min_area_mm2 : float
        Smallest group that stays [mm2]; 0 is off. Needs a MetaTensor.
    connectivity : 8 or 4
        Whether pixels that touch only by a corner belong together.
    allow_missing_keys : bool

    Raises
    ------
    SettingsError
        A value outside its range.

    Notes
    -----
    Hepburn et al. 2023, section 2.5.1 (v). Unlike `monai.transforms.RemoveSmallObjectsd` (1.6.1) and
    `skimage.morphology.remove_small_objects` (0.26): those look for groups in three dimensions, where ours are of one slice; with
    `min_size=4` they clear a group of exactly 4, which ours keeps; by default MONAI takes each grade's groups for themselves,
    where ours are of both grades together, and both join pixels by edges alone where ours also join them by corners
    (`connectivity=1` is scikit-image's default).
    """

    def __init__(
        self,
        keys: KeysCollection,
        min_pixels: int = 4,
        min_area_mm2: float = 0.0,
        connectivity: int = 8,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, _DropSmallComponents(min_pixels, min_area_mm2, connectivity), allow_missing_keys)
        self.needs_affine = min_area_mm2 > 0


class DropSmallVolumesd(GradeMapTransform):
    """Clear lesions below a volume. Needs a MetaTensor.

    Parameters
    ----------
    keys : str or sequence of str
    min_volume_mm3 : float
        Smallest 26-connected group of both grades that stays [mm3]; one of exactly this volume stays.
    allow_missing_keys : bool

    Raises
    ------
    SettingsError
        A value outside its range.

    Notes
    -----
    Unlike `monai.transforms.RemoveSmallObjectsd(by_measure=True)` (1.6.1), which clears a group of exactly this volume, and takes
    each grade's groups for themselves.
    """

    needs_affine = True

    def __init__(self, keys: KeysCollection, min_volume_mm3: float, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, _DropSmallVolumes(min_volume_mm3), allow_missing_keys)


class Hysteresisd(GradeMapTransform):
    """Keep lesions that hold at least one voxel of grade 2.

    Parameters
    ----------
    keys : str or sequence of str
    allow_missing_keys : bool

    Notes
    -----
    As `skimage.filters.apply_hysteresis_threshold` (0.26) of the intensities with both thresholds, but for two things: that joins
    voxels by faces alone, where ours also join them by edges and corners; and a voxel at a threshold counts here, not there.
    """

    def __init__(self, keys: KeysCollection, allow_missing_keys: bool = False) -> None:
        super().__init__(keys, _Hysteresis(hysteresis=True), allow_missing_keys)


class FillHolesd(GradeMapTransform):
    """Give grade 1 to pixels that a lesion encloses in its slice.

    Parameters
    ----------
    keys : str or sequence of str
    region_key : str or None
        Key of the mask within which pixels may be filled, of the maps' shape; None for anywhere.
    allow_missing_keys : bool

    Notes
    -----
    Unlike `monai.transforms.FillHolesd` (1.6.1), which fills what is enclosed in three dimensions, with the enclosing grade;
    ours fills slice by slice, with grade 1, since nothing filled reaches a threshold, and fills a ring closed by corners alone,
    as `scipy.ndimage.binary_fill_holes` does and MONAI does not.
    """

    def __init__(self, keys: KeysCollection, region_key: str | None = "disease_region", allow_missing_keys: bool = False) -> None:
        super().__init__(keys, _FillHoles(fill_holes=True), allow_missing_keys)
        self.region_key = region_key

    def _region(self, data: Mapping[Hashable, Any], shape: tuple[int, ...]) -> np.ndarray:
        if self.region_key is None:
            return super()._region(data, shape)
        if self.region_key not in data:
            raise InputError(f"FillHolesd needs a mask under {self.region_key!r}; pass one, or region_key=None to fill anywhere.")
        region = _numpy(data[self.region_key])
        if region.shape != (1, *shape):
            raise InputError(
                f"FillHolesd: {self.region_key!r} has shape {region.shape}; it must be that of the map, {(1, *shape)}."
            )
        return region[0] > 0


def _numpy(given: Any) -> np.ndarray:
    return np.asarray(given.detach().cpu() if isinstance(given, torch.Tensor) else given)


def _grade_of(given: Any, key: str) -> np.ndarray:
    """`(I, J, K)` uint8, checked."""
    array = _numpy(given)
    if array.ndim != 4 or array.shape[0] != 1:
        raise InputError(f"{key!r} has shape {array.shape}; a grade map is channel-first, (1, I, J, K), K counting the slices.")
    wrong = array[~np.isin(array, (0, 1, 2))]
    if wrong.size:
        raise InputError(f"{key!r} holds the value {wrong.ravel()[0]:g}; a grade map holds 0, 1 and 2.")
    return array[0].astype(np.uint8)
