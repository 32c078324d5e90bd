"""The viewer's modules that need no browser: each `modules/*.test.mjs` by node's own test runner."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lib.readings.drafts import voxels_of_runs

HERE = Path(__file__).parent / "modules"
MODULES = Path(__file__).parents[2] / "apps/vhi/lib/server/ohif"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")


@pytest.fixture(scope="module")
def modules(tmp_path_factory) -> Path:
    """A copy of the modules that node takes for what a browser takes them for, with the tests beside them."""
    folder = tmp_path_factory.mktemp("node") / "ohif"
    shutil.copytree(MODULES, folder)
    shutil.copytree(HERE, folder / "tests")
    (folder / "package.json").write_text('{"type": "module"}')
    return folder


@pytest.mark.parametrize("name", sorted(path.name for path in HERE.glob("*.test.mjs")))
def test_modules_do_in_node_what_their_tests_say(modules, name):
    ran = subprocess.run([NODE, "--test", f"tests/{name}"], cwd=modules, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "# fail 0" in ran.stdout
    assert "# pass 0" not in ran.stdout


def test_the_server_counts_as_many_voxels_in_a_draft_as_the_page_put_into_it(modules):
    rng = np.random.default_rng(11)
    maps = [rng.integers(0, 128, size).repeat(rng.integers(1, 40, size)).astype(int) for size in (1, 5, 300)]
    code = "import { runsOf } from './runs.js'; const maps = JSON.parse(process.argv[1]);"
    code += "console.log(JSON.stringify(maps.map((map) => runsOf(Uint8Array.from(map)))));"
    given = json.dumps([one.tolist() for one in maps])
    ran = subprocess.run(
        [NODE, "--input-type=module", "-e", code, given], cwd=modules, capture_output=True, text=True, check=True, timeout=60
    )
    assert [voxels_of_runs(one) for one in json.loads(ran.stdout)] == [one.size for one in maps]
