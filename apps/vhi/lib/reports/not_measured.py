"""The report of a scan that was not measured: why, the disease region on both series, and where to click in normal bone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..core.not_measured import NotMeasured
from ..core.numbers import plain
from ..files import NOT_MEASURED_MARK, write_atomically
from .html import data_uri, template_environment


def not_measured_facts(scan: NotMeasured, provenance: Mapping[str, Any]) -> dict[str, Any]:
    """The content of `not_measured.json`; voxels and slices are counted from 0, `slice_number` from 1."""
    region = scan.disease_region
    facts = {
        "measured": False,
        "reason": scan.reason,
        "advice": scan.advice,
        "places_to_click": [{"voxel": place, "slice_number": place[2] + 1} for place in scan.places],
        "disease_region": {"voxels": region.mask.voxels, "mm3": region.mask.volume_mm3, "source": region.source},
        "warnings": scan.warnings,
        "provenance": provenance,
    }
    return {key: plain(value) for key, value in facts.items()}


def write_page(scan: NotMeasured, facts: Mapping[str, Any], folder: Path) -> None:
    """Write `not_measured.html`, with the facts of `not_measured_facts`, and a picture of the region on each series.

    Raises
    ------
    OutputError
    """
    from ..figures.mosaic import png_file
    from ..figures.region import region_mosaic

    region = scan.disease_region.mask
    pictures = {
        name: png_file(region_mosaic(image, region, scan.places), compress_level=3)  # as small as by 6, in half of the time
        for name, image in {"STIR": scan.stir, "T1W": scan.t1w}.items()
    }
    for name, picture in pictures.items():
        write_atomically(folder / f"region_{name.lower()}.png", picture)
    template = template_environment().get_template("not_measured.html.j2")
    uris = {name: data_uri("image/png", picture) for name, picture in pictures.items()}
    page = template.render(facts=facts, pictures=uris)
    write_atomically(folder / "not_measured.html", page.encode("utf-8"))


def write_facts(facts: Mapping[str, Any], folder: Path) -> None:
    """Write the facts as `not_measured.json`, last of all: it says that the result is whole.

    Raises
    ------
    OutputError
    """
    text = json.dumps(facts, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_atomically(folder / NOT_MEASURED_MARK, text.encode("utf-8"))
