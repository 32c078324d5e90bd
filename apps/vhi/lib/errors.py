"""Errors that a user is meant to read.

Every message says what was found, what was needed, which input, and what to do. The command line prints the message and
exits with code 2; the server answers with a 4xx status and the same sentence. Nothing else is caught on the way.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class VhiError(Exception):
    """Something about the request makes a trustworthy number impossible."""


class InputError(VhiError):
    """A file, or what is in it, cannot be used: missing, unreadable, wrong shape, not finite, constant."""


class DamagedError(InputError):
    """A file that this program keeps is damaged or missing; `path` is that file, `reason` what is wrong with it."""

    def __init__(self, path: Path, reason: str, remedy: str = "restore it from a backup") -> None:
        super().__init__(f"{path} is damaged: {reason}; {remedy}.")
        self.path, self.reason = path, reason


class GridMismatchError(InputError):
    """Two inputs that must share one voxel grid do not."""


class TooLargeError(InputError):
    """A file holds, or says that it holds, more than is taken in its place; the server answers 413."""


class NormalBoneError(VhiError):
    """The normal-bone region gives no usable sample of intensities."""


class SettingsError(VhiError):
    """An unknown setting, or a value outside its range."""


class ModelError(VhiError):
    """A trained model is missing, corrupt, or not what its manifest says."""


class OutputError(VhiError):
    """A result cannot be written where it was asked for."""


class NotFoundError(VhiError):
    """The requested thing is not here; the server answers 404."""


class UnknownImageError(NotFoundError):
    """No case, and no series of a case, has this id."""


class RequestError(VhiError):
    """A request that cannot be understood or is not allowed as it is; the server answers 400."""


class ConflictError(VhiError):
    """The request contradicts what is stored; the server answers 409, with `facts` beside the sentence."""

    def __init__(self, sentence: str, facts: Mapping[str, Any] | None = None) -> None:
        super().__init__(sentence)
        self.facts = dict(facts or {})


class UnavailableError(VhiError):
    """Something that the request needs is away for now; the server answers 503. Asking again later may help."""


class ShareError(UnavailableError):
    """The folder of the studies is away: a network share that is not mounted."""


class ArchiveError(UnavailableError):
    """The archive is down, slow, or sends what cannot be used."""


class ArchiveRefusal(ArchiveError):
    """The archive answered, and will say the same again: a wrong login, an instance that it does not take."""


class CopyBesideError(InputError):
    """Another file, which may be taken away, tells that this one cannot be right."""


def may_pass(error: VhiError) -> bool:
    """Whether nothing need be wrong with a file itself: too little memory is free for it, another file speaks against it, or the
    system did not let it be read."""
    return isinstance(error, (TooLargeError, CopyBesideError)) or getattr(error.__cause__, "errno", None) is not None
