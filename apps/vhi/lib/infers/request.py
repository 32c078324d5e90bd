"""A viewer's request to an inference task, and nothing else that it sends."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..datastores.reader import reader_of
from ..datastores.slicer_segments import drawn_map
from ..errors import RequestError
from ..service.drawing import DrawnMap

SUFFIXES = (".nrrd", ".nii.gz", ".nii")
# Sent by 3D Slicer or OHIF with every request and without effect here: who asks, how to number labels that are already
# numbered, a drawing region and a reset for other click tools.
WITHOUT_EFFECT = frozenset({"client_id", "user", "restore_label_idx", "roi", "reset_state", "slice", "description"})
_FORM = frozenset({"result_extension", "result_dtype", "result_compress"})
_OURS = frozenset({"model", "image"})
# a label map with the regions to measure with: its file, which the server sets, the names of its segments, and the clicks that
# its normal bone was grown from
DRAWN = ("drawn_file", "label_info", "normal_bone_clicks")


@dataclass(frozen=True)
class InferRequest:
    """A request that holds only what its task takes.

    `options` are the task's options by name; `suffix` and `compress` say in which form the answer goes back.
    """

    image_id: str
    reader: str | None
    suffix: str = ".nii.gz"
    compress: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)


def parse_request(request: Mapping[str, Any], task: str, options: Collection[str]) -> InferRequest:
    """Take from a request what task `task` with these options may be told.

    Parameters
    ----------
    request : mapping
        As MONAI Label's endpoint hands it over: `model`, `image`, and every key of the viewer's `params`.

    Raises
    ------
    RequestError
        Anything the task does not take: server settings, paths, uploads, misspelt options.
    """
    image_id = request.get("image")
    if not isinstance(image_id, str) or not image_id:
        raise RequestError("The id of an image is needed; uploads and sessions are not taken. Ask /datastore/ for the ids.")
    foreign = sorted(set(request) - set(options) - WITHOUT_EFFECT - _FORM - _OURS)
    if foreign:
        takes = ", ".join(sorted(options)) or "no options"
        raise RequestError(f"{task} takes no {foreign[0][:60]!r} from a client; it takes {takes}. Leave the rest out.")
    # Slicer sends an empty cell of its option table as an empty text
    given = {name: request[name] for name in options if name in request and request[name] not in ("", None)}
    return InferRequest(image_id, reader_of(request), _suffix(request), _compress(request), given)


def take_drawn(options: Mapping[str, Any], most_voxels: Callable[[], int]) -> tuple[DrawnMap | None, dict[str, Any]]:
    """The label map that came with a request, if one did, and the other options.

    Parameters
    ----------
    most_voxels : callable
        Of the larger series of the case.

    Raises
    ------
    VhiError
        It cannot be read, or its segments have no names.
    """
    others = {name: value for name, value in options.items() if name not in DRAWN}
    path = options.get("drawn_file")
    return (None if path is None else drawn_map(Path(path), options, most_voxels())), others


def choice_of(options: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    """The chosen one of a few words; the first when none was sent.

    Raises
    ------
    RequestError
    """
    value = options.get(name, choices[0])
    if value not in choices:
        raise RequestError(f"{name} must be {' or '.join(choices)}, found {str(value)[:60]!r}.")
    return str(value)


def _suffix(request: Mapping[str, Any]) -> str:
    suffix = request.get("result_extension") or ".nii.gz"
    if suffix not in SUFFIXES:
        raise RequestError(f"result_extension must be {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, found {str(suffix)[:60]!r}.")
    kind = request.get("result_dtype") or "uint8"
    if kind != "uint8":
        raise RequestError(f"Label maps are uint8; result_dtype {str(kind)[:60]!r} is not offered.")
    return str(suffix)


def _compress(request: Mapping[str, Any]) -> bool:
    compress = request.get("result_compress", True)
    if not isinstance(compress, bool):
        raise RequestError(f"result_compress must be true or false, found {str(compress)[:60]!r}.")
    return compress
