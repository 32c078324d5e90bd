"""The MONAI Label app: which tasks there are, over which studies."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.config import settings
from monailabel.interfaces.app import MONAILabelApp
from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.infer_v2 import InferTask
from monailabel.interfaces.tasks.strategy import Strategy
from monailabel.interfaces.tasks.train import TrainTask

from lib.activelearning import strategies
from lib.core.segment_names import DISEASE_REGION, NORMAL_BONE
from lib.datastores.case_datastore import CaseDatastore
from lib.datastores.conf import RETRAIN, archive_sync_of, data_folder_of, service_of, train_config_of
from lib.datastores.viewed import viewed_archive_of
from lib.datastores.watcher import StudyWatcher
from lib.errors import NotFoundError, RequestError
from lib.infers import infer_tasks
from lib.provenance import code_version
from lib.readings.holding import hold
from lib.server.refusals import hide
from lib.trainers.continuous import ContinuousTraining, Schedule
from lib.trainers.task import trainers
from lib.trainers.training_manager import TrainingManager
from lib.versions.site import note_start

log = logging.getLogger("vhi.app")

# What stock MONAI Label does by default and this app never does: uploads unpacked on the server, scoring runs at every start
# and request, experiment tracking on disk, and CT series taken from a PACS.
MONAI_LABEL_SETTINGS: dict[str, Any] = {
    "MONAI_LABEL_SESSIONS": False,
    "MONAI_LABEL_AUTO_UPDATE_SCORING": False,
    "MONAI_LABEL_TRACKING_ENABLED": False,
    "MONAI_LABEL_DATASTORE_FILE_EXT": ["*.nii.gz", "*.nii"],
    "MONAI_LABEL_DICOMWEB_SEARCH_FILTER": {"Modality": "MR"},
    "MONAI_LABEL_DICOMWEB_CACHE_EXPIRY": 30,
}
for _name, _value in MONAI_LABEL_SETTINGS.items():
    setattr(settings, _name, _value)
    # for the processes that MONAI Label starts
    os.environ[_name] = _value if isinstance(_value, str) else json.dumps(_value)


class VHIApp(MONAILabelApp):
    """VHI as a MONAI Label app; the service does the work, tasks and datastore translate."""

    def __init__(self, app_dir: str, studies: str, conf: Mapping[str, str] | None) -> None:
        data = data_folder_of(studies, conf or {})
        if "monailabel.app" in sys.modules:  # in the server, not in a process that it started
            hold(data, os.environ.get("MONAI_LABEL_SERVER_PORT"))
        self.service = service_of(studies, dict(conf or {}))
        unused = note_start(data, self.service.networks.shipped)
        if unused is not None:
            log.warning("%s", unused)
        hide(data, Path(studies), self.service.networks.shipped, Path(tempfile.gettempdir()), Path(app_dir))
        self.archive_sync = archive_sync_of(self.service)
        # what browsers are shown of a blinded study in place of its archive
        self.viewed = viewed_archive_of(self.service)
        self.training = TrainingManager(self.service, train_config_of(conf or {}), code_version())
        self._schedule = Schedule.parse(conf[RETRAIN]) if conf and conf.get(RETRAIN) else None
        self._cases = CaseDatastore(self.service)
        # Slicer makes an empty segment of each of these for every case, and an empty inflammation would mean that there is none
        first = [DISEASE_REGION, NORMAL_BONE]
        description = "Volume of hyperintense inflammation of the sacroiliac joints. Research use only."
        super().__init__(app_dir, studies, dict(conf or {}), "VHI", description, code_version(), first)
        if "monailabel.app" in sys.modules:
            from lib.server.guard import install

            install(sys.modules["monailabel.app"].app)

    def init_datastore(self) -> Datastore:
        return self._cases

    def init_infers(self) -> dict[str, InferTask]:
        return dict(infer_tasks(self.service))

    def init_trainers(self) -> dict[str, TrainTask]:
        return trainers(self.training)

    def init_strategies(self) -> dict[str, Strategy]:
        return strategies(self.service)

    def on_init_complete(self) -> None:
        """The server is up; MONAI Label's own jobs, scoring and clearing out sessions, have nothing to do here."""
        if self.archive_sync is not None:
            self.archive_sync.start()
        StudyWatcher(self.service, after_look=self.archive_sync.poll if self.archive_sync else None).start()
        if self._schedule is not None:
            ContinuousTraining(self.training, self._schedule).start()

    def infer(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        """Run a task. The id of the image stays what it is, and no result is stored."""
        task = self._infers.get(request.get("model"))
        if task is None:
            raise NotFoundError(f"There is no model {str(request.get('model'))[:60]!r}; there are {', '.join(self._infers)}.")
        file, facts = task(request)
        return {"label": file, "tag": "original", "file": file, "params": facts}

    def next_sample(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The next case for the reader who asks; the reason alone when there is none."""
        name = request.get("strategy") or "first"
        strategy = self._strategies.get(name)
        if strategy is None:
            raise NotFoundError(f"There is no strategy {str(name)[:60]!r}; there are {', '.join(self._strategies)}.")
        # without the file's path on the server: viewers download the series
        sample = strategy(request, self._cases)
        return {**sample, **self._cases.get_image_info(sample["id"])} if "id" in sample else sample

    def on_save_label(self, image_id: str, label_id: str) -> dict[str, Any]:
        """The answer to a reader's submission, beside its id."""
        return self._cases.submission_info(image_id, label_id)

    def batch_infer(self, request: Mapping[str, Any], datastore: Datastore | None = None) -> dict[str, Any]:
        raise RequestError("Cases are precomputed as they arrive; there is nothing to run in batches.")

    def _download_dcmqi_tools(self) -> None:
        """Nothing is downloaded at start."""
