"""The trainer as MONAI Label and its clients see it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monailabel.interfaces.datastore import Datastore
from monailabel.interfaces.tasks.train import TrainTask

from .training_manager import TrainingManager
from .training_options import TABLE
from .training_status import NAME


class DiseaseRegionTrainer(TrainTask):
    """Has the ensemble of the disease region learn what readers corrected."""

    def __init__(self, manager: TrainingManager) -> None:
        super().__init__("The disease region's networks learn from corrected cases; published only if no worse")
        self._manager = manager

    def config(self) -> dict[str, Any]:
        """The option table that viewers show."""
        return dict(TABLE)

    def stats(self) -> dict[str, Any]:
        return self._manager.stats()

    def __call__(self, request: Mapping[str, Any], datastore: Datastore) -> dict[str, Any]:
        """Begin a session, as `POST /train/disease_region` does; an empty answer where one is under way."""
        options = {name: value for name, value in request.items() if name not in ("model", "client_id", "user")}
        return self._manager.start(options, None) or {}


def trainers(manager: TrainingManager) -> dict[str, TrainTask]:
    """All trainers by name: one, since OHIF starts every one there is."""
    return {NAME: DiseaseRegionTrainer(manager)}
