#!/usr/bin/env bash
# dcm2niix 1.0.20260724, SimpleITK 2.5.7 and pydicom 3.0.2 hand out pixels that pad an MR image to a rectangle as signal.
#
# DICOM says of such pixels (PixelPaddingValue, PS3.3 C.7.5.1.1.2) that they are no part of the image. Scanners and workstations write them
# round what a correction of distortion moved, and the value may be the largest that a pixel can have. A series of three slices, brightness 300,
# with a border of padding. Seen: where the padding is 65535 (unsigned) all three hand out 65535, the brightest voxels of the scan; where it
# is -2000 (signed pixels) all three hand out -2000. None warns, and the NIfTI file of dcm2niix does not
# tell the value, nor does its JSON file: what reads the NIfTI file cannot know. What counts bright voxels, or scales by percentiles of
# the frame, takes padding for tissue. Expected were the darkest value of the image, a value that the header names, or a warning.
#
# Ends with 0 while that is so, with 1 once it changed. Needs python3 with venv.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/env"
"$place/env/bin/pip" install -q --disable-pip-version-check pydicom==3.0.2 SimpleITK==2.5.7 dcm2niix==1.0.20260724 nibabel==5.4.2 numpy==2.2.6
cat >"$place/look.py" <<'PY'
import subprocess
import sys
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_modality_lut
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

SimpleITK.ProcessObject.SetGlobalWarningDisplay(True)
place = Path(sys.argv[1])


def series(folder, padding, signed):
    folder.mkdir()
    study, uid, frame = (generate_uid() for _ in range(3))
    for k in range(3):
        image = Dataset()
        image.file_meta = FileMetaDataset()
        image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        image.SOPClassUID, image.SOPInstanceUID, image.Modality = MRImageStorage, generate_uid(), "MR"
        image.StudyInstanceUID, image.SeriesInstanceUID, image.FrameOfReferenceUID = study, uid, frame
        image.PatientID, image.PatientName, image.StudyDate, image.StudyTime = "1", "Test", "20200101", "120000"
        image.StudyID, image.SeriesNumber, image.InstanceNumber, image.PatientPosition = "1", 1, k + 1, "HFS"
        image.ImagePositionPatient, image.ImageOrientationPatient = [0, 0, 4 * k], [1, 0, 0, 0, 1, 0]
        image.PixelSpacing, image.SliceThickness, image.SpacingBetweenSlices = [1, 1], 4, 4
        image.Rows = image.Columns = 16
        image.SamplesPerPixel, image.PhotometricInterpretation = 1, "MONOCHROME2"
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 16, 15, int(signed)
        image.add_new("PixelPaddingValue", "SS" if signed else "US", padding)
        pixels = np.full((16, 16), padding, np.int16 if signed else np.uint16)
        pixels[2:-2, 2:-2] = 300
        image.PixelData = pixels.tobytes()
        image.save_as(folder / f"{k}.dcm", enforce_file_format=True)


def told(what, voxels, said):
    values = " ".join(str(int(value)) for value in np.unique(voxels))
    print(f"  {what}: {values}; {'a word of padding' if 'padding' in said.lower() else 'no word of padding'}")


for padding, signed in ((65535, False), (-2000, True)):
    print(f"padding {padding}, brightness 300; values handed out")
    folder, out = place / f"series{padding}", place / f"nifti{padding}"
    series(folder, padding, signed)
    out.mkdir()
    image = pydicom.dcmread(folder / "1.dcm")
    told("pydicom", apply_modality_lut(image.pixel_array, image), "")
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    told("SimpleITK", SimpleITK.GetArrayFromImage(reader.Execute()), "")
    program = Path(sys.executable).parent / "dcm2niix"
    ended = subprocess.run([program, "-o", out, "-f", "t1", folder], capture_output=True, text=True)
    said = ended.stdout.replace(str(folder), "") + ended.stderr + (out / "t1.json").read_text()
    told(f"dcm2niix, which ended with {ended.returncode}", nibabel.load(out / "t1.nii").dataobj, said)
PY
"$place/env/bin/python" "$place/look.py" "$place" 2>"$place/warned" | tee "$place/seen"
echo "warnings: $(wc -l <"$place/warned")" | tee -a "$place/seen"
cat >"$place/expected" <<'TXT'
padding 65535, brightness 300; values handed out
  pydicom: 300 65535; no word of padding
  SimpleITK: 300 65535; no word of padding
  dcm2niix, which ended with 0: 300 65535; no word of padding
padding -2000, brightness 300; values handed out
  pydicom: -2000 300; no word of padding
  SimpleITK: -2000 300; no word of padding
  dcm2niix, which ended with 0: -2000 300; no word of padding
warnings: 0
TXT
diff "$place/expected" "$place/seen"
