"""What segments are called everywhere: in both viewers, in DICOM, in files and in the server's interface."""

from __future__ import annotations

NORMAL_BONE = "normal bone"
DISEASE_REGION = "disease region"
INFLAMMATION = "inflammation"
CONSERVATIVE = "inflammation (conservative)"
PROPOSED_TO_REMOVE = "inflammation (proposed to remove)"
SEGMENT_NAMES = (DISEASE_REGION, NORMAL_BONE, INFLAMMATION, CONSERVATIVE, PROPOSED_TO_REMOVE)
