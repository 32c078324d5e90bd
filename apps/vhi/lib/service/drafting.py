"""Drafts by the ids that viewers know: of the case that a series belongs to, on its grid."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from ..errors import ConflictError, DamagedError, OutputError, RequestError
from ..readings.drafts import Draft, Drafts, voxels_of_runs
from .cases import Cases
from .reading_context import check_follows


class Drafting:
    """Drafts of readers, through the service.

    Parameters
    ----------
    cases : Cases
    drafts : Drafts
    """

    def __init__(self, cases: Cases, drafts: Drafts) -> None:
        self._cases, self._drafts = cases, drafts

    def find(self, image_id: str, reader: str, reading: int) -> Draft | None:
        """A reader's own draft of a case; None where there is none.

        Raises
        ------
        VhiError
        """
        return self._drafts.find(self._case(image_id), reader, reading)

    def save(self, image_id: str, reader: str, reading: int, state: Mapping[str, Any], runs: str, revision: str | None) -> Draft:
        """Keep a draft, see `lib.readings.drafts.Drafts.save`.

        Raises
        ------
        VhiError
            Its map is not on the grid of STIR (RequestError), or another window has saved (ConflictError).
        """
        case_id = self._case(image_id)
        voxels, needed = voxels_of_runs(runs), self._cases.voxels_of(image_id)["STIR"]
        if voxels != needed:
            raise RequestError(
                f"The draft's label map has {voxels} voxels, STIR of case {case_id} has {needed}; reload the page."
            )
        check_follows(self._cases.readings, case_id, reader, reading)
        draft = Draft(state, runs)
        self._drafts.save(case_id, reader, reading, draft, revision)
        return draft

    def remove(self, image_id: str, reader: str, reading: int, revision: str) -> None:
        """Throw a draft away.

        Raises
        ------
        VhiError
        """
        self._drafts.remove(self._case(image_id), reader, reading, revision)

    def remove_submitted(self, image_id: str, reader: str, reading: int, revision: str) -> None:
        """The draft was handed in: it goes, unless another window has gone on with it, or it is damaged or cannot be removed."""
        with suppress(ConflictError, DamagedError, OutputError):
            self.remove(image_id, reader, reading, revision)

    def _case(self, image_id: str) -> str:
        return self._cases.of_image(image_id)[0].case_id
