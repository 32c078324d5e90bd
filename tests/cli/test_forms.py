"""`--forms`: what is asked for is written and nothing else is made or loaded; the numbers do not hang on it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.reports.forms import checked_forms

MAIN = Path(__file__).parents[2] / "main.py"
# of a measurement of NIfTI files: torch is for training, the rest for DICOM, other grids, other people's chains, or many scans
NOT_NEEDED = {
    "pydicom",
    "requests",
    "numpy.f2py.f2py2e",
    "torch",
    "monai",
    "monailabel",
    "SimpleITK",
    "highdicom",
    "skimage",
    "sklearn",
    "pandas",
    "statsmodels",
    "distributed",
}
NOT_NEEDED |= {"onnx", "scipy.stats", "scipy.optimize", "matplotlib.pyplot"}
DRAWN = {"matplotlib", "reportlab", "jinja2"}


def measured(phantom: Path, out: Path, *more: str) -> set[str]:
    """Run `measure` in a process of its own; the modules that it loaded."""
    code = (
        "import runpy, sys\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "open(sys.argv[-1] + '.modules', 'w').write(' '.join(sys.modules))"
    )
    scans = ("--t1w", str(phantom / "t1w.nii.gz"), "--stir", str(phantom / "stir.nii.gz"))
    arguments = ["measure", *scans, *more, "--out", str(out)]
    subprocess.run(
        [sys.executable, "-c", f"import sys; sys.argv = {[str(MAIN), *arguments]!r}\n{code}"], check=True, capture_output=True
    )
    return set(Path(f"{out}.modules").read_text().split())


@pytest.fixture(scope="module")
def phantom(tmp_path_factory) -> Path:
    from lib.interface import write_phantom
    from lib.phantom.study import make_phantom

    folder = tmp_path_factory.mktemp("phantom")
    write_phantom(folder, make_phantom(seed=1, shape=(336, 336, 9)))
    return folder


@pytest.mark.slow
def test_numbers_alone_load_no_drawing_and_are_those_of_a_whole_report(phantom, tmp_path):
    whole, alone = tmp_path / "whole", tmp_path / "alone"
    assert not measured(phantom, whole) & NOT_NEEDED
    assert not measured(phantom, alone, "--forms", "json") & (NOT_NEEDED | DRAWN)
    assert [path.name for path in alone.iterdir()] == ["vhi.json"]
    first, second = (json.loads((folder / "vhi.json").read_text()) for folder in (whole, alone))
    for numbers in (first, second):
        del numbers["provenance"]["created"], numbers["provenance"]["command"]
    assert first == second


def test_an_unknown_form_is_refused():
    with pytest.raises(InputError, match="must be one or several of json, masks, overlay, html, pdf"):
        checked_forms("json,docx")


def test_a_list_of_forms_may_have_blanks_and_capitals():
    assert checked_forms("PDF, json") == {"pdf", "json"}
