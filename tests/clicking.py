"""Clicks on lesions as a list of each kind, for tests that need no order of gestures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lib.core.cleaning import kept_after
from lib.core.gestures import Scope, Voxel, clicks
from lib.core.pipeline import VhiResult
from lib.core.volume import Mask


def kept_after_clicks(
    result: VhiResult,
    remove: Sequence[Voxel] = (),
    restore: Sequence[Voxel] = (),
    scope: Scope = "lesion",
    start: np.ndarray | None = None,
) -> tuple[Mask, tuple[str, ...]]:
    """The answer of `kept_after` to clicks: first all that remove, then all that restore."""
    kept, left = kept_after(result, clicks(remove, restore, scope), start)
    return kept, left.messages
