"""Imports that are put off, and what a server at rest has loaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from importlib import import_module

import pytest

from lib.server.postponed import PostponedModule, postponed
from serving import APP

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture
def heavy(tmp_path, monkeypatch):
    """The package `heavy_one`, with `heavy_one.below`; neither is imported yet."""
    package = tmp_path / "heavy_one"
    package.mkdir()
    (package / "__init__.py").write_text("LIMIT = 7\n\n\ndef double(number):\n    return 2 * number\n")
    (package / "below.py").write_text("class Base:\n    kind = 'base'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "heavy_one"
    for name in [name for name in sys.modules if name.split(".")[0] == "heavy_one"]:
        del sys.modules[name]


def test_a_postponed_module_is_imported_when_what_it_brings_is_used(heavy):
    with postponed([heavy]):
        import heavy_one
        from heavy_one import double

        assert isinstance(heavy_one, PostponedModule)
    assert heavy not in sys.modules
    assert double(21) == 42
    assert heavy_one.LIMIT == 7
    assert not isinstance(sys.modules[heavy], PostponedModule)


def test_after_it_an_import_brings_the_module_itself(heavy):
    with postponed([heavy]):
        import_module("heavy_one.below")
    assert import_module("heavy_one.below").Base.kind == "base"


def test_nothing_is_an_instance_of_a_class_that_was_never_made_and_asking_imports_nothing(heavy):
    with postponed([heavy]):
        from heavy_one.below import Base
    assert not isinstance(object(), Base)
    assert "heavy_one.below" not in sys.modules
    real = import_module("heavy_one.below").Base
    assert isinstance(real(), Base)


def test_a_class_that_inherits_from_a_postponed_one_has_the_real_one_at_once_and_the_rest_is_imported_as_ever(heavy):
    with postponed([heavy]):
        from heavy_one.below import Base

        class Child(Base):
            pass

        assert import_module(heavy).LIMIT == 7
    assert Child.__mro__[1].__name__ == "Base"
    assert Child.kind == "base"


def test_what_is_imported_already_stays(heavy):
    before = import_module(heavy)
    with postponed([heavy]):
        assert import_module(heavy) is before
    assert sys.modules[heavy] is before


def test_a_missing_module_is_named_when_it_is_used():
    with postponed(["no_such_module"]):
        from no_such_module import anything
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        anything()


# Each of these takes a tenth of a second to three seconds, or 10 to 250 MB; the second list is loaded beside the server's work.
NEVER_AT_REST = (
    "torch",
    "monai",
    "ignite",
    "mlflow",
    "itk",
    "SimpleITK",
    "tensorboard",
    "sympy",
    "pandas",
    "sklearn",
    "skimage.transform",
    "scipy.spatial",
    "scipy.stats",
    "highdicom",
    "google.auth",
    "girder_client",
    "distributed",
)
NOT_BEFORE_IT_ANSWERS = ("matplotlib", "reportlab")
AT_REST = """
    import json, sys
    from lib.cli.serve import load, preload, prepare
    from lib.server.config import ServerConfig
    from lib.server.log import LogConfig

    studies, never, later = sys.argv[1], *(name.split() for name in sys.argv[2:])
    prepare(studies, 1, ServerConfig(), {})
    load(LogConfig(None))
    started = [name for name in never + later if name in sys.modules]
    preload()
    resting = [name for name in never if name in sys.modules]
    from monailabel.interfaces.app import LocalDatastore, create_session_from_user_pass
    session = create_session_from_user_pass("reader", "secret")
    used = [type(session).__module__, LocalDatastore.__name__, "monailabel.datastore.local" in sys.modules]
    print(json.dumps({"started": started, "resting": resting, "used": used}))
"""


def test_a_server_at_rest_has_loaded_none_of_the_heavy_modules_and_monai_labels_own_code_still_finds_them(tmp_path):
    (tmp_path / "studies").mkdir()
    words = [str(tmp_path / "studies"), " ".join(NEVER_AT_REST), " ".join(NOT_BEFORE_IT_ANSWERS)]
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(AT_REST), *words],
        env={**os.environ, "PYTHONPATH": str(APP)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout.splitlines()[-1])
    assert content["started"] == []
    assert content["resting"] == []
    assert content["used"] == ["requests.sessions", "LocalDatastore", True]
