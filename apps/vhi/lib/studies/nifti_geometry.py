"""Where a NIfTI header puts its voxels, and whether every program reads that alike.

A header may carry two transforms, sform and qform, and the voxel sizes (pixdim) beside them. nibabel and MONAI take the sform,
ITK, ANTs, TorchIO and 3D Slicer the qform where the sform's code is above 1, and the voxel sizes always; a sheared sform they
refuse or leave aside. A header in which these differ is a question to its owner, never a guess: `Form` is the answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from ..core.planes import TOLERANCE_VOXELS
from ..core.volume import Grid, grid_distance_mm
from ..errors import InputError
from .nifti_library import nib, quat2mat

Form = Literal["sform", "qform"]
# a quaternion of single precision is rounded by some 1e-7; writers that sum up roundings stay below this
_LONGEST_QUATERNION = 1 + 1e-5
_QUATERNION_ROUNDING = 2.5e-7
# cosine between two axes; from here on ITK refuses an sform, or takes the qform in its place
_SHEAR = 1e-3


@dataclass(frozen=True, eq=False)
class Forms:
    """The transforms of a header.

    Parameters
    ----------
    sform, qform : (4, 4) float array or None
        Voxel index to RAS+ mm; None where the code says that there is none.
    sform_code, qform_code : int
    pixdim : (3,) float array
        Voxel sizes [mm].
    qform_rounding_rad : float
        By which the qform's rotation may be off, because a quaternion is stored in single precision without its first part.
    """

    sform: np.ndarray | None
    qform: np.ndarray | None
    sform_code: int
    qform_code: int
    pixdim: np.ndarray
    qform_rounding_rad: float

    def affine(self, form: Form | None) -> np.ndarray | None:
        """The `(4, 4)` transform of a name, voxel index to RAS+ [mm], else the only one; without a name the sform first."""
        first, second = (self.qform, self.sform) if form == "qform" else (self.sform, self.qform)
        return second if first is None else first


def forms_of(header: nib.Nifti1Header, label: str) -> Forms:
    """Both transforms of a header.

    Raises
    ------
    InputError
        A quaternion longer than any rounding makes it, or a transform that is not finite.
    """
    sform_code, qform_code = int(header["sform_code"]), int(header["qform_code"])
    pixdim = np.abs(np.array(header["pixdim"][1:4], dtype=np.float64))
    sform = np.array(header.get_sform(), dtype=np.float64) if sform_code > 0 else None
    qform, rounding = _qform(header, pixdim, label) if qform_code > 0 else (None, 0.0)
    return Forms(sform, qform, sform_code, qform_code, pixdim, rounding)


def grid_of_header(header: nib.Nifti1Header, shape: tuple[int, int, int], label: str, form: Form | None = None) -> Grid:
    """Where the voxels lie.

    Parameters
    ----------
    header : nibabel header
    shape : (I, J, K)
    label : str
        How messages call the file.
    form : "sform" or "qform", optional
        Which transform rules where the header says two things.

    Raises
    ------
    InputError
        No transform, an impossible one, or several that put the voxels apart and no `form` to decide.
    """
    forms = forms_of(header, label)
    affine = forms.affine(form)
    if affine is None:
        raise InputError(
            f"{label} carries no geometry (its qform and sform codes are both 0), so no mm3 follow from its voxels; "
            "export it again with its geometry."
        )
    question = disagreement(forms, shape)
    if question is not None and (form is None or getattr(forms, form) is None):
        ways = [f"--use-{name}" for name in ("qform", "sform") if getattr(forms, name) is not None]
        raise InputError(
            f"{label}: {question}. Find out which is right, then pass {' or '.join(ways)} to measure or batch, or write a copy "
            f"that all programs read alike: python main.py nifti-header FILE {ways[0]} --out COPY."
        )
    try:
        return Grid(shape, affine)
    except InputError as error:
        raise InputError(f"{label}: {error}") from error


def disagreement(forms: Forms, shape: tuple[int, int, int]) -> str | None:
    """The point on which programs that read a header disagree, as a clause; None where they agree.

    Transforms agree where no corner of the volume lies further apart than a fifth of the smallest voxel size, which no rounding
    reaches and which is clearly the same voxel; and, where a quaternion leaves it open, than its rounding turns that corner.
    """
    if forms.sform is None:
        return None  # the qform takes its sizes from pixdim: nothing else is said
    try:
        sform = Grid(shape, forms.sform)
    except InputError:
        if forms.qform is None:
            return None  # the caller says what is wrong with it
        return f"its sform (code {forms.sform_code}) is no transform, and its qform (code {forms.qform_code}) is one"
    allowed = TOLERANCE_VOXELS * min(sform.spacing_mm)
    if forms.qform is not None:
        return _two_forms(forms, sform, allowed)
    cosine = shear(forms.sform)
    if cosine > _SHEAR:
        return (
            f"its sform (code {forms.sform_code}) is sheared by {np.degrees(np.arcsin(min(cosine, 1.0))):.2g} degrees, which "
            "other programs refuse or straighten, and there is no qform (code 0) beside it"
        )
    off = np.abs(forms.pixdim - sform.spacing_mm) * (np.array(shape) - 1)
    if off.max() > max(allowed, 0.0):
        return (
            f"its sform (code {forms.sform_code}) has voxels of {_mm(sform.spacing_mm)} mm and its pixdim says "
            f"{_mm(forms.pixdim)} mm, which puts the voxels up to {off.max():.2f} mm apart (allowed {allowed:.2f} mm); nibabel "
            "takes the first, ITK, ANTs, TorchIO and 3D Slicer the second"
        )
    return None


def shear(affine: np.ndarray) -> float:
    """The largest cosine between two axes of a `(4, 4)` transform from indices to mm, 0 where they are at right angles."""
    axes = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    return float(np.abs(axes.T @ axes - np.eye(3)).max())


def _two_forms(forms: Forms, sform: Grid, allowed: float) -> str | None:
    try:
        qform = Grid(sform.shape, forms.qform if forms.qform is not None else sform.affine)
    except InputError:
        return f"its qform (code {forms.qform_code}) is no transform, and its sform (code {forms.sform_code}) is one"
    apart = grid_distance_mm(sform, qform)
    reach = float(np.linalg.norm(sform.corners_mm() - sform.affine[:3, 3], axis=1).max())
    if apart <= allowed + forms.qform_rounding_rad * reach:
        return None
    return (
        f"its sform (code {forms.sform_code}: {_place(sform)}) and its qform (code {forms.qform_code}: {_place(qform)}) put the "
        f"voxels up to {apart:.2f} mm apart (allowed {allowed:.2f} mm); nibabel and MONAI take the sform, ITK, ANTs, TorchIO and "
        "3D Slicer the qform where the sform's code is above 1 or it is sheared"
    )


def _qform(header: nib.Nifti1Header, pixdim: np.ndarray, label: str) -> tuple[np.ndarray, float]:
    """The transform, and by how much [rad] its rotation may be rounded."""
    imaginary = np.array([header["quatern_b"], header["quatern_c"], header["quatern_d"]], dtype=np.float64)
    offset = np.array([header["qoffset_x"], header["qoffset_y"], header["qoffset_z"]], dtype=np.float64)
    length = float(np.linalg.norm(imaginary))
    if not length <= _LONGEST_QUATERNION or not np.isfinite(offset).all():
        raise InputError(
            f"{label} has a damaged geometry: the quaternion of its qform has the length {length:.6g} (at most 1); export it "
            "again."
        )
    square = 1 - length**2
    if square < _QUATERNION_ROUNDING / 2:  # half a turn, rounded
        real, imaginary = 0.0, imaginary / length
    else:
        real = float(np.sqrt(square))
    turn = np.eye(4)
    handed = -1.0 if float(header["pixdim"][0]) < 0 else 1.0
    turn[:3, :3] = quat2mat([real, *imaginary]) * pixdim * (1, 1, handed)
    turn[:3, 3] = offset
    rounding = min(np.sqrt(_QUATERNION_ROUNDING), _QUATERNION_ROUNDING / max(real, 1e-9))
    return turn, float(rounding)


def _place(grid: Grid) -> str:
    origin = ", ".join(f"{mm:.2f}" for mm in grid.affine[:3, 3])
    return f"first voxel at ({origin}) mm, voxels of {_mm(grid.spacing_mm)} mm"


def _mm(sizes: tuple[float, ...] | np.ndarray) -> str:
    return " x ".join(f"{float(mm):.4g}" for mm in sizes)
