"""Which number is which, in words: raw, proposed, cleaned by a reader."""

from __future__ import annotations

from collections.abc import Iterable

from ..core.numbers import printable
from ..core.pipeline import VhiResult
from ..core.stages import name_of

_STAGES = {
    "raw": "Uncleaned: nobody and nothing has removed a lesion.",
    "proposed": "Proposed: the lesions that the cleaning proposal keeps; no reader has checked it.",
    "cleaned": "What a reader kept.",
}


def stage_sentence(result: VhiResult) -> str:
    """Which number a result holds."""
    return _STAGES[result.stage]


def other_stages(result: VhiResult) -> Iterable[str]:
    """The numbers beside it that are known."""
    if result.raw is not None:
        yield f"{name_of('raw')}, before a lesion was removed: {result.raw.sensitive_mm3:,.0f} mm³."
    proposal = result.proposal
    if proposal is not None:
        proposed = proposal.extent(result.stir.grid.voxel_volume_mm3)
        yield (
            f"{name_of('proposed')}: {proposed.sensitive_mm3:,.0f} mm³. "
            f"The cleaning proposal (version {printable(proposal.version)}) keeps {len(proposal.kept):,} of "
            f"{len(proposal.lesions):,} lesions."
        )


def proposal_cells(result: VhiResult) -> tuple[str, ...] | None:
    """One cell for each lesion of a raw result that has a proposal: what is proposed, how likely, and why."""
    if result.proposal is None or result.stage != "raw":
        return None
    return tuple(
        f"{'keep' if proposed.keep else 'remove'} ({proposed.probability:.2f}): {printable(proposed.reason)}"
        for proposed in result.proposal.lesions
    )
