"""`models`: what the versions on disk are, how they differ, which one is used, and whether their bytes are right."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from cli.conftest import Ended
from lib.versions import Manifest, TrainingCase, make_live, publish, read_live

pytestmark = pytest.mark.slow  # seconds in all

Run = Callable[[list[str]], Ended]
MEASURED = {
    "cross_validation": {"what": "one network per fold", "slices": 200, "mean_slice_dice": 0.94},
    "test": None,
}
OLD = Manifest(
    version="old",
    created="2024-01-01T10:20:30+00:00",
    code_version="0.1.0",
    sha256="",
    network={"widths": [16, 32], "shuffle": 2, "bias": False},
    members=2,
    pixel_spacing_mm=200 / 336,
    recipes=[{"name": "quick", "steps": 1500, "augmentation": {"noise": 0.06}}] * 2,
    seeds=[0, 1],
    training_cases=[TrainingCase("1007", "aa" * 32), TrainingCase("1013", "bb" * 32), TrainingCase("1014", "cc" * 32)],
    unlabelled_cases=["9001"],
    metrics=MEASURED,
)
NEW = replace(
    OLD,
    version="new",
    created="2024-02-01T10:20:30+00:00",
    recipes=[
        {"name": "quick", "steps": 2000, "augmentation": {"noise": 0.06}},
        {"name": "student", "steps": 2000, "augmentation": {"noise": 0.06}},
    ],
    seeds=[0, 7],
    training_cases=[TrainingCase("1007", "aa" * 32), TrainingCase("1013", "ff" * 32), TrainingCase("2001", "dd" * 32)],
    metrics={
        "cross_validation": {"what": "an ensemble per fold", "slices": 200, "mean_slice_dice": 0.9512},
        "test": {"mean_slice_dice": 0.9},
    },
    parent="old",
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two versions; the older one is live."""
    publish(tmp_path, OLD, b"old weights")
    publish(tmp_path, NEW, b"new weights, more of them", live=False)
    return tmp_path


@pytest.fixture
def models(run: Run, root: Path) -> Callable[..., Ended]:
    return lambda *arguments: run(["models", *arguments, "--model-dir", str(root)])


def cells(line: str) -> list[str]:
    return [cell for cell in line.split("  ") if cell]


def refused(ended: Ended, *parts: str) -> None:
    """Code 2 and one sentence with all `parts`."""
    assert ended.code == 2, ended
    assert ended.error.count("\n") == 1
    for part in parts:
        assert part in ended.error


def weights_of(root: Path, version: str) -> Path:
    return root / "versions" / version / "ensemble.safetensors"


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


def test_list_shows_the_versions_oldest_first_and_marks_the_live_one(models):
    ended = models("list")
    _, old, new = ended.out.splitlines()
    assert ended.code == 0
    assert [c.strip() for c in cells(old)][:7] == ["*", "old", "2024-01-01 10:20", "yes", "2", "-", "3"]
    assert [c.strip() for c in cells(new)][:6] == ["new", "2024-02-01 10:20", "yes", "2", "old", "3"]
    assert old.endswith("cross_validation 0.9400")
    assert new.endswith("cross_validation 0.9512, test 0.9000")


def test_list_as_json(models, root):
    old, new = json.loads(models("list", "--json").out)
    assert (old["version"], old["live"], old["verified"], old["training_cases"], old["parent"]) == ("old", True, True, 3, None)
    assert (new["version"], new["live"], new["verified"], new["problem"], new["parent"]) == ("new", False, True, None, "old")
    assert new["metrics"] == NEW.metrics
    manifest_bytes = (root / "versions" / "new" / "manifest.json").stat().st_size
    assert new["size_bytes"] == len(b"new weights, more of them") + manifest_bytes


def test_list_goes_on_past_a_damaged_version(models, root):
    (root / "versions" / "new" / "manifest.json").write_text("{")
    flip_a_byte(weights_of(root, "old"))
    ended = models("list")
    assert ended.code == 0
    assert [line.split()[0] for line in ended.out.splitlines()[1:3]] == ["new", "*"]
    assert "new: " in ended.out
    assert "is not a model manifest" in ended.out
    assert "old: " in ended.out
    assert "is corrupt or was swapped" in ended.out
    assert [row["verified"] for row in json.loads(models("list", "--json").out)] == [False, False]


def test_list_says_when_nothing_is_live(models, root):
    (root / "live.json").write_text('{"version": "gone"}')
    assert "No version is live (gone is not there)" in models("list").out
    (root / "live.json").unlink()
    assert "No version is live; choose one" in models("list").out


@pytest.mark.parametrize("command", [["list"], ["verify"], ["use", "a"], ["diff", "a", "b"]])
def test_a_folder_without_versions_is_refused(run, tmp_path, command):
    refused(run(["models", *command, "--model-dir", str(tmp_path / "none")]), "There is no trained version in")


def test_diff_shows_cases_by_the_hash_of_their_mask(models):
    lines = models("diff", "old", "new").out.splitlines()
    assert lines[:4] == [
        "training cases: 3 in old, 3 in new",
        "  added: 2001",
        "  removed: 1014",
        "  label changed: 1013",
    ]


def test_diff_shows_settings_that_differ_per_member_where_members_differ(models):
    lines = models("diff", "old", "new").out.splitlines()
    start = lines.index("settings and seeds")
    shown = {cells(line)[0]: [c.strip() for c in cells(line)[1:]] for line in lines[start + 2 : lines.index("metrics")]}
    assert shown == {
        "parent": ["none", "old"],
        "seeds": ["[0, 1]", "[0, 7]"],
        "recipe.name": ["quick", '["quick", "student"]'],
        "recipe.steps": ["1500", "2000"],
    }


def test_diff_shows_metrics_side_by_side(models):
    lines = models("diff", "old", "new").out.splitlines()
    rows = [[c.strip() for c in cells(line)] for line in lines[lines.index("metrics") + 2 :]]
    assert rows == [
        ["cross_validation.what", "one network per fold", "an ensemble per fold"],
        ["cross_validation.slices", "200", "200", "+0"],
        ["cross_validation.mean_slice_dice", "0.94", "0.9512", "+0.0112"],
        ["test.mean_slice_dice", "none", "0.9"],
    ]


def test_diff_of_a_version_with_itself(models):
    out = models("diff", "old", "old").out
    assert "added" not in out
    assert "settings and seeds: no difference" in out
    assert "0.94  0.94  +0" in out


def test_use_switches_and_says_what_was_live(models, root):
    ended = models("use", "new")
    assert ended.out.splitlines() == ["live    new", "before  old"]
    assert read_live(root).manifest.version == "new"
    assert models("use", "new").out.splitlines()[1] == "before  the same"
    assert models("use", "old").out.splitlines() == ["live    old", "before  new"]


def test_use_repairs_a_damaged_pointer(models, root):
    (root / "live.json").write_text("{")
    assert models("use", "new").out.splitlines() == ["live    new", "before  none"]


@pytest.mark.parametrize("command", [["use", "newer"], ["verify", "newer"], ["diff", "old", "newer"], ["use", "../old"]])
def test_an_unknown_version_is_refused_with_the_known_ones(models, root, command):
    refused(models(*command), f"There is no version {command[-1]} in", "known are new, old (live).")
    assert read_live(root).manifest.version == "old"


def test_a_corrupt_version_never_goes_live(models, root):
    flip_a_byte(weights_of(root, "new"))
    refused(models("use", "new"), "corrupt or was swapped")
    assert read_live(root).manifest.version == "old"


def test_a_switch_that_fails_leaves_the_pointer_as_it_was(models, root, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    refused(models("use", "new"), "live.json cannot be written: the disk is full")
    monkeypatch.undo()
    assert read_live(root).manifest.version == "old"
    assert sorted(path.name for path in root.iterdir()) == ["live.json", "versions"]


def test_verify_passes_whole_versions(models):
    ended = models("verify")
    assert ended.code == 0
    assert [line.split() for line in ended.out.splitlines()] == [["new", "verified"], ["old", "verified"]]
    assert models("verify", "old").out.split() == ["old", "verified"]


def test_verify_names_the_corrupt_file(models, root):
    flip_a_byte(weights_of(root, "new"))
    ended = models("verify")
    refused(ended, f"{weights_of(root, 'new')} is corrupt")
    assert [line.split()[:2] for line in ended.out.splitlines()] == [["new", "WRONG"], ["old", "verified"]]
    refused(models("verify", "new"), "is corrupt")
    assert models("verify", "old").code == 0


def test_verify_names_the_missing_file(models, root):
    weights_of(root, "old").unlink()
    refused(models("verify"), f"{weights_of(root, 'old')} is missing")
    (root / "versions" / "new" / "manifest.json").unlink()
    ended = models("verify")
    refused(ended, "manifest.json is missing", "(2 problems in all.)")
    assert ended.out.count("WRONG") == 2


def test_verify_says_whose_file_was_swapped_in(models, root):
    shutil.copy(weights_of(root, "old"), weights_of(root, "new"))
    refused(models("verify"), f"{weights_of(root, 'new')} was swapped: it is the file of version old.")


def test_verify_finds_a_renamed_version(models, root):
    (root / "versions" / "new").rename(root / "versions" / "other")
    refused(models("verify"), "describes version new, not other")


def test_verify_checks_the_pointer(models, root):
    (root / "live.json").write_text('{"version": "gone"}')
    refused(models("verify"), "There is no version gone")


def test_an_unfinished_publication_is_no_version(models, root):
    (root / "versions" / ".publishing-x").mkdir()
    assert models("verify").code == 0


def test_import_then_use(run, tmp_path):
    torch = pytest.importorskip("torch")
    from nets.test_published import Published

    files = []
    for n in range(3):
        torch.manual_seed(n)
        files.append(str(tmp_path / f"model_{n}.pt"))
        torch.save(Published().state_dict(), files[-1])
    root = tmp_path / "model"
    publish(root, OLD, b"old weights")
    ended = run(["models", "import", *files, "--name", "paper", "--model-dir", str(root)])
    assert ended.code == 0, ended.error
    assert ended.out.startswith("imported  paper, 3 members")
    assert "model_1.pt, sha256 " in ended.out
    assert "no fair test" in ended.out
    assert read_live(root).manifest.version == "old"
    assert run(["models", "use", "paper", "--model-dir", str(root)]).out.splitlines() == ["live    paper", "before  old"]
    make_live(root, "old")
    refused(
        run(["models", "import", files[0], files[1], files[0], "--model-dir", str(root)]),
        "model_0.pt are the same network; pass each of the three once.",
    )
    refused(run(["models", "import", *files, "--name", "paper", "--model-dir", str(root)]), "versions are never overwritten")


def test_import_wants_three_files(run, tmp_path):
    ended = run(["models", "import", "a.pt", "b.pt", "--model-dir", str(tmp_path)])
    assert ended.code == 2
    assert "takes 3 values" in ended.error


def test_add_engine_makes_the_file_that_verify_then_checks(tmp_path, run):
    import torch

    from lib.nets.unet import UNet
    from lib.nets.weights import pack

    torch.manual_seed(0)
    nets = [UNet(**OLD.network).eval() for _ in range(OLD.members)]
    version = publish(tmp_path, OLD, pack(nets))
    at = ["--model-dir", str(tmp_path)]
    assert run(["models", "add-engine", "old", *at]).out.startswith(f"made    {version.engine}")
    assert run(["models", "verify", *at]).code == 0
    version.engine.write_bytes(b"another file")
    ended = run(["models", "verify", *at])
    assert ended.code == 2
    assert "ensemble.onnx is corrupt or was swapped" in ended.error
    assert "models add-engine old" in ended.error
    assert run(["models", "add-engine", "old", *at]).code == 0
    assert run(["models", "verify", *at]).code == 0
