"""The engine computes what torch computes, of files that are proved, and loads no torch for it."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from lib.core.disease_region import dice, segment_disease_region
from lib.engine.members import load_members
from lib.engine.runtime import graph_of, members_of_graph
from lib.errors import ModelError
from lib.nets.engine_file import add_engine_file, engine_file, publish_networks
from lib.nets.unet import UNet
from lib.nets.weights import load_members as load_by_torch
from lib.nets.weights import pack, pack_onto
from lib.phantom.study import make_phantom
from lib.provenance import ensemble_of
from lib.studies.nifti import read_volume
from lib.versions import Manifest, publish, read_live

pytestmark = pytest.mark.slow

APP = Path(__file__).parents[2] / "apps" / "vhi"
SHIPPED = APP / "model" / "disease_region"
HALVES = {"widths": [4, 8], "shuffle": 2, "bias": False}
# as published (no blocks), and of four levels with 5 x 5 convolutions, which halve 100 / 4 to odd sizes
OTHERS = ({"widths": [4, 8, 8], "shuffle": 1, "bias": True}, {"widths": [4, 4, 8, 8], "shuffle": 4, "bias": False, "kernel": 5})
# both engines round: bfloat16 keeps 8 bits
APART = {"float32": 1e-4, "bfloat16": 0.05}


def network(layout: dict, seed: int) -> UNet:
    """Untrained, but with batch statistics that are not those of a fresh layer."""
    torch.manual_seed(seed)
    net = UNet(**layout)
    with torch.no_grad():
        for _ in range(5):
            net(torch.randn(4, 1, 64, 64) + 0.5)
    return net.eval()


def manifest(networks, **changes) -> Manifest:
    count = len(networks)
    fields = {"version": "v", "created": "2024-01-01T00:00:00+00:00", "code_version": "0", "sha256": "", "network": networks}
    fields |= {"members": count, "pixel_spacing_mm": 200 / 336, "recipes": [{}] * count, "seeds": [], "training_cases": []}
    return Manifest(**fields | changes)


def published(root, networks=(HALVES,), **changes):
    weights = pack([network(layout, seed) for seed, layout in enumerate(networks)])
    return publish_networks(root, manifest(list(networks), **changes), weights)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("shape", [(3, 96, 100), (1, 33, 47), (2, 1, 5)])
def test_every_member_answers_as_torch_does_whatever_the_size_of_slices(tmp_path, shape, flip, precision):
    published(tmp_path, (HALVES, *OTHERS), flip=flip)
    slices = np.random.default_rng(0).random(shape, dtype=np.float32)
    by_torch = load_by_torch(tmp_path, dtype=getattr(torch, precision))
    for member, expected in zip(load_members(tmp_path, precision=precision), by_torch, strict=True):
        assert member.computed_by == {"engine": "openvino", "precision": precision}
        np.testing.assert_allclose(member(slices), expected(slices), atol=APART[precision])


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="tells which cores a thread may use on Linux alone")
def test_no_thread_of_the_networks_is_bound_to_a_core_that_other_processes_take_too(tmp_path):
    published(tmp_path)
    (member,) = load_members(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        answer, seen = pool.submit(member, np.zeros((40, 336, 336), dtype=np.float32)), set()
        while not answer.done():
            for task in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):
                    seen.add(frozenset(os.sched_getaffinity(int(task.name))))
    assert seen == {frozenset(os.sched_getaffinity(0))}


def regions(t1w, precision):
    by_torch = load_by_torch(SHIPPED, dtype=getattr(torch, precision))
    return segment_disease_region(t1w, load_members(SHIPPED, precision=precision)), segment_disease_region(t1w, by_torch)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_engines_draw_one_region_of_a_phantom(precision):
    t1w = make_phantom(seed=3, shape=(224, 224, 5)).t1w
    engine, by_torch = regions(t1w, precision)
    assert 1 - dice(engine.mask.data, by_torch.mask.data) <= 0.0005
    # float32 differs by rounding, at most in a voxel at a half; bfloat16 in a voxel or two of a member's outline
    assert engine.entropy == pytest.approx(by_torch.entropy, abs={"float32": 1e-4, "bfloat16": 1e-3}[precision])


@pytest.mark.data
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_both_engines_draw_one_region_of_a_scan(vhi_data, precision):
    engine, by_torch = regions(read_volume(vhi_data / "images_study" / "T1W" / "1013_T1W.nii.gz", "T1W"), precision)
    assert 1 - dice(engine.mask.data, by_torch.mask.data) <= 0.0005


def test_a_version_without_an_engine_file_is_computed_by_torch_until_it_gets_one(tmp_path):
    publish(tmp_path, manifest([HALVES]), pack([network(HALVES, 0)]))
    slices = np.random.default_rng(0).random((2, 32, 32), dtype=np.float32)
    (before,) = load_members(tmp_path)
    assert before.computed_by["engine"] == "torch"
    add_engine_file(tmp_path, "v")
    (after,) = load_members(tmp_path, precision="float32")
    assert after.computed_by["engine"] == "openvino"
    np.testing.assert_allclose(after(slices), before(slices), atol=0.05)


def test_networks_for_a_kind_of_scans_are_of_the_same_file(tmp_path):
    parent = published(tmp_path)
    kind = {"name": "kind1", "protocol": {"pixel_mm": 0.9, "slice_mm": 5.0, "field_mm": 350.0, "lean_deg": 0.0}}
    publish_networks(tmp_path, manifest([HALVES], version="two", kinds=[kind]), pack_onto(parent, [network(HALVES, 7)], "kind1"))
    slices = np.random.default_rng(0).random((2, 48, 40), dtype=np.float32)
    found, expected = load_members(tmp_path, precision="float32"), load_by_torch(tmp_path, dtype=torch.float32)
    for one, other in ((found[0], expected[0]), (found.kinds[0][1][0], expected.kinds[0][1][0])):
        assert one.computed_by["engine"] == "openvino"
        np.testing.assert_allclose(one(slices), other(slices), atol=APART["float32"])
    assert np.abs(found[0](slices) - found.kinds[0][1][0](slices)).max() > 0.01


def test_networks_for_a_kind_of_scans_may_be_laid_out_otherwise(tmp_path):
    parent, quarter = published(tmp_path), {"widths": [4, 8, 16], "shuffle": 4, "bias": False}
    kind = {
        "name": "kind1", "protocol": {"pixel_mm": 0.9, "slice_mm": 5.0, "field_mm": 350.0, "lean_deg": 0.0},
        "network": [quarter], "members": 1, "flip": not parent.manifest.flip, "pixel_spacing_mm": 1.2,
    }  # fmt: skip
    own = replace(parent.manifest, version="two", kinds=[kind], engine=None)
    publish_networks(tmp_path, own, pack_onto(parent, [network(quarter, 7)], "kind1"))
    slices = np.random.default_rng(0).random((2, 48, 40), dtype=np.float32)
    found, expected = load_members(tmp_path, precision="float32"), load_by_torch(tmp_path, dtype=torch.float32)
    assert (len(found.kinds[0][1]), found.kinds[0][1].pixel_spacing_mm) == (1, 1.2)
    assert (len(found), found.pixel_spacing_mm) == (parent.manifest.members, parent.manifest.pixel_spacing_mm)
    np.testing.assert_allclose(found.kinds[0][1][0](slices), expected.kinds[0][1][0](slices), atol=APART["float32"])
    np.testing.assert_array_equal(found[0](slices), load_members(tmp_path, "v", precision="float32")[0](slices))


def test_an_engine_file_that_was_changed_is_refused(tmp_path):
    version = published(tmp_path)
    content = bytearray(version.engine.read_bytes())
    content[-1] ^= 1
    version.engine.write_bytes(content)
    with pytest.raises(ModelError, match=r"ensemble.onnx is corrupt or was swapped.*models add-engine v"):
        load_members(tmp_path)


def test_the_file_of_other_networks_is_refused(tmp_path):
    content = published(tmp_path).engine.read_bytes()
    with pytest.raises(ModelError, match="does not hold the networks that its manifest describes"):
        members_of_graph(graph_of(content), [HALVES, HALVES])


def test_a_file_that_answers_otherwise_than_torch_is_not_published(tmp_path, monkeypatch):
    # a graph without its mirror images is another network
    from lib.nets import engine_file as module

    written = module.ensemble_graph
    monkeypatch.setattr(
        module,
        "ensemble_graph",
        lambda ensembles, tensors: written({None: (ensembles[None][0], not ensembles[None][1])}, tensors),
    )
    with pytest.raises(ModelError, match="answers otherwise than torch"):
        published(tmp_path, OTHERS[:1])
    assert not (tmp_path / "versions").exists()


def test_networks_of_other_projects_get_no_engine_file():
    assert engine_file(manifest([HALVES, {"name": "BasicUNet", "arguments": {}}]), b"") is None


def test_the_same_weights_give_the_same_file(tmp_path):
    assert published(tmp_path / "a").manifest.engine == published(tmp_path / "b").manifest.engine


def test_provenance_names_the_engine_and_its_precision():
    t1w = make_phantom(seed=3, shape=(224, 224, 5)).t1w
    live = read_live(SHIPPED).manifest
    model = ensemble_of(live, segment_disease_region(t1w, load_members(SHIPPED, precision="float32")))
    assert (model["version"], model["engine"], model["precision"]) == (live.version, "openvino", "float32")


def test_the_shipped_networks_are_loaded_without_torch():
    code = (
        "import sys\nfrom pathlib import Path\nfrom lib.engine.members import load_members\n"
        "load_members(Path('model/disease_region'))\nsys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=APP, check=False).returncode == 0


KEPT_TO_THE_END = """
import numpy as np
from pathlib import Path
from lib.engine.members import load_members
kept = load_members(Path({models!r}), "quick-1")
again = load_members(Path({models!r}), "quick-1")
for _ in range(3):
    kept[0](np.full((3, 80, 80), 0.4, np.float32))
"""


def test_a_program_that_keeps_its_members_to_the_end_ends_well():
    """As `import vhi` and the workers of a batch do; an engine that is taken down with the interpreter may abort it."""
    program = [sys.executable, "-c", KEPT_TO_THE_END.format(models=str(SHIPPED))]
    for _ in range(4):
        done = subprocess.run(program, cwd=APP, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
