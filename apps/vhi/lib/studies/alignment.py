"""Two visits of one patient laid over each other: rigid registration by mutual information."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..core.volume import Grid, Mask, Volume
from ..errors import GridMismatchError
from .registration import _place

if TYPE_CHECKING:
    import SimpleITK

_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
# further than that a pelvis on the table does not turn or lie between two visits once the fields of view are centred
LARGEST_TURN_DEG = 30.0
LARGEST_SHIFT_MM = 60.0
BINS = 32
SAMPLED = 0.5
# pixels within slices [mm] and first step of the optimiser [mm]; slices are few and far apart, so that none is left out
_LEVELS = ((4.0, 4.0), (2.0, 1.0))
SEED = 20230


@dataclass(frozen=True, eq=False)
class Alignment:
    """A rigid motion between two scans.

    Parameters
    ----------
    matrix : (4, 4) float array
        RAS+ mm of the fixed scan to RAS+ mm of the moving one.
    centre_mm : (3,) float array
        Centre of the fixed scan's field of view [RAS+ mm].
    """

    matrix: np.ndarray
    centre_mm: np.ndarray

    @property
    def turn_deg(self) -> float:
        """Angle of the rotation."""
        return float(np.degrees(np.arccos(np.clip((np.trace(self.matrix[:3, :3]) - 1) / 2, -1, 1))))

    @property
    def shift_mm(self) -> float:
        """How far the centre of the field of view moves."""
        moved = self.matrix[:3, :3] @ self.centre_mm + self.matrix[:3, 3]
        return float(np.linalg.norm(moved - self.centre_mm))


def align(fixed: Volume, moving: Volume) -> Alignment:
    """The rigid motion that lays `moving` over `fixed`.

    Mattes mutual information over 32 bins of a seeded sample of half the voxels, on pixels of 4 mm and then of 2 mm; the start
    has both fields of view centred on each other. Series of one contrast align best.

    Raises
    ------
    GridMismatchError
        The motion found is not one of a patient between two visits, or nothing was found.
    """
    import SimpleITK

    images = [SimpleITK.Cast(_image(scan), SimpleITK.sitkFloat32) for scan in (fixed, moving)]
    transform: SimpleITK.Transform = SimpleITK.CenteredTransformInitializer(
        *images, SimpleITK.Euler3DTransform(), SimpleITK.CenteredTransformInitializerFilter.GEOMETRY
    )
    # one thread: sums in one order, so that a rerun gives the same bits
    threads = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    try:
        for pixel_mm, step_mm in _LEVELS:
            transform = _improved(transform, [_thinned(image, pixel_mm) for image in images], step_mm)
    except RuntimeError as error:
        raise GridMismatchError(
            f"{moving.name} could not be aligned with {fixed.name}: their fields of view do not share enough; check that both "
            "visits show the same part of the patient."
        ) from error
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
    origin = np.array(transform.TransformPoint((0.0, 0.0, 0.0)))
    matrix = np.eye(4)
    matrix[:3, :3] = np.stack([np.array(transform.TransformPoint(tuple(row))) - origin for row in np.eye(3)], axis=1)
    matrix[:3, 3] = origin
    alignment = Alignment(_LPS @ matrix @ _LPS, fixed.grid.world_mm((np.array(fixed.grid.shape) - 1) / 2))
    centred = np.linalg.norm(moving.grid.world_mm((np.array(moving.grid.shape) - 1) / 2) - alignment.centre_mm)
    if alignment.turn_deg > LARGEST_TURN_DEG or alignment.shift_mm > LARGEST_SHIFT_MM + float(centred):
        raise GridMismatchError(
            f"{moving.name} was aligned with {fixed.name} only by a turn of {alignment.turn_deg:.0f} degrees and a shift of "
            f"{alignment.shift_mm:.0f} mm, which is no motion of one patient between visits; check that both are of one patient."
        )
    return alignment


def _improved(start: SimpleITK.Transform, images: Sequence[SimpleITK.Image], step_mm: float) -> SimpleITK.Transform:
    import SimpleITK

    method = SimpleITK.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(BINS)
    method.SetMetricSamplingStrategy(method.RANDOM)
    method.SetMetricSamplingPercentage(SAMPLED, SEED)
    method.SetInterpolator(SimpleITK.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(step_mm, 0.01, 100, 0.5)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(*images)


def _thinned(image: SimpleITK.Image, pixel_mm: float) -> SimpleITK.Image:
    """Smoothed and thinned within slices."""
    import SimpleITK

    spacing = image.GetSpacing()
    factors = [max(1, round(pixel_mm / spacing_mm)) for spacing_mm in spacing[:2]]
    sigma = [factor * along / 2 for factor, along in zip(factors, spacing, strict=False)]
    smooth = SimpleITK.SmoothingRecursiveGaussian(image, [*sigma, 1e-3 * spacing[2]]) if image.GetSize()[2] >= 4 else image
    return SimpleITK.Shrink(smooth, [*factors, 1])


def moved_volume(volume: Volume, onto: Grid, alignment: Alignment) -> Volume:
    """A scan of the moving visit on a grid of the fixed one, by linear interpolation; 0 outside its field of view."""
    import SimpleITK

    return Volume(_resample(_image(volume), onto, alignment, SimpleITK.sitkLinear).astype(np.float64), onto, volume.name)


def moved_labels(labels: np.ndarray, grid: Grid, onto: Grid, alignment: Alignment) -> np.ndarray:
    """`(I, J, K)` int labels of the moving visit on a grid of the fixed one, by nearest neighbour; 0 outside."""
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(labels.astype(np.int32).transpose(2, 1, 0)))
    _place(image, grid)
    return _resample(image, onto, alignment, SimpleITK.sitkNearestNeighbor)


def moved_mask(mask: Mask, onto: Grid, alignment: Alignment) -> Mask:
    """A mask of the moving visit on a grid of the fixed one."""
    return Mask(moved_labels(mask.data.astype(np.int32), mask.grid, onto, alignment) > 0, onto, mask.name)


def _image(volume: Volume) -> SimpleITK.Image:
    import SimpleITK

    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(volume.data.transpose(2, 1, 0)))
    _place(image, volume.grid)
    return image


def _resample(image: SimpleITK.Image, onto: Grid, alignment: Alignment, how: int) -> np.ndarray:
    import SimpleITK

    target = SimpleITK.Image([int(n) for n in onto.shape], SimpleITK.sitkUInt8)
    _place(target, onto)
    matrix = _LPS @ alignment.matrix @ _LPS
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix([float(number) for number in matrix[:3, :3].ravel()])
    transform.SetTranslation([float(number) for number in matrix[:3, 3]])
    resampled = SimpleITK.Resample(image, target, transform, how, 0.0)
    return np.ascontiguousarray(SimpleITK.GetArrayFromImage(resampled).transpose(2, 1, 0))
