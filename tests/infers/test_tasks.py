"""The description of the tasks that viewers are given."""

import json

import pytest

from lib.activelearning import strategies
from lib.core.settings import VhiSettings
from lib.errors import RequestError
from lib.infers import infer_tasks
from lib.infers.vhi import option_table
from lib.trainers.training_options import TABLE


def test_every_setting_of_the_method_is_an_option_with_its_default():
    table = option_table()
    assert set(table) == {info.name for info in VhiSettings.describe()}
    for info in VhiSettings.describe():
        shown = table[info.name]
        # of a choice, viewers take the first as the default
        assert info.parse(shown[0] if isinstance(shown, list) else shown) == info.default
        if info.choices:
            assert set(shown) == {str(choice) for choice in info.choices}


def test_tables_hold_texts_lists_of_texts_and_tick_boxes():
    tables = [task.info()["config"] for task in infer_tasks(service=None).values()]
    tables += [one.config() for one in strategies(service=None).values()] + [dict(TABLE)]
    cells = [cell for table in tables for cell in table.values()]
    assert {type(cell) for cell in cells} == {str, bool, list}
    assert {type(entry) for cell in cells if isinstance(cell, list) for entry in cell} == {str}


def test_options_of_another_task_are_passed_over_and_others_refused():
    table = {name: set(task.info()["config"]) for name, task in infer_tasks(service=None).items()}
    assert table["vhi"] ^ table["vhi_clean"] == {"show", "scope"}
    with pytest.raises(RequestError, match="'minutes'"):
        infer_tasks(service=None)["vhi"]({"model": "vhi", "image": "7_STIR", "scope": "slice", "minutes": "1"})


def test_the_table_sent_back_as_it_is_are_the_default_settings():
    sent = {name: str(shown[0] if isinstance(shown, list) else shown) for name, shown in option_table().items()}
    assert VhiSettings.from_values(sent) == VhiSettings()


def test_what_viewers_are_told_is_json_and_the_harmless_task_comes_first():
    tasks = infer_tasks(service=None)
    assert list(tasks) == ["disease_region", "normal_bone", "vhi", "vhi_clean", "normal_bone_clicks"]
    content = json.loads(json.dumps({name: task.info() for name, task in tasks.items()}))
    assert content["vhi_clean"]["type"] == "deepgrow"
    assert content["vhi_clean"]["labels"] == {"inflammation": 1}
    assert content["vhi"]["dimension"] == 3
    assert all(task.is_valid() for task in tasks.values())
