"""Names mean one thing each, and those that said nothing to a newcomer do not come back (docs/glossary.md)."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # seconds in all

VHI = Path(__file__).parents[1] / "apps" / "vhi"
# a chain's file names a step as MONAI does, so that MONAI's form of it bears the name of ours
BOTH_FORMS = {"DropSmallComponentsd", "DropSmallVolumesd", "FillHolesd", "Hysteresisd"}
# what is out, of classes, functions, methods and modules, and what is said in its place
OUT = {
    "Bars": "TrainingProgress",
    "Desk": "ServerContext",
    "Exchange": "RequestHandler, ArchiveSync",
    "Hanging": "DisplayOrientation",
    "InForce": "ActiveRegions",
    "Judged": "EvaluatedSubmission",
    "Kept": "LastUsed, StepCache",
    "Locks": "NamedLocks",
    "Measuring": "MeasurementService, VersionMeasurement",
    "Openings": "ReadingTimer",
    "Shown": "DisplayedResult",
    "Terms": "SubmissionMetadata",
    "TrainingDesk": "TrainingManager",
    "alone": "lock",
    "bars": "training_progress",
    "begun": "reading_context, cases_with_draft",
    "beside": "run_in_fork",
    "child": "worker_main",
    "clicked": "apply_clicks",
    "desk": "server_context, training_manager",
    "exchange": "archive_sync",
    "fitted": "on_grid_of",
    "forget_stop": "clear_stop",
    "glance": "report_progress",
    "intake": "submissions",
    "judge": "evaluate_submission, decide_between",
    "listening": "bound_socket",
    "made_by": "algorithm_identification",
    "openings": "reading_timer",
    "rival": "challenger",
    "say": "log_line, record_progress",
    "seen": "to_series_grid",
    "selection": "active_learning",
    "sentinel": "phantom_regression",
    "shown": "settings_shown, automatic_regions_for, replaced_uids",
    "steps": "status",
    "told": "response_facts, training_status, delivery_state",
    "turned": "reoriented",
    "unlikeness": "feature_distance",
    "waits": "has_pending_session",
    "working": "batch_progress",
}


def definitions() -> Iterator[tuple[str, str, ast.AST | None]]:
    """File, name and node of every class and function, nested ones too, and of every module."""
    for path in sorted(VHI.rglob("*.py")):
        file = str(path.relative_to(VHI)).removeprefix("lib/")
        if path.stem != "__init__":
            yield file, path.stem, None
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield file, node.name, node


@pytest.fixture(scope="module")
def defined() -> list[tuple[str, str, ast.AST | None]]:
    return list(definitions())


def test_no_class_name_stands_twice(defined):
    places: dict[str, list[str]] = {}
    for file, name, node in defined:
        if isinstance(node, ast.ClassDef) and name not in BOTH_FORMS:
            places.setdefault(name, []).append(file)
    assert {name: files for name, files in places.items() if len(files) > 1} == {}
    assert len(places) > 300  # the tree was read


def test_a_step_of_a_chain_and_its_form_for_monai_alone_share_a_name(defined):
    both = [(name, file) for file, name, node in defined if isinstance(node, ast.ClassDef) and name in BOTH_FORMS]
    assert len(both) == 2 * len(BOTH_FORMS)
    assert all(file.startswith(("core/transforms/", "post_transforms/")) for _, file in both)


def names_in(tree: ast.AST) -> Iterator[str]:
    """Every name that code gives or uses: of variables, parameters, keywords, attributes, functions, classes; no texts."""
    for node in ast.walk(tree):
        for kind in ("name", "id", "attr", "arg"):
            if isinstance(name := getattr(node, kind, None), str):
                yield name


def says_nothing(name: str) -> bool:
    """That something was found or told, not what: `matches`, `notes`; `found_lesions` and `trend_found` do say what."""
    words = name.strip("_").lower().split("_")
    return words == ["found"] or "told" in words


def test_a_name_says_what_it_holds_and_not_that_it_was_found_or_told():
    scripts = sorted(VHI.rglob("*.py"))
    assert len(scripts) > 500
    back = {
        f"{path.relative_to(VHI)}: {name}"
        for path in scripts
        for name in names_in(ast.parse(path.read_text(encoding="utf-8")))
        if says_nothing(name)
    }
    assert back == set()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("found", True), ("_found", True), ("Found", True), ("told_by", True), ("_told", True), ("trend_found", False)],
)
def test_names_that_say_nothing_are_known(name, expected):
    assert says_nothing(name) is expected


# names in the viewer's scripts and in tests that are out
OUT_OF_SCRIPTS = {"told": "serverFacts, handlers, note, metadata", "vhiDesk": "viewerSession"}
OUT_OF_TESTS = ("Desk", "Desks", "desk", "desks")  # StudyFolder, ArchivedCase, ViewerServer, slicer_client
_COMMENTS = re.compile(r"/\*.*?\*/|(?<![:'\"`])//[^\n]*", re.DOTALL)


def test_names_that_are_out_do_not_come_back_in_the_viewers_scripts():
    scripts = sorted((VHI / "lib" / "server" / "ohif").glob("*.js"))
    assert len(scripts) > 50
    found = {
        (path.name, name): OUT_OF_SCRIPTS[name]
        for path in scripts
        for name in OUT_OF_SCRIPTS
        if re.search(rf"\b{name}\b", _COMMENTS.sub("", path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_names_that_are_out_do_not_come_back_in_tests():
    back = []
    for path in sorted(Path(__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [getattr(node, kind) for kind in ("name", "id", "attr", "arg") if isinstance(getattr(node, kind, None), str)]
            back += [
                (path.name, name) for name in (path.stem, *names) if set(re.findall(r"[A-Z]?[a-z]+", name)) & set(OUT_OF_TESTS)
            ]
    assert back == []


def test_a_name_that_is_out_does_not_come_back(defined):
    back = {(file, name): OUT[name] for file, name, _ in defined if name in OUT}
    assert back == {}
