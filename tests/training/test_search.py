"""Cells of the paper's model selection: each a file, going on after a kill, and what they add up to by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cli.test_train import write_scan
from lib.errors import InputError
from lib.nets.fit import CHECKPOINT, fit
from lib.studies.labelled import LabelledCase, LabelledData, find_labelled
from lib.training.groups import folds_of
from lib.training.search import NETWORKS, SearchNetwork, Setting, networks_of, read_results, steps_in, train_network

pytestmark = pytest.mark.slow  # seconds in all


@pytest.fixture
def network(tmp_path) -> SearchNetwork:
    """Two levels, kernel 5, learning one scan of a few pixels and held out on another."""
    for n in (1, 2):
        write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", str(n))
    return networks_of(find_labelled(tmp_path / "data"), 10, 1)[1]


def test_every_network_meets_every_fold_and_seed_and_abnormal_marrow_takes_no_part(tmp_path):
    study, atypical = (
        tuple(LabelledCase(name, tmp_path / name) for name in names) for names in (("1", "2", "3", "4", "5"), ("9",))
    )
    networks = networks_of(LabelledData(study, atypical=atypical), 35_000, 2)
    assert len({network.name for network in networks}) == len(networks) == 3 * 2 * 4 * 2
    assert {network.recipe.name for network in networks} == {
        "paper",
        "paper-2-3",
        "paper-2-5",
        "paper-4-5",
        "paper-6-3",
        "paper-6-5",
    }
    assert {network.recipe.steps for network in networks} == {35_000}
    assert networks[0].steps_of(60) == 60 * 350
    assert [case.case_id for case in networks[0].fold.held_out] == ["1", "5"]
    assert not any(case in atypical for network in networks for case in (*network.fold.cases, *network.fold.held_out))
    # a search that is broken off early has met every setting
    assert len({(network.levels, network.kernel) for network in networks[:6]}) == 6


def test_with_atypical_scans_the_folds_are_those_of_train_folds(tmp_path):
    study, atypical = (
        tuple(LabelledCase(name, tmp_path / name) for name in names) for names in (("1", "2", "3", "4", "5"), ("8", "9"))
    )
    labelled = LabelledData(study, atypical=atypical)
    networks = networks_of(labelled, 35_000, 1, atypical=True)
    assert {network.fold.name: network.fold for network in networks} == {fold.name: fold for fold in folds_of(labelled)}
    assert [case.case_id for case in networks[0].fold.held_out] == ["1", "5", "8"]


def test_held_out_atypical_scans_are_measured_apart(tmp_path):
    for n in (1, 2):
        write_scan(tmp_path / "data", "images_study/T1W", "segmentations/disease_region", str(n))
    write_scan(tmp_path / "data", "images_atypical/T1W", "segmentations/disease_region_atypical", "9")
    network = networks_of(find_labelled(tmp_path / "data"), 2, 1, atypical=True)[0]
    train_network(network, out=tmp_path / "out")
    cell = json.loads(network.result(tmp_path / "out", 100).read_text())
    assert (list(cell["slice_dice"]), list(cell["atypical_slice_dice"])) == (["1"], ["9"])
    (best, *_) = read_results(tmp_path / "out", [network])
    dices = [dice for dice in cell["atypical_slice_dice"]["9"] if dice is not None]
    assert best.as_row()["atypical_mean_slice_dice"] == pytest.approx(np.mean(dices), abs=5e-5)


def test_a_network_gives_two_cells_and_the_shorter_is_the_beginning_of_the_longer(network, tmp_path):
    out = tmp_path / "out"
    assert network.name == "levels2-kernel5-fold0-member0"
    train_network(network, out=out)
    assert network.is_finished(out)
    cells = {epochs: json.loads(network.result(out, epochs).read_text()) for epochs in (60, 100)}
    assert {epochs: cell["steps"] for epochs, cell in cells.items()} == {60: 6, 100: 10}
    assert cells[60]["setting"] == {"epochs": 60, "levels": 2, "kernel": 5}
    assert list(cells[100]["slice_dice"]) == ["1"]
    assert len(cells[100]["slice_dice"]["1"]) == 3
    assert not (out / NETWORKS / network.name / CHECKPOINT).exists()
    # 60 epochs alone, as a run of their own
    alone = replace(network, steps=6)
    train_network(alone, out=tmp_path / "alone")
    assert json.loads(alone.result(tmp_path / "alone", 100).read_text())["slice_dice"] == cells[60]["slice_dice"]


@pytest.mark.parametrize("stopped", [3, 6, 8])
def test_a_killed_network_goes_on_to_the_same_cells(network, tmp_path, monkeypatch, stopped):
    train_network(network, out=tmp_path / "whole")

    def killed(recipe, seed, labelled, folder, *, stop_after):
        fit(recipe, seed, labelled, folder, every=1, stop_after=min(stop_after, stopped))
        if stop_after >= stopped:
            raise KeyboardInterrupt
        return fit(recipe, seed, labelled, folder, every=1, stop_after=stop_after)

    monkeypatch.setattr("lib.training.search.fit", killed)
    with pytest.raises(KeyboardInterrupt):
        train_network(network, out=tmp_path / "out")
    assert not network.is_finished(tmp_path / "out")
    monkeypatch.undo()
    train_network(network, out=tmp_path / "out")
    for epochs in (60, 100):
        first, second = (json.loads(network.result(tmp_path / name, epochs).read_text()) for name in ("whole", "out"))
        assert {**second, "cpu_minutes": 0} == {**first, "cpu_minutes": 0}


def test_settings_are_compared_over_all_slices_of_all_folds(tmp_path):
    networks = networks_of(LabelledData(tuple(LabelledCase(name, tmp_path) for name in "12")), 100, 1)
    dices = {
        (60, 2, 3, "fold0"): [0.5, None, 0.7], (60, 2, 3, "fold1"): [0.9],
        (100, 2, 3, "fold0"): [0.8, 0.8, 0.8], (100, 2, 3, "fold1"): [0.4],
    }  # fmt: skip
    for network in networks:
        for epochs in (60, 100):
            found = dices.get((epochs, network.levels, network.kernel, network.fold.name))
            if found is not None:
                path = network.result(tmp_path, epochs)
                path.parent.mkdir(exist_ok=True)
                cell = {"fold": network.fold.name, "parameters": 7, "cpu_minutes": epochs / 10, "slice_dice": {"1": found}}
                path.write_text(json.dumps(cell))
    first, second = read_results(tmp_path, networks)
    assert (first.setting, second.setting) == (Setting(60, 2, 3), Setting(100, 2, 3))
    assert (first.mean_slice_dice, second.mean_slice_dice) == (0.7, 0.7)
    assert (first.lowest_slice_dice, second.lowest_slice_dice) == (0.5, 0.4)
    assert first.fold_dice == {"fold0": 0.6, "fold1": 0.9}
    assert first.as_row() == {
        "epochs": 60, "levels": 2, "kernel": 3, "parameters": 7, "networks": 2, "mean_slice_dice": 0.7, "lowest_slice_dice": 0.5,
        "cpu_minutes": 6.0, "fold0": 0.6, "fold1": 0.9,
    }  # fmt: skip


def test_a_budget_in_cpu_time_is_steps_at_the_pace_of_all_networks_together(tmp_path, monkeypatch):
    write_scan(tmp_path, "images_study/T1W", "segmentations/disease_region", "1")
    paces = iter([1.0, 2.0, 3.0, 4.0, 5.0, 9.0])
    monkeypatch.setattr("lib.training.search.seconds_per_step", lambda *_, **__: next(paces))
    assert steps_in(2.0, find_labelled(tmp_path).study) == 30  # 120 s at 4 s a step


def test_too_few_steps_or_subjects_are_refused(tmp_path):
    cases = tuple(LabelledCase(name, tmp_path) for name in "12")
    with pytest.raises(InputError, match="1 step cannot tell 60 from 100 epochs; give 2 or more"):
        networks_of(LabelledData(cases), 1, 1)
    with pytest.raises(InputError, match="at least two labelled study scans"):
        networks_of(LabelledData(cases[:1]), 100, 1)


def test_dice_without_bone_is_no_number():
    from lib.training.run import plain_dice

    assert plain_dice(np.array([0.25, np.nan])) == [0.25, None]
