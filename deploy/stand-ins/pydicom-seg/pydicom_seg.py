"""Stands in for pydicom-seg, which MONAI Label imports and VHI never calls."""


def __getattr__(name: str) -> object:
    if name.startswith("__"):
        raise AttributeError(name)
    raise NotImplementedError(f"pydicom_seg.{name}: pydicom-seg does not run on pydicom 3. VHI writes DICOM SEG by highdicom.")
