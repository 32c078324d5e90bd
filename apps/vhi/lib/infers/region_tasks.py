"""The two regions that VHI rests on, found automatically."""

from __future__ import annotations

from monailabel.interfaces.tasks.infer_v2 import InferType

from ..core.segment_names import DISEASE_REGION, NORMAL_BONE
from ..core.settings import POST_TRANSFORMS_KEY, VhiSettings
from ..errors import RequestError
from ..service.answers import Answer
from ..service.drawing import voxels_of
from ..service.service import VhiService
from .request import DRAWN, InferRequest, take_drawn
from .task import ServiceTask

SETTINGS = tuple(info.name for info in VhiSettings.describe())


class DiseaseRegionTask(ServiceTask):
    """The imaged pelvic bone, by the ensemble of networks on T1W."""

    also = ("reading",)

    def __init__(self, service: VhiService) -> None:
        super().__init__(service, "disease_region", "Disease region (imaged pelvic bone), from T1W", {DISEASE_REGION: 1})

    def answer(self, request: InferRequest) -> Answer:
        return self.service.disease_region(request.image_id, request.reader, request.options.get("reading", 1))


class NormalBoneClicksTask(ServiceTask):
    """Normal bone grown from foreground clicks in sacral marrow; the answer's region is submitted like any other.

    Viewers send every click again each time. Background clicks have no meaning here. The thresholds in the facts follow from the
    settings that are sent; without any, from those of the number that the reader was shown last.
    """

    also = ("foreground", "background", "label", "reading", POST_TRANSFORMS_KEY, *SETTINGS, *DRAWN)

    def __init__(self, service: VhiService) -> None:
        super().__init__(
            service,
            "normal_bone_clicks",
            "Normal bone from clicks: foreground clicks in sacral marrow, best one a slice on three slices",
            {NORMAL_BONE: 1},
            type=InferType.DEEPGROW,
        )

    def answer(self, request: InferRequest) -> Answer:
        drawn, options = take_drawn(request.options, lambda: self.service.cases.most_voxels(request.image_id))
        label = options.pop("label", NORMAL_BONE)
        if label != NORMAL_BONE:
            # the viewer would put the answer into the segment that is selected
            raise RequestError(
                f"normal_bone_clicks grows the segment {NORMAL_BONE!r}, but {str(label)[:60]!r} is selected; select "
                f"{NORMAL_BONE!r}."
            )
        if options.pop("background", None):
            raise RequestError("normal_bone_clicks takes foreground clicks alone; delete the background clicks.")
        clicks = voxels_of(options.pop("foreground", []), "foreground")
        return self.service.normal_bone_from_clicks(request.image_id, request.reader, clicks, options, drawn)


class NormalBoneTask(ServiceTask):
    """The automatic proposal of normal bone, whose intensities give the thresholds."""

    also = ("reading",)

    def __init__(self, service: VhiService) -> None:
        super().__init__(service, "normal_bone", "Normal bone (proposal: check it), from STIR", {NORMAL_BONE: 1})

    def answer(self, request: InferRequest) -> Answer:
        return self.service.normal_bone(request.image_id, request.reader, request.options.get("reading", 1))
