"""Small files: whole, gone, or named as damaged."""

import json

import pytest

from lib.errors import DamagedError
from lib.records import NUMBER, has_shape, read_json, read_remakable, write_json


def test_what_was_written_is_read_and_what_is_gone_is_none(tmp_path):
    write_json(tmp_path / "a.json", {"reader": "anna", "until": 2.5})
    assert read_json(tmp_path / "a.json", reader=str, until=NUMBER) == {"reader": "anna", "until": 2.5}
    assert read_json(tmp_path / "b.json") is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (b'{"reader": "an', "it is cut or is no JSON"),
        (b"\xff\xfe{}", "it holds no text"),
        (b"[1]", "it holds no object"),
        (b"[" * 100_000, "it is cut or is no JSON"),
        (b'{"until": 1}', "its field 'reader' is missing"),
        (b'{"reader": 7}', "its field 'reader' is missing or is something else"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, caplog, content, reason):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DamagedError, match=reason) as raised:
        read_json(path, reader=str)
    assert raised.value.path == path
    assert read_remakable(path, reader=str) is None
    assert read_remakable(path, reader=str) is None
    assert sum(str(path) in line for line in caplog.messages) == 1


def test_a_file_is_replaced_whole(tmp_path):
    write_json(tmp_path / "a.json", {"a": 1})
    write_json(tmp_path / "a.json", {"a": 2})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ({"state": "a"}, True),
        ({"state": "a", "learnt": ["x"], "members": [{"step": 1}]}, True),
        ({"state": "a", "learnt": [["x"]]}, False),
        ({"state": "a", "learnt": "x"}, False),
        ({"state": "a", "members": [{"step": "1"}]}, False),
        ({"state": "a", "members": [{}]}, False),
        ({"learnt": []}, False),
        ([], False),
    ],
)
def test_a_shape_is_looked_for_in_lists_and_objects_within(value, right):
    assert has_shape(value, {"state": str, "learnt": [str], "members": [{"step": NUMBER}]}) is right
