"""What viewers are told of the tasks."""

import json

from lib.core.settings import VhiSettings
from lib.infers import infer_tasks
from lib.infers.vhi import option_table


def test_every_setting_of_the_method_is_an_option_with_its_default():
    table = option_table()
    assert set(table) == {info.name for info in VhiSettings.describe()}
    for info in VhiSettings.describe():
        shown = table[info.name]
        # of a choice, viewers take the first as the default
        assert (shown[0] if isinstance(shown, list) else shown) == info.default
        if info.choices:
            assert set(shown) == set(info.choices)


def test_the_table_sent_back_as_it_is_are_the_default_settings():
    sent = {name: str(shown[0] if isinstance(shown, list) else shown) for name, shown in option_table().items()}
    assert VhiSettings.from_values(sent) == VhiSettings()


def test_what_viewers_are_told_is_json_and_the_harmless_task_comes_first():
    tasks = infer_tasks(service=None)
    assert list(tasks) == ["disease_region", "normal_bone", "vhi", "vhi_clean"]
    told = json.loads(json.dumps({name: task.info() for name, task in tasks.items()}))
    assert told["vhi_clean"]["type"] == "deepgrow"
    assert told["vhi_clean"]["labels"] == {"inflammation": 1}
    assert told["vhi"]["dimension"] == 3
    assert all(task.is_valid() for task in tasks.values())
