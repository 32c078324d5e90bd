#!/bin/sh
# highdicom 0.28.1 and 0.28.2: a SEG of one segment that highdicom wrote cannot be referred to from a structured report by highdicom.
# Their `Segmentation` puts SegmentIdentificationSequence, where all frames are of one segment, into the shared functional groups
# (PS3.3 C.7.6.16 allows either place). `sr.ReferencedSegment.from_segmentation` looks for it in the per-frame groups alone and ends with
# AttributeError. 0.27.0 writes it per frame, and a SEG of two segments has it there in every version: both work.
#
# Seen (Python 3.11, pydicom 3.0.2): as `expected` below. Ends with 1 where that changed. Needs python3 with venv.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/look.py" <<'PY'
import highdicom as hd
import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sr.codedict import codes
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

study, series, frame_of_reference = (generate_uid() for _ in range(3))


def mr_slice(number):
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = MRImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, series, frame_of_reference
    image.PatientID = image.PatientName = image.PatientBirthDate = image.PatientSex = image.StudyID = image.AccessionNumber = ""
    image.ReferringPhysicianName = image.StudyDate = image.StudyTime = image.PositionReferenceIndicator = ""
    image.Modality, image.SeriesNumber, image.InstanceNumber, image.Manufacturer = "MR", 1, number, ""
    image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 3 * number], [1, 0, 0, 0, 1, 0]
    image.PixelSpacing, image.SliceThickness = [1, 1], 3
    image.Rows = image.Columns = 8
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 16, 15
    image.PixelData = np.zeros((8, 8), np.uint16).tobytes()
    return image


def segment(number):
    return hd.seg.SegmentDescription(
        segment_number=number,
        segment_label=f"segment {number}",
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Lesion,
        algorithm_type=hd.seg.SegmentAlgorithmTypeValues.MANUAL,
    )


for count in (1, 2):
    masks = np.zeros((2, 8, 8, count), np.uint8)
    for n in range(count):
        masks[:, 2:5, 2 + n, n] = 1
    seg = hd.seg.Segmentation(
        source_images=[mr_slice(1), mr_slice(2)],
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[segment(n + 1) for n in range(count)],
        series_instance_uid=generate_uid(),
        series_number=2,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="none",
        manufacturer_model_name="none",
        software_versions="1",
        device_serial_number="1",
    )
    shared = "SegmentIdentificationSequence" in seg.SharedFunctionalGroupsSequence[0]
    try:
        hd.sr.ReferencedSegment.from_segmentation(seg, segment_number=1)
        ended = "referred to"
    except AttributeError as error:
        ended = f"AttributeError: {error}"
    print(f"{hd.__version__}, {count} segment(s), {'shared' if shared else 'per frame'}: {ended}")
PY
python3 -m venv "$folder/env"
for version in 0.27.0 0.28.1 0.28.2; do
  "$folder/env/bin/pip" install --quiet --disable-pip-version-check "highdicom==$version" pydicom==3.0.2
  "$folder/env/bin/python" -W ignore "$folder/look.py"
done | tee "$folder/seen"
cat >"$folder/expected" <<'TXT'
0.27.0, 1 segment(s), per frame: referred to
0.27.0, 2 segment(s), per frame: referred to
0.28.1, 1 segment(s), shared: AttributeError: 'Dataset' object has no attribute 'SegmentIdentificationSequence'
0.28.1, 2 segment(s), per frame: referred to
0.28.2, 1 segment(s), shared: AttributeError: 'Dataset' object has no attribute 'SegmentIdentificationSequence'
0.28.2, 2 segment(s), per frame: referred to
TXT
diff "$folder/expected" "$folder/seen"
