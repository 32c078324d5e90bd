"""Trained models on disk.

One model `<root>` (for example `model/disease_region`) is a folder:

`versions/<id>/ensemble.safetensors`
    The tensors of every member in one file, names `member<n>.<module>.<parameter>`.
`versions/<id>/manifest.json`
    What they are; see `lib.versions.manifest`.
`live.json`
    `{"version": "<id>"}`: which version is used. Replaced atomically; to roll back is to write an older id.

A version is never overwritten.
"""

from .manifest import Manifest, TrainingCase
from .store import Version, list_versions, make_live, publish, read_live, read_version, verify

__all__ = [
    "Manifest", "TrainingCase", "Version", "list_versions", "make_live", "publish", "read_live", "read_version", "verify",
]  # fmt: skip
