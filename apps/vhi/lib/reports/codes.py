"""Names in DICOM: codes, colours, and our name.

SNOMED CT (SCT), DICOM (DCM), NCI Thesaurus (NCIt), LOINC (LN) and UCUM as the standard's context groups list them. What none of
them has a code for is coded by its own words under `99VHI`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from highdicom.sr.coding import CodedConcept

from ..core.segment_names import CONSERVATIVE, DISEASE_REGION, INFLAMMATION, NORMAL_BONE

MANUFACTURER = "VHI"
MODEL_NAME = "VHI, research only, not a medical device"
OWN_SCHEME = "99VHI"
OWN_SCHEME_NAME = "Measures of the volume of hyperintense inflammation (VHI)"

SACROILIAC_JOINT = CodedConcept("39723000", "SCT", "Sacroiliac joint")
ILIUM = CodedConcept("22356005", "SCT", "Ilium")
LUMBAR_SPINE = CodedConcept("122496007", "SCT", "Lumbar spine")
SACRUM = CodedConcept("54735007", "SCT", "Sacrum")
LEFT = CodedConcept("7771000", "SCT", "Left")
RIGHT = CodedConcept("24028007", "SCT", "Right")
MIDLINE = CodedConcept("261129000", "SCT", "Midline")

ANATOMICAL_STRUCTURE = CodedConcept("123037004", "SCT", "Anatomical Structure")
ABNORMAL_STRUCTURE = CodedConcept("49755003", "SCT", "Morphologically Abnormal Structure")
SPATIAL_CONCEPT = CodedConcept("309825002", "SCT", "Spatial and Relational Concept")
BONE = CodedConcept("272673000", "SCT", "Bone")
EDEMA = CodedConcept("79654002", "SCT", "Edema")
REFERENCE_REGION = CodedConcept("C94970", "NCIt", "Reference Region")

VOLUME = CodedConcept("118565006", "SCT", "Volume")
SUM_OF_VOXELS = CodedConcept("126030", "DCM", "Sum of segmented voxel volumes")
MM3 = CodedConcept("mm3", "UCUM", "cubic millimeter")
NO_UNITS = CodedConcept("1", "UCUM", "no units")
THRESHOLD = CodedConcept("122411", "DCM", "Threshold Value")
NUMBER_OF_LESIONS = CodedConcept("246206008", "SCT", "Number of lesions")
COMMENT = CodedConcept("121106", "DCM", "Comment")
ENGLISH = CodedConcept("en", "RFC5646", "English")
SOURCE = CodedConcept("260753009", "SCT", "Source")
MRI = CodedConcept("25056-3", "LN", "MRI unspecified body region")
MEASUREMENT_REPORT = CodedConcept("126000", "DCM", "Imaging Measurement Report")
HISTOGRAM_ANALYSIS = CodedConcept("123105", "DCM", "Histogram Analysis")
ARTIFICIAL_INTELLIGENCE = CodedConcept("123110", "DCM", "Artificial Intelligence")

DEVICE = CodedConcept("121007", "DCM", "Device")
FRAME_OF_REFERENCE_UID = CodedConcept("112227", "DCM", "Frame of Reference UID")
IMAGE_LIBRARY = CodedConcept("111028", "DCM", "Image Library")
IMAGE_LIBRARY_GROUP = CodedConcept("126200", "DCM", "Image Library Group")
MAGNETIC_RESONANCE = CodedConcept("MR", "DCM", "Magnetic Resonance")
MODALITY = CodedConcept("121139", "DCM", "Modality")
PERSON = CodedConcept("121006", "DCM", "Person")
SERIES_INSTANCE_UID = CodedConcept("112002", "DCM", "Series Instance UID")

# not a second "Volume": a program that collects volumes must not take a range for another measurement
PART_VOLUME = CodedConcept("VHI-PART", OWN_SCHEME, "Volume in a part of the pelvis")
LEFT_OUT_VOLUME = CodedConcept("VHI-LEFT-OUT", OWN_SCHEME, "Hyperintense volume that is left out of the total")
INTERVAL_LOW = CodedConcept("VHI-95-LOW", OWN_SCHEME, "Lower end of the 95% interval of the volume")
INTERVAL_HIGH = CodedConcept("VHI-95-HIGH", OWN_SCHEME, "Upper end of the 95% interval of the volume")
THRESHOLD_RANGE_LOW = CodedConcept("VHI-T5-LOW", OWN_SCHEME, "Smallest volume with the sensitive threshold 5% higher or lower")
THRESHOLD_RANGE_HIGH = CodedConcept("VHI-T5-HIGH", OWN_SCHEME, "Largest volume with the sensitive threshold 5% higher or lower")
SLICE_RANGE_LOW = CodedConcept("VHI-SLICE-LOW", OWN_SCHEME, "Smallest volume with one slice of normal bone left out")
SLICE_RANGE_HIGH = CodedConcept("VHI-SLICE-HIGH", OWN_SCHEME, "Largest volume with one slice of normal bone left out")
STABILITY = CodedConcept("VHI-STABILITY", OWN_SCHEME, "Stability of the volume")
STABLE = CodedConcept("VHI-STABLE", OWN_SCHEME, "Stable")
UNSTABLE = CodedConcept("VHI-UNSTABLE", OWN_SCHEME, "Unstable")
STAGE = CodedConcept("VHI-STAGE", OWN_SCHEME, "Stage of the volume")
STAGES: Mapping[str, CodedConcept] = {
    "raw": CodedConcept("VHI-RAW", OWN_SCHEME, "Uncleaned volume"),
    "proposed": CodedConcept("VHI-PROPOSED", OWN_SCHEME, "Proposed volume"),
    "cleaned": CodedConcept("VHI-CLEANED", OWN_SCHEME, "VHI, cleaned by a reader"),
}
EARLIER_VOLUME = CodedConcept("VHI-EARLIER", OWN_SCHEME, "The same volume at the earlier visit")
CHANGE = CodedConcept("VHI-CHANGE", OWN_SCHEME, "Change of the volume since the earlier visit")
SMALLEST_FALL = CodedConcept("VHI-FALL", OWN_SCHEME, "Smallest fall of the volume that exceeds reader variation")
SMALLEST_RISE = CodedConcept("VHI-RISE", OWN_SCHEME, "Smallest rise of the volume that exceeds reader variation")
CHANGE_FACTOR = CodedConcept("VHI-FACTOR", OWN_SCHEME, "Volume over that of the earlier visit")
FATES: Mapping[str, CodedConcept] = {
    fate: CodedConcept(f"VHI-{fate.upper()}", OWN_SCHEME, f"Number of lesions that are {fate} since the earlier visit")
    for fate in ("new", "grown", "unchanged", "shrunk", "resolved")
}
BONE_SOURCE = CodedConcept("VHI-BONE", OWN_SCHEME, "Source of the normal bone")
BONE_SOURCES: Mapping[str, CodedConcept] = {
    "given": CodedConcept("VHI-BONE-DRAWN", OWN_SCHEME, "Drawn by a reader"),
    "clicked": CodedConcept("VHI-BONE-CLICKED", OWN_SCHEME, "Grown from a reader's clicks"),
    "proposed": CodedConcept("VHI-BONE-PROPOSED", OWN_SCHEME, "Proposed automatically, checked by no reader"),
}
VERDICT = CodedConcept("VHI-VERDICT", OWN_SCHEME, "Verdict on the volume")
VERDICTS: Mapping[str, CodedConcept] = {
    "usable": CodedConcept("VHI-USABLE", OWN_SCHEME, "Usable"),
    "check": CodedConcept("VHI-CHECK", OWN_SCHEME, "Check before use"),
    "not comparable": CodedConcept("VHI-INCOMPARABLE", OWN_SCHEME, "Not comparable with other scans"),
}
NOT_JUDGED = CodedConcept("VHI-NOT-JUDGED", OWN_SCHEME, "Not judged, as normal bone was proposed")

# where a part of VHI lies; the context groups have no code for discs in general, facet joints and joint space
PARTS: Mapping[str, CodedConcept] = {
    "sacrum": SACRUM,
    "ilium": ILIUM,
    "sacroiliac joint space": CodedConcept("VHI-JOINT-SPACE", OWN_SCHEME, "Sacroiliac joint space"),
    "lumbar vertebrae": LUMBAR_SPINE,
    "disc": CodedConcept("VHI-DISC", OWN_SCHEME, "Intervertebral disc"),
    "facet joint": CodedConcept("VHI-FACET", OWN_SCHEME, "Facet joint"),
}
SIDES: Mapping[str, CodedConcept] = {"left": LEFT, "right": RIGHT, "midline": MIDLINE}


@dataclass(frozen=True)
class SegmentCode:
    """How a segment is coded and shown: `lab` is CIELab (D65, as viewers read it)."""

    category: CodedConcept
    kind: CodedConcept
    site: CodedConcept
    lab: tuple[float, float, float]


# There is no code for bone marrow edema on STIR as an image finding: edema, at the sacroiliac joint.
SEGMENTS: Mapping[str, SegmentCode] = {
    NORMAL_BONE: SegmentCode(SPATIAL_CONCEPT, REFERENCE_REGION, SACRUM, (66.4, -13.1, -6.7)),
    DISEASE_REGION: SegmentCode(ANATOMICAL_STRUCTURE, BONE, SACROILIAC_JOINT, (52.5, -4.1, -32.2)),
    INFLAMMATION: SegmentCode(ABNORMAL_STRUCTURE, EDEMA, SACROILIAC_JOINT, (88.4, -4.9, 88.2)),
    CONSERVATIVE: SegmentCode(ABNORMAL_STRUCTURE, EDEMA, SACROILIAC_JOINT, (46.7, 70.1, 49.8)),
}
