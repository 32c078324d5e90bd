"""Torch files of plain tensors: reading them runs no code."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError

# about other pickle protocols: the refusal below says all; once, since `warnings.catch_warnings` would change what other threads
# are warned of
warnings.filterwarnings("ignore", module=r"torch\b.*unpickler")


def load_plain(content: bytes, path: Path, way_out: str) -> Any:
    """The content of a torch file, on the CPU.

    Parameters
    ----------
    content : bytes
        Of the file at `path`, which only names it in messages.
    way_out : str
        What to pass in its place, as a sentence.

    Raises
    ------
    ModelError
        It is damaged, or holds anything but tensors and plain containers.
    """
    try:
        return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle can end in nearly any exception
        raise ModelError(
            f"{path} is no torch file of plain tensors: it is damaged, or it holds Python objects, which can run code and are "
            f"never loaded. {way_out}"
        ) from error
