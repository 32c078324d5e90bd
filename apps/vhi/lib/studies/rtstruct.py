"""Contours of an RT Structure Set as a mask on the slices that they were drawn on.

DICOM PS3.3 C.8.8.6: CLOSED_PLANAR contours are each a region, whose holes are cut in by a channel; CLOSEDPLANAR_XOR contours of
one slice are combined by exclusive or. A voxel belongs to a contour when its centre lies inside or on the line.
"""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset

from ..core.planes import TOLERANCE_VOXELS
from ..core.volume import Grid, Mask
from ..errors import GridMismatchError, InputError

RT_STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
_KINDS = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
_RAS_OF_LPS = np.array([-1.0, -1.0, 1.0])
# writers round to 0.01 mm, and some put points onto voxel centres: a centre this near to the line lies on it [voxels]
_ON_LINE = 0.03
MOST_POINTS = 2_000_000
# one contour on its slice: inside without the line, on the line
_Drawn = tuple[np.ndarray, np.ndarray]


def roi_names(structures: Dataset) -> dict[int, str]:
    """ROI number to name.

    Raises
    ------
    InputError
        No structure set, or one without ROIs.
    """
    if str(structures.get("SOPClassUID", "")) != RT_STRUCTURE_SET:
        raise InputError("An RT Structure Set is needed; pass the RTSTRUCT file.")
    names = {int(roi.ROINumber): str(roi.get("ROIName") or "").strip() for roi in structures.get("StructureSetROISequence") or []}
    if not names:
        raise InputError("The structure set holds no ROI; export it again with the contours that are meant.")
    return {number: name or f"ROI {number}" for number, name in names.items()}


def roi_mask(structures: Dataset, number: int, grid: Grid, frame_of_reference_uid: str | None = None) -> Mask:
    """The voxels of a grid inside the contours of one ROI.

    Parameters
    ----------
    structures : Dataset
    number : int
        Of the ROI.
    grid : Grid
        Of the series that was drawn on; contours lie on its slices K.
    frame_of_reference_uid : str, optional
        Of that series; an ROI of another one is refused.

    Raises
    ------
    InputError
        Contours that are open, of fewer than three points, or nested without saying which is a hole.
    GridMismatchError
        Contours between the slices, or beyond the series.
    """
    name = roi_names(structures)[number]
    described = next(roi for roi in structures.StructureSetROISequence if int(roi.ROINumber) == number)
    reference = str(described.get("ReferencedFrameOfReferenceUID") or "")
    if frame_of_reference_uid and reference and reference != frame_of_reference_uid:
        raise GridMismatchError(
            f"The contours of {name!r} and the series have different frames of reference, so positions in one say nothing about "
            "the other; draw on the series itself."
        )
    slices: dict[tuple[int, str], list[_Drawn]] = {}
    for kind, points_mm in _contours(structures, number, name):
        k, points = _on_slice(points_mm, grid, name)
        slices.setdefault((k, kind), []).append(_drawn(points, grid.shape[:2]))
    data = np.zeros(grid.shape, dtype=bool)
    for (k, kind), drawn in slices.items():
        data[:, :, k] |= _combined(drawn, kind, f"{name!r}, slice {k + 1}")
    return Mask(data, grid, name)


def _contours(structures: Dataset, number: int, name: str) -> list[tuple[str, np.ndarray]]:
    """Geometric type and `(n, 3)` points [RAS+ mm] of each contour of an ROI."""
    contours: list[tuple[str, np.ndarray]] = []
    for roi in structures.get("ROIContourSequence") or []:
        if int(roi.get("ReferencedROINumber", -1)) != number:
            continue
        for contour in roi.get("ContourSequence") or []:
            kind = str(contour.get("ContourGeometricType", ""))
            if kind not in _KINDS:
                raise InputError(
                    f"The ROI {name!r} holds a contour of type {kind or 'unknown'}; closed contours ({' or '.join(_KINDS)}) are "
                    "needed. Draw the region as closed contours."
                )
            try:
                points = np.array([float(value) for value in contour.get("ContourData") or []])
            except (TypeError, ValueError) as error:
                raise InputError(f"A contour of {name!r} holds what is no number ({error}); export it again.") from error
            if points.size < 9 or points.size % 3 or not np.isfinite(points).all():
                raise InputError(f"A contour of {name!r} holds {points.size} numbers; three points of x, y, z are the least.")
            contours.append((kind, points.reshape(-1, 3) * _RAS_OF_LPS))
    if not contours:
        raise InputError(f"The ROI {name!r} holds no contour; draw it, or choose another.")
    if sum(len(points) for _, points in contours) > MOST_POINTS:
        raise InputError(f"The contours of {name!r} have more than {MOST_POINTS} points; export them again.")
    return contours


def _on_slice(points_mm: np.ndarray, grid: Grid, name: str) -> tuple[int, np.ndarray]:
    """The slice that a contour lies on, and its points as `(n, 2)` indices I, J."""
    to_index = np.linalg.inv(grid.affine)
    index = points_mm @ to_index[:3, :3].T + to_index[:3, 3]
    k = int(np.rint(index[:, 2].mean()))
    off = float(np.abs(index[:, 2] - k).max())
    spacing = grid.spacing_mm[2]
    if off > TOLERANCE_VOXELS:
        raise GridMismatchError(
            f"A contour of {name!r} lies up to {off * spacing:.2f} mm off the nearest slice (allowed "
            f"{TOLERANCE_VOXELS * spacing:.2f} mm); it was drawn on another series or plane. Draw on the series itself."
        )
    ends = np.array(grid.shape[:2]) - 0.5 + TOLERANCE_VOXELS
    if not 0 <= k < grid.shape[2] or (index[:, :2] < -0.5 - TOLERANCE_VOXELS).any() or (index[:, :2] > ends).any():
        raise GridMismatchError(
            f"A contour of {name!r} reaches beyond the series ({' x '.join(map(str, grid.shape))} voxels); it belongs to another "
            "one. Draw on the series itself."
        )
    return k, index[:, :2]


def _drawn(points: np.ndarray, shape: tuple[int, ...]) -> _Drawn:
    from skimage.measure import points_in_poly

    low = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    high = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 1, shape)
    centres = np.stack(np.meshgrid(*(np.arange(a, b) for a, b in zip(low, high, strict=True)), indexing="ij"), axis=-1)
    flat = centres.reshape(-1, 2).astype(np.float64)
    line = _distance(flat, points) <= _ON_LINE
    inside = points_in_poly(flat, points) & ~line
    masks = []
    for part in (inside, line):
        whole = np.zeros(shape, dtype=bool)
        whole[low[0] : high[0], low[1] : high[1]] = part.reshape(centres.shape[:2])
        masks.append(whole)
    return masks[0], masks[1]


def _distance(centres: np.ndarray, points: np.ndarray) -> np.ndarray:
    """From each of `(m, 2)` centres to the closed line through `(n, 2)` points."""
    nearest = np.full(len(centres), np.inf)
    for start, end in zip(points, np.roll(points, -1, axis=0), strict=True):
        along = end - start
        length = float(along @ along)
        share = np.zeros(len(centres)) if length == 0 else np.clip((centres - start) @ along / length, 0, 1)
        nearest = np.minimum(nearest, np.linalg.norm(centres - start - share[:, np.newaxis] * along, axis=1))
    return nearest


def _combined(drawn: list[_Drawn], kind: str, where: str) -> np.ndarray:
    """The contours of one slice together."""
    line = np.any([on_line for _, on_line in drawn], axis=0)
    if kind == "CLOSEDPLANAR_XOR":
        return np.asarray((np.sum([inside for inside, _ in drawn], axis=0) % 2 == 1) | line)
    for n, (own, _) in enumerate(drawn):
        for other, _ in drawn[n + 1 :]:
            shared = own & other
            if shared.any() and not np.array_equal(own, other) and (np.array_equal(shared, own) or np.array_equal(shared, other)):
                raise InputError(
                    f"{where}: one CLOSED_PLANAR contour lies inside another, and whether it is a hole is not said; export holes "
                    "as CLOSEDPLANAR_XOR or cut in by a channel, or delete the inner contour."
                )
    return np.asarray(np.any([inside for inside, _ in drawn], axis=0) | line)
