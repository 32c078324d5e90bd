"""The viewer's modules that need no browser: each `modules/*.test.mjs` by node's own test runner."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from lib.core.anatomy import Anatomy
from lib.core.gestures import LesionField
from lib.core.lesions import label_lesions
from lib.core.partition import PARTS
from lib.core.volume import Grid
from lib.readings.drafts import voxels_of_runs
from lib.server.texts import module_of
from lib.service.gestures import on_stir, parse_gestures

HERE = Path(__file__).parent / "modules"
MODULES = Path(__file__).parents[2] / "apps/vhi/lib/server/ohif"
NODE = shutil.which("node")

pytestmark = [pytest.mark.skipif(NODE is None, reason="node is not installed"), pytest.mark.slow]


@pytest.fixture(scope="module")
def modules(tmp_path_factory) -> Path:
    """A copy of the modules that node takes for what a browser takes them for, with the tests beside them."""
    folder = tmp_path_factory.mktemp("node") / "ohif"
    shutil.copytree(MODULES, folder)
    shutil.copytree(HERE, folder / "tests")
    (folder / "package.json").write_text('{"type": "module"}')
    (folder / "language.js").write_text(module_of("en"), encoding="utf-8")
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


SIZES = (20, 16, 4)
TAKE = """
import { takenBy } from './gestures.js';
import { Lesions } from './lesions.js';
const { grades, sizes, listed, gestures } = JSON.parse(process.argv[1]);
const found = new Lesions(Uint8Array.from(grades), sizes, listed);
console.log(JSON.stringify(gestures.map((one) => takenBy(one, found).sort((a, b) => a - b))));
"""


def random_gestures(rng, voxels):
    """Some of each scope, many of which cut lesions."""

    def point():
        return [round(float(rng.uniform(-2, size + 1)), 2) for size in SIZES[:2]]

    for _ in range(12):
        k = int(rng.integers(SIZES[2]))
        yield {"scope": "lesion", "voxel": voxels[rng.integers(len(voxels))].tolist()}
        yield {"scope": "lasso", "slice": k, "polygon": [point() for _ in range(rng.integers(3, 9))]}
        yield {"scope": "lasso", "slice": k, "polygon": [point() for _ in range(rng.integers(3, 9))], "inside": False}
        yield {"scope": "on slice", "slice": k}
        yield {"scope": "on slice", "slice": k, "parts": True}
        yield {"scope": "beyond line", "line": [point(), point()], "side": point()}
        yield {"scope": "smaller", "below_mm3": float(rng.uniform(1, 60))}
        yield {"scope": "several", "voxels": voxels[rng.integers(0, len(voxels), 3)].tolist()}
        yield {"scope": "part", "part": ["sacrum", "ilium", "above L5/S1", "other"][rng.integers(4)]}
        yield {"scope": "part", "side": ["left", "right", "midline"][rng.integers(3)]}


@pytest.mark.parametrize("seed", range(4))
def test_the_page_takes_the_lesions_that_the_server_takes(modules, seed):
    rng = np.random.default_rng(seed)
    labels, count = label_lesions((rng.random(SIZES) < 0.06).astype(np.uint8))
    grid = Grid(SIZES, np.diag([1.0, 1.0, 3.0, 1.0]))
    part = rng.integers(1, len(PARTS), SIZES).astype(np.uint8)
    field = LesionField(labels, grid, lambda: (Anatomy(None, part, np.zeros_like(part)), 9.5))
    parts, sides = field.parts, field.sides
    first = [np.argwhere(labels == n)[0].tolist() for n in range(1, count + 1)]
    listed = [
        {"id": n + 1, "voxel": first[n], "part": parts[n], "side": sides[n], "mm3": float(field.voxels[n + 1] * 3)}
        for n in range(count)
    ]
    gestures = [{"what": "remove", **one} for one in random_gestures(rng, np.argwhere(labels))]
    given = {"grades": (labels > 0).ravel(order="F").astype(int).tolist(), "sizes": SIZES, "listed": listed, "gestures": gestures}
    ran = subprocess.run(
        [NODE, "--input-type=module", "-e", TAKE, json.dumps(given)],
        cwd=modules,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    expected = [np.flatnonzero(one.taken(field)).tolist() for one in parse_gestures(gestures, "gestures", on_stir)]
    assert json.loads(ran.stdout) == expected
    assert len({tuple(one) for one in expected}) > 20
