"""The options that say which files of a result are written, and on what paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..reports.parts import Paper

DEFAULT_FORMS = "json,masks,html,pdf"
FORMS_HELP = "What is written, of json, masks, overlay (all slices as one picture), html and pdf; vhi.json always."


def checked_paper(paper: str) -> Paper:
    """The size of paper that reports are printed on, checked.

    Raises
    ------
    InputError
    """
    from ..errors import InputError
    from ..reports.parts import PAPERS

    chosen = next((size for size in PAPERS if size == paper.lower()), None)
    if chosen is None:
        raise InputError(f"--paper is {paper!r}; it must be {' or '.join(PAPERS)}.")
    return chosen
