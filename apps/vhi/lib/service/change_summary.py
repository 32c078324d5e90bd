"""Sentences on how a result was changed, and by whom, for the viewer and the report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.segment_names import DISEASE_REGION, INFLAMMATION, NORMAL_BONE

LISTED_LESIONS = 10


def reading_sentences(
    changes: Mapping[str, Any], corrections: Mapping[str, Any] | None = None, cleaned: bool | None = None
) -> tuple[str, ...]:
    """Sentences about `Submission.changes` and `Submission.corrections`.

    Parameters
    ----------
    changes, corrections : mapping
    cleaned : bool, optional
        For a report, which also says where nothing was changed; when absent only changes are named.
    """
    return tuple(_sentences(changes, corrections or {}, cleaned))


def _sentences(changes: Mapping[str, Any], corrections: Mapping[str, Any], cleaned: bool | None) -> Iterator[str]:
    regions = corrections.get("regions", {})
    for name in (DISEASE_REGION, NORMAL_BONE):
        region = regions.get(name)
        if region and (region["added"] or region["removed"]):
            yield f"{name.capitalize()}: the reader added {_voxels(region['added'])} and removed {_voxels(region['removed'])}."
    change = changes.get(INFLAMMATION)
    if change is None:
        if cleaned is not None:
            yield "Correction: none. No reader has removed vessels, joint fluid or artefacts."
        return
    removed, kept, edits = change["lesions_removed"], change["lesions_kept"], change["boundary_edits"]
    if cleaned is not None or removed or edits:
        yield f"Correction: {_lesions(len(removed))} removed, {_lesions(len(kept) + len(edits))} kept."
    yield from _credited(corrections)


def _credited(corrections: Mapping[str, Any]) -> Iterator[str]:
    """Who did what."""
    proposal, clicks, hand, regions = (corrections.get(name, {}) for name in ("proposal", "clicks", "hand", "regions"))
    for words, lesions in (
        ("Taken out by the cleaning proposal", proposal.get("removed")),
        ("Removed by the reader's clicks", clicks.get("removed")),
        ("Put back by the reader's clicks, after the proposal had taken it out", clicks.get("restored")),
        ("Erased by hand", hand.get("erased")),
        ("Painted back by hand", hand.get("restored")),
    ):
        if lesions:
            yield f"{words}: {_voxels(sum(n for _, n in lesions))} ({_each(lesions)})."
    for words, voxels in (
        ("Painted by hand: {} that were not on the screen, counted.", hand.get("painted")),
        ("Painted by hand: {} below the sensitive threshold, not counted.", hand.get("painted_below_threshold")),
        ("Painted by hand: {} in a part that the settings leave out, not counted.", hand.get("painted_left_out")),
        ("Changed regions or rule: {} belong to the automatic result only since then, not counted.", regions.get("appeared")),
        ("Changed regions or rule: {} belonged to the automatic result before; counted.", regions.get("outside")),
        (
            "Changed regions or rule: {} lie below the sensitive threshold since then, not counted.",
            regions.get("below_threshold"),
        ),
        ("Changed settings: {} lie in a part that they leave out, not counted.", regions.get("left_out")),
    ):
        if voxels:
            yield words.format(_voxels(voxels))


def _each(lesions: Sequence[Sequence[int]]) -> str:
    """The largest shares by lesion."""
    largest = sorted(lesions, key=lambda lesion: -lesion[1])[:LISTED_LESIONS]
    more = f", and of {len(lesions) - LISTED_LESIONS} more" if len(lesions) > LISTED_LESIONS else ""
    return ", ".join(f"{voxels:,} of lesion {lesion}" for lesion, voxels in largest) + more


def _voxels(n: int) -> str:
    return f"{n:,} voxel" + ("" if n == 1 else "s")


def _lesions(n: int) -> str:
    return f"{n:,} lesion" + ("" if n == 1 else "s")
