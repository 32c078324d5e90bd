"""The package `vhi`: what `import vhi` gives, without the command line's `lib` beside it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from lib import __version__

pytestmark = pytest.mark.slow  # seconds in all

ROOT = Path(__file__).parents[1]
APPS = ROOT / "apps"


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Python with the package as it is installed: its folder's parent is on the path, the folder itself is not."""
    environment = {**os.environ, "PYTHONPATH": str(APPS)}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, cwd=cwd, env=environment, check=False)


def said(code: str, cwd: Path) -> str:
    ended = python("-c", code, cwd=cwd)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_importing_vhi_loads_none_of_what_it_computes_with(tmp_path):
    heavy = ("numpy", "scipy", "torch", "monai", "monailabel", "matplotlib", "nibabel", "pydicom", "typer")
    assert said(f"import sys, vhi; print([name for name in {heavy} if name in sys.modules])", tmp_path) == "[]"


def test_every_public_name_is_there_and_described_with_its_parameters_and_what_it_returns(tmp_path):
    # in one process that has loaded everything public, no module of ours is there a second time as `lib`
    code = """
import inspect, sys, vhi
missing = []
for name in vhi.__all__:
    found = getattr(vhi, name)
    text = inspect.getdoc(found) or ""
    if inspect.isfunction(found):
        signature = inspect.signature(found)
        wanted = ["Parameters", *([] if signature.return_annotation == "None" else ["Returns"])]
        wanted += [one for one in signature.parameters if one not in text.split("Returns")[0]]
        missing += [f"{name}: {one}" for one in wanted if one not in text]
    elif name != "__version__" and not text:
        missing.append(name)
print(missing, "lib" in sys.modules)
"""
    assert said(code, tmp_path) == "[] False"


def test_names_for_the_type_checker_are_those_that_are_loaded(tmp_path):
    text = (APPS / "vhi" / "__init__.py").read_text()
    typed = {
        (module, name.strip())
        for module, names in re.findall(r"^    from \.lib\.([\w.]+) import ([\w, ]+)$", text, re.MULTILINE)
        for name in names.split(",")
    }
    loaded = said("import vhi; print(sorted((module, name) for name, module in vhi._MODULES.items()))", tmp_path)
    assert str(sorted(typed)) == loaded
    assert said("import vhi; print(sorted(vhi.__all__) == sorted([*vhi._MODULES, '__version__']))", tmp_path) == "True"


def test_a_name_that_is_not_public_is_refused_by_its_name(tmp_path):
    assert "module 'vhi' has no attribute 'nothing'" in python("-c", "import vhi; vhi.nothing", cwd=tmp_path).stderr


def test_the_examples_of_the_interface_run_and_print_what_stands_there(tmp_path):
    ended = python("-m", "doctest", "-o", "ELLIPSIS", str(ROOT / "docs" / "api.md"), cwd=tmp_path)
    assert ended.returncode == 0, ended.stdout
    assert (ROOT / "docs" / "api.md").read_text().count(">>> ") > 10


def test_the_command_vhi_runs_as_lib_alone_and_calls_itself_vhi(tmp_path):
    ended = python("-m", "vhi", "--help", cwd=tmp_path)
    assert ended.stdout.startswith("Usage: vhi "), ended.stderr
    assert python("-m", "vhi", "--version", cwd=tmp_path).stdout == f"vhi {__version__}\n"
    code = "import sys; from vhi.__main__ import main; print([n for n in sys.modules if n.startswith('vhi.lib.')])"
    assert said(code, tmp_path) == "[]"


def test_the_citation_names_this_version():
    assert re.findall(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE) == [__version__]


def test_the_version_stands_in_one_place():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "vhi.lib.__version__"}


def test_every_file_of_the_app_that_is_no_module_travels_with_the_package():
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["vhi"]
    app = APPS / "vhi"
    shipped = {path for pattern in patterns for path in app.glob(pattern)}
    tracked = subprocess.run(["git", "ls-files", "apps/vhi"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    files = {ROOT / name for name in tracked if not name.endswith(".py")}
    assert files
    assert files <= shipped
