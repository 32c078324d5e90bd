#!/usr/bin/env bash
# SimpleITK 2.5.7 (GDCM) cannot read an RLE Lossless image whose run lengths are longer than its pixels, as noise without runs has them.
#
# DICOM allows that (PS3.5, annex G: a segment of literal runs is 1/128 longer than its bytes). pydicom 3.0.2 writes such a file and
# reads it back to the last bit; SimpleITK ends with "Failed to change to Implicit Transfer Syntax", which reads like damage.
# Seen: "pydicom: equal" and "SimpleITK: refused ... Failed to change to Implicit Transfer Syntax".
# Ends with 0 while that is so, with 1 once it changed.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install -q pydicom==3.0.2 SimpleITK==2.5.7 numpy
"$place/env/bin/python" -W ignore - "$place/one.dcm" <<'PYTHON'
import sys

import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, RLELossless, generate_uid

pixels = np.random.default_rng(0).integers(0, 256, (10, 6), dtype=np.uint8)
image = Dataset()
image.file_meta = FileMetaDataset()
image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
image.SOPClassUID, image.SOPInstanceUID, image.Modality = MRImageStorage, generate_uid(), "MR"
image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
image.Rows, image.Columns = pixels.shape
image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
image.PixelData = pixels.tobytes()
image.compress(RLELossless)
image.save_as(sys.argv[1], enforce_file_format=True)
same = np.array_equal(pydicom.dcmread(sys.argv[1]).pixel_array, pixels)
print(f"pydicom {pydicom.__version__}: {'equal' if same else 'different'}")
try:
    read = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(sys.argv[1], imageIO="GDCMImageIO"))
    said = "equal" if np.array_equal(read[0], pixels) else "different"
except RuntimeError as error:
    said = f"refused: {str(error).strip().splitlines()[-1]}"
print(f"SimpleITK {SimpleITK.Version_VersionString()}: {said}")
sys.exit(0 if same and "Failed to change to Implicit Transfer Syntax" in said else 1)
PYTHON
