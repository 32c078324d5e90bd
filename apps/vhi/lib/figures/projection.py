"""Where the inflammation is: all slices seen at once from the front."""

from __future__ import annotations

import numpy as np

from ..core.lesions import voxels_of
from ..core.pipeline import VhiResult
from .chart import Axis, Chart, ColourBar, Line, Picture, Text
from .view import View

# of matplotlib's map inferno, without its dark end, which would vanish on the silhouette
HEAT = np.frombuffer(
    bytes.fromhex(
        "6a176e6e186e731a6d761b6d7b1d6c801f6b85206a88216a8d23699125679626669928649e2963a32b61a62c5fab2e5daf315bb43358b73456bb3754"
        "bf3951c23b4fc73e4ccb4049cf4446d14643d54940d94d3ddc5039de5337e25733e55b30e65e2de9622aec6726ee6c22f06f1ff2741cf37918f57c15"
        "f68111f8870df98c09f99008fa9506fb9b06fba007fba40afbaa0efbb014fbb318fbb91efabf25f9c52cf8c931f7cf3af6d542f5d948f3de52f2e45d"
        "f1e968f1ed70f1f27df3f689"
    ),
    dtype=np.uint8,
).reshape(64, 3)
SILHOUETTE = 61  # of 255


def projection_chart(result: VhiResult) -> Chart:
    """Depth of inflammation along the slice direction [mm] over the silhouette of the disease region, with each side's volume.

    The dashed line is where the sagittal plane that divides left from right meets the slice through the region's centroid.
    """
    view = View.of(result)
    height, width = view.size_mm
    depth_mm = depth_of(result, view)
    most = max(float(depth_mm.max()), 1.0)
    pixels = np.zeros((*depth_mm.shape, 3), dtype=np.uint8)
    pixels[view.crop(result.disease_region.mask.data).any(axis=0)] = SILHOUETTE
    hit = depth_mm > 0
    pixels[hit] = HEAT[np.minimum((depth_mm[hit] / most * len(HEAT)).astype(int), len(HEAT) - 1)]
    chart = Chart(Axis(0.0, width), Axis(height, 0.0), [Picture(pixels), _midline(result, view)], equal=True, spines=False)
    right, left = (f"{side.sensitive_mm3:,.0f} mm³" for side in (result.measurement.right, result.measurement.left))
    chart.marks += [
        Text((0.03 * width, 0.03 * height), f"R\n{right}", 6.2, "white", "lt"),
        Text((0.97 * width, 0.03 * height), f"L\n{left}", 6.2, "white", "rt"),
    ]
    if hit.any():
        chart.bar = ColourBar(HEAT, most, "depth of inflammation (mm)")
    return chart


def depth_of(result: VhiResult, view: View) -> np.ndarray:
    """How much inflammation lies behind each pixel of a view [mm]; `(rows, columns)`."""
    voxels = voxels_of(result.grade)
    columns, rows, _ = result.grade.shape
    counts = np.bincount(voxels[:, 0] * rows + voxels[:, 1], minlength=columns * rows).reshape(columns, rows, 1)
    return np.asarray(view.crop(counts)[0] * result.stir.grid.spacing_mm[2])


def _midline(result: VhiResult, view: View) -> Line:
    voxels = np.count_nonzero(result.disease_region.mask.data, axis=(0, 1))
    x = view.x_mm(float(voxels @ np.arange(voxels.size) / max(voxels.sum(), 1)))
    at = np.arange(x.shape[1]) + 0.5
    # x runs from right to left along the columns, so it falls; np.interp wants it rising
    top, bottom = (float(np.interp(result.measurement.midline_mm, x[row, ::-1], at[::-1])) * view.column_mm for row in (0, -1))
    return Line([(top, 0.0), (bottom, view.size_mm[0])], "white", 0.7, dash=(2.8, 2.1), opacity=0.8)
