"""Landmarks and looks of a scan, kept beside its automatic disease region so that the first measurement need not find them.

`landmarks.json`, a cache that may be deleted at any time:

`key`       sha256 of what they follow from: both scans, T1W's grid, the disease region, the method
`sha256`    of the content
`content`   seven numbers (see `_numbers`), joints, present, level, then part and zone of the region's voxels; deflated, base64
"""

from __future__ import annotations

import base64
import hashlib
import json
import logging
import zlib
from pathlib import Path

import numpy as np

from ..core.anatomy import ANATOMIES, PARTS, ZONES, Anatomy, anatomy_of
from ..core.context import Context
from ..core.orientation import DisplayOrientation
from ..core.plausibility import LOOKS, Look, Marrow, look_of
from ..core.stir_quality import QUALITIES, StirQuality, quality_of
from ..core.volume import Mask
from ..errors import DamagedError, OutputError
from ..records import log_once, read_json, write_json
from .scans import Scans

# raised when the same scan gets another anatomy, look or quality, so that no older one is taken from the disk
METHOD = 1
LANDMARKS = "landmarks.json"
# of the arrays in `content`, little-endian
_KINDS = ("<f8", "<f8", "?", "<i8", "u1", "u1")
log = logging.getLogger("vhi.service")


def recall_landmarks(folder: Path, scans: Scans, region: Mask) -> None:
    """Have core know the landmarks and looks of a scan: from the folder of its regions, else found now and written there.

    Raises
    ------
    InputError
        The disease region is empty.
    """
    if ANATOMIES.find(region, scans.t1w) is not None:
        return
    path, key = folder / LANDMARKS, _key(scans, region)
    try:
        if _read(path, key, scans, region):
            return
    except DamagedError as error:
        log_once(error)
    try:
        _write(path, key, scans, region)
    except OutputError as error:
        log.warning("not kept for the next start: %s", error)


def _key(scans: Scans, region: Mask) -> str:
    digest = hashlib.sha256(json.dumps([METHOD, PARTS, ZONES, dict(scans.sha256), region.data.shape], sort_keys=True).encode())
    digest.update(scans.t1w.grid.affine.tobytes())
    digest.update(np.packbits(region.data).tobytes())
    return digest.hexdigest()


def _numbers(context: Context, look: Look, quality: StirQuality) -> np.ndarray:
    looks = (look.dark_surroundings, look.marrow.bright_share, look.marrow.unevenness)
    return np.array([context.midline, context.marrow, *looks, quality.fat_unevenness, quality.air])


def _write(path: Path, key: str, scans: Scans, region: Mask) -> None:
    anatomy = anatomy_of(scans.t1w, region)
    context, inside = anatomy.context, _hung(anatomy.context.hanging, region)
    numbers = _numbers(context, look_of(scans.t1w, region), quality_of(scans.t1w, scans.stir))
    part, zone = (context.hanging.hang(array)[inside] for array in (anatomy.part, anatomy.zone))
    arrays = (numbers, context.joints, context.present, context.level, part, zone)
    content = b"".join(array.astype(kind).tobytes() for array, kind in zip(arrays, _KINDS, strict=True))
    packed = base64.b64encode(zlib.compress(content)).decode()
    write_json(path, {"key": key, "sha256": hashlib.sha256(content).hexdigest(), "content": packed})


def _read(path: Path, key: str, scans: Scans, region: Mask) -> bool:
    """Take in what was written; False where nothing is there.

    Raises
    ------
    DamagedError
        It is damaged, or follows from something else.
    """
    record = read_json(path, key=str, sha256=str, content=str)
    if record is None:
        return False
    if record["key"] != key:
        raise DamagedError(path, "it follows from another scan, disease region or method")
    hanging = DisplayOrientation.of(scans.t1w.grid)
    inside = _hung(hanging, region)
    slices, rows, _ = inside.shape
    shapes = ((7,), (2, slices, rows), (2, slices, rows), (slices, rows), (region.voxels,), (region.voxels,))
    ends = np.cumsum([0, *(int(np.prod(shape)) * np.dtype(kind).itemsize for shape, kind in zip(shapes, _KINDS, strict=True))])
    try:
        content = zlib.decompressobj().decompress(base64.b64decode(record["content"]), int(ends[-1]) + 1)
    except (ValueError, zlib.error) as error:
        raise DamagedError(path, "its content does not decompress") from error
    if len(content) != ends[-1] or hashlib.sha256(content).hexdigest() != record["sha256"]:
        raise DamagedError(path, "its content is not what was written")
    numbers, joints, present, level, part, zone = (
        np.frombuffer(content[start:end], kind).astype(kind.lstrip("<")).reshape(shape)
        for start, end, kind, shape in zip(ends[:-1], ends[1:], _KINDS, shapes, strict=True)
    )
    midline, marrow, dark, bright_share, unevenness, fat_unevenness, air = numbers.tolist()
    context = Context.on(scans.t1w.grid, midline, joints, present, level.astype(np.intp), marrow)
    part, zone = (hanging.unhang(_spread(inside, values)) for values in (part, zone))
    ANATOMIES.keep(region, scans.t1w, Anatomy(context, part, zone))
    LOOKS.keep(region, scans.t1w, Look(dark, Marrow(bright_share, unevenness)))
    QUALITIES.keep(scans.stir, scans.t1w, StirQuality(fat_unevenness, air))
    return True


def _hung(hanging: DisplayOrientation, region: Mask) -> np.ndarray:
    return np.ascontiguousarray(hanging.hang(region.data))


def _spread(inside: np.ndarray, values: np.ndarray) -> np.ndarray:
    """`(K, R, C)` uint8 array of the values inside, 0 elsewhere."""
    array = np.zeros(inside.shape, np.uint8)
    array[inside] = values
    return array
