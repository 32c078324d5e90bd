#!/bin/sh
# Orthanc 1.10.1 with its DICOMweb plugin 1.7, as Debian 12 ships them: three surprises of DICOMweb's `/rendered`.
# - Without the parameter `window` it leaves out the window that the image's own header has (WindowCenter, WindowWidth) and stretches the
#   least and the largest value to black and white. The same server's `/instances/ID/rendered` does apply the window.
# - A `viewport` of another shape than the image's is filled up with black rows.
# - It answers 400 to an Accept header of more than one media type, of `image/*`, or with a `q`, although it can send PNG and JPEG:
#   so to what every browser sends for an <img>.
#
# Expected was the picture that the header describes, from both addresses (PS3.18, 8.3.5 renders by the pipeline of PS3.4, N.2, whose VOI
# step is that window), and one of the media types that are accepted (RFC 9110, 12.5.1). It matters for previews and key images of MR: one
# bright vessel or bowel loop decides how dark marrow looks, so that slices of one series and two visits of one patient show the same marrow
# in other shades, and oedema can look like none; and a page that shows key images from the archive stays empty.
#
# Seen (pydicom 3.0.2): as `expected` below. Ends with 1 where that changed. Needs python3 (3.11 or later) with venv, and Debian's
# packages orthanc and orthanc-dicomweb; the server listens on a free port of this machine alone, and is stopped at the end.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/look.py" <<'PY'
import io
import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, MRImageStorage, generate_uid

VALUES = np.array([[0, 150, 180, 200], [220, 250, 400, 1000]], np.uint16)
IMG = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"  # Chromium's, for an <img>
web = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def mr_slice():
    image = Dataset()
    image.file_meta = FileMetaDataset()
    image.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    image.SOPClassUID, image.SOPInstanceUID = MRImageStorage, generate_uid()
    image.StudyInstanceUID, image.SeriesInstanceUID = generate_uid(), generate_uid()
    image.PatientID, image.Modality = "phantom", "MR"
    image.Rows, image.Columns = VALUES.shape
    image.SamplesPerPixel, image.PhotometricInterpretation, image.PixelRepresentation = 1, "MONOCHROME2", 0
    image.BitsAllocated, image.BitsStored, image.HighBit = 16, 12, 11
    image.WindowCenter, image.WindowWidth = 200, 100
    image.PixelData = VALUES.tobytes()
    return image


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def settings(port):
    return {
        "HttpPort": port,
        "DicomServerEnabled": False,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": ["/usr/share/orthanc/plugins/libOrthancDicomWeb.so"],
    }


def ask(path, accept="*/*", data=None):
    request = urllib.request.Request(root + path, data, {"Accept": accept})
    with web.open(request, timeout=30) as answer:
        return answer.read()


def wait_for_start(process):
    until = time.monotonic() + 30
    while time.monotonic() < until and process.poll() is None:
        try:
            return [json.loads(ask(path))["Version"] for path in ("/system", "/plugins/dicom-web")]
        except OSError:
            time.sleep(0.1)
    sys.exit("Orthanc did not start: " + (folder / "log").read_text()[-1000:])


def shades(path):
    return np.asarray(Image.open(io.BytesIO(ask(path, "image/png"))).convert("L")).tolist()


def media_type(path, accept):
    """First bytes say what came."""
    try:
        return "PNG" if ask(path, accept).startswith(b"\x89PNG") else "JPEG"
    except urllib.error.HTTPError as error:
        return error.code


def look(image):
    content = io.BytesIO()
    image.save_as(content, enforce_file_format=True)
    stored = json.loads(ask("/instances", data=content.getvalue()))["ID"]
    uids = image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID
    instance = "/dicom-web/studies/{}/series/{}/instances/{}".format(*uids)
    print("values", VALUES.tolist(), "window of the header: centre 200, width 100")
    print("/instances/ID/rendered          ", shades(f"/instances/{stored}/rendered"))
    print("DICOMweb /rendered              ", shades(f"{instance}/rendered"))
    print("DICOMweb /rendered?window=200,..", shades(f"{instance}/rendered?window=200,100,linear"))
    print("DICOMweb /rendered?viewport=4,4 ", shades(f"{instance}/rendered?viewport=4,4"))
    for accept in ("image/png", "*/*", "image/png, image/jpeg", "image/*", "image/png;q=0.9", IMG):
        print(f"Accept: {accept}:", media_type(f"{instance}/rendered", accept))


folder, port = Path(sys.argv[1]), free_port()
root = f"http://127.0.0.1:{port}"
program = shutil.which("Orthanc", path="/usr/sbin:/usr/bin") or sys.exit("Debian's packages orthanc and orthanc-dicomweb are needed.")
(folder / "settings.json").write_text(json.dumps(settings(port)))
with (folder / "log").open("wb") as log:
    process = subprocess.Popen([program, str(folder / "settings.json")], stdout=log, stderr=log)
try:
    print("Orthanc {}, its DICOMweb plugin {}".format(*wait_for_start(process)))
    look(mr_slice())
finally:
    process.terminate()
    process.wait(30)
PY
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check pydicom==3.0.2 pillow==13.0.0 numpy==2.4.6
"$folder/env/bin/python" -W ignore "$folder/look.py" "$folder" | tee "$folder/seen"
cat >"$folder/expected" <<'TXT'
Orthanc 1.10.1, its DICOMweb plugin 1.7
values [[0, 150, 180, 200], [220, 250, 400, 1000]] window of the header: centre 200, width 100
/instances/ID/rendered           [[0, 0, 76, 127], [178, 255, 255, 255]]
DICOMweb /rendered               [[0, 38, 46, 51], [56, 64, 102, 255]]
DICOMweb /rendered?window=200,.. [[0, 0, 77, 129], [180, 255, 255, 255]]
DICOMweb /rendered?viewport=4,4  [[0, 0, 0, 0], [0, 38, 46, 51], [56, 64, 102, 255], [0, 0, 0, 0]]
Accept: image/png: PNG
Accept: */*: JPEG
Accept: image/png, image/jpeg: 400
Accept: image/*: 400
Accept: image/png;q=0.9: 400
Accept: image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8: 400
TXT
diff "$folder/expected" "$folder/seen"
