"""Which module may import which."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

LIB = Path(__file__).parents[1] / "apps" / "vhi" / "lib"
CORE = {"numpy", "scipy", "skimage"}
# what each room may import beside the standard library: third parties, and rooms of ours
MAY: dict[str, set[str]] = {
    "errors": set(),
    "files": {"lib.errors"},
    "findings": set(),
    "sentences": set(),
    "records": {"lib.errors", "lib.files"},
    "locks": {"filelock", "lib.errors", "lib.files"},
    "cores": set(),
    "environment": set(),
    "fork_server": {"lib.environment"},
    "absent": set(),
    "bound_socket": {"lib.errors"},
    "provenance": {"lib.__version__", "lib.files"},
    "accept": set(),
    "multipart": set(),
    "unpacking": {"psutil", "lib.errors"},
    "csv_tables": {"lib.errors"},
    "core": {*CORE, "lib.absent", "lib.errors", "lib.core"},
    # monai and torch in monai_step and map_transforms alone
    "post_transforms": {"numpy", "yaml", "monai", "torch", "lib.core", "lib.errors", "lib.post_transforms"},
    # monai and torch in surfaces alone
    "evaluation": {"numpy", "monai", "torch", "lib.cohort", "lib.core", "lib.errors", "lib.evaluation"},
    "phantom": {"numpy", "scipy", "lib.core", "lib.errors", "lib.phantom"},
    "cohort": {"numpy", "scipy", "lib.core", "lib.errors", "lib.cohort", "lib.csv_tables"},
    "cleaning": {"numpy", "scipy", "sklearn", "safetensors", "lib.core", "lib.errors", "lib.versions", "lib.cleaning"},
    # no torch: lib.nets.weights alone, for a version without an engine file
    "engine": {
        "lib.absent",
        "numpy",
        "onnx",
        "openvino",
        "torch",
        "lib.cores",
        "lib.core",
        "lib.errors",
        "lib.nets",
        "lib.versions",
        "lib.engine",
    },
    "nets": {
        "lib.cores",
        "lib.engine",
        "scipy",
        "numpy",
        "torch",
        "monai",
        "safetensors",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.versions",
        "lib.nets",
    },
    "studies": {
        "numpy",
        "nibabel",
        "isal",
        "lib.absent",
        "nrrd",
        "pydicom",
        "SimpleITK",
        "skimage",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.studies",
        "lib.unpacking",
    },
    "datafolder": {
        "lib.datafolder",
        "lib.errors",
        "lib.provenance",
        "lib.readings",
        "lib.records",
        "lib.retraining",
        "lib.service",
        "lib.studies",
        "lib.versions",
    },
    "versions": {"lib.records", "numpy", "lib.core", "lib.errors", "lib.files", "lib.versions"},
    "training": {
        # curves for those who have these tools, imported when asked for
        "torch.utils.tensorboard",
        "mlflow",
        "lib.environment",
        "lib.fork_server",
        "lib.locks",
        "numpy",
        "lib.cleaning",
        "lib.core",
        "lib.errors",
        "lib.figures",
        "lib.files",
        "lib.nets",
        "lib.studies",
        "lib.versions",
        "lib.training",
    },
    "retraining": {
        "lib.records",
        "lib.locks",
        "numpy",
        # distances from an outline, in placement alone
        "scipy",
        "lib.core",
        "lib.engine",
        "lib.errors",
        "lib.figures",
        "lib.files",
        "lib.nets",
        "lib.phantom",
        "lib.provenance",
        "lib.readings",
        "lib.studies",
        "lib.training",
        "lib.versions",
        "lib.retraining",
        "lib.csv_tables",
    },
    "bundles": {
        "numpy",
        "torch",
        "monai",
        "safetensors",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.nets",
        "lib.versions",
        "lib.bundles",
    },
    "reproduction": {
        "lib.locks",
        "numpy",
        "scipy",
        "lib.cohort",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.studies",
        "lib.reproduction",
    },
    "figures": {"numpy", "matplotlib", "PIL", "lib.core", "lib.cohort", "lib.errors", "lib.figures"},
    "reports": {
        "numpy",
        "jinja2",
        "markupsafe",
        "reportlab",
        "pydicom",
        "highdicom",
        "lib.cohort",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.figures",
        "lib.reproduction",
        "lib.reports",
    },
    "archive": {
        "filelock",
        "lib.locks",
        "numpy",
        "pydicom",
        "starlette",
        "uvicorn",
        "lib.accept",
        "lib.archive",
        "lib.errors",
        "lib.files",
        "lib.multipart",
        "lib.bound_socket",
        "lib.studies",
        "lib.unpacking",
        "PIL",
    },
    "batch": {
        "lib.locks",
        "lib.cores",
        "lib.environment",
        "dask",
        "distributed",
        "lib.batch",
        "lib.errors",
        "lib.fork_server",
        "lib.files",
        "lib.studies",
        "lib.csv_tables",
    },
    "pacs": {
        # which failure of requests it was
        "urllib3",
        "lib.records",
        "numpy",
        "pydicom",
        "dicomweb_client",
        "requests",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.multipart",
        "lib.studies",
        "lib.unpacking",
        "lib.provenance",
        "lib.readings",
        "lib.reports",
        "lib.service",
        "lib.pacs",
    },
    "readings": {
        "cachetools",
        "lib.records",
        "lib.locks",
        "numpy",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.provenance",
        "lib.studies",
        "lib.readings",
    },
    "service": {
        "lib.sentences",
        "cachetools",
        "lib.findings",
        "lib.records",
        "numpy",
        "lib.cleaning",
        # whose visit a case is by its name, and what changed since the one before
        "lib.cohort",
        "lib.followup",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.studies",
        "lib.provenance",
        "lib.readings",
        "lib.versions",
        "lib.engine",
        "lib.post_transforms",
        "lib.reports",
        # doubts about a region before it is kept, and what became of it
        "lib.retraining",
        "lib.service",
        "lib.csv_tables",
    },
    # MONAI Label adapters: they translate, and compute nothing
    "infers": {"monailabel", "lib.core", "lib.errors", "lib.service", "lib.studies", "lib.datastores", "lib.infers"},
    "datastores": {
        "numpy",
        "monailabel",
        # what browsers are shown of a blinded study, in viewed alone
        "lib.archive",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.pacs",
        "lib.post_transforms",
        "lib.readings",
        "lib.retraining",
        "lib.server",
        "lib.service",
        "lib.studies",
        "lib.datastores",
    },
    "trainers": {
        "monailabel",
        "lib.core",
        "lib.errors",
        "lib.files",
        "lib.provenance",
        "lib.readings",
        "lib.reports",
        "lib.retraining",
        "lib.service",
        "lib.versions",
        "lib.trainers",
    },
    "activelearning": {"monailabel", "lib.core", "lib.datastores", "lib.service", "lib.activelearning"},
    "server": {
        "lib.sentences",
        # who is known for a while
        "cachetools",
        # which logins have ended
        "lib.records",
        "fastapi",
        "starlette",
        "jwt",
        "httpx",
        "pydantic",
        "pydantic_settings",
        "prometheus_client",
        "requests_toolbelt",
        "uvicorn",
        "authlib",
        "joserfc",
        "requests",
        "cryptography",
        "monailabel",
        "lib.accept",
        "lib.errors",
        "lib.files",
        "lib.findings",
        "lib.multipart",
        "lib.server",
    },
    # what batches and `import vhi` do with one scan; what `import vhi` offers beside
    "examination": {"lib"},
    "followup": {"numpy", "lib.cohort", "lib.core", "lib.errors", "lib.records", "lib.studies"},
    "interface": {"lib"},
    # serve starts the server; monailabel and uvicorn are imported when it runs, which tests/cli/test_app.py checks
    "cli": {"typer", "click", "rich", "numpy", "uvicorn", "monailabel", "lib"},
}
FILES = sorted(LIB.rglob("*.py"))


@cache
def imported(path: Path) -> frozenset[str]:
    """Modules that a file imports, inside functions too, but not those for type checking alone."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and isinstance(branch.test, ast.Name) and branch.test.id == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # the same modules are `lib` under MONAI Label and `vhi.lib` in the installed package
            assert node.level or not (node.module or "").startswith("lib"), f"{path}: import by the relative name"
            names |= {absolute_name(path, node)} if node.module else {f"{absolute_name(path, node)}.{a.name}" for a in node.names}
    return frozenset(name for name in names if name.split(".")[0] not in sys.stdlib_module_names)


def absolute_name(path: Path, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = ("lib", *path.relative_to(LIB).parent.parts)
    return ".".join([*package[: len(package) - node.level + 1], *([node.module] if node.module else [])])


def room_of(path: Path) -> str:
    return path.relative_to(LIB).parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    "path", [p for p in FILES if p.parent != LIB or p.name != "__init__.py"], ids=lambda p: str(p.relative_to(LIB))
)
def test_a_room_imports_only_what_it_may(path):
    allowed = MAY[room_of(path)]
    wrong = {name for name in imported(path) if not any(name == one or name.startswith(one + ".") for one in allowed)}
    assert not wrong, f"{path.relative_to(LIB)} may not import {', '.join(sorted(wrong))}"


def test_no_modules_import_each_other_in_a_circle():
    # also inside functions; what is left when modules that import no other one of those left are taken away again and again
    left = {path: imported(path) for path in FILES}
    names = {path: ".".join(("lib", *path.relative_to(LIB).with_suffix("").parts)).removesuffix(".__init__") for path in left}
    while free := [path for path in left if not left[path] & ({names[one] for one in left} - {names[path]})]:
        for path in free:
            del left[path]
    assert not left


# what changes the whole process while other threads work, and where that is done before there are any
ONCE_AT_START = {"files.py": ["umask"]}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(LIB)))
def test_nothing_is_narrowed_by_assert_and_nothing_of_the_process_changed_for_a_while(path):
    nodes = list(ast.walk(ast.parse(path.read_text())))
    assert not any(isinstance(node, ast.Assert) for node in nodes)
    called = [node.func.attr for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)]
    changes = [name for name in called if name in ("catch_warnings", "umask", "chdir")]
    assert changes == ONCE_AT_START.get(str(path.relative_to(LIB)), [])


@pytest.mark.parametrize("room", ["core", "service", "server"])
def test_the_map_names_every_module_of_the_larger_rooms(room):
    page = (LIB.parents[2] / "docs" / "architecture.md").read_text()
    listed = page[page.index(f"\n  {room}/") :].partition("\n  ")[2]
    listed = listed[: re.search(r"\n  \S", listed).start()]
    missing = {path.stem for path in (LIB / room).glob("*.py")} - {"__init__"} - set(re.findall(r"\w+", listed))
    assert not missing


def test_monai_is_imported_where_its_transforms_are_run_and_nowhere_else_in_the_room_of_chains():
    with_monai = {
        path.name for path in FILES if room_of(path) == "post_transforms" and "monai" in {n.split(".")[0] for n in imported(path)}
    }
    assert with_monai == {"map_transforms.py", "monai_step.py"}


def test_no_room_carries_the_name_of_a_standard_library_module():
    rooms = {p.name.removesuffix(".py") for p in LIB.iterdir()}
    assert not rooms & sys.stdlib_module_names


def test_the_rule_bites():
    assert imported(LIB / "core" / "lesions.py") >= {"numpy", "lib.core.volume"}
    assert "lib.core" not in MAY["files"]


# what needs neither server nor training
COMMANDS = (
    "measure",
    "batch",
    "cohort",
    "evaluate",
    "reproduce",
    "dicomize",
    "phantom",
    "trial",
    "sparcc",
    "disease_region",
    "settings",
)
# ... but what they do with an archive
ARCHIVE = LIB / "cli" / "cohort_archive.py"
SERVER = {"monailabel", "fastapi", "starlette", "uvicorn", "jwt", "httpx", "requests", "dicomweb_client", "pynetdicom"}
# modules that Windows lacks
POSIX = ("fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty")


def reached(paths: list[Path]) -> dict[Path, frozenset[str]]:
    """Modules of lib that these import, inside functions too, and what each imports."""
    found: dict[Path, frozenset[str]] = {}
    while paths:
        path = paths.pop()
        if path in found or path == ARCHIVE:
            continue
        found[path] = imported(path)
        for name in found[path]:
            place = LIB.joinpath(*name.split(".")[1:])
            paths += [one for one in (place.with_suffix(".py"), place / "__init__.py") if name[:4] == "lib." and one.is_file()]
    return found


@pytest.mark.slow
def test_what_needs_no_server_imports_no_library_of_the_server():
    found = reached([*(LIB / "cli" / f"{command}.py" for command in COMMANDS), LIB / "examination.py", LIB / "interface.py"])
    assert LIB / "nets" / "weights.py" in found
    wrong = {
        str(path.relative_to(LIB)): names
        for path, all_names in found.items()
        if (names := {n.split(".")[0] for n in all_names} & SERVER)
    }
    assert not wrong


@pytest.mark.slow
def test_what_needs_no_server_can_be_imported_where_modules_of_posix_are_missing():
    paths = reached([*(LIB / "cli" / f"{command}.py" for command in COMMANDS), LIB / "examination.py", LIB / "interface.py"])
    modules = sorted(".".join(("lib", *path.relative_to(LIB).with_suffix("").parts)).removesuffix(".__init__") for path in paths)
    # first as here, so that every other library is loaded; then only ours again, as on Windows
    code = f"""
import importlib, os, sys
for name in {modules}: importlib.import_module(name)
for name in [name for name in sys.modules if name.split(".")[0] == "lib"]: del sys.modules[name]
for name in {POSIX}: sys.modules[name] = None
for name in ("fork", "killpg", "sched_getaffinity", "setsid", "O_CLOEXEC"): delattr(os, name)
for name in {modules}: importlib.import_module(name)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIB.parent)


@pytest.mark.parametrize("module", ["lib.core.pipeline", "lib.core.settings"])
def test_the_method_needs_no_network_library(module):
    code = (
        f"import sys; import {module}; assert not {{'torch', 'monai', 'matplotlib', 'nibabel', 'monailabel'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIB.parent)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "without"),
    [
        ("lib.studies.nifti, lib.studies.scan_pair", {"pydicom", "requests"}),
        ("lib.core.pipeline", {"numpy.testing._private", "numpy.f2py.f2py2e"}),
        ("lib.engine.runtime", {"openvino.tools.ovc", "openvino_telemetry"}),
        ("lib.reports.pictures, lib.reports.pdf, lib.reports.html, lib.figures.mosaic", {"matplotlib"}),
    ],
)
def test_a_measurement_does_not_load_what_it_does_not_use(module, without):
    code = f"import sys, {module}; found = {without!r} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIB.parent)


@pytest.mark.slow
def test_what_needs_no_server_imports_only_what_the_package_brings():
    # the packages of pip that hold a module, against the list that `pip install .` reads
    lines = (LIB.parents[2] / "requirements-package.txt").read_text().splitlines()
    listed = {re.split(r"[=<>~;\s]", line)[0].lower() for line in lines if line[:1] not in ("#", " ", "")}
    holders = packages_distributions()
    paths = [
        *(LIB / "cli" / f"{command}.py" for command in (*COMMANDS, "train", "train_cleaning", "models")),
        LIB / "interface.py",
    ]
    modules = {name.split(".")[0] for names in reached(paths).values() for name in names} - {"lib"}
    assert {"torch", "distributed", "sklearn"} <= modules
    missing = {module for module in modules if not {one.lower() for one in holders.get(module, [])} & listed}
    # brought by typer and by Jinja2, which hand out their objects; mlflow by whoever asks for it
    assert missing <= {"click", "markupsafe", "mlflow"}
