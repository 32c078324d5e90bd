"""Whoever reads a number that no reader cleaned, in whatever form, does not read it under the title VHI."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from pydicom.dataset import Dataset

from handmade import PROVENANCE, handmade
from lib.cli.measure import print_summary
from lib.core.cleaning import measure_cleaned, measure_proposed
from lib.core.pipeline import VhiResult
from lib.core.proposal import LesionProposal, Proposal
from lib.core.volume import Mask
from lib.reports import ReaderWork, ReportContent, report_content
from lib.reports.dicom_pages import pages_of
from lib.reports.dicom_seg import segmentation
from lib.reports.dicom_sr import structured_report
from lib.reports.forms import json_text
from lib.reports.html import html_text
from lib.reports.pdf import pdf_bytes
from lib.studies.dicom_sr_reader import read_vhi_report
from mrseries import mr_series
from reports.test_forms import pages_of as pdf_words

pytestmark = pytest.mark.slow  # seconds in all

NOT_VHI = "It is not VHI"
# descriptions of objects, which an archive lists in a line: the title alone
ONE_LINE = ("segmentation", "encapsulated pdf and secondary capture")
# names of programs and of the method, which title no number
NAMES = r"VHI thresholds|VHI disease region ensemble|VHI normal bone proposal|VHI, research only|\(VHI\)|VHI 0\.1\.0|Device Observer Manufacturer VHI"
READER = ReaderWork({"reader": "anna", "reading": 1, "method": "semi-automatic"}, ("Reader anna.",))


def of_stage(stage: str) -> VhiResult:
    raw = handmade()
    raw = replace(raw, proposal=largest_kept(raw))
    if stage == "raw":
        return raw
    if stage == "proposed":
        return measure_proposed(raw, largest_kept)
    return measure_cleaned(raw, Mask(raw.lesion_labels == 1, raw.stir.grid, "inflammation"))


def largest_kept(result: VhiResult) -> Proposal:
    return Proposal("1", 0.5, tuple(LesionProposal(one, one.id == 1, 0.9, "shape") for one in result.lesions))


def texts_of_sr(item: Dataset) -> Iterator[str]:
    for one in item.get("ContentSequence", []):
        for names in (one.get("ConceptNameCodeSequence"), one.get("ConceptCodeSequence")):
            yield from (str(name.CodeMeaning) for name in names or ())
        yield str(one.get("TextValue", ""))
        yield from texts_of_sr(one)


def texts_of_json(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from texts_of_json(one)


def forms(content: ReportContent, capsys: pytest.CaptureFixture[str], tmp_path) -> dict[str, str]:
    stir = mr_series(content.result.stir)
    seg = segmentation(content, stir)
    report = structured_report(content, stir, (), seg)
    print_summary(content.result, tmp_path)
    captions = " ".join(figure.caption + figure.alternative for figure in content.figures.values())
    page = re.sub(r"<style>.*?</style>|data:image/[^\"]*", "", html_text(content), flags=re.DOTALL)
    pages = pages_of(content, stir).values()
    return {
        "pdf": re.sub(r"\\([()\\])", r"\1", " ".join(pdf_words(pdf_bytes(content)))),
        "encapsulated pdf and secondary capture": " ".join(
            str(one.get(name, "")) for one in pages for name in ("SeriesDescription", "DocumentTitle", "DerivationDescription")
        ),
        "html": html.unescape(re.sub(r"<[^>]*>", " ", page)) + captions,
        "json": " ".join(texts_of_json(json.loads(json_text(content)))),
        "structured report": " ".join([*texts_of_sr(report), report.SeriesDescription]),
        "segmentation": f"{seg.ContentDescription} {seg.SeriesDescription}",
        "terminal": capsys.readouterr().out,
    }


@pytest.mark.parametrize(("stage", "title"), [("raw", "Uncleaned volume"), ("proposed", "Proposed volume")])
@pytest.mark.parametrize("reading", [None, READER], ids=["nobody", "a reader of the regions"])
def test_no_form_prints_an_uncleaned_number_under_the_title_vhi(stage, title, reading, capsys, tmp_path):
    content = report_content(of_stage(stage), PROVENANCE, reading=reading)
    assert (content.title, content.numbers["title"], content.numbers["stage"]) == (title, title, stage)
    for form, text in forms(content, capsys, tmp_path).items():
        assert title in text, form
        if form not in ONE_LINE:
            assert NOT_VHI in text, form
        left = re.sub(NAMES, "", text.replace(NOT_VHI, ""))
        assert re.findall(r".{0,40}\bVHI\b.{0,40}", left) == [], form


def test_a_number_that_a_reader_cleaned_is_vhi_in_every_form(capsys, tmp_path):
    content = report_content(of_stage("cleaned"), PROVENANCE, reading=READER)
    assert content.title == content.numbers["title"] == "VHI (cleaned by anna)"
    by_form = forms(content, capsys, tmp_path)
    assert all(NOT_VHI not in text for text in by_form.values())
    assert by_form["segmentation"].startswith("VHI: 48 mm3")
    assert all("VHI (cleaned by anna)" in by_form[form] for form in ("html", "pdf", "json", "structured report"))


@pytest.mark.parametrize("stage", ["raw", "proposed", "cleaned"])
def test_a_structured_report_says_the_stage_and_the_cohort_reads_it(stage):
    content = report_content(of_stage(stage), PROVENANCE, reading=READER)
    stir = mr_series(content.result.stir)
    reported = read_vhi_report(structured_report(content, stir, (), segmentation(content, stir)))
    volume = {"raw": 72.0, "proposed": 48.0, "cleaned": 48.0}[stage]
    assert (reported.stage, reported.sensitive_mm3, reported.reader) == (stage, volume, "anna")


def test_the_schema_knows_the_title_and_the_verdict():
    numbers = json.loads(json_text(report_content(of_stage("raw"), PROVENANCE)))
    assert numbers["verdict"]["word"] == "not comparable"
    assert {"code": "stage", "word": "check", "clause": "no reader has cleaned it"} in numbers["verdict"]["reasons"]


@pytest.mark.parametrize("stage", ["raw", "proposed", "cleaned"])
def test_with_a_proposed_normal_bone_no_form_says_stable(stage, capsys, tmp_path):
    result = of_stage(stage)
    unmoved = tuple(replace(one, vhi_mm3=result.stability.vhi_mm3) for one in result.stability.threshold_changes)
    still = replace(result.stability, threshold_changes=unmoved, slices_left_out=None)
    told = {}
    for source in ("given", "proposed"):
        moved = replace(result, stability=replace(still, normal_bone_source=source), normal_bone_source=source)
        by_form = forms(report_content(replace(moved, warnings=()), PROVENANCE, reading=READER), capsys, tmp_path)
        told[source] = {form for form, text in by_form.items() if re.search(r"\b(is stable|stable +yes|Stable)\b", text)}
    assert {"html", "pdf"} <= told["given"]
    assert told["proposed"] == set()
