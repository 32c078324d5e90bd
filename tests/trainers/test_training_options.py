"""Options that clients give a training session."""

from __future__ import annotations

import pytest

from lib.errors import RequestError
from lib.retraining.config import TrainOptions
from lib.server.refusals import Refusal
from lib.server.training import options_of
from lib.trainers.training_options import TABLE, options_from


def test_the_whole_table_as_3d_slicer_sends_it_is_the_defaults():
    sent = {name: value[0] if isinstance(value, list) else str(value) for name, value in TABLE.items()}
    assert options_from(sent) == (TrainOptions(), True)
    assert options_from({}) == (TrainOptions(), True)


def test_numbers_may_be_texts():
    given = {"minutes": "12.5", "seed": "3", "scratch": "True", "keep": "pull", "go_on": False, "learning_rate": 1e-4}
    assert options_from(given) == (TrainOptions(minutes=12.5, seed=3, scratch=True, keep="pull", learning_rate=1e-4), False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"device": "cuda"}, "Training takes no 'device'"),
        ({"epochs": "many"}, "epochs must be a number"),
        ({"epochs": True}, "epochs must be a number"),
        ({"epochs": [3]}, "epochs must be a number"),
        ({"epochs": float("nan")}, "epochs must be a number"),
        ({"seed": 1e400}, "seed must be a whole number"),
        ({"seed": 3.7}, "seed must be a whole number, found '3.7'"),
        ({"seed": "3,7"}, "seed must be a whole number, found '3,7'"),
        ({"scratch": "perhaps"}, "scratch must be true or false"),
        ({"go_on": 3}, "go_on must be true or false"),
        ({"minutes": -1}, "minutes is -1.0; it must be from 0.1 to 10,080."),
        ({"learning_rate": 50000}, "learning_rate is 50000.0; it must be from 1e-07 to 0.1."),
        ({"steps": 0}, "steps is 0; it must be from 1 to 100,000."),
        ({"seed": -1}, "seed is -1; it must be from 0 to 2,147,483,647."),
        ({"keep": ["auto"]}, "keep must be a word"),
        ({"keep": "most"}, "keep is 'most'"),
    ],
)
def test_what_is_no_option_is_refused_in_a_sentence(given, said):
    with pytest.raises(RequestError, match=said):
        options_from(given)


@pytest.mark.parametrize(
    "sent",
    [
        {"epochs": 3, "client_id": "anna"},
        {"disease_region": {"epochs": 3}},
        {"epochs": 3, "disease_region": {"epochs": 3, "model": "disease_region"}, "user": "anna"},
    ],
)
def test_options_are_found_flat_and_under_the_trainers_name(sent):
    assert options_of(sent) == {"epochs": 3}


def test_options_under_the_name_that_are_none_are_refused():
    with pytest.raises(Refusal):
        options_of({"disease_region": [3]})
