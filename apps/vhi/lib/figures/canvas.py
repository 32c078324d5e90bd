"""Paper and file formats of figures that matplotlib draws. No pyplot: figures are plain objects, safe in a server's threads."""

from __future__ import annotations

import io

import matplotlib
import numpy as np
from matplotlib import artist

# every class of artist writes its setters' documentation when it is defined: half the time of importing matplotlib
_documented = artist.kwdoc
artist.kwdoc = lambda artist: ""

from matplotlib.axes import Axes  # noqa: E402
from matplotlib.backend_bases import RendererBase  # noqa: E402
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.layout_engine import ConstrainedLayoutEngine  # noqa: E402

from .paper import FAINT_INK, INK, MM_PER_INCH  # noqa: E402

artist.kwdoc = _documented


class ChartFigure(Figure):
    """A figure that is drawn once for a file: where matplotlib draws without output to find the layout, it finds that alone."""

    def draw(self, renderer: RendererBase) -> None:
        layout = self.get_layout_engine()
        if self.canvas.is_saving() and isinstance(layout, ConstrainedLayoutEngine):  # which it takes away for the file itself
            layout.execute(self)
        else:
            super().draw(renderer)


def new_chart(width_mm: float, height_mm: float) -> Figure:
    """Empty paper for one chart, which will keep room for its labels.

    Parameters
    ----------
    width_mm, height_mm : float
        Size on paper.
    """
    figure = ChartFigure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH), facecolor="white", layout="constrained")
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


def rgb_pixels(figure: Figure, dpi: float) -> np.ndarray:
    """A figure as `(rows, columns, 3)` uint8."""
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])


def svg_bytes(figure: Figure) -> bytes:
    """A figure as an SVG file; the same bytes for the same figure."""
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "vhi"}):
        figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return file.getvalue()
