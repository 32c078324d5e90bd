"""Names of the cases of a blinded study: from its seed alone, and listed in its data folder for the administrator."""

from __future__ import annotations

import hashlib
import hmac
from pathlib import Path

from ..records import read_json

ALIASES = "aliases.json"


def alias_of(seed: int, case_id: str) -> str:
    """An alias of a case, which tells neither its own name nor the order of visits."""
    digest = hmac.new(str(seed).encode(), case_id.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    return f"case-{digest[:10]}"


def is_seed_of(root: Path, seed: int) -> bool:
    """Whether the aliases that a data folder lists are those of this seed.

    Raises
    ------
    DamagedError
        Its list cannot be read, so that nothing tells.
    """
    listed = read_json(root / ALIASES) or {}
    return all(alias == alias_of(seed, str(case_id)) for alias, case_id in listed.items())
