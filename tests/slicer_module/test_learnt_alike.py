"""The same region, handed in by 3D Slicer's module and by the viewer's own requests, is kept and learnt alike."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests

from lib.nets.fit import Slices
from lib.readings.store import ReadingStore
from lib.retraining.entries import Entry
from lib.retraining.patients import StudyCases
from lib.retraining.prepare import prepare
from lib.retraining.retraining_folder import RetrainingFolder
from lib.server.texts import module_of
from lib.studies.pairing import CaseFinder
from lib.training.scans import read_labelled
from serving import APP, Server
from slicer_client import Slicer

NODE = shutil.which("node")
pytestmark = [pytest.mark.server, pytest.mark.skipif(NODE is None, reason="node is not installed")]

REGION = "disease region"
# what the reader takes out of the automatic region: one half of a slice
HALF, SLICE = 112, 6
# what the page does when a reader erases there and submits, by its own modules, without its screen
VIEWER = """
const [url, image, reader, half, slice] = process.argv.slice(1);
globalThis.window = { vhi: { prefix: url }, location: { search: '' }, fetch: globalThis.fetch };
const api = await import('./api.js');
const { answered, drawn, seenOf, submission } = await import('./cells.js');
const { niftiOf } = await import('./nifti.js');
const { labels } = await api.infer('disease_region', image, { client_id: reader });
const [columns, rows] = labels.sizes;
const shown = answered(new Uint8Array(labels.data.length), labels.data, ['disease region']);
const map = seenOf(shown).map((seen, n) => (n % columns < half && Math.floor(n / (columns * rows)) === Number(slice) ? 0 : seen));
const { data, names } = submission(drawn(shown, map), false);
const told = { client_id: reader, label_info: names, normal_bone_clicks: [], effort: { clicks: 1 }, doubts: 'ask' };
console.log(JSON.stringify(await api.submit(image, niftiOf(data, labels), told)));
"""


def by_slicer(slicer_client: Slicer) -> tuple[dict[str, Any], int]:
    """The submission that the server kept, and how many voxels were erased."""
    slicer_client.run("disease_region")
    erased = int((slicer_client.segments()[REGION][:HALF, :, SLICE] > 0).sum())
    slicer_client.segments()[REGION][:HALF, :, SLICE] = False
    slicer_client.press("saveLabel")
    return slicer_client.saved(), erased


def by_viewer(server: Server, image: str, reader: str, folder: Path) -> dict[str, Any]:
    modules = shutil.copytree(APP / "lib/server/ohif", folder / "ohif")
    (modules / "package.json").write_text('{"type": "module"}')
    (modules / "language.js").write_text(module_of("en"), encoding="utf-8")  # as the server makes it
    words = [str(NODE), "--input-type=module", "-e", VIEWER, "--", server.url, image, reader, str(HALF), str(SLICE)]
    ran = subprocess.run(words, cwd=modules, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return dict(json.loads(ran.stdout))


def fate(server: Server, image: str, made: dict[str, Any]) -> dict[str, Any]:
    got = requests.get(f"{server.url}/vhi/submissions", params={"image": image, "reader": made["reader"]}, timeout=60)
    (told,) = [one["fate"] for one in got.json() if one["id"] == made["submission"]]
    return dict(told)


def entries_of(studies: Path) -> tuple[Path, dict[str, Entry]]:
    """The entries that a session which begins now would learn and measure on, by their labels."""
    data = studies / ".vhi"
    session = prepare(
        ReadingStore(data, read_only=True),
        StudyCases.of(data, CaseFinder(studies)),
        APP / "model" / "disease_region",
        code_version="0",
    )
    return RetrainingFolder(data).session, {one.key: one for one in session.entries}


def test_a_region_submitted_in_either_client_is_kept_told_and_learnt_alike(slicer, server, tmp_path):
    slicer_client = slicer(server, "sonja")
    slicer_client.next_sample()
    first = str(slicer_client.module.current_sample["id"])
    second = next(f"{case}_STIR" for case in ("miller", "smith") if f"{case}_STIR" != first)
    slicers_own, erased = by_slicer(slicer_client)
    made = {first: slicers_own, second: by_viewer(server, second, "viola", tmp_path)}
    said = [one["messages"] for one in made.values()]
    assert said[0] == said[1]
    assert erased > 1000
    assert f"removed {erased:,} voxels" in said[0][0]
    slicers, viewers = (fate(server, image, one) for image, one in made.items())
    assert slicers == viewers

    # the scans are one under two names
    studies = shutil.copytree(server.tmp.parent / "studies", tmp_path / "copy" / "studies")
    store = ReadingStore(studies / ".vhi", read_only=True)
    keys = [f"{image.removesuffix('_STIR')}/{one['submission']}" for image, one in made.items()]
    kept = [store.read_segment(store.get(*key.split("/")), REGION) for key in keys]
    assert kept[0].voxels > 0
    assert not kept[0].data[:HALF, :, SLICE].any()
    np.testing.assert_array_equal(kept[0].data, kept[1].data)
    np.testing.assert_allclose(kept[0].grid.affine, kept[1].grid.affine, atol=1e-4)

    folder, entries = entries_of(studies)
    samples = [Slices.of([read_labelled(entries[key].labelled(folder))]) for key in keys]
    np.testing.assert_array_equal(samples[0].images, samples[1].images)
    np.testing.assert_array_equal(samples[0].masks, samples[1].masks)
    assert samples[0].masks.any()
    alike = [{name: getattr(entries[key], name) for name in ("rated_version", "known", "slices", "protocol")} for key in keys]
    assert alike[0] == alike[1]
