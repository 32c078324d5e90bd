"""The cases of a session as files in its folder: scans and labels as they were when it began."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..core.protocol import Protocol
from ..core.volume import Mask, Volume, check_same_grid
from ..errors import InputError
from ..readings.scan_identity import is_the_scan
from ..readings.store import ReadingStore
from ..studies.labelled import LabelledCase as LabelledCase
from ..studies.nifti import read_mask, read_volume, write_mask, write_scan
from ..studies.pairing import Case, CaseSource
from ..studies.registration import on_grid_of, reoriented
from .candidates import REGION, Candidate, disagreement
from .holdout import Side, digest_of


@dataclass(frozen=True)
class Entry:
    """One case of a session.

    Parameters
    ----------
    label_id : str
        See `Candidate.label_id`.
    rated_version : str or None
        Where the label is the region that this version of the networks finds.
    side : str
        Whether it may be learnt, or measures.
    known : bool
        Whether the live version learnt this label already.
    protocol : dict
        `lib.core.protocol.Protocol` of the scan.
    patient : str
        A digest of the patient's id.
    disagreement : dict
        Dice with the labels of other readers.
    """

    case_id: str
    submission: str
    reader: str
    created: str
    label_id: str
    rated_version: str | None
    side: Side
    known: bool
    slices: int
    protocol: dict[str, float]
    patient: str
    disagreement: dict[str, float] = field(default_factory=dict)

    def t1w_path(self, folder: Path) -> Path:
        return folder / "scans" / f"{self.case_id}_T1W.nii.gz"

    def label_path(self, folder: Path) -> Path:
        return folder / "scans" / f"{self.case_id}--{self.submission}_region.nii.gz"

    @property
    def key(self) -> str:
        """Key of the label, unique within a session."""
        return f"{self.case_id}/{self.submission}"

    def labelled(self, folder: Path) -> LabelledCase:
        """The case as training reads it."""
        return LabelledCase(self.case_id, self.t1w_path(folder), self.label_path(folder))

    def read_t1w(self, folder: Path) -> Volume:
        return read_volume(self.t1w_path(folder), f"T1W of case {self.case_id}")

    def read_label(self, folder: Path) -> Mask:
        return read_mask(self.label_path(folder), f"disease region of case {self.case_id}")


class LabelUse(NamedTuple):
    """How a session uses a label: learnt or held out, whether the live version knows it, and whose case it is of."""

    side: Side
    known: bool
    patient: str = ""


def write_case(
    folder: Path,
    case: Case,
    source: CaseSource,
    store: ReadingStore,
    candidate: Candidate,
    use: LabelUse,
) -> Entry:
    """Copy a case's T1W scan, on the grid of its labels, and its label into the folder of a session.

    Raises
    ------
    VhiError
        The scans or the label cannot be had, or are no longer those that the reader saw.
    """
    source.fetch(case)
    made = candidate.submission
    scan_read = made.scans.get("T1W")
    if scan_read is not None and not is_the_scan(store.root, made.case_id, "T1W", case.t1w, scan_read):
        raise InputError(f"The T1W scan of case {case.case_id} is not the file that submission {made.submission_id} is about.")
    t1w = _on_grid_of_labels(case)
    entry = Entry(
        case_id=case.case_id,
        submission=made.submission_id,
        reader=made.reader,
        created=made.created,
        label_id=candidate.label_id,
        rated_version=candidate.rated_version,
        side=use.side,
        known=use.known,
        slices=t1w.grid.shape[2],
        protocol=Protocol.of(t1w.grid).as_dict(),
        patient=digest_of(use.patient or case.case_id),
        disagreement=disagreement(store, candidate),
    )
    label = store.read_segment(made, REGION)
    entry.t1w_path(folder).parent.mkdir(parents=True, exist_ok=True)
    if not entry.t1w_path(folder).exists():  # of several labels of a case
        write_scan(entry.t1w_path(folder), t1w)
    if label is not None:
        write_mask(entry.label_path(folder), label)
    return entry


def _on_grid_of_labels(case: Case) -> Volume:
    """T1W where readers' masks lie: on the grid of STIR."""
    t1w, stir = read_volume(case.t1w, f"T1W of case {case.case_id}"), read_volume(case.stir, f"STIR of case {case.case_id}")
    if case.archived is not None:
        return on_grid_of(t1w, stir)[0]
    t1w = reoriented(t1w, stir.grid)
    check_same_grid(t1w, stir)
    return t1w
