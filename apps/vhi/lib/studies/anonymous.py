"""Copies of scans without the words that headers carry; voxels and geometry stay as they are, to the bit."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

from ..errors import InputError
from ..files import write_atomically
from .nifti import file_content

# byte ranges of texts: data_type, db_name, descrip, aux_file, intent_name
_TEXTS = {348: ((4, 14), (14, 32), (148, 228), (228, 252), (328, 344)), 540: ((240, 320), (320, 344), (508, 524))}


def write_anonymous(source: Path, target: Path, name: str) -> None:
    """Write a NIfTI file again, compressed, without its texts and extensions.

    Raises
    ------
    InputError
        It cannot be read, or is not NIfTI.
    OutputError
    """
    try:
        content = file_content(source, name)
        order = "<" if struct.unpack("<i", content[:4])[0] in _TEXTS else ">"
        length = struct.unpack(f"{order}i", content[:4])[0]
        texts = _TEXTS[length]
        start = int(
            struct.unpack(f"{order}f", content[108:112])[0] if length == 348 else struct.unpack(f"{order}q", content[168:176])[0]
        )
    except (InputError, struct.error, KeyError) as error:
        raise InputError(
            f"The {name} scan cannot be read as NIfTI ({type(error).__name__}); put an intact copy there."
        ) from error
    clean = bytearray(content)
    for first, last in (*texts, (length, max(start, length))):  # between header and voxels lie the extensions
        clean[first:last] = bytes(last - first)
    write_atomically(target, gzip.compress(bytes(clean), compresslevel=5, mtime=0))
