"""The pictures of a report, with their captions and their words for who does not see them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from ..core.pipeline import VhiResult
from ..core.stages import name_of
from .parts import Figure
from .wording import mm3, slice_numbers

if TYPE_CHECKING:
    from ..core.change import Change
    from .content import ReportContent

CHART_MM = (58.0, 46.0)
CHART_DPI = 220.0


def figures_of(result: VhiResult, content: ReportContent) -> Iterable[Figure]:
    """All pictures in the order of the page."""
    from ..figures.histogram import normal_bone_histogram
    from ..figures.mosaic import jpeg_file, mosaic_picture, most_involved_slices
    from ..figures.projection import projection_chart
    from ..figures.stability import stability_chart
    from ..figures.where import where_chart

    slices = most_involved_slices(result)
    shown = slice_numbers(slices)
    chosen = "inflammation" if result.lesions else "disease region"
    yield Figure(
        "mosaic",
        f"STIR, slices {shown} of {result.stir.grid.shape[2]}, counted from 1: those with most normal bone and those with most "
        f"{chosen}. Patient's right is on the left of the picture.",
        f"STIR slices {shown} with inflammation in yellow and red, {content.vhi} in all, and the outlines of normal bone and "
        "disease region.",
        jpeg_file(mosaic_picture(result, slices)),
        "image/jpeg",
    )
    if content.visits is not None and content.visits.earlier_stir is not None:
        yield Figure(
            "visits",
            "The earlier visit above, this one below, laid over each other and on one scale (STIR over the "
            "sensitive threshold of its visit); patient's right is on the left. Green: resolved; yellow: at both; red: new.",
            " ".join(content.change),
            _visits_png(content.visits),
            "image/png",
        )
    m = result.measurement
    parts = content.numbers["parts"]
    by_part = "; ".join(f"{part['part']}, {part['side']}: {mm3(part['sensitive_mm3'])}" for part in parts)
    nothing = "No inflammation" if content.numbers["zones"] or not result.lesions else "The parts of the\npelvis are not known"
    yield Figure(
        "where",
        "Where it is, in mm³, by part of the pelvis and the patient's side: yellow and red as in the pictures. Midline: lesions "
        "on both sides of it.",
        by_part or nothing.replace("\n", " ") + ".",
        where_chart(parts, nothing).png(*CHART_MM, CHART_DPI),
        "image/png",
    )
    charts = (
        (
            "projection",
            projection_chart,
            "All slices seen from the front, grey the disease region. The dashed line divides the sides.",
            f"Projection of the inflammation: {mm3(m.right.sensitive_mm3)} on the patient's right, "
            f"{mm3(m.left.sensitive_mm3)} on the left.",
        ),
        (
            "histogram",
            normal_bone_histogram,
            "What normal is: STIR intensities of normal bone and the two thresholds that follow from them.",
            f"Histogram of normal bone with the sensitive threshold {result.thresholds.sensitive:.1f} and the conservative "
            f"threshold {result.thresholds.conservative:.1f}.",
        ),
        (
            "stability",
            stability_chart,
            f"How firm it is: {name_of(result.stage)} with the sensitive threshold changed, "
            "and with each slice of normal bone left out.",
            " ".join(content.stability),
        ),
    )
    for name, chart_of, caption, alternative in charts:
        yield Figure(name, caption, alternative, chart_of(result).png(*CHART_MM, CHART_DPI), "image/png")


def _visits_png(visits: Change) -> bytes:
    from ..figures.canvas import png_bytes
    from ..figures.two_visits import two_visits_figure

    return png_bytes(two_visits_figure(visits), CHART_DPI)
