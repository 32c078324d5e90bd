"""VHI of a case, and cleaning it by clicks."""

from __future__ import annotations

from typing import Any

from monailabel.interfaces.tasks.infer_v2 import InferType

from ..core.segment_names import CONSERVATIVE, INFLAMMATION, PROPOSED_TO_REMOVE
from ..core.setting import option_cell
from ..core.settings import POST_TRANSFORMS_KEY, VhiSettings
from ..errors import RequestError
from ..service.answers import Answer
from ..service.drawing import voxels_of
from ..service.service import VhiService
from .request import DRAWN, InferRequest, choice_of, take_drawn
from .task import ServiceTask

SHOW = (INFLAMMATION, "both")
SCOPE = ("lesion", "slice")
PROPOSAL = ("off", "show", "apply")


def option_table(service: VhiService | None = None) -> dict[str, Any]:
    """Every setting of the method as viewers show it, and a site's chains of post-transforms where the service has any."""
    names = () if service is None else service.chains.names
    chains = {POST_TRANSFORMS_KEY: option_cell(names[0], names)} if names else {}
    return {**chains, **{info.name: option_cell(info.default, info.choices) for info in VhiSettings.describe()}}


class VhiTask(ServiceTask):
    """Inflammation above the thresholds, from the regions in force for this reader."""

    also = ("reading", "normal_bone_at", POST_TRANSFORMS_KEY, *DRAWN)
    passed_over = ("scope",)

    def __init__(self, service: VhiService) -> None:
        names = {INFLAMMATION: 1, CONSERVATIVE: 2, PROPOSED_TO_REMOVE: 3}
        super().__init__(
            service,
            "vhi",
            "VHI: hyperintense inflammation in the disease region, from STIR",
            names,
            {"show": list(SHOW), "proposal": list(PROPOSAL), **option_table(service)},
        )

    def answer(self, request: InferRequest) -> Answer:
        drawn, given = take_drawn(request.options, lambda: self.service.cases.most_voxels(request.image_id))
        options = {**given, "show": choice_of(given, "show", SHOW)}
        options["proposal"] = choice_of(options, "proposal", PROPOSAL)
        clicks = voxels_of(options.pop("normal_bone_at", []), "normal_bone_at")
        return self.service.vhi(request.image_id, request.reader, options, drawn, clicks)


class VhiCleanTask(ServiceTask):
    """Lesions removed by background clicks and restored by foreground clicks, and any other gesture.

    Viewers send every click and gesture again each time, and no mask: all are replayed over the automatic result.
    """

    also = ("foreground", "background", "gestures", "label", "reading", POST_TRANSFORMS_KEY, *DRAWN)
    passed_over = ("show",)

    def __init__(self, service: VhiService) -> None:
        super().__init__(
            service,
            "vhi_clean",
            "Clean VHI: a background click removes the lesion under it, a foreground click restores it",
            {INFLAMMATION: 1},
            {"scope": list(SCOPE), "proposal": list(PROPOSAL), **option_table(service)},
            type=InferType.DEEPGROW,
        )

    def answer(self, request: InferRequest) -> Answer:
        drawn, options = take_drawn(request.options, lambda: self.service.cases.most_voxels(request.image_id))
        label = options.pop("label", INFLAMMATION)
        if label != INFLAMMATION:
            # the viewer would put the answer into the segment that is selected
            raise RequestError(
                f"vhi_clean cleans the segment {INFLAMMATION!r}, but {str(label)[:60]!r} is selected; select {INFLAMMATION!r}."
            )
        remove = voxels_of(options.pop("background", []), "background")
        restore = voxels_of(options.pop("foreground", []), "foreground")
        options["scope"] = choice_of(options, "scope", SCOPE)
        options["proposal"] = choice_of(options, "proposal", PROPOSAL)
        return self.service.clean(request.image_id, request.reader, options, remove, restore, drawn)
