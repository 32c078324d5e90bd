"""Distances between the surfaces of two masks, by MONAI's metrics. Importing this module imports MONAI."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance, compute_surface_dice

from ..core.volume import Grid

PERCENTILE = 95.0
# MONAI warns of an argument that it passes to itself
warnings.filterwarnings("ignore", message=".*always_return_as_numpy", category=FutureWarning)


def surface_dice(prediction: np.ndarray, reference: np.ndarray, grid: Grid, tolerance_mm: float) -> float:
    """Share of both surfaces that lies within a tolerance of the other.

    Parameters
    ----------
    prediction, reference : (I, J, K) bool arrays
        Neither is empty. Their surfaces are the voxels with a face to the outside.
    grid : Grid
        Of both.
    tolerance_mm : float

    Returns
    -------
    float
        0 to 1.

    Notes
    -----
    Nikolov et al. 2021, doi 10.2196/26151; by voxels of the surface, not by their area.
    """
    both, spacing = (_tensor(prediction), _tensor(reference)), list(grid.spacing_mm)
    return float(compute_surface_dice(*both, [tolerance_mm], include_background=True, spacing=spacing)[0, 0])


def hausdorff95_mm(prediction: np.ndarray, reference: np.ndarray, grid: Grid) -> float:
    """The larger of both 95th percentiles of the distance from one surface to the other [mm].

    Parameters
    ----------
    prediction, reference : (I, J, K) bool arrays
        Neither is empty.
    grid : Grid
        Of both.
    """
    both, spacing = (_tensor(prediction), _tensor(reference)), list(grid.spacing_mm)
    return float(compute_hausdorff_distance(*both, include_background=True, percentile=PERCENTILE, spacing=spacing)[0, 0])


def _tensor(mask: np.ndarray) -> torch.Tensor:
    """One channel of one case; a border of background, so that what touches the edge of the image has a surface there."""
    return torch.from_numpy(np.pad(mask, 1).astype(np.uint8))[None, None]
