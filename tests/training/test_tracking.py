"""Learning curves in other tools: the numbers of the curve, once each, and nothing imported for those who did not ask."""

import csv
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from lib.errors import InputError
from lib.nets.recipes import PLANS
from lib.training.groups import Group
from lib.training.run import Network
from lib.training.tracking import EVENTS, trackers

LIB = Path(__file__).parents[2] / "apps" / "vhi"
COLUMNS = (
    "step", "steps", "epoch", "loss", "soft_dice", "validation_loss", "validation_dice", "validation_slice_dice", "cpu_s", "elapsed_s",
)  # fmt: skip


def network_with_curve(out: Path, losses: list[float]) -> Network:
    """A network whose curve has a row every 50 steps."""
    folder = out / "fold0" / "member1"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "curve.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows([50 * (n + 1), 200, n, loss, 0.5, "nan", "nan", "nan", 1.0, 1.0] for n, loss in enumerate(losses))
    return Network(folder, PLANS["quick"].members[0], 1, Group("fold0", (), ()))


def losses_shown(out: Path) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(out / EVENTS / "fold0" / "member1"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == {"epoch", "loss", "soft_dice", "cpu_s", "elapsed_s"}
    return [(one.step, one.value) for one in events.Scalars("loss")]


def test_each_row_of_a_curve_is_shown_once_and_what_was_not_measured_not_at_all(tmp_path):
    with trackers(tmp_path, tensorboard=True, mlflow=None, name="quick") as track:
        track(network_with_curve(tmp_path, [1.0]))
        track(network_with_curve(tmp_path, [1.0, 0.5]))
        track(network_with_curve(tmp_path, [1.0, 0.5]))
    assert losses_shown(tmp_path) == [(50, 1.0), (100, 0.5)]
    assert len(list((tmp_path / EVENTS / "fold0" / "member1").iterdir())) == 1, "one file of events a network, not one a report"


def test_a_training_that_was_interrupted_shows_as_one(tmp_path):
    for losses in ([1.0, 0.5], [1.0, 0.5, 0.25]):
        with trackers(tmp_path, tensorboard=True, mlflow=None, name="quick") as track:
            track(network_with_curve(tmp_path, losses))
    assert losses_shown(tmp_path) == [(50, 1.0), (100, 0.5), (150, 0.25)]


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="mlflow is installed here")
def test_a_tool_that_is_not_installed_is_one_sentence_before_anything_is_trained(tmp_path):
    with (
        pytest.raises(InputError, match="--mlflow needs the package mlflow, which is not installed: pip install mlflow"),
        trackers(tmp_path, tensorboard=False, mlflow="file:runs", name="quick"),
    ):
        pass


def test_nobody_who_did_not_ask_imports_these_tools():
    code = "import sys, lib.training.tracking; assert not {'tensorboard', 'mlflow', 'monai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIB)
