"""The two regions that VHI rests on, found automatically."""

from __future__ import annotations

from ..core.segment_names import DISEASE_REGION, NORMAL_BONE
from ..service.answers import Answer
from ..service.service import VhiService
from .request import InferRequest
from .task import ServiceTask


class DiseaseRegionTask(ServiceTask):
    """The imaged pelvic bone, by the ensemble of networks on T1W."""

    def __init__(self, service: VhiService) -> None:
        super().__init__(
            service, "disease_region", "Disease region (imaged pelvic bone), from T1W", {DISEASE_REGION: 1}, also=("reading",)
        )

    def answer(self, request: InferRequest) -> Answer:
        return self.service.disease_region(request.image_id, request.reader, request.options.get("reading", 1))


class NormalBoneTask(ServiceTask):
    """The automatic proposal of normal bone, whose intensities give the thresholds."""

    def __init__(self, service: VhiService) -> None:
        super().__init__(
            service, "normal_bone", "Normal bone (proposal: check it), from STIR", {NORMAL_BONE: 1}, also=("reading",)
        )

    def answer(self, request: InferRequest) -> Answer:
        return self.service.normal_bone(request.image_id, request.reader, request.options.get("reading", 1))
