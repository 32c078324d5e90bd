"""Paper, ink and typeface that all figures share, whatever draws them."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path

MM_PER_INCH = 25.4
POINTS_PER_INCH = 72

# One meaning, one colour, in every figure and in the report's text.
SENSITIVE_COLOUR = (255, 214, 0)
CONSERVATIVE_COLOUR = (226, 35, 26)
NORMAL_BONE_COLOUR = (0, 205, 215)
REGION_COLOUR = (235, 235, 235)
# yellow is hard to see as a line on white paper
SENSITIVE_INK = "#b98a00"
CONSERVATIVE_INK = "#c81e16"
NORMAL_BONE_INK = "#7fa9ad"
INK = "#1b2733"
FAINT_INK = "#6b7785"


@cache
def font_file(bold: bool = False) -> Path:
    """The TrueType file of the figures' typeface, for documents that embed it; it covers mm³, ± and ≥.

    It comes with matplotlib, which is not loaded for it.

    Raises
    ------
    ModuleNotFoundError
        matplotlib is not installed.
    """
    package = find_spec("matplotlib")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'matplotlib'", name="matplotlib")
    return Path(package.origin).parent / "mpl-data" / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
