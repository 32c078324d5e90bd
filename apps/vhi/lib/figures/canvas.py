"""Paper, ink and file formats that all figures share. No pyplot: figures are plain objects, safe in a server's threads."""

from __future__ import annotations

import io
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MM_PER_INCH = 25.4

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


def new_chart(width_mm: float, height_mm: float) -> Figure:
    """Empty paper for one chart, which will keep room for its labels.

    Parameters
    ----------
    width_mm, height_mm : float
        Size on paper.
    """
    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def tidy(ax: Axes) -> Axes:
    """Small type, two spines, faint ticks."""
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT_INK)
    ax.tick_params(labelsize=6.5, colors=FAINT_INK, length=2, width=0.6)
    ax.xaxis.label.set(size=7, color=INK)
    ax.yaxis.label.set(size=7, color=INK)
    return ax


def png_bytes(figure: Figure, dpi: float, compress_level: int = 6) -> bytes:
    """A figure as a PNG file, without loss; the same bytes for the same figure."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=dpi, metadata={"Software": None}, pil_kwargs={"compress_level": compress_level})
    return file.getvalue()


def svg_bytes(figure: Figure) -> bytes:
    """A figure as an SVG file; the same bytes for the same figure."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "vhi"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()


def jpeg_bytes(figure: Figure, dpi: float, quality: int = 85) -> bytes:
    """A figure as a JPEG file with full colour resolution, so that thin coloured outlines stay sharp."""
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", dpi=dpi, pil_kwargs={"quality": quality, "subsampling": 0})
    return file.getvalue()


def font_file(bold: bool = False) -> Path:
    """The TrueType file of the figures' typeface, for documents that embed it; it covers mm³, ± and ≥."""
    return Path(matplotlib.get_data_path()) / "fonts" / "ttf" / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
