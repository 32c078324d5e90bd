"""A small model of the viewer's panel: segments that may overlap, clicks, strokes, undo and redo, and its own record of who did what.

It knows nothing of the program but the service's answers. `expected` works out, voxel by voxel, what must be kept.
"""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import ndimage

from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.settings import VhiSettings
from lib.core.volume import Mask
from lib.service.drawing import DrawnMap
from lib.service.service import VhiService
from lib.studies.nifti import read_volume

REGION, BONE, INFLAMMATION = "disease region", "normal bone", "inflammation"
BITS = {REGION: 1, BONE: 2, INFLAMMATION: 4}
TOUCHING = np.ones((3, 3, 3), bool)


@dataclass
class Screen:
    """A state that undo brings back: masks `(I, J, K)` by name, clicks, the lesions measured, and who changed which voxel."""

    masks: dict[str, np.ndarray] = field(default_factory=dict)
    clicks: list[dict[str, Any]] = field(default_factory=list)
    automatic_id: str | None = None
    automatic: np.ndarray | None = None  # lesions as they were measured, by number
    proposed: np.ndarray | None = None  # those that the proposal had taken out then
    left: np.ndarray | None = None  # what the proposal and clicks leave of them
    who: np.ndarray | None = None  # "", "proposal", "clicks" or "hand": by whom a voxel last became what it is
    measured: dict[str, Any] = field(default_factory=dict)  # the options of the measurement on the screen


class Panel:
    """One reader with one case before them."""

    def __init__(self, service: VhiService, image: str, reader: str) -> None:
        self.service, self.image, self.reader = service, image, reader
        self.screen = Screen()
        self.past: list[Screen] = []
        self.future: list[Screen] = []
        self.options: dict[str, Any] = {}

    # what a reader does ---------------------------------------------------------------------------------------------------

    def show(self, name: str) -> None:
        """Show a region as the server proposes it."""
        answer = self.service.disease_region(self.image, self.reader) if name == REGION else self._normal_bone()
        self._begin().masks[name] = answer.labels > 0

    def measure(self) -> None:
        """Measure with the regions on the screen; clicks and strokes on lesions start anew."""
        raw = self.service.vhi(self.image, self.reader, self._values(proposal="off"), self.drawn())
        proposed = self.service.vhi(self.image, self.reader, self._values(), self.drawn())
        screen = self._begin()
        kept = (proposed.labels > 0) if self.mode == "apply" else raw.labels > 0
        screen.automatic = ndimage.label(raw.labels > 0, TOUCHING)[0]
        screen.masks[INFLAMMATION], screen.left, screen.clicks = kept, kept.copy(), []
        screen.automatic_id = raw.facts["automatic_id"]
        screen.proposed = (raw.labels > 0) & ~kept
        screen.who = np.where(screen.proposed, "proposal", "")
        screen.measured = dict(self.options)

    def click(self, what: str, voxel: tuple[int, int, int], scope: str) -> None:
        """Remove or restore the lesion under a voxel, as the server replays it."""
        screen = self._begin()
        screen.clicks = [*screen.clicks, {"what": what, "voxel": list(voxel), "scope": scope}]
        taken = screen.automatic == screen.automatic[voxel]
        if scope == "slice":
            taken &= np.arange(taken.shape[2]) == voxel[2]
        changed = taken & (screen.left != (what == "restore"))
        screen.left[changed] = screen.masks[INFLAMMATION][changed] = what == "restore"
        screen.who[changed] = "clicks" if what == "remove" else ""
        # what the proposal had taken out: put back by this click, or out again as the proposal had it
        screen.who[changed & screen.proposed] = "clicks" if what == "restore" else "proposal"

    def stroke(self, name: str, where: np.ndarray, paint: bool) -> None:
        """Paint or erase one segment by hand."""
        screen = self._begin()
        mask = screen.masks.setdefault(name, np.zeros(where.shape, bool))
        changed = where & (mask != paint)
        mask[changed] = paint
        if name == INFLAMMATION and screen.who is not None:
            screen.who[changed] = "hand"
            if not paint:  # what had been painted back is out again as it was before
                out = changed & (screen.automatic > 0) & ~screen.left
                screen.who[out] = np.where(screen.proposed[out], "proposal", "clicks")

    def undo(self) -> None:
        if self.past:
            self.future.append(self.screen)
            self.screen = self.past.pop()

    def redo(self) -> None:
        if self.future:
            self.past.append(self.screen)
            self.screen = self.future.pop()

    # what goes to the server ----------------------------------------------------------------------------------------------

    @property
    def mode(self) -> str:
        return str(self.options.get("proposal", "off"))

    def drawn(self) -> DrawnMap | None:
        """Both regions, for a measurement."""
        masks = {name: self.screen.masks[name] for name in (REGION, BONE) if name in self.screen.masks}
        return self._map(masks) if masks else None

    def preview(self) -> dict[str, Any]:
        sent = self._map(self.screen.masks)
        return self.service.preview(self.image, sent.labels, sent.grid, sent.segments, **self._stated())

    def submit(self, displayed: str, **more: Any) -> Any:
        sent = self._map(self.screen.masks)
        stated = {**self._stated(), "displayed": displayed, **more}
        return self.service.submit(self.image, sent.labels, sent.grid, sent.segments, **stated)

    def _stated(self) -> dict[str, Any]:
        measured = self.screen.measured
        decisions = {"proposal": measured.get("proposal", "off"), "clicks": self.screen.clicks}
        decisions["automatic_id"] = self.screen.automatic_id
        settings = {name: value for name, value in measured.items() if name != "proposal"}
        return {"reader": self.reader, "decisions": decisions, "settings": settings}

    def _values(self, **more: Any) -> dict[str, Any]:
        return {**self.options, **more}

    def _map(self, masks: dict[str, np.ndarray]) -> DrawnMap:
        """Segments that may overlap: a voxel's value is the sum of theirs."""
        labels = sum((masks[name] * np.uint8(BITS[name]) for name in masks), np.zeros(self.grid.shape, np.uint8))
        names = [(name, [value for value in range(1, 8) if value & BITS[name]]) for name in masks]
        return DrawnMap(labels, self.grid, names)

    @property
    def grid(self) -> Any:
        return self.service.stir_grid(self.image)

    def _normal_bone(self) -> Any:
        return self.service.normal_bone(self.image, self.reader)

    def _begin(self) -> Screen:
        """A new step: the screen before it can be brought back."""
        self.past.append(self.screen)
        self.future.clear()
        self.screen = copy.deepcopy(self.screen)
        return self.screen


def truth(panel: Panel, known: dict[str, Any]) -> VhiResult:
    """The automatic result from the regions on the screen, by the method alone: proposals count as proposals.

    `known` holds `region` and `bone`, the automatic ones, as the method takes them.
    """
    t1w, stir = (read_volume(known["folder"] / f"p_{role}.nii.gz", role) for role in ("T1W", "STIR"))
    masks = panel.screen.masks
    region, bone = known["region"], known["bone"]
    if REGION in masks and not np.array_equal(masks[REGION], region.mask.data):
        region, bone = Mask(masks[REGION], stir.grid, REGION), None
    if BONE in masks:
        is_proposal = np.array_equal(masks[BONE], known["bone"].mask.data)
        bone = known["bone"] if is_proposal else Mask(masks[BONE], stir.grid, BONE)
    settings = {name: value for name, value in panel.screen.measured.items() if name != "proposal"}
    return measure_vhi(
        t1w,
        stir,
        normal_bone=bone,
        disease_region=region,
        settings=VhiSettings.from_values(settings),
        reference=known["reference"],
    )


def expected(panel: Panel, result: VhiResult) -> tuple[dict[str, int], dict[str, Counter[int]]]:
    """Voxels of both grades, and who did what: by kind, voxels by lesion of `result` (0: of none)."""
    screen, stir, t = panel.screen, result.stir.data, result.thresholds
    mask = screen.masks[INFLAMMATION]
    now, was = result.grade > 0, screen.automatic > 0
    counts = mask & (now | (stir >= t.sensitive))
    strong = mask & ((result.grade == 2) | (~now & (stir >= t.conservative)))
    who: dict[str, Counter[int]] = {}

    def note(kind: str, where: np.ndarray, by_lesion: bool = True) -> None:
        if where.any():
            who[kind] = Counter((result.lesion_labels if by_lesion else np.zeros(where.shape, int))[where].tolist())

    gone, extra = now & ~mask, mask & ~now
    for name, kind in (("proposal", "proposal removed"), ("clicks", "clicks removed"), ("hand", "hand erased")):
        note(kind, gone & was & (screen.who == name))
    note("regions appeared", gone & ~was, by_lesion=False)
    there = screen.left & was
    note("clicks restored", mask & now & was & there & (screen.who == "clicks"))
    note("hand restored", mask & now & was & ~there)
    painted = (mask & ~was) | (extra & was & ~there)
    note("hand painted", painted & counts, by_lesion=False)
    note("hand below", painted & ~counts, by_lesion=False)
    note("regions outside", extra & was & there & counts, by_lesion=False)
    note("regions below", extra & was & there & ~counts, by_lesion=False)
    return {"sensitive": int(counts.sum()), "conservative": int(strong.sum())}, who


def as_counts(corrections: dict[str, Any]) -> dict[str, Counter[int]]:
    """The program's answer, in the same words; voxels of no lesion are not told apart."""
    hand, regions, clicks = corrections["hand"], corrections["regions"], corrections["clicks"]
    lists = {
        "proposal removed": corrections["proposal"]["removed"],
        "clicks removed": clicks["removed"],
        "clicks restored": clicks["restored"],
        "hand erased": hand["erased"],
        "hand restored": hand["restored"],
    }
    numbers = {
        "hand painted": hand["painted"],
        "hand below": hand["painted_below_threshold"],
        "regions appeared": regions["appeared"],
        "regions outside": regions["outside"],
        "regions below": regions["below_threshold"],
    }
    counts = {kind: Counter(dict(lesions)) for kind, lesions in lists.items() if lesions}
    return counts | {kind: Counter({0: voxels}) for kind, voxels in numbers.items() if voxels}
