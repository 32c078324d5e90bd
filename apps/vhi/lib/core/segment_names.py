"""The names of segments, the same everywhere: in both viewers, in DICOM, in files and in the server's interface."""

from __future__ import annotations

NORMAL_BONE = "normal bone"
DISEASE_REGION = "disease region"
INFLAMMATION = "inflammation"
CONSERVATIVE = "inflammation (conservative)"
PROPOSED_TO_REMOVE = "inflammation (proposed to remove)"
# a mask of each is in memory; of a scan of 336 x 336 x 25 that is room for 23 of them [voxels of all masks together]
MOST_MASK_VOXELS = 64 * 2**20
# so many are taken of a larger scan too, up to this room
FEW_SEGMENTS = 16
MOST_VOXELS_OF_FEW = 256 * 2**20
SEGMENT_NAMES = (DISEASE_REGION, NORMAL_BONE, INFLAMMATION, CONSERVATIVE, PROPOSED_TO_REMOVE)


def most_segments(voxels: int) -> int:
    """How many segments of a scan of so many voxels are taken; our own always."""
    few = min(FEW_SEGMENTS, MOST_VOXELS_OF_FEW // max(1, voxels))
    return max(len(SEGMENT_NAMES), few, MOST_MASK_VOXELS // max(1, voxels))
