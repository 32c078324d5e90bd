"""Archives for the tests of this folder; helpers are in `tests/archives.py`.

`archive` runs a test twice, against the embedded archive and against a real Orthanc; `orthanc` is the latter alone. Both live
as long as the session and keep what tests store, so that a test uses studies of its own, and looks for these alone. A test
that stops the archive takes `own_archive` or `own_orthanc`, which are new and empty for every test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from archives import ARCHIVES, Archive, Orthanc, Study, phantom_study, why_no_orthanc


def _check_installed(name: str) -> None:
    reason = why_no_orthanc() if name == "orthanc" else None
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Archive]]:
    """Starts each kind of archive at most once in a session."""
    started: dict[str, Archive] = {}

    def find(name: str) -> Archive:
        _check_installed(name)
        if name not in started:
            archive = ARCHIVES[name](tmp_path_factory.mktemp(name) / "archive")
            archive.start()
            started[name] = archive
        return started[name]

    yield find
    for one in started.values():
        one.stop()


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def archive(request: pytest.FixtureRequest, archives: Callable[[str], Archive]) -> Archive:
    """Each archive in turn, running, shared by the session."""
    return archives(request.param)


@pytest.fixture
def orthanc(archives: Callable[[str], Archive]) -> Orthanc:
    """Orthanc, running, shared by the session."""
    found = archives("orthanc")
    assert isinstance(found, Orthanc)
    return found


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def own_archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """Each archive in turn, new and empty, for a test that stops it."""
    _check_installed(request.param)
    found = ARCHIVES[request.param](tmp_path / "archive")
    found.start()
    yield found
    found.stop()


@pytest.fixture
def own_orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """Orthanc, new and empty, for a test that stops it."""
    _check_installed("orthanc")
    found = Orthanc(tmp_path / "archive")
    found.start()
    yield found
    found.stop()


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A phantom's study as DICOM files."""
    return phantom_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def stored(archive: Archive, study: Study) -> Study:
    """The same study, stored in the archive; storing it again changes nothing."""
    archive.store(study.files())
    return study
