"""A site's chain: what its file may hold, what is refused in one sentence, and that the paper's is as before."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawing import grid_of, slice_of
from lib.core.chain import PAPER, Chain
from lib.core.lesions import clear
from lib.core.settings import VhiSettings
from lib.core.transforms.holes import FillHolesd
from lib.core.transforms.hysteresis import Hysteresisd
from lib.core.transforms.small_components import DropSmallComponentsd
from lib.core.transforms.small_volumes import DropSmallVolumesd
from lib.core.volume import Mask
from lib.errors import InputError, SettingsError
from lib.post_transforms import chain_of_record, read_chain, settings_of_stored
from lib.post_transforms.chain_file import PAPER_FILE

LIB = Path(__file__).parents[2] / "apps" / "vhi"
DROP = {"_target_": "vhi.transforms.DropSmallComponentsd", "keys": "grade"}


def written(folder: Path, content: Any, name: str = "site.json") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def chain_with(folder: Path, *steps: Any, **entries: Any) -> Chain:
    return read_chain(written(folder, {**entries, "postprocessing": {"_target_": "Compose", "transforms": list(steps)}}))


def test_the_shipped_file_is_the_papers_chain():
    assert read_chain(PAPER_FILE) == VhiSettings().chain
    assert read_chain(PAPER_FILE).name == PAPER


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_papers_chain_clears_groups_of_fewer_than_four_pixels_and_nothing_else(seed):
    # written again by hand: 8-connected groups of one slice, found by flooding
    rng = np.random.default_rng(seed)
    grade = rng.choice([0, 0, 0, 0, 1, 2], (9, 8, 2)).astype(np.uint8)
    kept = grade.copy()
    for k in range(2):
        seen = np.zeros((9, 8), dtype=bool)
        for start in zip(*np.nonzero(grade[:, :, k]), strict=True):
            group, front = set(), [start]
            while front:
                i, j = front.pop()
                if not (0 <= i < 9 and 0 <= j < 8) or (i, j) in group or not grade[i, j, k] or seen[i, j]:
                    continue
                group.add((i, j))
                front += [(i + a, j + b) for a in (-1, 0, 1) for b in (-1, 0, 1)]
            for i, j in group:
                seen[i, j] = True
                if len(group) < 4:
                    kept[i, j, k] = 0
    region = Mask(np.ones(grade.shape, dtype=bool), grid_of(grade))
    np.testing.assert_array_equal(clear(grade, region, VhiSettings()), kept)


def test_steps_are_built_with_their_arguments_and_run_in_the_order_of_the_file(tmp_path):
    chain = chain_with(
        tmp_path,
        DROP | {"min_pixels": 3},
        {"_target_": "vhi.transforms.Hysteresisd", "keys": ["grade"]},
        {"_target_": "vhi.transforms.DropSmallVolumesd", "keys": "grade", "min_volume_mm3": 5},
        {"_target_": "vhi.transforms.FillHolesd", "keys": "grade", "region_key": "disease_region"},
    )
    assert chain.steps == (
        DropSmallComponentsd(min_pixels=3),
        Hysteresisd(hysteresis=True),
        DropSmallVolumesd(min_volume_mm3=5.0),
        FillHolesd(fill_holes=True),
    )
    assert chain.name == "site"


def test_a_list_a_compose_and_composes_in_each_other_are_one_chain_and_disabled_steps_are_none(tmp_path):
    nested = {"_target_": "monai.transforms.Compose", "transforms": [DROP | {"min_pixels": 9}]}
    off = DROP | {"_disabled_": True, "min_pixels": 2}
    one = read_chain(written(tmp_path, {"postprocessing": [nested, off, DROP | {"_desc_": "the paper's"}]}))
    assert one.steps == (DropSmallComponentsd(min_pixels=9), DropSmallComponentsd())
    assert one.sha256 == chain_with(tmp_path, DROP | {"min_pixels": 9}, DROP).sha256


def test_references_are_followed_to_entries_parts_of_them_and_places_beside(tmp_path):
    chain = chain_with(
        tmp_path,
        "@drop",
        {"_target_": "vhi.transforms.DropSmallVolumesd", "keys": "grade", "min_volume_mm3": "@sizes::mm3::1"},
        drop=DROP | {"min_pixels": "%sizes::pixels", "connectivity": "@::min_pixels"},
        sizes={"pixels": 4, "mm3": [7.0, 8.5]},
    )
    assert chain.steps == (DropSmallComponentsd(min_pixels=4, connectivity=4), DropSmallVolumesd(min_volume_mm3=8.5))


def test_yaml_is_read_as_json_is(tmp_path):
    text = "px: 6\npostprocessing:\n  - {_target_: vhi.transforms.DropSmallComponentsd, keys: grade, min_pixels: '@px'}\n"
    assert read_chain(written(tmp_path, text, "site.yaml")).text == chain_with(tmp_path, DROP | {"min_pixels": 6}).text


FAULTS = {
    "an unknown target": ([DROP | {"_target_": "vhi.transforms.DropSmalComponentsd"}], {}, "'vhi.transforms.DropSmalComponentsd' is no step .*Did you mean vhi.transforms.DropSmallComponentsd"),
    "a target of another package": ([{"_target_": "os.system", "command": "true"}], {}, "'os.system' is no step that a chain may hold"),
    "a target that is no step": ([{"_target_": "monai.transforms.SaveImaged", "keys": "grade"}], {}, "'monai.transforms.SaveImaged' is no step"),
    "our step without its package": ([DROP | {"_target_": "DropSmallComponentsd"}], {}, "Did you mean vhi.transforms"),
    "an unknown argument": ([DROP | {"min_pixel": 4}], {}, "step 1: DropSmallComponentsd takes no 'min_pixel'; it takes min_pixels, min_area_mm2, connectivity"),
    "a value outside its range": ([DROP, DROP | {"connectivity": 6}], {}, "step 2: Setting connectivity must be 4 or 8, found 6"),
    "a value of another kind": ([DROP | {"min_pixels": "many"}], {}, "min_pixels needs a whole number, found 'many'"),
    "a missing argument": ([{"_target_": "vhi.transforms.DropSmallVolumesd", "keys": "grade"}], {}, "does nothing without min_volume_mm3"),
    "no keys": ([{"_target_": "vhi.transforms.Hysteresisd"}], {}, "keys must be 'grade'"),
    "other keys": ([DROP | {"keys": ["grade", "disease_region"]}], {}, "keys must be 'grade'"),
    "an expression": ([DROP | {"min_pixels": "$2 + 2"}], {}, r"holds the expression '\$2 \+ 2'; expressions would run code"),
    "an expression in an entry beside": (["@drop"], {"drop": DROP, "imports": ["$import os"]}, "expression"),
    "another file": (["%other.json::step"], {}, "takes in '%other.json::step' of another file"),
    "a reference to nothing": (["@drop"], {}, "there is nothing at @drop"),
    "a reference to itself": (["@a"], {"a": "@b", "b": "@a"}, "go round in a circle .@a to @b to @a"),
    "a chain that holds itself": (["@postprocessing"], {}, "go round in a circle"),
    "a list that holds itself": (["@a"], {"a": [DROP, "@a"]}, "go round in a circle"),
    "references that multiply": (["@e0"], {f"e{n}": [f"@e{n + 1}"] * 10 for n in range(6)} | {"e6": DROP}, "grows beyond 10000 values"),
    "an entry that nothing refers to": ([DROP], {"min_pixels": 6}, "nothing refers to 'min_pixels'"),
    "no step": ([3], {}, "a step is a mapping with a _target_, found '3'"),
    "too many steps": ([DROP] * 101, {}, "101 steps; at most 100"),
    "a mode": ([DROP | {"_mode_": "debug"}], {}, "_mode_ is not taken"),
    "an argument of Compose": ([{"_target_": "Compose", "transforms": [DROP], "map_items": False}], {}, "Compose takes a list of transforms"),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told_in_one_sentence(tmp_path, fault):
    steps, entries, sentence = FAULTS[fault]
    with pytest.raises(SettingsError, match=sentence) as error:
        chain_with(tmp_path, *steps, **entries)
    assert "site.json" in str(error.value)
    assert "\n" not in str(error.value)


FILES = {
    "no JSON": ("{", "site.json", "is no JSON or YAML configuration"),
    "no mapping": ("[1]", "site.json", "holds a list"),
    "one name twice": ('{"postprocessing": [], "postprocessing": []}', "site.json", "'postprocessing' is there twice"),
    "a name twice in YAML": ("postprocessing: []\npostprocessing: []\n", "site.yaml", "'postprocessing' is there twice"),
    "a list as a name in YAML": ("[a, b]: 1\npostprocessing: []\n", "site.yaml", "found unhashable key"),
    "a mapping as a name in YAML": ("? {a: 1}\n: 1\npostprocessing: []\n", "site.yaml", "found unhashable key"),
    "a value that its tag does not fit": ("a: !!bool perhaps\npostprocessing: []\n", "site.yaml", "not of the type that its tag"),
    "a date that is none": ("a: !!timestamp soon\npostprocessing: []\n", "site.yaml", "not of the type that its tag"),
    "an alias of YAML": ("a: &a {}\npostprocessing: [*a]\n", "site.yaml", "holds a YAML alias"),
    "an object of YAML": ("postprocessing: !!python/name:os.system\n", "site.yaml", "is no JSON or YAML configuration"),
    "too deep": ("[" * 100_000, "site.json", "nests too deeply"),
}


@pytest.mark.parametrize("fault", FILES)
def test_a_file_that_is_no_configuration_is_told_in_one_sentence(tmp_path, fault):
    text, name, sentence = FILES[fault]
    with pytest.raises(InputError, match=sentence):
        read_chain(written(tmp_path, text, name))


def test_a_missing_file_a_folder_and_bytes_are_no_chain(tmp_path):
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="is no file with a chain of post-transforms"):
            read_chain(path)
    with pytest.raises(InputError, match="no text in UTF-8"):
        read_chain(tmp_path / "bytes.json")


def test_a_file_without_a_chain_and_one_that_calls_itself_the_papers_are_refused(tmp_path):
    with pytest.raises(SettingsError, match="has no entry 'postprocessing'"):
        read_chain(written(tmp_path, {"postprocesing": [DROP]}))
    with pytest.raises(SettingsError, match="another chain than the paper's"):
        read_chain(written(tmp_path, {"postprocessing": [DROP | {"min_pixels": 9}]}, "paper.json"))


def test_a_recorded_chain_is_a_file_of_the_same_chain(tmp_path):
    chain = chain_with(tmp_path, DROP | {"min_pixels": 5}, {"_target_": "vhi.transforms.FillHolesd", "keys": "grade"})
    record = json.loads(json.dumps(chain.record()))
    again = read_chain(written(tmp_path, record["config"], "again.json"))
    assert (again.text, again.sha256) == (chain.text, record["sha256"])
    assert chain_of_record(record) == chain


def test_settings_are_made_again_from_what_was_stored(tmp_path):
    chain = chain_with(tmp_path, DROP | {"min_pixels": 5})
    made = VhiSettings.from_values({"rule": "paper"}, chain)
    assert settings_of_stored(json.loads(json.dumps(made.stored()))) == made
    assert settings_of_stored(VhiSettings().stored()) == VhiSettings()


def test_a_setting_that_the_chain_overrules_is_refused_but_its_default_is_not(tmp_path):
    chain = chain_with(tmp_path, DROP | {"min_pixels": 5})
    with pytest.raises(SettingsError, match="Setting min_pixels belongs to the paper's chain .*'site'"):
        VhiSettings.from_values({"min_pixels": 6}, chain)
    assert VhiSettings.from_values({"min_pixels": "4"}, chain).chain == chain


def test_a_chain_of_our_own_steps_needs_neither_monai_nor_torch(tmp_path):
    path = written(tmp_path, {"postprocessing": [DROP | {"min_pixels": 6}]})
    code = f"""
import sys
from pathlib import Path
from lib.post_transforms import chain_of_record, read_chain
chain_of_record(read_chain(Path({str(path)!r})).record())
assert not {{"monai", "torch"}} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIB)


def test_a_filled_hole_counts_with_a_chain_that_fills(tmp_path):
    ring = slice_of("222.",
                    "2.2.",
                    "222.")  # fmt: skip
    chain = chain_with(tmp_path, DROP, {"_target_": "vhi.transforms.FillHolesd", "keys": "grade"})
    ring = np.pad(ring, ((1, 1), (1, 1), (0, 0)))
    cleared = clear(ring, Mask(np.ones(ring.shape, dtype=bool), grid_of(ring)), VhiSettings.from_values({}, chain))
    assert cleared.sum() == ring.sum() + 1
