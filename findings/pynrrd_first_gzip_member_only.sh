#!/bin/sh
# pynrrd 1.1.3 reads only the first member of a gzip stream, and only the first stream of bzip2, and then refuses a whole, undamaged NRRD
# file with "Size of the data does not equal the product of all the dimensions".
#
# A gzip file is one member or several, one after another (RFC 1952, 2.2): bgzip writes a member per 64 KB, pbzip2 a stream per block, and
# slices that were packed one by one and put together with `cat` are such a file. Expected was what Python's own gzip and bz2 give, and for
# gzip SimpleITK 2.5.7 (teem's NrrdIO): all voxels. It matters for masks of 3D Slicer and for pipelines with packed NRRD: viewers built on
# ITK open the file, and a Python program that takes pynrrd's word calls the same mask damaged.
#
# Seen (Python 3.11, numpy 2.4.6): as `expected` below. Ends with 1 where that changed. Needs python3 (3.11 or later) with venv.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/look.py" <<'PY'
import bz2
import gzip
import sys
from pathlib import Path

import nrrd
import numpy as np
import SimpleITK

HEADER = """NRRD0004
type: uint8
dimension: 3
sizes: 6 5 4
encoding: {}
space: left-posterior-superior
space directions: (1,0,0) (0,1,0) (0,0,3)
space origin: (0,0,0)

"""
mask = np.random.default_rng(0).integers(0, 2, (6, 5, 4), dtype=np.uint8)
slices = [mask[..., n].tobytes(order="F") for n in range(mask.shape[2])]
path = Path(sys.argv[1]) / "mask.nrrd"


def by_simpleitk():
    return SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).T


def outcome(read):
    try:
        return "all voxels" if np.array_equal(read(), mask) else "other voxels"
    except nrrd.NRRDError as error:
        return f"NRRDError: {error}"


for encoding, packer in (("gzip", gzip), ("bzip2", bz2)):
    for members in ([b"".join(slices)], slices):
        packed = b"".join(packer.compress(member) for member in members)
        path.write_bytes(HEADER.format(encoding).encode() + packed)
        print(f"{encoding}, {len(members)} member(s)")
        print("  Python's own:", "all voxels" if packer.decompress(packed) == b"".join(slices) else "other voxels")
        if encoding == "gzip":
            print("  SimpleITK:", outcome(by_simpleitk))
        print("  pynrrd:", outcome(lambda: nrrd.read(str(path))[0]))
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pynrrd==1.1.3 SimpleITK==2.5.7 numpy==2.4.6
"$folder/env/bin/python" "$folder/look.py" "$folder" | tee "$folder/seen"
cat >"$folder/expected" <<'TXT'
gzip, 1 member(s)
  Python's own: all voxels
  SimpleITK: all voxels
  pynrrd: all voxels
gzip, 4 member(s)
  Python's own: all voxels
  SimpleITK: all voxels
  pynrrd: NRRDError: Size of the data does not equal the product of all the dimensions: 120-30=90
bzip2, 1 member(s)
  Python's own: all voxels
  pynrrd: all voxels
bzip2, 4 member(s)
  Python's own: all voxels
  pynrrd: NRRDError: Size of the data does not equal the product of all the dimensions: 120-30=90
TXT
diff "$folder/expected" "$folder/seen"
