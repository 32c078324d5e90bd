"""Every form of a report: what it holds and what it must not."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import zlib
from dataclasses import replace
from pathlib import Path
from xml.sax.saxutils import escape

import jsonschema
import numpy as np
import pytest
from reportlab.platypus import Paragraph

from handmade import PROVENANCE, handmade
from lib.core.chain import Chain
from lib.core.numbers import plain
from lib.core.propagation import ImageStatistics, RegionStatistics
from lib.core.stability import SliceLeftOut
from lib.core.transforms.small_components import DropSmallComponentsd
from lib.errors import OutputError
from lib.reports import ReportContent, pdf, report_content, write_html, write_json, write_overlay_png, write_pdf
from lib.reports.forms import json_text, vhi_schema
from lib.reports.html import html_text
from lib.reports.pdf import pdf_bytes

pytestmark = pytest.mark.slow  # seconds in all

HOSTILE = '<script>alert("x")</script> & \udcff\x07.nii.gz'
OTHER = ImageStatistics(
    "image 1", (RegionStatistics("inflammation", 12, 1.0, 9.5, 9.0, 1.0, 2.0, 3.0, 4.0),), (RegionStatistics("lesion 1", 8, 0.0),)
)


@pytest.fixture(scope="module")
def content() -> ReportContent:
    return report_content(handmade(), PROVENANCE, [OTHER])


@pytest.fixture(scope="module")
def hostile() -> ReportContent:
    return report_content(handmade(), {**PROVENANCE, "inputs": [{"role": "STIR", "file": HOSTILE, "sha256": "b" * 64}]})


def test_json_holds_the_numbers_of_the_scan(content):
    numbers = json.loads(json_text(content))
    assert numbers["schema_version"] == "1.5"
    assert numbers["thresholds"] == {
        "rule": "paper",
        "sensitive": 7.0, "conservative": 7.5, "multiple": 1.5, "q1": 2.0, "q3": 4.0, "iqr": 2.0, "n_normal_bone": 45,
    }  # fmt: skip
    assert numbers["voxels"] == {"sensitive": 12, "conservative": 4, "raw_sensitive": 21}
    assert numbers["vhi_mm3"] == {"sensitive": 72.0, "conservative": 24.0}
    assert numbers["left"] == {
        "vhi_mm3": {"sensitive": 48.0, "conservative": 24.0},
        "voxels": {"sensitive": 8, "conservative": 4},
    }
    assert numbers["right"] == {
        "vhi_mm3": {"sensitive": 24.0, "conservative": 0.0},
        "voxels": {"sensitive": 4, "conservative": 0},
    }
    assert (numbers["midline_mm"], numbers["voxel_volume_mm3"]) == (0.5, 6.0)
    assert numbers["lesions"][0] == {
        "id": 1, "voxels": 8, "mm3": 48.0, "centroid_mm": [-3.5, 4.5, 3.0], "slices": [1, 2], "side": "left", "part": "other",
        "mean_intensity": pytest.approx(7.6), "relative_to_sensitive": pytest.approx(7.6 / 7),
        "relative_to_conservative": pytest.approx(7.6 / 7.5), "conservative_share": 0.5,
    }  # fmt: skip
    assert [one["vhi_mm3"] for one in numbers["stability"]["threshold_changes"]] == [72.0, 72.0, 24.0, 24.0]
    assert numbers["stability"]["slices_left_out"][2] == {"slice": 2, "sensitive": 7.0, "vhi_mm3": 72.0}
    assert (numbers["stability"]["stable"], len(numbers["stability"]["reasons"])) == (False, 1)
    assert numbers["disease_region"] == {
        "voxels": 400,
        "mm3": 2400.0,
        "source": "given",
        "member_disagreement": None,
        "disagreement_rank": None,
        "entropy": None,
    }
    assert numbers["normal_bone"] == {
        "voxels": 45, "mm3": 270.0, "slices": [0, 1, 2], "source": "given", "confidence": None,
        "disease_region_overlap": 1.0,
    }  # fmt: skip
    assert numbers["images"][0]["lesions"][0]["mean"] is None
    assert numbers["provenance"]["inputs"] == PROVENANCE["inputs"]


def no_threshold_without_a_slice():
    result = handmade()
    gone = (SliceLeftOut(0, None, None), *result.stability.slices_left_out[1:])
    return replace(result, stability=replace(result.stability, slices_left_out=gone))


@pytest.mark.parametrize(
    "result",
    [handmade(), handmade(lesions=False), handmade(normal_bone_slices=2), no_threshold_without_a_slice()],
    ids=["lesions", "no lesions", "two slices of normal bone", "no threshold without slice 1"],
)
def test_json_follows_its_schema(result):
    jsonschema.Draft7Validator.check_schema(vhi_schema())
    text = json_text(report_content(result, PROVENANCE, [OTHER]))
    jsonschema.validate(json.loads(text, parse_constant=pytest.fail), vhi_schema())


def test_the_schema_refuses_what_it_does_not_describe(content):
    numbers = json.loads(json_text(content))
    for wrong in ({**numbers, "vhi": 72}, {**numbers, "schema_version": "2.0"}, {**numbers, "voxels": {"sensitive": 12}}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, vhi_schema())


def test_every_field_of_the_schema_is_in_the_documentation():
    words = (Path(__file__).parents[2] / "docs" / "vhi-json.md").read_text(encoding="utf-8")

    def names(schema: object) -> set[str]:
        if isinstance(schema, dict):
            return set(schema.get("properties", {})).union(*(names(one) for one in schema.values()))
        return set().union(*(names(one) for one in schema)) if isinstance(schema, list) else set()

    # "lesions" and "normal_bone" are fields; ids of definitions are not
    assert {name for name in names(vhi_schema()) if f"`{name}`" not in words} == set()


def test_numbers_keep_their_precision_and_what_has_no_value_is_null():
    values = plain(
        {"a": 0.1 + 0.2, "b": np.float64("nan"), "c": (np.int64(3), float("inf")), "d": np.bool_(True), "e": Path("x")}
    )
    assert values == {"a": 0.30000000000000004, "b": None, "c": [3, None], "d": True, "e": "x"}
    assert type(values["c"][0]) is int
    with pytest.raises(TypeError, match="cannot hold a complex"):
        plain(1j)


def test_json_needs_no_drawing_and_no_page_layout(tmp_path):
    code = (
        "import sys; from pathlib import Path; from handmade import *; from lib.reports import *\n"
        f"write_json(report_content(handmade(), PROVENANCE), Path({str(tmp_path / 'vhi.json')!r}))\n"
        "print(sorted({'matplotlib', 'jinja2', 'reportlab', 'PIL'} & set(sys.modules)))"
    )
    tests = Path(__file__).parents[1]
    path = os.pathsep.join([str(tests), str(tests.parent / "apps" / "vhi")])
    done = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def all_words(content: ReportContent) -> list[str]:
    tables = (content.volumes, content.thresholds, content.lesions, *content.images, content.settings, *content.provenance)
    cells = [cell for table in tables if table.rows for row in (table.header, *table.rows) for cell in row]
    notes = [table.note for table in tables]
    ranges = [words for pair in content.vhi_ranges for words in pair]
    captions = [figure.caption for figure in content.figures.values()]
    sentences = (*content.stability, *content.warnings, *content.automatic, *content.reader)
    return [content.title, content.vhi, content.vhi_meaning, content.disclaimer, *ranges, *sentences, *captions, *notes, *cells]


def test_html_says_every_word_of_the_content(content):
    text = html.unescape(html_text(content))
    assert [words for words in all_words(content) if words not in text] == []


def test_html_says_once_that_this_is_no_medical_device(content):
    assert html_text(content).lower().count("medical device") == 1


def test_html_needs_nothing_from_elsewhere(content):
    text = re.sub(r"data:image/(png|jpeg);base64,[A-Za-z0-9+/=]+", "data:", html_text(content))
    assert not re.search(r"https?:|//|url\(|@import|<script|<link|<iframe", text)
    assert re.findall(r'(?:src|href)="([^"]*)"', text) == ["data:"] * 5
    assert text.count("alt=") == 5
    assert text.startswith("<!DOCTYPE html>")
    assert '<html lang="en">' in text
    assert text.count("<h1>") == 1


def test_html_escapes_a_hostile_file_name(hostile):
    text = html_text(hostile)
    assert "<script" not in text
    assert "&lt;script&gt;alert(&#34;x&#34;)&lt;/script&gt; &amp; \\udcff\\x07.nii.gz" in text


def test_html_shows_twenty_lesions_and_folds_the_rest():
    result = handmade()
    many = tuple(replace(result.lesions[0], id=n + 1) for n in range(25))
    text = html_text(report_content(replace(result, lesions=many), PROVENANCE))
    shown, folded = text.split("<details>")
    assert shown.count('<th scope="row">20</th>') == 1
    assert '<th scope="row">21</th>' not in shown
    assert "And 5 smaller ones, 240 mm³ together." in folded


def test_warnings_stand_before_the_pictures(content):
    text = html_text(content)
    assert text.index("Uncleaned volume") < text.index(content.vhi) < text.index('class="warnings"') < text.index("<figure")


def pages_of(pdf: bytes) -> list[str]:
    """The content drawn on each page; letters of ASCII are themselves in the embedded typeface."""
    assert pdf.startswith(b"%PDF-")
    streams = re.findall(rb"/Filter \[ /FlateDecode \] /Length \d+\s*>>\s*stream\r?\n(.*?)endstream", pdf, re.DOTALL)
    decoded = [zlib.decompressobj().decompress(one) for one in streams]
    return [" ".join(re.findall(r"\(((?:[^()\\]|\\.)*)\) Tj", one.decode("latin-1"))) for one in decoded if b" Tj" in one]


def test_pdf_says_the_same_numbers_with_the_warnings_on_its_first_page(content):
    first, *rest = pages_of(pdf_bytes(content))
    for words in (
        "72 mm",
        "29 to 178 mm",
        "Warning",
        "The measured volume is unstable",
        "Automatic",
        "By a reader",
        "Patient's right",
    ):
        assert words in first, words
    assert first.count("Not a medical device") == 1
    assert "Not a medical device" not in " ".join(rest)
    assert f"Page 1 of {len(rest) + 1}" in first
    for words in ("Thresholds", "Lesions", "Other sequence", "Settings", "Provenance"):
        assert words in " ".join(rest), words


def test_every_form_says_on_its_first_page_that_another_chain_made_the_number():
    chain = Chain.of("clinic", [(step, step.config()) for step in [DropSmallComponentsd(min_pixels=3)]])
    result = handmade(site_chain=chain)
    content = report_content(result, PROVENANCE | {"post_transforms": chain.record()})
    first, *rest = (" ".join(page.split()) for page in pages_of(pdf_bytes(content)))
    assert "not made by the paper's chain of post-transforms but by the chain 'clinic'" in first
    assert chain.sha256 in "".join(rest).replace(" ", "")
    page = html.unescape(html_text(content))
    assert page.index("not made by the paper's chain") < page.index("Clearing: ")
    assert content.warnings[1].startswith("This number was not made by the paper's chain")
    assert any("the chain 'clinic', not the paper's" in words for words in content.automatic)
    assert "not the paper's" in content.settings.note
    assert PAPER_NOTE not in content.settings.note
    assert content.numbers["warnings"][1] == result.warnings[0]


PAPER_NOTE = "Every setting has its default: the paper's method"


def test_pdf_is_the_same_for_the_same_content(content):
    assert pdf_bytes(content) == pdf_bytes(content)
    assert pdf_bytes(content) == pdf_bytes(report_content(handmade(), PROVENANCE, [OTHER]))


def test_plain_words_are_the_paragraphs_that_parsing_makes_of_them(content, hostile, monkeypatch):
    quick = [pdf_bytes(one) for one in (content, hostile)]
    plainly = lambda text, style=pdf._TEXT: Paragraph(escape(text).replace("\n", "<br/>"), style)  # noqa: E731
    monkeypatch.setattr(pdf, "_words", plainly)
    assert [pdf_bytes(one) for one in (content, hostile)] == quick


def test_pdf_prints_a_hostile_file_name_and_very_long_words(hostile):
    assert "< script > alert" in " ".join(pages_of(pdf_bytes(hostile)))
    long = {**PROVENANCE, "command": "x" * 3000, "inputs": [{"role": "r" * 300, "file": "f" * 300, "sha256": "b" * 64}]}
    assert len(pages_of(pdf_bytes(report_content(handmade(), long)))) >= 2


def test_pdf_prints_forty_lesions_and_counts_the_rest():
    result = handmade()
    many = tuple(replace(result.lesions[0], id=n + 1) for n in range(60))
    text = " ".join(pages_of(pdf_bytes(report_content(replace(result, lesions=many), PROVENANCE))))
    assert "And 20 smaller ones, 960 mm" in text


def test_many_warnings_leave_the_first_page_whole():
    many = tuple(f"Warning number {n}: " + "something that a reader has to know before using this number " * 3 for n in range(6))
    first = pages_of(pdf_bytes(report_content(replace(handmade(), warnings=many), PROVENANCE)))[0]
    assert "Warning number 5" in first
    assert "By a reader" in first


def test_a_report_without_inflammation_reads_right():
    content = report_content(handmade(lesions=False), PROVENANCE)
    text = html_text(content)
    assert '<p class="vhi">0 mm³</p>' in text
    assert "0 mm" in pages_of(pdf_bytes(content))[0]


@pytest.mark.parametrize(
    ("write", "start"), [(write_json, b"{"), (write_html, b"<!DOCTYPE"), (write_pdf, b"%PDF"), (write_overlay_png, b"\x89PNG")]
)
def test_a_form_is_written_whole_or_refused(write, start, content, tmp_path):
    write(content, tmp_path / "out")
    assert (tmp_path / "out").read_bytes().startswith(start)
    with pytest.raises(OutputError, match="does not exist"):
        write(content, tmp_path / "nowhere" / "out")


@pytest.mark.data
def test_a_real_scan_makes_a_report_of_modest_size(vhi_data):
    from lib.core.pipeline import measure_vhi
    from lib.studies.nifti import read_mask, read_volume

    t1w, stir = (read_volume(vhi_data / "images_study" / role / f"1013_{role}.nii.gz", role) for role in ("T1W", "STIR"))
    bone = read_mask(vhi_data / "segmentations" / "normal_marrow" / "1013_normal_marrow.nii.gz", "normal bone")
    region = read_mask(vhi_data / "segmentations" / "disease_region" / "1013_disease_region.nii.gz", "disease region")
    content = report_content(measure_vhi(t1w, stir, normal_bone=bone, disease_region=region), PROVENANCE)
    numbers = json.loads(json_text(content))
    jsonschema.validate(numbers, vhi_schema())
    assert (numbers["voxels"]["sensitive"], numbers["voxels"]["conservative"]) == (104878, 95645)
    assert content.vhi == "122,625 mm³"
    assert len(html_text(content)) < 2_000_000
    assert len(pages_of(pdf_bytes(content))) == 3
