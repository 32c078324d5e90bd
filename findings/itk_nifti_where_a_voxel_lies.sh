#!/bin/sh
# SimpleITK 2.5.7 (ITK's NIfTI reader) and nibabel 5.4.2 put the same voxel of the same NIfTI-1 file in different places, and read
# different values, without a warning from either:
#
# - sform and qform both set and not alike: nibabel takes the sform whatever its code; ITK takes it only where its code is exactly 1
#   ("scanner"). With 2 ("aligned"), 3 or 4, which the standard allows as well, ITK takes the qform.
# - a sform that shears (here by 0.01 rad) beside a qform: ITK takes the qform, although the sform's code is 1.
# - both codes 0: nibabel counts from the middle of the image, with x mirrored; ITK from the first voxel, with x and y mirrored.
# - scl_slope 0 with scl_inter 5: by the standard the values are as stored, and nibabel reads them so; ITK adds 5.
#
# Expected was one place and one value per voxel. It matters where a mask is drawn in a program on ITK (3D Slicer, ITK-SNAP, ANTs) and
# measured with nibabel, or the other way round: registered images carry code 2 as a rule.
#
# Seen (Python 3.11, numpy 2.4.6, x86-64): as `expected` below; places in mm, RAS. Ends with 1 where that changed. Needs python3 (3.11 or
# later) with venv.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/look.py" <<'PY'
import struct
import sys
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK

folder = Path(sys.argv[1])
VOXEL = (1, 2, 3)
data = np.zeros((4, 5, 6), np.int16)
data[VOXEL] = 7
qform = np.diag([2.0, 3.0, 4.0, 1.0])
sform = qform.copy()
sform[:3, 3] = 10, 20, 30


def look(name, sform, sform_code, qform_code, scale=None):
    image = nibabel.Nifti1Image(data, None)
    image.header.set_qform(qform, qform_code)
    image.header.set_sform(sform, sform_code)
    raw = bytearray(nibabel.Nifti1Image(data, None, image.header).to_bytes())
    raw[252:256] = struct.pack("<2h", qform_code, sform_code)
    if scale:
        raw[112:120] = struct.pack("<2f", *scale)
    path = folder / "image.nii"
    path.write_bytes(raw)
    by_nibabel, by_itk = nibabel.load(path), SimpleITK.ReadImage(str(path))
    x, y, z = by_itk.TransformIndexToPhysicalPoint(VOXEL)
    places = [(by_nibabel.affine @ [*VOXEL, 1])[:3], np.array([-x, -y, z])]
    values = [by_nibabel.get_fdata()[VOXEL], by_itk[VOXEL]]
    for program, place, value in zip(("nibabel", "ITK"), places, values):
        print(f"{name}: {program} at", *(f"{p + 0:.2f}" for p in place), f"value {value:.0f}")


print(f"nibabel {nibabel.__version__}, SimpleITK {SimpleITK.__version__}")
for code in (1, 2, 3, 4):
    look(f"sform code {code}, qform code 1", sform, code, 1)
sheared = sform.copy()
sheared[0, 1] = 0.03
look("sheared sform, both codes 1", sheared, 1, 1)
look("both codes 0", sform, 0, 0)
look("slope 0, intercept 5", qform, 1, 1, (0, 5))
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check nibabel==5.4.2 SimpleITK==2.5.7 numpy==2.4.6
"$folder/env/bin/python" -W ignore "$folder/look.py" "$folder" 2>"$folder/warnings" | tee "$folder/seen"
cat "$folder/warnings"
[ ! -s "$folder/warnings" ]
cat >"$folder/expected" <<'TXT'
nibabel 5.4.2, SimpleITK 2.5.7
sform code 1, qform code 1: nibabel at 12.00 26.00 42.00 value 7
sform code 1, qform code 1: ITK at 12.00 26.00 42.00 value 7
sform code 2, qform code 1: nibabel at 12.00 26.00 42.00 value 7
sform code 2, qform code 1: ITK at 2.00 6.00 12.00 value 7
sform code 3, qform code 1: nibabel at 12.00 26.00 42.00 value 7
sform code 3, qform code 1: ITK at 2.00 6.00 12.00 value 7
sform code 4, qform code 1: nibabel at 12.00 26.00 42.00 value 7
sform code 4, qform code 1: ITK at 2.00 6.00 12.00 value 7
sheared sform, both codes 1: nibabel at 12.06 26.00 42.00 value 7
sheared sform, both codes 1: ITK at 2.00 6.00 12.00 value 7
both codes 0: nibabel at 1.00 0.00 2.00 value 7
both codes 0: ITK at -2.00 -6.00 12.00 value 7
slope 0, intercept 5: nibabel at 2.00 6.00 12.00 value 7
slope 0, intercept 5: ITK at 2.00 6.00 12.00 value 12
TXT
diff "$folder/expected" "$folder/seen"
