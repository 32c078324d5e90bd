"""The option tables of 3D Slicer's module: opened, changed and sent by its own code."""

from __future__ import annotations

from typing import Any

import pytest

from slicer_client import Slicer, change, choose

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
def slicer_client(slicer, server) -> Slicer:
    """A case of which VHI can be measured is open."""
    opened = slicer(server, "olga")
    opened.next_sample()
    assert opened.shown() == []
    return opened


def tables(slicer_client: Slicer) -> list[tuple[str, str]]:
    places = [(section, name) for section in ("models", "trainers", "strategies") for name in slicer_client.module.info[section]]
    return [(section, name) for section, name in places if slicer_client.module.info[section][name]["config"]]


def texts(cells: dict[str, Any]) -> dict[str, Any]:
    return {
        key: cell.checked if hasattr(cell, "setChecked") else cell.currentText if hasattr(cell, "currentText") else cell.text()
        for key, cell in cells.items()
    }


def answered(slicer_client: Slicer) -> list[dict[str, Any]]:
    """The facts of every answer from now on, which Slicer prints and does not show."""
    found: list[dict[str, Any]] = []
    infer = type(slicer_client.module.logic).infer

    def noting(*arguments: Any, **options: Any) -> Any:
        file, facts = infer(slicer_client.module.logic, *arguments, **options)
        found.append(facts)
        return file, facts

    slicer_client.module.logic.infer = noting
    return found


def test_every_table_shows_the_defaults_and_sends_them_back(slicer_client):
    shown_tables = tables(slicer_client)
    assert len(shown_tables) == 8  # vhi and vhi_clean, the trainer, and the five strategies
    for section, name in shown_tables:
        cells = texts(slicer_client.table_of(section, name))
        assert cells.keys() == slicer_client.module.info[section][name]["config"].keys()
        assert {key for key, shown in cells.items() if shown == ""} <= EMPTY_BY_DEFAULT
        assert (
            slicer_client.module.getParamsFromConfig({"models": "infer", "trainers": "train"}.get(section, section), name)
            == cells
        )


def test_a_table_that_nobody_touched_measures_as_no_table_does(slicer_client):
    facts = answered(slicer_client)
    slicer_client.table_of("models", "vhi")
    slicer_client.run("vhi")
    _, plain = slicer_client.module.logic._client().infer("vhi", slicer_client.module.current_sample["id"], {})
    assert slicer_client.shown() == []
    assert facts[0]["provenance"]["settings"] == plain["provenance"]["settings"]
    assert facts[0]["vhi_mm3"] == plain["vhi_mm3"]


def test_a_section_without_options_is_an_empty_table(slicer_client):
    choose(slicer_client.ui.optionsSection, "scoring")
    assert slicer_client.ui.configTable.rowCount == 0
    slicer_client.run("vhi")
    assert slicer_client.shown() == []


@pytest.mark.parametrize("model", ["vhi", "vhi_clean"])
def test_each_option_of_a_model_counts_when_it_is_changed(slicer_client, model):
    slicer_client.run("vhi")
    facts = answered(slicer_client)
    defaults = slicer_client.module.info["models"][model]["config"]
    for key in [key for key in defaults if key != "post_transforms"]:
        slicer_client.press("fetchServerInfo")
        cell = slicer_client.table_of("models", model)[key]
        if key in TYPED:
            cell.setText(TYPED[key][0])
            expected = TYPED[key][1]
        else:
            expected = change(cell)
        if model == "vhi":
            slicer_client.run("vhi")
        else:
            slicer_client.ui.labelComboBox.setCurrentText("inflammation")
            slicer_client.press("dgUpdate")
        assert slicer_client.shown() == [], key
        settings = facts[-1]["provenance"]["settings"]
        changed = {name for name, value in settings.items() if str(value) != first(defaults[name])}
        if key in OF_THE_TASK:
            assert changed == set(), key
        else:
            assert (changed, str(settings[key])) == ({key}, str(expected))


def test_a_chain_is_chosen_by_name_and_clicks_go_on_with_it_until_another_is_chosen(slicer_client):
    facts = answered(slicer_client)

    def measured() -> tuple[str, float]:
        slicer_client.run("vhi")
        assert slicer_client.shown() == []
        return facts[-1]["provenance"]["post_transforms"]["name"], facts[-1]["vhi_mm3"]["sensitive"]

    name, papers = measured()
    assert name == "paper"
    assert slicer_client.module.info["models"]["vhi"]["config"]["post_transforms"] == ["default", "paper", "strict"]
    slicer_client.table_of("models", "vhi")["post_transforms"].setCurrentText("strict")
    name, strict = measured()
    assert name == "strict"
    assert 0 < strict < papers
    assert "not made by the paper's chain" in facts[-1]["warnings"][1]  # the first: nobody has cleaned it
    # the other task's own table says "default": as the reading is shown now
    slicer_client.table_of("models", "vhi_clean")
    slicer_client.ui.labelComboBox.setCurrentText("inflammation")
    slicer_client.press("dgUpdate")
    assert slicer_client.shown() == []
    assert (facts[-1]["provenance"]["post_transforms"]["name"], facts[-1]["vhi_mm3"]["sensitive"]) == ("strict", strict)
    slicer_client.table_of("models", "vhi")["post_transforms"].setCurrentText("paper")
    assert measured() == ("paper", papers)


def first(shown: Any) -> str:
    return str(shown[0] if isinstance(shown, list) else shown)


def test_each_option_of_a_strategy_is_understood(slicer_client):
    for strategy, key, typed in (
        ("uncertain", "measure", "entropy"),
        ("diverse", "measure", "entropy"),
        ("diverse", "weight", "0.25"),
        ("review", "below", "0.5"),
    ):
        slicer_client.setting("clientId", f"{strategy}-{key}")  # somebody who holds no case yet
        cell = slicer_client.table_of("strategies", strategy)[key]
        if key == "measure":
            assert change(cell) == typed
        else:
            cell.setText(typed)
        slicer_client.next_sample(strategy)
        boxes = [(kind, text.split("\n")[0]) for kind, text, _ in slicer_client.shown()]
        if strategy == "review":  # nobody submitted a region that could be disputed
            assert boxes == [("warning", "Unlabeled samples or images not found at server.")]
        else:
            assert boxes == []
            assert key != "measure" or "mean entropy" in slicer_client.module.current_sample["reason"]


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
def test_what_cannot_be_meant_is_said_by_the_server_in_one_sentence(slicer_client, section, name, key, typed, said):
    slicer_client.table_of(section, name)[key].setText(typed)
    if section == "models":
        slicer_client.run(name)
    elif section == "strategies":
        slicer_client.next_sample(name)
    else:
        slicer_client.module.onTraining()
    assert slicer_client.refusal() == said


def test_an_emptied_cell_is_the_default_and_not_zero(slicer_client):
    facts = answered(slicer_client)
    for cell in slicer_client.table_of("models", "vhi").values():
        if hasattr(cell, "setText") and not hasattr(cell, "setChecked"):
            cell.setText("")
    slicer_client.run("vhi")
    assert slicer_client.shown() == []
    settings = facts[0]["provenance"]["settings"]
    assert (settings["first_multiple"], settings["upper_percentile"], settings["min_pixels"]) == (1.5, 100.0, 4)


def test_options_that_the_module_mixes_up_when_it_fetches_anew_do_no_harm(slicer_client):
    slicer_client.run("vhi")
    slicer_client.table_of("models", "vhi_clean")
    slicer_client.press("fetchServerInfo")
    # the module takes the table that is shown now, which is that of vhi, for the one that was chosen before
    slicer_client.table_of("models", "vhi_clean")
    assert "show" in slicer_client.module.info["models"]["vhi_clean"]["config"]
    slicer_client.ui.labelComboBox.setCurrentText("inflammation")
    slicer_client.press("dgUpdate")
    assert slicer_client.shown() == []
