"""An administrator looks at where two readings of a finished case differ, and records why; nothing of the readings changes."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, fields
from typing import Any

import numpy as np

from ..cohort.slices import slices_of_disagreement
from ..cohort.table import DISAGREEMENTS
from ..core.segment_names import INFLAMMATION
from ..core.volume import Grid, Mask, check_same_grid
from ..errors import ConflictError, GridMismatchError, RequestError
from ..readings.audit import AuditLog
from ..readings.reviews import Review, Reviews
from ..readings.store import now
from ..readings.submission import Submission
from .cases import Cases

LONGEST_NOTE = 2000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
# a voxel's value is the sum of those of the readings that call it inflamed
FIRST, SECOND = 1, 2
# the paper's words for its classes (Hepburn et al. 2023, section 2.7.4)
MEANINGS = {
    "anatomical": "whether hyperintense regions are subchondral",
    "morphological": "whether hyperintense regions are oedema rather than vessels",
    "artefact": "whether hyperintense regions are an artefact",
}


class Reviewing:
    """Compares readings, and keeps what is recorded of them."""

    def __init__(self, cases: Cases, audit: AuditLog) -> None:
        self._cases, self._readings, self._audit = cases, cases.readings, audit
        self.reviews = Reviews(cases.readings)

    def facts(self, image_id: str) -> dict[str, Any]:
        """The finished readings of a case, the classes to choose from, and what was recorded, ready for JSON."""
        case, _ = self._cases.of_image(image_id)
        return {
            "case": case.case_id,
            "readings": [
                {
                    "submission": submission.submission_id,
                    "reader": submission.reader,
                    "reading": submission.reading,
                    "method": submission.method,
                    "created": submission.created,
                    "vhi_mm3": None if submission.result is None else submission.result["vhi_mm3"]["sensitive"],
                }
                for submission in _newest(self._readings.of_case(case.case_id))
            ],
            "classes": [{"name": name, "meaning": MEANINGS[name]} for name in DISAGREEMENTS],
            "longest_note": LONGEST_NOTE,
            "reviews": [asdict(review) for review in self.reviews.of_case(case.case_id)],
        }

    def differences(self, image_id: str, first: str, second: str) -> dict[str, Any]:
        """The slices in which two readings differ, the largest difference first; volumes in mm3.

        Raises
        ------
        RequestError
            They are not two finished readings of the case.
        ConflictError
            They lie on two grids.
        """
        a, b = self._masks(image_id, first, second)
        mm3 = a.grid.voxel_volume_mm3
        slices = [
            {
                "slice": disagreement.slice,
                "only_first_mm3": disagreement.only_first * mm3,
                "only_second_mm3": disagreement.only_second * mm3,
                "both_mm3": disagreement.both * mm3,
                "differing_mm3": disagreement.differing * mm3,
                "voxel": _middle(a, b, disagreement.slice),
            }
            for disagreement in slices_of_disagreement(a, b)
        ]
        return {
            "first_mm3": a.volume_mm3,
            "second_mm3": b.volume_mm3,
            "both_mm3": int((a.data & b.data).sum()) * mm3,
            "differing_mm3": int((a.data ^ b.data).sum()) * mm3,
            "slices": slices,
        }

    def labels(self, image_id: str, first: str, second: str) -> tuple[np.ndarray, Grid]:
        """`(I, J, K)` uint8 on STIR's grid: the sum of `FIRST` and `SECOND` in each voxel; errors as `differences`."""
        a, b = self._masks(image_id, first, second)
        return (FIRST * a.data + SECOND * b.data).astype(np.uint8), a.grid

    def record(
        self, image_id: str, readings: tuple[str, str], slice_number: int | None, reason: str, note: str, by: str
    ) -> Review:
        """Keep the class of a difference between two readings, or of the case where no slice is named.

        Raises
        ------
        RequestError
            Not two finished readings of the case, another class, no slice in which they differ, or too long a note.
        """
        case, _ = self._cases.of_image(image_id)
        first, second = readings
        if reason not in DISAGREEMENTS:
            raise RequestError(
                f"The class is {reason[:60]!r}; it must be {', '.join(DISAGREEMENTS[:-1])} or {DISAGREEMENTS[-1]}."
            )
        if len(note) > LONGEST_NOTE:
            raise RequestError(f"The note has {len(note)} characters; at most {LONGEST_NOTE} are kept. Shorten it.")
        a, b = self._masks(image_id, first, second)
        if slice_number is not None and slice_number not in {disagreement.slice for disagreement in slices_of_disagreement(a, b)}:
            raise RequestError(f"The readings {first} and {second} do not differ in slice {slice_number} (from 0).")
        made = self.reviews.append(
            Review(case.case_id, 0, now(), by, first, second, slice=slice_number, reason=reason, note=note.strip())
        )
        self._audit.append("reviewed", reader=by, case=case.case_id, submission=first, number=made.number, second=second)
        return made

    def all(self) -> list[dict[str, Any]]:
        """Everything that was recorded, ready for JSON."""
        return [asdict(review) for review in self.reviews.all()]

    def as_csv(self) -> str:
        """The reviews as a table; a note that a spreadsheet would take for a formula begins with an apostrophe."""
        text = io.StringIO()
        writer = csv.DictWriter(text, [field.name for field in fields(Review)], lineterminator="\n")
        writer.writeheader()
        for row in self.all():
            writer.writerow({**row, "note": f"'{row['note']}" if row["note"].startswith(_FORMULA) else row["note"]})
        return text.getvalue()

    def state_of_cases(self) -> dict[str, dict[str, Any]]:
        """How many finished readings each case has that somebody submitted something of, and whether it was reviewed."""
        reviewed = set(self.reviews.cases())
        return {
            case_id: {"readings": len(_newest(made)), "reviewed": case_id in reviewed}
            for case_id, made in self._readings.intact()
        }

    def _masks(self, image_id: str, first: str, second: str) -> tuple[Mask, Mask]:
        case, _ = self._cases.of_image(image_id)
        known = {submission.submission_id: submission for submission in self._readings.of_case(case.case_id)}
        if first == second:
            raise RequestError(f"Both readings are {first}; choose two.")
        masks = []
        for name in (first, second):
            mask = self._readings.read_segment(known[name], INFLAMMATION) if name in known else None
            if mask is None:
                raise RequestError(f"Case {case.case_id} has no finished reading {name[:80]!r}; choose one of the list.")
            masks.append(mask)
        try:
            check_same_grid(masks[0], masks[1])
        except GridMismatchError as error:
            raise ConflictError(f"The readings {first} and {second} cannot be laid over each other: {error}") from error
        return masks[0], masks[1]


def _newest(made: Sequence[Submission]) -> list[Submission]:
    """The newest of each reader and reading that hands in inflammation."""
    newest = {
        (submission.reader, submission.reading): submission for submission in made if submission.segment(INFLAMMATION) is not None
    }
    return sorted(newest.values(), key=lambda submission: (submission.reading, submission.reader))


def _middle(first: Mask, second: Mask, k: int) -> list[int]:
    """A voxel of a slice in the middle of what differs there."""
    places = np.argwhere(first.data[:, :, k] ^ second.data[:, :, k])
    nearest = places[np.abs(places - places.mean(axis=0)).sum(axis=1).argmin()]
    return [int(nearest[0]), int(nearest[1]), k]
