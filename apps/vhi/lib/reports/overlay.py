"""`overlay.png`: every slice with inflammation, for a quick look without opening a report."""

from __future__ import annotations

from .content import ReportContent

_COLUMNS = 5


def overlay_png(content: ReportContent) -> bytes:
    """The mosaic of all slices that carry inflammation and their neighbours."""
    from ..figures.mosaic import inflamed_slices, mosaic_picture, png_file

    picture = mosaic_picture(content.result, inflamed_slices(content.result), _COLUMNS)
    return png_file(picture, compress_level=2)
