"""Pixel cells compressed by encoders of the field, frame by frame, each without loss."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
import SimpleITK
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels import get_encoder
from pydicom.uid import UID, JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless


def j2k(frame: np.ndarray, folder: Path) -> bytes:
    content = BytesIO()
    Image.fromarray(frame).save(content, format="JPEG2000", irreversible=False, no_jp2=True)
    return content.getvalue()


def jpeg_ls(frame: np.ndarray, folder: Path) -> bytes:
    return encoded(frame, JPEGLSLossless)


def jpeg_lossless(frame: np.ndarray, folder: Path) -> bytes:
    writer = SimpleITK.ImageFileWriter()
    writer.SetFileName(str(folder / "jpeg.dcm"))
    writer.SetUseCompression(True)
    writer.SetCompressor("JPEG")
    writer.Execute(SimpleITK.GetImageFromArray(frame[np.newaxis]))
    made = pydicom.dcmread(folder / "jpeg.dcm")
    assert made.file_meta.TransferSyntaxUID == JPEGLosslessSV1
    (folder / "jpeg.dcm").unlink()
    return next(generate_frames(made.PixelData, number_of_frames=1))


def rle(frame: np.ndarray, folder: Path) -> bytes:
    return encoded(frame, RLELossless)


def encoded(frame: np.ndarray, syntax: UID) -> bytes:
    """By pydicom: its own for run lengths, pyjpegls for JPEG-LS."""
    bits = frame.dtype.itemsize * 8
    return get_encoder(syntax).encode(
        frame,
        rows=frame.shape[0],
        columns=frame.shape[1],
        number_of_frames=1,
        samples_per_pixel=1,
        photometric_interpretation="MONOCHROME2",
        pixel_representation=0,
        bits_allocated=bits,
        bits_stored=bits,
    )


CODERS = {JPEGLosslessSV1: jpeg_lossless, JPEGLSLossless: jpeg_ls, JPEG2000Lossless: j2k, RLELossless: rle}


def compress(dataset: Dataset, syntax: UID, folder: Path) -> None:
    stored = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}").reshape(-1, dataset.Rows, dataset.Columns)
    dataset.PixelData = encapsulate([CODERS[syntax](frame, folder) for frame in stored])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = syntax
