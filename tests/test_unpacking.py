"""How much memory is free for what is unpacked."""

import pytest

from lib.unpacking import MIB, free_memory


@pytest.fixture
def group(tmp_path, monkeypatch):
    """The files in which the kernel tells about a container, as a function that writes them: sizes in MiB."""
    monkeypatch.setattr("lib.unpacking._GROUP_MEMORY", tmp_path)

    def written(limit, used, active, inactive):
        (tmp_path / "memory.max").write_text(f"{limit if limit == 'max' else limit * MIB}\n")
        (tmp_path / "memory.current").write_text(f"{used * MIB}\n")
        parts = {"anon": used - active - inactive, "inactive_file": inactive, "active_file": active}
        (tmp_path / "memory.stat").write_text("".join(f"{name} {size * MIB}\n" for name, size in parts.items()))

    return written


def test_files_that_a_container_keeps_in_memory_are_free_for_what_is_read(group):
    group(64, used=64, active=10, inactive=30)
    assert free_memory() == 40 * MIB


def test_a_container_that_is_full_has_no_memory_left(group):
    group(64, used=65, active=0, inactive=0)
    assert free_memory() == 0


def test_a_container_without_a_limit_has_the_memory_of_the_machine(group):
    group("max", used=64, active=0, inactive=0)
    assert free_memory() > 64 * MIB
