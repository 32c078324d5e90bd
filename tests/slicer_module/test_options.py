"""The option tables of 3D Slicer's module: opened, changed and sent by its own code."""

from __future__ import annotations

from typing import Any

import pytest

from slicerdesk import Slicer, change, choose

pytestmark = pytest.mark.server

# what somebody would type into the cells that are neither choices nor tick boxes, and the value that it is
TYPED: dict[str, tuple[str, Any]] = {
    "first_multiple": ("2", 2.0),
    "multiple_step": ("0.1", 0.1),
    "upper_percentile": ("99.5", 99.5),
    "min_pixels": ("6", 6),
    "min_area_mm2": ("12.5", 12.5),
    "min_volume_mm3": ("30", 30.0),
}
EMPTY_BY_DEFAULT = {"steps", "minutes", "epochs", "learning_rate"}
OF_THE_TASK = {"show", "proposal", "scope"}  # options that are no settings of the method


@pytest.fixture
def desk(slicer, server) -> Slicer:
    """A case of which VHI can be measured is open."""
    opened = slicer(server, "olga")
    opened.next_sample()
    assert opened.shown() == []
    return opened


def tables(desk: Slicer) -> list[tuple[str, str]]:
    places = [(section, name) for section in ("models", "trainers", "strategies") for name in desk.module.info[section]]
    return [(section, name) for section, name in places if desk.module.info[section][name]["config"]]


def texts(cells: dict[str, Any]) -> dict[str, Any]:
    return {
        key: cell.checked if hasattr(cell, "setChecked") else cell.currentText if hasattr(cell, "currentText") else cell.text()
        for key, cell in cells.items()
    }


def answered(desk: Slicer) -> list[dict[str, Any]]:
    """The facts of every answer from now on, which Slicer prints and does not show."""
    found: list[dict[str, Any]] = []
    infer = type(desk.module.logic).infer

    def noting(*arguments: Any, **options: Any) -> Any:
        file, facts = infer(desk.module.logic, *arguments, **options)
        found.append(facts)
        return file, facts

    desk.module.logic.infer = noting
    return found


def test_every_table_shows_the_defaults_and_sends_them_back(desk):
    found = tables(desk)
    assert len(found) == 8  # vhi and vhi_clean, the trainer, and the five strategies
    for section, name in found:
        cells = texts(desk.table_of(section, name))
        assert cells.keys() == desk.module.info[section][name]["config"].keys()
        assert {key for key, shown in cells.items() if shown == ""} <= EMPTY_BY_DEFAULT
        assert desk.module.getParamsFromConfig({"models": "infer", "trainers": "train"}.get(section, section), name) == cells


def test_a_table_that_nobody_touched_measures_as_no_table_does(desk):
    facts = answered(desk)
    desk.table_of("models", "vhi")
    desk.run("vhi")
    _, plain = desk.module.logic._client().infer("vhi", desk.module.current_sample["id"], {})
    assert desk.shown() == []
    assert facts[0]["provenance"]["settings"] == plain["provenance"]["settings"]
    assert facts[0]["vhi_mm3"] == plain["vhi_mm3"]


def test_a_section_without_options_is_an_empty_table(desk):
    choose(desk.ui.optionsSection, "scoring")
    assert desk.ui.configTable.rowCount == 0
    desk.run("vhi")
    assert desk.shown() == []


@pytest.mark.parametrize("model", ["vhi", "vhi_clean"])
def test_each_option_of_a_model_counts_when_it_is_changed(desk, model):
    desk.run("vhi")
    facts = answered(desk)
    defaults = desk.module.info["models"][model]["config"]
    for key in [key for key in defaults if key != "post_transforms"]:
        desk.press("fetchServerInfo")
        cell = desk.table_of("models", model)[key]
        if key in TYPED:
            cell.setText(TYPED[key][0])
            expected = TYPED[key][1]
        else:
            expected = change(cell)
        if model == "vhi":
            desk.run("vhi")
        else:
            desk.ui.labelComboBox.setCurrentText("inflammation")
            desk.press("dgUpdate")
        assert desk.shown() == [], key
        settings = facts[-1]["provenance"]["settings"]
        changed = {name for name, value in settings.items() if str(value) != first(defaults[name])}
        if key in OF_THE_TASK:
            assert changed == set(), key
        else:
            assert (changed, str(settings[key])) == ({key}, str(expected))


def test_a_chain_is_chosen_by_name_and_clicks_go_on_with_it_until_another_is_chosen(desk):
    facts = answered(desk)

    def measured() -> tuple[str, float]:
        desk.run("vhi")
        assert desk.shown() == []
        return facts[-1]["provenance"]["post_transforms"]["name"], facts[-1]["vhi_mm3"]["sensitive"]

    name, papers = measured()
    assert name == "paper"
    assert desk.module.info["models"]["vhi"]["config"]["post_transforms"] == ["default", "paper", "strict"]
    desk.table_of("models", "vhi")["post_transforms"].setCurrentText("strict")
    name, strict = measured()
    assert name == "strict"
    assert 0 < strict < papers
    assert "not made by the paper's chain" in facts[-1]["warnings"][1]  # the first: nobody has cleaned it
    # the other task's own table says "default": as the reading is shown now
    desk.table_of("models", "vhi_clean")
    desk.ui.labelComboBox.setCurrentText("inflammation")
    desk.press("dgUpdate")
    assert desk.shown() == []
    assert (facts[-1]["provenance"]["post_transforms"]["name"], facts[-1]["vhi_mm3"]["sensitive"]) == ("strict", strict)
    desk.table_of("models", "vhi")["post_transforms"].setCurrentText("paper")
    assert measured() == ("paper", papers)


def first(shown: Any) -> str:
    return str(shown[0] if isinstance(shown, list) else shown)


def test_each_option_of_a_strategy_is_understood(desk):
    for strategy, key, typed in (
        ("uncertain", "measure", "entropy"),
        ("diverse", "measure", "entropy"),
        ("diverse", "weight", "0.25"),
        ("review", "below", "0.5"),
    ):
        desk.setting("clientId", f"{strategy}-{key}")  # somebody who holds no case yet
        cell = desk.table_of("strategies", strategy)[key]
        if key == "measure":
            assert change(cell) == typed
        else:
            cell.setText(typed)
        desk.next_sample(strategy)
        boxes = [(kind, text.split("\n")[0]) for kind, text, _ in desk.shown()]
        if strategy == "review":  # nobody submitted a region that could be disputed
            assert boxes == [("warning", "Unlabeled samples or images not found at server.")]
        else:
            assert boxes == []
            assert key != "measure" or "mean entropy" in desk.module.current_sample["reason"]


@pytest.mark.parametrize(
    ("section", "name", "key", "typed", "said"),
    [
        ("models", "vhi", "min_pixels", "many", "Setting min_pixels needs a whole number, found 'many'."),
        ("models", "vhi", "min_pixels", "4.5", "Setting min_pixels needs a whole number, found '4.5'."),
        ("models", "vhi", "first_multiple", "1,5", "Setting first_multiple needs a number, found '1,5'."),
        ("models", "vhi", "upper_percentile", "7", "Setting upper_percentile must be from 80 to 100, found 7.0."),
        ("strategies", "diverse", "weight", "half", "weight must be a number from 0 to 1, found 'half'."),
        ("trainers", "disease_region", "epochs", "ten", "epochs must be a number, found 'ten'."),
        ("trainers", "disease_region", "seed", "1.5", "seed must be a whole number, found '1.5'."),
        ("trainers", "disease_region", "learning_rate", "50000", "learning_rate is 50000.0; it must be from 1e-07 to 0.1."),
    ],
)
def test_what_cannot_be_meant_is_said_by_the_server_in_one_sentence(desk, section, name, key, typed, said):
    desk.table_of(section, name)[key].setText(typed)
    if section == "models":
        desk.run(name)
    elif section == "strategies":
        desk.next_sample(name)
    else:
        desk.module.onTraining()
    assert desk.refusal() == said


def test_an_emptied_cell_is_the_default_and_not_zero(desk):
    facts = answered(desk)
    for cell in desk.table_of("models", "vhi").values():
        if hasattr(cell, "setText") and not hasattr(cell, "setChecked"):
            cell.setText("")
    desk.run("vhi")
    assert desk.shown() == []
    settings = facts[0]["provenance"]["settings"]
    assert (settings["first_multiple"], settings["upper_percentile"], settings["min_pixels"]) == (1.5, 100.0, 4)


def test_options_that_the_module_mixes_up_when_it_fetches_anew_do_no_harm(desk):
    desk.run("vhi")
    desk.table_of("models", "vhi_clean")
    desk.press("fetchServerInfo")
    # the module takes the table that is shown now, which is that of vhi, for the one that was chosen before
    desk.table_of("models", "vhi_clean")
    assert "show" in desk.module.info["models"]["vhi_clean"]["config"]
    desk.ui.labelComboBox.setCurrentText("inflammation")
    desk.press("dgUpdate")
    assert desk.shown() == []
