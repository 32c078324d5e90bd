"""nibabel without pydicom, which it loads for DICOM headers within NIfTI files; nothing here reads those. A third of the time."""

from __future__ import annotations

from ..absent import absent

with absent("pydicom"):
    import nibabel as nib
    from nibabel.arrayproxy import ArrayProxy
    from nibabel.quaternions import quat2mat
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

__all__ = ["ArrayProxy", "HeaderDataError", "WrapStructError", "nib", "quat2mat"]
