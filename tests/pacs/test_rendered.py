"""Pictures of one instance by the embedded archive and by Orthanc: the same shades, by window and without one."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from archives import Archive
from embedded import bytes_of, place_of, slice_of

pytestmark = pytest.mark.pacs


@pytest.fixture(scope="module")
def pictures(archives: Callable[[str], Archive]) -> Callable[..., list[np.ndarray]]:
    """The same request to both archives, which hold one slice with a rescale slope, and no window of its own."""
    made = slice_of(RescaleSlope=2, RescaleIntercept=-50, RescaleType="US")
    for keyword in ("WindowCenter", "WindowWidth", "VOILUTFunction"):
        made.pop(keyword, None)
    content = bytes_of(made)
    both = [archives(name) for name in ("embedded", "orthanc")]
    for one in both:
        one.store([content])

    def ask(where: str, query: str = "") -> list[np.ndarray]:
        answers = [one.ask(f"{place_of(content)}{where}{query}", accept="image/png") for one in both]
        return [np.asarray(Image.open(io.BytesIO(answer)).convert("L"), np.int64) for answer in answers]

    return ask


@pytest.mark.parametrize("where", ["/rendered", "/frames/1/rendered"])
@pytest.mark.parametrize("query", ["", "?window=300,500,linear", "?window=800,100,linear"])
def test_shades_are_those_of_orthanc(pictures, where, query):
    ours, orthancs = pictures(where, query)
    assert ours.shape == orthancs.shape
    # Orthanc leaves out the half and the one of PS3.3, C.11.2.1.2.1, and cuts shades off where they are rounded here
    allowed = 1 + 255 / float(query.split(",")[1] if query else 255)
    assert np.abs(ours - orthancs).max() <= allowed
    assert len(np.unique(ours)) > 2


def test_a_size_that_is_asked_for_is_filled_on_its_longer_side(pictures):
    ours, orthancs = pictures("/rendered", "?viewport=20,20")
    # Orthanc puts a picture of another shape into the middle of a black one; here it leaves as it is (PS3.18, 8.3.5.1.3)
    assert max(ours.shape) == max(orthancs.shape) == 20
