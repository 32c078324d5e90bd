"""Studies small enough that VHI is known by hand, and one phantom with real networks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lib.service.service import VhiService
from lib.studies.nifti import write_volume
from phantoms_once import phantom_once
from study_folder import StudyFolder


@pytest.fixture
def study_folder(tmp_path: Path) -> StudyFolder:
    study_folder = StudyFolder(tmp_path / "studies")
    study_folder.add_case("a")
    return study_folder


@pytest.fixture(scope="session")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom study whose automatic regions were computed by the shipped networks."""
    folder = tmp_path_factory.mktemp("phantom")
    study = phantom_once(3, (112, 112, 9))
    write_volume(folder / "p_T1W.nii.gz", study.t1w)
    write_volume(folder / "p_STIR.nii.gz", study.stir)
    assert VhiService(folder).precomputing.one_case() == 0
    return folder


@pytest.fixture
def phantom(computed: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change, with what was computed but nothing that was read."""
    folder = tmp_path / "studies"
    folder.mkdir()
    for path in computed.glob("*.nii.gz"):
        shutil.copy2(path, folder)
    shutil.copytree(computed / ".vhi" / "precomputed", folder / ".vhi" / "precomputed")
    return folder
