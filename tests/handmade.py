"""A scan small enough that every number of its report is known by hand.

Voxels of 1 x 2 x 3 mm (6 mm3), coronal: I to the patient's left (x = 6 - I), J upwards, K to the front. The disease region is
I 1 to 10, so the midline lies at x = 0.5. Normal bone holds 1, 2, 3, 4, 7.5 nine times, in three rows of slices 0, 1 and 2:
quartiles 2 and 4, so the sensitive threshold is 4 + 1.5 * 2 = 7 and the conservative one 7.5. Its nine brightest voxels are in
the disease region too, but none touches another within a slice, so they are cleared.

| lesion | side | voxels | where | intensity |
|---|---|---|---|---|
| 1 | left | 8, 4 of them conservative | I 9-10, J 1-2, K 1-2 | 8 in slice 1, 7.2 in slice 2 |
| 2 | right | 4 | I 1-2, J 1-2, K 3 | 7, exactly at the threshold |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lib.core.chain import Chain
from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.settings import VhiSettings
from lib.core.volume import Grid, Mask, Volume

SHAPE = (12, 10, 4)
AFFINE = np.array([[-1.0, 0.0, 0.0, 6.0], [0.0, 0.0, 3.0, 0.0], [0.0, 2.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]])
PROVENANCE: dict[str, Any] = {
    "created": "2025-06-01T09:30:00+00:00",
    "command": "main.py measure --t1w a.nii.gz --stir b.nii.gz --out out",
    "versions": {"vhi": "0.1.0", "numpy": "1.26.4"},
    "model": None,
    "settings": VhiSettings().values(),
    "post_transforms": VhiSettings().chain.record(),
    "inputs": [{"role": "T1W", "file": "a.nii.gz", "sha256": "a" * 64}, {"role": "STIR", "file": "b.nii.gz", "sha256": "b" * 64}],
}


def handmade(
    *,
    lesions: bool = True,
    stored_the_other_way: bool = False,
    normal_bone_slices: int = 3,
    site_chain: Chain | None = None,
    **settings: Any,
) -> VhiResult:
    """The result; optionally without lesions, stored from the patient's left to the right, or with less normal bone."""
    stir = np.full(SHAPE, 0.5)
    normal_bone = np.zeros(SHAPE, dtype=bool)
    normal_bone[3:8, 4:9:2, :normal_bone_slices] = True
    stir[3:8, 4:9:2, :normal_bone_slices] = np.array([1.0, 2.0, 3.0, 4.0, 7.5])[:, np.newaxis, np.newaxis]
    if lesions:
        stir[9:11, 1:3, 1] = 8.0
        stir[9:11, 1:3, 2] = 7.2
        stir[1:3, 1:3, 3] = 7.0
    region = np.zeros(SHAPE, dtype=bool)
    region[1:11] = True
    t1w = np.linspace(400.0, 900.0, stir.size).reshape(SHAPE)
    affine = AFFINE.copy()
    if stored_the_other_way:
        affine[:3, 0], affine[0, 3] = -affine[:3, 0], 6.0 - 11.0
        stir, normal_bone, region, t1w = (np.flip(a, 0) for a in (stir, normal_bone, region, t1w))
    grid = Grid(SHAPE, affine)
    return measure_vhi(
        Volume(t1w, grid, "T1W"),
        Volume(stir, grid, "STIR"),
        normal_bone=Mask(normal_bone, grid, "normal bone"),
        disease_region=Mask(region, grid, "disease region"),
        settings=VhiSettings.from_values(settings, site_chain),
    )


class OfTruth:
    """The parts of a test's case, from the automatic result `truth`: arrays `(I, J, K)` on its STIR grid."""

    truth: VhiResult

    @property
    def grid(self) -> Grid:
        return self.truth.stir.grid

    @property
    def region(self) -> np.ndarray:
        return self.truth.disease_region.mask.data

    @property
    def bone(self) -> np.ndarray:
        return self.truth.normal_bone.data

    @property
    def lesions(self) -> np.ndarray:
        return self.truth.lesion_labels

    def flattened(self, segments: Sequence[tuple[str, np.ndarray]]) -> tuple[np.ndarray, list[tuple[str, int]]]:
        """One label map of segments, the later over the earlier, and their names with values from 1, as viewers send them."""
        labels = np.zeros(self.grid.shape, dtype=np.uint8)
        for value, (_, mask) in enumerate(segments, start=1):
            labels[mask] = value
        return labels, [(name, value) for value, (name, _) in enumerate(segments, start=1)]
