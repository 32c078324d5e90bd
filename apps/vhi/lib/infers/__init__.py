"""The inference tasks: what a viewer asks, put to the service, and its answer in the form the viewer wants."""

from __future__ import annotations

from ..service.service import VhiService
from .region_tasks import DiseaseRegionTask, NormalBoneClicksTask, NormalBoneTask
from .task import ServiceTask
from .vhi import VhiCleanTask, VhiTask


def infer_tasks(service: VhiService) -> dict[str, ServiceTask]:
    """All tasks by name. The first comes first in viewers, and is what 3D Slicer may run unasked on a new case."""
    tasks = (
        DiseaseRegionTask(service),
        NormalBoneTask(service),
        VhiTask(service),
        VhiCleanTask(service),
        NormalBoneClicksTask(service),
    )
    return {task.name: task for task in tasks}
