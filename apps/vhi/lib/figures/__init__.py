"""Drawing only: every `draw_*` takes a result and the axes to draw on, returns the axes, and measures nothing."""

from .canvas import font_file, jpeg_bytes, new_chart, png_bytes, svg_bytes
from .histogram import draw_normal_bone_histogram
from .learning_curves import LearningCurve, draw_dice_against_cpu, draw_learning_curve, learning_curves_figure
from .learning_loop import draw_gains, draw_rounds, learning_loop_figure
from .mosaic import draw_mosaic, inflamed_slices, mosaic_figure, most_involved_slices
from .projection import draw_projection
from .search import draw_settings, search_figure
from .slice_dice import draw_outlines, draw_slice_dice, failure_figure, slice_dice_figure
from .stability import draw_stability

__all__ = [
    "LearningCurve",
    "draw_dice_against_cpu",
    "draw_gains",
    "draw_learning_curve",
    "draw_mosaic",
    "draw_normal_bone_histogram",
    "draw_outlines",
    "draw_projection",
    "draw_rounds",
    "draw_settings",
    "draw_slice_dice",
    "draw_stability",
    "failure_figure",
    "font_file",
    "inflamed_slices",
    "jpeg_bytes",
    "learning_curves_figure",
    "learning_loop_figure",
    "mosaic_figure",
    "most_involved_slices",
    "new_chart",
    "png_bytes",
    "search_figure",
    "slice_dice_figure",
    "svg_bytes",
]
