"""Settings by name."""

import pytest

from lib.core.setting import option_cell
from lib.core.settings import VhiSettings
from lib.errors import SettingsError


def test_the_defaults_are_the_papers():
    assert VhiSettings().values() == {
        "rule": "auto",  # the paper's for a reader's normal bone
        "first_multiple": 1.5,
        "multiple_step": 0.05,
        "upper_percentile": 100.0,
        "hysteresis": False,
        "min_pixels": 4,
        "min_area_mm2": 0.0,
        "connectivity": 8,
        "min_volume_mm3": 0.0,
        "fill_holes": False,
        "leave_out_above": "nothing",
        "leave_out_joint_space": False,
    }


def test_values_as_typed_on_a_command_line_get_their_type():
    values = VhiSettings.from_values(
        {"min_pixels": "6", "hysteresis": "True", "min_area_mm2": "1.5", "connectivity": 4.0}
    ).values()
    assert (values["min_pixels"], values["hysteresis"], values["min_area_mm2"], values["connectivity"]) == (6, True, 1.5, 4)
    assert type(values["min_pixels"]) is int
    assert type(values["connectivity"]) is int


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"min_pixls": 3}, "no setting 'min_pixls'; did you mean min_pixels"),
        ({"colour": 3}, "no setting 'colour'; known are connectivity, fill_holes"),
        ({"min_pixels": "2.5"}, "min_pixels needs a whole number, found '2.5'"),
        ({"min_pixels": 0}, "min_pixels must be at least 1, found 0"),
        ({"first_multiple": "nan"}, "first_multiple needs a number"),
        ({"hysteresis": "maybe"}, "hysteresis needs true or false, found 'maybe'"),
        ({"min_area_mm2": True}, "min_area_mm2 needs a number, found True"),
        ({"connectivity": 6}, "connectivity must be 4 or 8, found 6"),
        ({"rule": "median"}, "rule must be auto or paper or robust, found median"),
        ({"rule": 3}, "rule needs a word, found 3"),
        ({"upper_percentile": 101}, "upper_percentile must be from 80 to 100, found 101"),
    ],
)
def test_what_is_no_setting_is_refused(values, message):
    with pytest.raises(SettingsError, match=message):
        VhiSettings.from_values(values)


def test_option_tables_of_viewers_hold_texts_lists_of_texts_and_tick_boxes():
    assert option_cell(8, (4, 8)) == ["8", "4"]
    assert option_cell("auto", ("auto", "paper")) == ["auto", "paper"]
    assert [option_cell(one) for one in (0, 0.0, 1.5, None, "", True, False)] == ["0", "0.0", "1.5", "", "", True, False]
