"""Which regions a reader's measurement rests on: drawn just now, their own, the study's shared ones, or the automatic ones."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from ..core.covered import equals_but_for_covered, without_holes
from ..core.disease_region import DiseaseRegion
from ..core.normal_bone import NormalBone
from ..core.pipeline import PreparedScan, prepare_scan
from ..core.plausibility import Reference
from ..core.segment_names import DISEASE_REGION, NORMAL_BONE
from ..core.volume import Mask
from ..readings.store import ReadingStore
from ..readings.submission import Submission
from .automatic import AutomaticRegions
from .scans import Scans
from .segments import Submitted

PROPOSED_BONE = "automatic, proposed inside the disease region"
DRAWN = "drawn, not submitted"
# made once of each, so that their key is: a hash of two whole masks
_ACTIVE: WeakKeyDictionary[AutomaticRegions, ActiveRegions] = WeakKeyDictionary()


@dataclass(frozen=True, eq=False)
class ActiveRegions:
    """The regions, where each came from in words (`used`), and the model where it took part.

    `normal_bone` is None where it is still to be proposed, inside `region`. `reference` is the model's, where it has one.
    """

    region: DiseaseRegion
    normal_bone: NormalBone | None
    used: Mapping[str, str]
    model: Mapping[str, Any] | None
    reference: Reference | None = None

    @cached_property
    def key(self) -> str:
        """Tells one set of regions from another, voxel for voxel."""
        digest = hashlib.sha256(repr((self.region.source, self.model and self.model.get("sha256"))).encode())
        digest.update(np.packbits(self.region.mask.data).tobytes())
        if self.normal_bone is not None:
            digest.update(self.normal_bone.source.encode())
            if self.normal_bone.clicks:
                digest.update(repr((self.normal_bone.clicks, self.normal_bone.with_proposal)).encode())
            digest.update(np.packbits(self.normal_bone.mask.data).tobytes())
        return digest.hexdigest()


@dataclass(frozen=True, eq=False)
class DrawnRegions:
    """The regions of a label map, beside those that were in force before.

    Parameters
    ----------
    active : ActiveRegions or None
        What is measured with; None where there is no disease region at all.
    region, normal_bone : Mask or None
        As they were drawn, without the holes that flattening punched into them; None where nothing was drawn.
    differences : mapping
        By region, voxels `added` and `removed` against the one that was in force; of regions that were drawn alone.
    """

    active: ActiveRegions | None
    region: Mask | None
    normal_bone: Mask | None
    differences: Mapping[str, Mapping[str, int]]

    @property
    def changed(self) -> bool:
        """Whether any voxel of a region is another than before."""
        return any(difference["added"] or difference["removed"] for difference in self.differences.values())


def regions_in_force(
    store: ReadingStore, automatic: Callable[[Scans], AutomaticRegions], scans: Scans, reader: str | None, reading: int
) -> ActiveRegions:
    """The regions for a reader in one reading.

    Parameters
    ----------
    store : ReadingStore
    automatic : callable
        Asked only when no reader's disease region is there.
    scans : Scans
    reader : str or None
        None has no own submissions.
    reading : int
    """
    submitted = {
        part: (submission, region, _origin_of(submission, part, is_own))
        for part, (submission, is_own) in store.started_from(scans.case.case_id, reader, reading).items()
        if (region := _region_of(store, scans, submission, part)) is not None
    }
    if DISEASE_REGION in submitted:
        active = region_of_submission(*submitted[DISEASE_REGION])
    else:
        active = automatic_regions(automatic(scans))
    if NORMAL_BONE not in submitted:
        return active
    submission, mask, words = submitted[NORMAL_BONE]
    used = {NORMAL_BONE: words, DISEASE_REGION: active.used[DISEASE_REGION]}
    return replace(active, normal_bone=bone_of_submission(submission, mask), used=used)


def automatic_regions(automatic: AutomaticRegions) -> ActiveRegions:
    """Both regions as nobody has changed them."""
    active = _ACTIVE.get(automatic)
    if active is None:
        used = {NORMAL_BONE: PROPOSED_BONE, DISEASE_REGION: automatic.origin}
        active = ActiveRegions(automatic.region, _proposed_bone(automatic), used, automatic.model, automatic.reference)
        _ACTIVE[automatic] = active
    return active


def drawn_regions(
    submitted: Submitted,
    started: ActiveRegions | None,
    automatic: AutomaticRegions | None,
    words: str = "as handed in",
    clicked: Sequence[NormalBone] = (),
) -> DrawnRegions:
    """The regions of a label map. One that equals a region that is known, voxel for voxel, is that region.

    Parameters
    ----------
    submitted : Submitted
    started : ActiveRegions or None
        Those in force before.
    automatic : AutomaticRegions or None
        The automatic proposals, as the reader was first shown them.
    words : str
        Where a drawn region comes from, for `used`.
    clicked : sequence of NormalBone
        Those that were grown from this reader's clicks; of several with the same voxels the first counts.
    """
    known = [regions for regions in (started, None if automatic is None else automatic_regions(automatic)) if regions is not None]
    active, region = _with_region(submitted, started, known, words)
    active, bone = _with_bone(submitted, active, known, words, clicked)
    differences = {}
    if started is not None and region is not None:
        differences[DISEASE_REGION] = _difference(region, started.region.mask)
    if bone is not None:
        before = started.normal_bone if started is not None else None
        differences[NORMAL_BONE] = _difference(bone, None if before is None else before.mask)
    return DrawnRegions(active, _named(region, DISEASE_REGION), _named(bone, NORMAL_BONE), differences)


def proposal_of(regions: ActiveRegions, name: str) -> dict[str, Any] | None:
    """The entry of `submission.json` for a region that nobody changed; None for one that a reader drew."""
    if name == NORMAL_BONE:
        bone = regions.normal_bone
        if bone is not None and bone.source == "clicked":
            return {"clicks": [list(click) for click in bone.clicks], "with_proposal": bone.with_proposal}
        return None if bone is None or bone.source != "proposed" else {"confidence": bone.confidence}
    region = regions.region
    if region.source == "given":
        return None
    return {
        "source": region.source,
        "member_disagreement": region.member_disagreement,
        "entropy": region.entropy,
        "model": None if regions.model is None else dict(regions.model),
        "reference": None if regions.reference is None else regions.reference.as_dict(),
    }


def prepared(scans: Scans, regions: ActiveRegions) -> PreparedScan:
    """The prepared scan that a measurement of these regions takes, whatever the settings, by the one path of the command line.

    Raises
    ------
    VhiError
    """
    return prepare_scan(
        scans.t1w, scans.stir, normal_bone=regions.normal_bone, disease_region=regions.region, reference=regions.reference
    )


def _proposed_bone(automatic: AutomaticRegions) -> NormalBone | None:
    return None if automatic.normal_bone is None else NormalBone(automatic.normal_bone, "proposed", automatic.confidence)


def _with_region(
    submitted: Submitted, started: ActiveRegions | None, known: list[ActiveRegions], words: str
) -> tuple[ActiveRegions | None, Mask | None]:
    drawn = submitted.disease_region
    if drawn is None:
        return started, None
    covering = submitted.covering(DISEASE_REGION)
    for regions in known:
        if equals_but_for_covered(drawn, regions.region.mask, covering):
            bone = started.normal_bone if started is not None and regions is not started else regions.normal_bone
            used = regions.used if started is None else {**started.used, DISEASE_REGION: regions.used[DISEASE_REGION]}
            return replace(regions, normal_bone=bone, used=used), regions.region.mask
    whole = without_holes(drawn, None if started is None else started.region.mask, covering)
    bone = None if started is None else started.normal_bone
    if started is None or bone is None or bone.source == "proposed":
        # proposed anew, inside the region as it is now
        return ActiveRegions(
            DiseaseRegion(whole, "given"), None, {NORMAL_BONE: PROPOSED_BONE, DISEASE_REGION: words}, None
        ), whole
    return ActiveRegions(DiseaseRegion(whole, "given"), bone, {**started.used, DISEASE_REGION: words}, None), whole


def _with_bone(
    submitted: Submitted, active: ActiveRegions | None, known: list[ActiveRegions], words: str, clicked: Sequence[NormalBone]
) -> tuple[ActiveRegions | None, Mask | None]:
    drawn = submitted.normal_bone
    if drawn is None:
        return active, None
    covering = submitted.covering(NORMAL_BONE)
    before = [(regions.normal_bone, regions.used[NORMAL_BONE]) for regions in known if regions.normal_bone is not None]
    grown = [(bone, grown_from(bone)) for bone in clicked]
    for bone, where in (*before, *grown):
        if equals_but_for_covered(drawn, bone.mask, covering):
            return _bone_in(active, bone, where), bone.mask
    whole = without_holes(drawn, before[0][0].mask if before else None, covering, touching=True)
    return _bone_in(active, NormalBone(whole), words), whole


def grown_from(bone: NormalBone) -> str:
    """Where a clicked normal bone comes from, for `used`."""
    count = len(bone.clicks)
    return f"grown from {count} {'click' if count == 1 else 'clicks'}"


def _bone_in(active: ActiveRegions | None, bone: NormalBone, words: str) -> ActiveRegions | None:
    return None if active is None else replace(active, normal_bone=bone, used={**active.used, NORMAL_BONE: words})


def _named(mask: Mask | None, name: str) -> Mask | None:
    return None if mask is None else Mask(mask.data, mask.grid, name)


def _difference(region: Mask, before: Mask | None) -> dict[str, int]:
    if before is None:
        return {"added": region.voxels, "removed": 0}
    return {
        "added": int(np.count_nonzero(region.data & ~before.data)),
        "removed": int(np.count_nonzero(before.data & ~region.data)),
    }


def bone_of_submission(submission: Submission, mask: Mask) -> NormalBone:
    """The normal bone that was handed in: drawn, or the proposal unchanged."""
    proposal = _proposal_in(submission, NORMAL_BONE)
    if proposal is None:
        return NormalBone(mask)
    if "clicks" in proposal:
        # submissions from before this was stated: all grown regions held the proposal, where there was one
        clicks = tuple((i, j, k) for i, j, k in proposal["clicks"])
        return NormalBone(mask, "clicked", clicks=clicks, with_proposal=proposal.get("with_proposal", True))
    return NormalBone(mask, "proposed", proposal["confidence"])


def region_of_submission(submission: Submission, mask: Mask, words: str) -> ActiveRegions:
    """The disease region that was handed in, drawn or the proposal unchanged; normal bone is still to be proposed in it."""
    proposal = _proposal_in(submission, DISEASE_REGION)
    used = {NORMAL_BONE: PROPOSED_BONE, DISEASE_REGION: words}
    if proposal is None:
        return ActiveRegions(DiseaseRegion(mask, "given"), None, used, None)
    region = DiseaseRegion(mask, proposal["source"], proposal["member_disagreement"], proposal["entropy"])
    return ActiveRegions(region, None, used, proposal["model"], Reference.from_dict(proposal["reference"]))


def _proposal_in(submission: Submission, part: str) -> Mapping[str, Any] | None:
    segment = submission.segment(part)
    return None if segment is None else segment.proposal


def _region_of(store: ReadingStore, scans: Scans, submission: Submission, part: str) -> Mask | None:
    mask = store.read_segment(submission, part)
    return None if mask is None else Mask(mask.data, scans.stir.grid, part)


def _origin_of(submission: Submission, part: str, is_own: bool) -> str:
    """Where a submitted region comes from, for `used`."""
    proposal = _proposal_in(submission, part)
    unchanged = "" if proposal is None or "clicks" in proposal else ", the proposal unchanged"
    words = f"your submission {submission.number:04d}" if is_own else f"shared by study ({submission.number:04d})"
    return words + unchanged
