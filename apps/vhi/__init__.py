"""Volume of hyperintense inflammation (VHI) of the sacroiliac joints, from T1W and STIR MRI. Research use only.

What is listed in `__all__` is the public interface, described in docs/api.md; anything else may change. Names are imported when
they are first used, so that `import vhi` is quick.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .lib import __version__

if TYPE_CHECKING:
    from .lib.cohort.agreement import bland_altman, icc_a1, measurement_error
    from .lib.cohort.masks import mask_study
    from .lib.cohort.overlap import dice, overlap
    from .lib.cohort.regression import linear_regression
    from .lib.cohort.study import StudySettings, analyse
    from .lib.core.volume import Grid, Mask, Volume
    from .lib.errors import VhiError
    from .lib.examination import Examination, measure, write_dicom, write_report
    from .lib.interface import find_reader_masks, read_cohort, read_mask, read_scan, write_mask, write_phantom
    from .lib.phantom.study import make_phantom

_WHERE = {
    "examination": ("Examination", "measure", "write_dicom", "write_report"),
    "interface": ("find_reader_masks", "read_cohort", "read_mask", "read_scan", "write_mask", "write_phantom"),
    "cohort.overlap": ("dice", "overlap"),
    "cohort.agreement": ("bland_altman", "icc_a1", "measurement_error"),
    "cohort.regression": ("linear_regression",),
    "cohort.masks": ("mask_study",),
    "cohort.study": ("StudySettings", "analyse"),
    "core.volume": ("Grid", "Mask", "Volume"),
    "phantom.study": ("make_phantom",),
    "errors": ("VhiError",),
}
_MODULES = {name: module for module, names in _WHERE.items() for name in names}

__all__ = ["Examination", "Grid", "Mask", "StudySettings", "VhiError", "Volume", "__version__", "analyse"]
__all__ += ["bland_altman", "dice", "find_reader_masks", "icc_a1", "linear_regression", "make_phantom", "mask_study", "measure"]
__all__ += ["measurement_error", "overlap", "read_cohort", "read_mask", "read_scan", "write_dicom", "write_mask"]
__all__ += ["write_phantom", "write_report"]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    member = getattr(import_module(f".lib.{_MODULES[name]}", __name__), name)
    globals()[name] = member
    return member


def __dir__() -> list[str]:
    return __all__
