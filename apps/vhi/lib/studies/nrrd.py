"""Label maps as NRRD, the form in which viewers ask for answers.

NRRD holds the voxel-to-patient matrix as it is, column by column, so that an oblique stack keeps its geometry to the last digit.
"""

from __future__ import annotations

import zlib

import numpy as np

from ..core.volume import Grid

_LPS_OF_RAS = np.array([-1.0, -1.0, 1.0])
_GZIP = 16 + zlib.MAX_WBITS


def nrrd_labels(labels: np.ndarray, grid: Grid, *, compress: bool = True) -> bytes:
    """The file that holds an `(I, J, K)` array of whole numbers 0 to 255, as uint8.

    Parameters
    ----------
    compress : bool
        Gzip; viewers in a browser ask for raw voxels.
    """
    # a copy in Fortran order takes a tenth of the time of tobytes(order="F")
    voxels = np.asfortranarray(labels, dtype=np.uint8).T.tobytes()
    if compress:
        squeeze = zlib.compressobj(level=1, wbits=_GZIP)  # label maps shrink fifty-fold at the fastest level
        voxels = squeeze.compress(voxels) + squeeze.flush()
    return _header(grid, "gzip" if compress else "raw") + voxels


def _header(grid: Grid, encoding: str) -> bytes:
    columns = [_vector(grid.affine[:3, axis]) for axis in range(3)]
    lines = [
        "NRRD0004",
        "type: uint8",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {' '.join(str(n) for n in grid.shape)}",
        f"space directions: {' '.join(columns)}",
        "kinds: domain domain domain",
        f"encoding: {encoding}",
        f"space origin: {_vector(grid.affine[:3, 3])}",
    ]
    return ("\n".join(lines) + "\n\n").encode("ascii")


def _vector(ras_mm: np.ndarray) -> str:
    # repr: the shortest text that reads back as the same number; + 0.0 writes -0.0 as 0.0
    return "(" + ",".join(repr(float(value) + 0.0) for value in ras_mm * _LPS_OF_RAS) + ")"
