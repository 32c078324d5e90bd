"""What a reader did, in sentences, for the viewer and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ..core.segment_names import DISEASE_REGION, INFLAMMATION


def reading_sentences(changes: Mapping[str, Any], cleaned: bool | None = None) -> tuple[str, ...]:
    """Sentences about `Submission.changes`.

    Parameters
    ----------
    changes : mapping
    cleaned : bool, optional
        For a report, which also says where nothing was changed; when absent only changes are told.
    """
    return tuple(_sentences(changes, cleaned))


def _sentences(changes: Mapping[str, Any], cleaned: bool | None) -> Iterator[str]:
    region = changes.get(DISEASE_REGION)
    if region and (region["added"] or region["removed"]):
        yield f"Disease region: the reader added {_voxels(region['added'])} and removed {_voxels(region['removed'])}."
    found = changes.get(INFLAMMATION)
    if found is None:
        if cleaned is not None:
            yield "Correction: none. No reader has removed vessels, joint fluid or artefacts from this VHI."
        return
    removed, kept, edits = found["lesions_removed"], found["lesions_kept"], found["boundary_edits"]
    if cleaned is not None or removed or edits:
        yield f"Correction: {_lesions(len(removed))} removed, {_lesions(len(kept) + len(edits))} kept."
    if edits:
        each = ", ".join(f"{voxels:,} of lesion {lesion}" for lesion, voxels in edits[:10])
        more = f" and of {len(edits) - 10} more" if len(edits) > 10 else ""
        yield f"Boundary edits: {_voxels(sum(n for _, n in edits))} erased from lesions that stayed ({each}{more})."
    if found["painted_outside"]:
        yield f"Painted: {_voxels(found['painted_outside'])} outside the automatic result, counted."
    if found["painted_below_threshold"]:
        yield f"Painted: {_voxels(found['painted_below_threshold'])} below the sensitive threshold, not counted."


def _voxels(n: int) -> str:
    return f"{n:,} voxel" + ("" if n == 1 else "s")


def _lesions(n: int) -> str:
    return f"{n:,} lesion" + ("" if n == 1 else "s")
