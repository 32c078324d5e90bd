"""Trained models on disk.

One model `<root>` (for example `model/disease_region`) is a folder:

`versions/<id>/ensemble.safetensors`
    The tensors of every member in one file, names `member<n>.<module>.<parameter>`.
`versions/<id>/ensemble.onnx`
    The same networks for an engine without torch; not every version has it.
`versions/<id>/manifest.json`
    What they are; see `lib.versions.manifest`.
`live.json`
    `{"version": "<id>"}`: which version is used. Replaced atomically; to roll back is to write an older id.
`pinned.json`
    There while an administrator wants the live version to stay live.

A version is never overwritten.
"""

from .manifest import Manifest, TrainingCase
from .store import (
    Version,
    add_engine,
    list_versions,
    make_live,
    pin,
    pinned,
    publish,
    read_live,
    read_version,
    unpin,
    verify,
    verify_engine,
    verify_files,
)

__all__ = [
    "Manifest", "TrainingCase", "Version", "add_engine", "list_versions", "make_live", "pin", "pinned", "publish", "read_live",
    "read_version", "unpin", "verify", "verify_engine", "verify_files",
]  # fmt: skip
