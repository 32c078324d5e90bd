"""The thread that looks for studies keeps the folder of temporary files too."""

from lib.datastores.conf import service_of
from lib.datastores.watcher import StudyWatcher
from lib.readings import holding


def test_a_look_at_the_studies_makes_the_folder_of_temporary_files_again(tmp_path, monkeypatch):
    (tmp_path / "studies").mkdir()
    monkeypatch.setattr(holding, "_temporary", [tmp_path / "vhi-0123"])
    watcher = StudyWatcher(service_of(str(tmp_path / "studies"), {"data": str(tmp_path / "data")}))
    watcher._step()
    assert (tmp_path / "vhi-0123").is_dir()
