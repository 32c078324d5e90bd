#!/usr/bin/env bash
# dcm2niix 1.0.20260724 and SimpleITK 2.5.7 each read an MR series of which one slice is missing, end with 0, and put its slices where
# they are not; no two answers agree, and nothing in the files that dcm2niix writes says that anything was wrong.
#
# Nine slices 4 mm apart, of brightness 100, 200, ... 900, one of them lost. The last slice lies at 32 mm. Seen:
# - dcm2niix writes two files. The first one closes the gap (every slice behind it 4 mm too near: the last at 28 mm); where the lost slice is
#   the second, it takes the gap for the distance of all slices (8 mm: the last at 56 mm, twice as thick a body). The second one, `_Eq_1`,
#   has all nine slices where they belong, but the lost one is invented: the mean of its neighbours. Its header is that of a scan.
# - SimpleITK spreads the slices that it has: 4.571 mm apart, the first and the last in place, the others up to 3.4 mm off.
# Both warn on the console, where a pipeline seldom looks. Of the same lesion the first file of dcm2niix gives the volume, or twice the
# volume, by which slice was lost. Expected was an error, or a file that says in its header that slices are missing or interpolated.
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
import warnings
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

warnings.simplefilter("ignore")
SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
place = Path(sys.argv[1])


def series(folder, lost):
    folder.mkdir()
    study, uid, frame = (generate_uid() for _ in range(3))
    for k in range(9):
        if k == lost:
            continue
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
        image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 16, 12, 11, 0
        image.PixelData = np.full((16, 16), 100 * (k + 1), np.uint16).tobytes()
        image.save_as(folder / f"{k}.dcm", enforce_file_format=True)


def told(what, grey, where):
    print(f"  {what}:", " ".join(f"{int(value)}@{mm:.1f}" for value, mm in zip(grey, where)))


for lost in (1, 4):
    print(f"slice of brightness {100 * (lost + 1)} lost; brightness of a slice @ its place [mm]")
    folder, out = place / f"series{lost}", place / f"nifti{lost}"
    series(folder, lost)
    out.mkdir()
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(folder)))
    image = reader.Execute()
    grey = SimpleITK.GetArrayFromImage(image)[:, 0, 0]
    told("SimpleITK", grey, [image.TransformIndexToPhysicalPoint((0, 0, k))[2] for k in range(len(grey))])
    program = Path(sys.executable).parent / "dcm2niix"
    ended = subprocess.run([program, "-o", out, "-f", "t1", folder], capture_output=True)
    print("  dcm2niix ended with", ended.returncode)
    for path in sorted(out.glob("*.nii"), key=lambda path: len(path.name)):
        image = nibabel.load(path)
        told(path.name, image.dataobj[0, 0], [(image.affine @ [0, 0, k, 1])[2] for k in range(image.shape[2])])
PY
"$place/env/bin/python" "$place/look.py" "$place" | tee "$place/seen"
cat >"$place/expected" <<'TXT'
slice of brightness 200 lost; brightness of a slice @ its place [mm]
  SimpleITK: 100@0.0 300@4.6 400@9.1 500@13.7 600@18.3 700@22.9 800@27.4 900@32.0
  dcm2niix ended with 0
  t1.nii: 100@0.0 300@8.0 400@16.0 500@24.0 600@32.0 700@40.0 800@48.0 900@56.0
  t1_Eq_1.nii: 100@0.0 200@4.0 300@8.0 400@12.0 500@16.0 600@20.0 700@24.0 800@28.0 900@32.0
slice of brightness 500 lost; brightness of a slice @ its place [mm]
  SimpleITK: 100@0.0 200@4.6 300@9.1 400@13.7 600@18.3 700@22.9 800@27.4 900@32.0
  dcm2niix ended with 0
  t1.nii: 100@0.0 200@4.0 300@8.0 400@12.0 600@16.0 700@20.0 800@24.0 900@28.0
  t1_Eq_1.nii: 100@0.0 200@4.0 300@8.0 400@12.0 500@16.0 600@20.0 700@24.0 800@28.0 900@32.0
TXT
diff "$place/expected" "$place/seen"
