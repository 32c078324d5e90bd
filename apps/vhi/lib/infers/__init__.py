"""The inference tasks: what a viewer asks, put to the service, and its answer in the form the viewer wants."""

from __future__ import annotations

from lib.infers.regions import DiseaseRegionTask, NormalBoneTask
from lib.infers.task import ServiceTask
from lib.infers.vhi import VhiCleanTask, VhiTask
from lib.service.service import VhiService


def infer_tasks(service: VhiService) -> dict[str, ServiceTask]:
    """All tasks by name. The first comes first in viewers, and is what 3D Slicer may run unasked on a new case."""
    tasks = (DiseaseRegionTask(service), NormalBoneTask(service), VhiTask(service), VhiCleanTask(service))
    return {task.name: task for task in tasks}
