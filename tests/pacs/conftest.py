"""Archives for the tests of this folder; helpers are in `tests/archives.py`.

`archive` runs a test twice, against the embedded archive and against a real Orthanc; `orthanc` is the latter alone. Both live
as long as the session and keep what tests store, so that a test uses studies of its own, and looks for these alone. A test
that stops the archive takes `own_archive` or `own_orthanc`, which are new and empty for every test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
import requests

from archived_case import ArchivedCase
from archives import ARCHIVES, Archive, Orthanc, Study, phantom_study, why_no_orthanc
from front import Front, in_front_of
from lib.server.gateway import ArchiveAddress


@dataclass(frozen=True)
class Door:
    """One way to an archive, and the study that is stored in it."""

    url: str
    session: requests.Session
    study: Study

    def get(self, path: str, **more: Any) -> requests.Response:
        return self.session.get(self.url + path, timeout=60, **more)

    def matches(self, path: str) -> list[dict[str, Any]]:
        """The matches of a search."""
        answer = self.get(path, headers={"Accept": "application/dicom+json"})
        assert answer.status_code in (200, 204), (answer.status_code, answer.text[:300])
        return answer.json() if answer.content else []


def address_of(archive: Archive, timeout_s: float = 30.0) -> ArchiveAddress:
    """The archive as the gateway is told of it."""
    return ArchiveAddress(archive.url, archive.user, archive.password, timeout_s)


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


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def archived_case(request: pytest.FixtureRequest, archives: Callable[[str], Archive], tmp_path: Path) -> ArchivedCase:
    """A case in each archive in turn, whose slices are numbered along the normal in one and against it in the other.

    In which is another in every test, by its name: no archive knows of the direction.
    """
    is_against = (crc32(request.function.__name__.encode()) + (request.param == "orthanc")) % 2 == 1
    return ArchivedCase(tmp_path / "site", archives(request.param), is_against)


@pytest.fixture
def orthanc(archives: Callable[[str], Archive]) -> Orthanc:
    """Orthanc, running, shared by the session."""
    archive = archives("orthanc")
    assert isinstance(archive, Orthanc)
    return archive


@pytest.fixture(params=[pytest.param(name, marks=pytest.mark.pacs) for name in ARCHIVES])
def own_archive(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Archive]:
    """Each archive in turn, new and empty, for a test that stops it."""
    _check_installed(request.param)
    archive = ARCHIVES[request.param](tmp_path / "archive")
    archive.start()
    yield archive
    archive.stop()


@pytest.fixture
def own_orthanc(tmp_path: Path) -> Iterator[Orthanc]:
    """Orthanc, new and empty, for a test that stops it."""
    _check_installed("orthanc")
    archive = Orthanc(tmp_path / "archive")
    archive.start()
    yield archive
    archive.stop()


@pytest.fixture(scope="session")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A phantom's study as DICOM files."""
    return phantom_study(tmp_path_factory.mktemp("study"))


@pytest.fixture
def stored(archive: Archive, study: Study) -> Study:
    """The same study, stored in the archive; storing it again changes nothing."""
    archive.store(study.files())
    return study


@pytest.fixture
def front(archive: Archive, tmp_path: Path) -> Iterator[Front]:
    """The guard and its gateway in front of each archive in turn."""
    with in_front_of(address_of(archive), tmp_path / "front") as started:
        yield started


@pytest.fixture(params=["directly", "through the gateway"])
def door(request: pytest.FixtureRequest, archive: Archive, stored: Study) -> Door:
    """A DICOMweb root and a session that may use it: the archive's own, and that of the gateway before it."""
    if request.param == "directly":
        session = requests.Session()
        session.auth = archive.auth
        return Door(archive.url, session, stored)
    front: Front = request.getfixturevalue("front")
    return Door(front.dicomweb, front.session(), stored)
