"""Scans that cannot be used, for a while or for good: their case waits, comes back, and names nobody in a blinded study."""

import logging
import shutil
from types import SimpleNamespace

import pytest

from lib.errors import (
    ArchiveError,
    ConflictError,
    DamagedError,
    GridMismatchError,
    InputError,
    ModelError,
    NotFoundError,
    OutputError,
    TooLargeError,
)
from lib.service.cases import Cases
from lib.service.service import MODEL_DIR, StudyConfig, VhiService


@pytest.fixture
def spoilt(study_folder, tmp_path):
    """A service whose one case was opened, and whose STIR file then gets other bytes; and how to put the file back."""
    service, scan, backup = (
        VhiService(study_folder.folder, model_dir=MODEL_DIR),
        study_folder.folder / "a_STIR.nii.gz",
        tmp_path / "backup",
    )
    (case,) = service.cases.index.cases
    with service.cases.loaded(case):
        pass
    shutil.copy2(scan, backup)
    study_folder.add_case("a", brighter=50.0)
    return service, case, lambda: shutil.copy2(backup, scan)


def refuse_to_read(monkeypatch, error):
    """Have the scans of every case refused, until it is undone."""

    def refused(*_):
        raise error from error.__cause__

    monkeypatch.setattr("lib.service.scans.read_volume", refused)
    monkeypatch.setattr("lib.service.unusable.RETRY_S", 0.0)


def test_a_scan_put_back_from_a_backup_is_offered_and_computed_again(spoilt, monkeypatch):
    service, case, put_back = spoilt
    tried = []
    monkeypatch.setattr(service.precomputing._automatic, "of", lambda scans: tried.append(scans.case.case_id))
    service.cases.refresh()
    service.precomputing.one_case()
    assert service.next_case("anna") is None
    assert tried == []
    (waiting,) = service.cases.index.waiting
    assert "no longer the file that was opened here first" in waiting.reason
    service.cases.refresh()
    assert service.cases.index.cases == ()  # nothing changed: it is not read again and again
    put_back()
    service.cases.refresh()
    assert service.next_case("anna").case == case
    service.precomputing.one_case()
    assert tried == ["a"]


@pytest.mark.parametrize("reason", ["memory", "disk"])
def test_a_case_comes_back_when_what_was_amiss_has_passed(study_folder, monkeypatch, reason):
    error = TooLargeError("T1W needs 90 MiB of memory and 3 MiB are free") if reason == "memory" else InputError("cannot be read")
    error.__cause__ = OSError(5, "Input/output error") if reason == "disk" else None
    service = VhiService(study_folder.folder, model_dir=MODEL_DIR)
    (case,) = service.cases.index.cases
    with monkeypatch.context() as for_now:
        refuse_to_read(for_now, error)
        service.precomputing.one_case()
        assert service.cases.index.cases == ()
    service.cases.refresh()
    assert service.next_case("anna").case == case
    tried = []
    monkeypatch.setattr(service.precomputing._automatic, "of", lambda scans: tried.append(scans.case.case_id))
    service.precomputing.one_case()
    assert tried == ["a"]


def test_what_is_wrong_with_a_scan_itself_is_not_read_again(study_folder, monkeypatch):
    service = VhiService(study_folder.folder, model_dir=MODEL_DIR)
    (case,) = service.cases.index.cases
    refuse_to_read(monkeypatch, InputError("it is constant"))
    with pytest.raises(InputError, match="constant"), service.cases.loaded(case):
        pass
    service.cases.refresh()
    assert service.cases.index.cases == ()


def test_readers_of_a_blinded_study_never_see_the_name_of_a_file(study_folder, caplog):
    for role in ("T1W", "STIR"):
        (study_folder.folder / f"a_{role}.nii.gz").rename(study_folder.folder / f"smith_{role}.nii.gz")
    service = VhiService(study_folder.folder, model_dir=MODEL_DIR, config=StudyConfig(blinded=True, seed=4))
    (case,) = service.cases.index.cases
    scan = study_folder.folder / "smith_STIR.nii.gz"
    scan.write_bytes(scan.read_bytes()[:-40])
    told = []
    with caplog.at_level(logging.ERROR, "vhi.service"):
        for ask in (
            lambda: service.vhi(f"{case.case_id}_STIR", "anna", {}),
            lambda: service.image_file(f"{case.case_id}_STIR", "anna"),
        ):
            with pytest.raises(InputError, match="cannot be used now; the administrator's log says why") as refusal:
                ask()
            told.append(str(refusal.value))
    told += [one.name + one.reason for one in service.cases.index.waiting]
    assert len(told) == 3
    assert "smith" not in "".join(told).lower()
    assert "smith_STIR.nii.gz" in caplog.text


@pytest.mark.parametrize("kind", [NotFoundError, OutputError, TooLargeError, ArchiveError, ModelError, GridMismatchError])
def test_readers_of_a_blinded_study_never_see_an_address_or_a_uid_of_the_archive(study_folder, monkeypatch, caplog, kind):
    service = VhiService(study_folder.folder, model_dir=MODEL_DIR, config=StudyConfig(blinded=True, seed=4))
    (case,) = service.cases.index.cases
    refuse_to_read(monkeypatch, kind("The archive http://pacs.hospital has no series 1.2.840.99; it may have been deleted."))
    kept = {OutputError, ArchiveError}  # what may pass by itself; neither is a fault of the case
    with pytest.raises(kind if kind in kept else InputError) as refusal, service.cases.loaded(case):
        pass
    (told, waiting) = str(refusal.value), [one.reason for one in service.cases.index.waiting]
    assert waiting == ([] if kind in kept else [told])
    assert "the administrator's log says why" in told.lower()
    assert "pacs.hospital" not in told
    assert "1.2.840.99" not in told
    assert "no series 1.2.840.99" in caplog.text


def test_another_scan_in_a_blinded_study_is_told_by_its_alias(study_folder):
    service = VhiService(study_folder.folder, model_dir=MODEL_DIR, config=StudyConfig(blinded=True, seed=4))
    (case,) = service.cases.index.cases
    with service.cases.loaded(case):
        pass
    study_folder.add_case("a", brighter=50.0)
    with pytest.raises(ConflictError, match=f"scan of case {case.case_id} is no longer the file"):
        service.image_file(f"{case.case_id}_STIR", "anna")


def test_a_case_may_be_set_aside_while_the_list_is_made(study_folder):
    cases: Cases = VhiService(study_folder.folder, model_dir=MODEL_DIR).cases

    class Meanwhile(DamagedError):
        @property
        def path(self):
            cases._damaged["b"] = DamagedError(study_folder.folder / "shared.json", "it is empty")
            return SimpleNamespace(name="scans.json")

        @path.setter
        def path(self, _):
            pass

    cases._damaged["a"] = Meanwhile(study_folder.folder / "scans.json", "it is empty")
    assert [one.name for one in cases.index.waiting] == ["a"]
