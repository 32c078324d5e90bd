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

pytestmark = pytest.mark.slow  # seconds in all

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
    with trackers(tmp_path, tensorboard=True, mlflow=None, name="quick", warn=pytest.fail) as track:
        track(network_with_curve(tmp_path, [1.0]))
        track(network_with_curve(tmp_path, [1.0, 0.5]))
        track(network_with_curve(tmp_path, [1.0, 0.5]))
    assert losses_shown(tmp_path) == [(50, 1.0), (100, 0.5)]
    assert len(list((tmp_path / EVENTS / "fold0" / "member1").iterdir())) == 1, "one file of events a network, not one a report"


def test_a_training_that_was_interrupted_shows_as_one(tmp_path):
    for losses in ([1.0, 0.5], [1.0, 0.5, 0.25]):
        with trackers(tmp_path, tensorboard=True, mlflow=None, name="quick", warn=pytest.fail) as track:
            track(network_with_curve(tmp_path, losses))
    assert losses_shown(tmp_path) == [(50, 1.0), (100, 0.5), (150, 0.25)]


@pytest.mark.skipif(find_spec("mlflow") is not None, reason="mlflow is installed here")
def test_a_tool_that_is_not_installed_is_one_sentence_before_anything_is_trained(tmp_path):
    with (
        pytest.raises(InputError, match="--mlflow needs the package mlflow, which is not installed: pip install mlflow"),
        trackers(tmp_path, tensorboard=False, mlflow="file:runs", name="quick", warn=pytest.fail),
    ):
        pass


# what is used of MLflow, whose pins do not go with the server's: it answers until the third call
GOING_AWAY = """
from types import SimpleNamespace
calls = []

def set_tracking_uri(uri): pass
def set_experiment(name): pass
def get_experiment_by_name(name): return SimpleNamespace(experiment_id="1")

class MlflowClient:
    def create_run(self, experiment, run_name): return SimpleNamespace(info=SimpleNamespace(run_id="a"))
    def log_param(self, run, key, value): pass
    def log_metric(self, run, key, value, step): self.call("log_metric")
    def set_terminated(self, run, status): self.call("set_terminated")
    def call(self, name):
        calls.append(name)
        if len(calls) > 2: raise ConnectionError("connection\\nrefused.")
"""


def test_a_server_that_goes_away_is_one_sentence_and_the_training_goes_on(tmp_path, monkeypatch):
    (tmp_path / "mlflow.py").write_text(GOING_AWAY)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    sentences = []
    with trackers(tmp_path, tensorboard=False, mlflow="http://curves", name="quick", warn=sentences.append) as track:
        track(network_with_curve(tmp_path, [1.0]))
        track(network_with_curve(tmp_path, [1.0, 0.5]))
    assert sentences == [
        "MLflow at http://curves failed (connection refused): nothing more is sent to it. The training goes on; its curves are in "
        "the files curve.csv."
    ]
    assert sys.modules.pop("mlflow").calls == ["log_metric"] * 3


def test_nobody_who_did_not_ask_imports_these_tools():
    code = "import sys, lib.training.tracking; assert not {'tensorboard', 'mlflow', 'monai'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=LIB)
