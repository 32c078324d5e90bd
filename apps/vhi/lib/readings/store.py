"""Submissions on disk: appended, never overwritten, each whole or absent."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cachetools import LRUCache

from ..core.pipeline import VhiResult
from ..core.segment_names import DISEASE_REGION
from ..core.volume import Mask
from ..errors import DamagedError, InputError, NotFoundError, OutputError, RequestError
from ..files import result_folder, sha256_of, write_atomically
from ..locks import locked
from ..provenance import now
from ..records import log_once, read_json, read_remakable, read_text, write_json
from ..studies.nifti import read_labels, read_mask, write_labels
from ..studies.pairing import CASE_ID
from .data_folder import check_folder, make_folder, open_folder
from .shown_lesions import ShownLesions
from .submission import StoredSegment, Submission, check_reader, check_reading

SHARED_PARTS = ("normal bone", "disease region")
FINISHING = "inflammation"
RESULTS_SHOWN = 20  # an undo in a viewer goes back to an older one
FILES_KNOWN = 10_000
_FOLDER = re.compile(r"(\d{4,})-(.+)")
# fields of the record of what was shown that other code reads
_NOTED: dict[str, type] = {"display": dict, "proposal": str, "settings": dict, "model": str}


class ReadingStore:
    """The submissions of readers, under one data folder.

    Parameters
    ----------
    root : Path
        The data folder; created where it is missing, cleared of what a killed process left half written.
    study : mapping
        What must stay as it was when the folder was made, see `open_folder`.
    read_only : bool
        Create and clear nothing, whatever study it belongs to: a server may be using the folder.
    unchecked : bool
        The same, whatever its format file says.

    Raises
    ------
    VhiError
        The folder cannot be used.
    """

    def __init__(
        self, root: Path, study: Mapping[str, Any] | None = None, *, read_only: bool = False, unchecked: bool = False
    ) -> None:
        self.root = root
        if read_only:
            check_folder(root)
        elif not unchecked:
            open_folder(root, study)
            make_folder(root / "cases")
        self._cache: dict[str, dict[str, Submission]] = {}
        self._lock = threading.Lock()
        # what was noted for a reader, asked for several times a click
        self._notes: LRUCache[Path, tuple[tuple[int, int, int] | None, dict[str, Any]]] = LRUCache(FILES_KNOWN)
        # of lesions that were shown, what tells that a file is still the one that was read or written here
        self._whole: dict[Path, tuple[int, int, int]] = {}

    def append(self, case_id: str, reader: str, write: Callable[[Path, int], Submission]) -> Submission:
        """Keep one submission for good; it is on disk when this returns.

        Parameters
        ----------
        case_id, reader : str
        write : callable
            Given an empty folder and the submission's number, writes its files there and returns what `submission.json` says.

        Raises
        ------
        VhiError
            Whatever `write` refuses, or a failed write; nothing is kept then.
        """
        check_reader(reader)
        submissions = self._case(case_id) / "submissions"
        make_folder(submissions)
        with self.writing(case_id):
            number = max([int(match[1]) for match in _matches(submissions)], default=0) + 1
            target = submissions / f"{number:04d}-{reader}"
            with result_folder(target, ()) as folder:
                made = write(folder, number)
                if (made.case_id, made.number, made.reader) != (case_id, number, reader):
                    raise OutputError(f"Submission {number} of {case_id} by {reader} describes itself as {made.submission_id}.")
                write_atomically(folder / "submission.json", made.as_json().encode("utf-8"))
            with self._lock:
                self._cache.setdefault(case_id, {})[target.name] = made
        return made

    @contextmanager
    def writing(self, case_id: str) -> Iterator[None]:
        """One writer of a case at a time."""
        folder = self._case(case_id)
        make_folder(folder)
        with locked(folder / "lock"):
            yield

    def of_case(self, case_id: str) -> tuple[Submission, ...]:
        """Every submission of a case, oldest first.

        Raises
        ------
        DamagedError
            One of them is damaged.
        """
        names = self.names(case_id)
        with self._lock:
            known = self._cache.setdefault(case_id, {})
            for name in names:
                if name not in known:
                    known[name] = self.read(case_id, name)
            return tuple(known[name] for name in names)

    def names(self, case_id: str) -> tuple[str, ...]:
        """The ids of the submissions of a case, oldest first."""
        return tuple(match[0] for match in sorted(_matches(self._case(case_id) / "submissions"), key=lambda match: int(match[1])))

    def read(self, case_id: str, submission_id: str) -> Submission:
        """One submission as it lies on disk now.

        Raises
        ------
        DamagedError
            It is missing or damaged, or describes another submission.
        """
        path = self._case(case_id) / "submissions" / submission_id / "submission.json"
        text = read_text(path)
        if text is None:
            raise DamagedError(path, "it is missing")
        submission = Submission.from_json(text, path)
        if (submission.case_id, submission.submission_id) != (case_id, submission_id):
            raise DamagedError(path, f"it describes submission {submission.submission_id} of {submission.case_id}")
        return submission

    def cases(self) -> tuple[str, ...]:
        """Ids of the cases that somebody submitted something of."""
        return tuple(sorted(path.parent.name for path in (self.root / "cases").glob("*/submissions")))

    def intact(self) -> Iterator[tuple[str, tuple[Submission, ...]]]:
        """Each case that somebody submitted something of, with its submissions; one that is damaged is left out and logged."""
        for case_id in self.cases():
            try:
                yield case_id, self.of_case(case_id)
            except DamagedError as error:
                log_once(error, "the case is set aside")

    def get(self, case_id: str, submission_id: str) -> Submission:
        """One submission by its id.

        Raises
        ------
        NotFoundError
        """
        submission = next((made for made in self.of_case(case_id) if made.submission_id == submission_id), None)
        if submission is None:
            raise NotFoundError(f"Case {case_id} has no submission {submission_id!r}; ask for the list of submissions.")
        return submission

    def newest(
        self, case_id: str, reader: str, reading: int | None = None, part: str | None = None, method: str | None = None
    ) -> Submission | None:
        """The reader's last submission of a case, of one reading, holding one segment, by one method."""
        return next(
            (
                made
                for made in reversed(self.of_case(case_id))
                if made.reader == reader
                and (reading is None or made.reading == reading)
                and (part is None or made.segment(part) is not None)
                and (method is None or made.method == method)
            ),
            None,
        )

    def shared(self, case_id: str, part: str) -> Submission | None:
        """The submission whose normal bone or disease region all readers of the case start from.

        The one an administrator chose, else the newest of the first reading of the reader who was first to submit one.
        """
        return self._shared(case_id, part, self.shared_by_choice(case_id) or {})

    def _shared(self, case_id: str, part: str, by_choice: Mapping[str, str]) -> Submission | None:
        if part in by_choice:
            return self.get(case_id, by_choice[part])
        first = next((made for made in self.of_case(case_id) if made.segment(part) is not None), None)
        return None if first is None else self.newest(case_id, first.reader, first.reading, part)

    def started_from(self, case_id: str, reader: str | None, reading: int) -> dict[str, tuple[Submission, bool]]:
        """By region, the submission that a reader starts from, and whether it is their own: else it is the shared one.

        A region that nobody submitted is left out; `reader` None has no own submissions.

        Raises
        ------
        DamagedError
        """
        beginnings = {}
        by_choice = self.shared_by_choice(case_id) or {}
        for part in SHARED_PARTS:
            own = None if reader is None else self.newest(case_id, reader, reading, part)
            made = own or self._shared(case_id, part, by_choice)
            if made is not None:
                beginnings[part] = made, own is not None
        return beginnings

    def shared_by_choice(self, case_id: str) -> dict[str, str] | None:
        """The submission that an administrator chose, by region; None where none was.

        Raises
        ------
        DamagedError
        """
        path = self._case(case_id) / "shared.json"
        chosen = read_json(path)
        if chosen is not None and not all(
            part in SHARED_PARTS and isinstance(submission_id, str) for part, submission_id in chosen.items()
        ):
            raise DamagedError(path, "it names no regions and submissions")
        return chosen

    def share(self, case_id: str, submission_id: str, parts: Sequence[str] = SHARED_PARTS) -> None:
        """Let all readers start from these regions of that submission; for an administrator.

        Raises
        ------
        NotFoundError, RequestError
            No such submission, or it does not hold that region.
        """
        submission = self.get(case_id, submission_id)
        for part in parts:
            if part not in SHARED_PARTS or submission.segment(part) is None:
                raise RequestError(f"Submission {submission_id} of case {case_id} holds no {part!r} to share.")
        with self.writing(case_id):
            chosen = self.shared_by_choice(case_id) or {}
            write_json(self._case(case_id) / "shared.json", {**chosen, **dict.fromkeys(parts, submission_id)})

    def finished(self, reader: str | None = None, reading: int | None = None) -> frozenset[str]:
        """Cases of which the reader (or any) handed in inflammation, be it none, in that reading (or any)."""
        return frozenset(
            case_id
            for case_id, made in self.intact()
            if any(
                submission.segment(FINISHING) is not None
                and (reader is None or submission.reader == reader)
                and (reading is None or submission.reading == reading)
                for submission in made
            )
        )

    def finished_for_region(self, reader: str, reading: int) -> frozenset[str]:
        """Cases of which the reader handed in the disease region, or rated it, and no inflammation, in that reading."""
        own = {
            case_id: [submission for submission in made if (submission.reader, submission.reading) == (reader, reading)]
            for case_id, made in self.intact()
        }
        return frozenset(case_id for case_id, made in own.items() if is_region_alone(made))

    def ratings(self) -> dict[str, dict[str, str]]:
        """How readers rated the automatic disease region: by case and reader, the newest rating."""
        ratings: dict[str, dict[str, str]] = {}
        for case_id, made in self.intact():
            for submission in made:
                if submission.rating is not None:
                    ratings.setdefault(case_id, {})[submission.reader] = submission.rating
        return ratings

    def folder_of(self, submission: Submission) -> Path:
        """Where its files lie."""
        return self._case(submission.case_id) / "submissions" / submission.submission_id

    def folder_of_case(self, case_id: str) -> Path:
        """Where everything about a case lies.

        Raises
        ------
        RequestError
            That is no id of a case.
        """
        return self._case(case_id)

    def read_segment(self, submission: Submission, name: str) -> Mask | None:
        """A stored segment; None where the submission does not hold it.

        Raises
        ------
        DamagedError
            Its file is missing or is not the one that was stored.
        """
        stored = submission.segment(name)
        if stored is None:
            return None
        path = self.folder_of(submission) / stored.file
        check_file(path, stored.sha256)
        return read_mask(path, name, "sform")  # as it was written here: a sheared grid has no qform

    def note_shown(self, case_id: str, reader: str, reading: int, automatic: VhiResult, display: Mapping[str, Any]) -> None:
        """Remember the last number that a reader was shown of a case, and the automatic result behind it: its settings, its
        lesions, and the version of the cleaning proposal beside it.

        What was noted before of lesions that a proposal takes out stays where there is none now.

        Parameters
        ----------
        case_id, reader, reading
        automatic : VhiResult
        display : mapping
            Ready for JSON; its `automatic_id` tells one automatic result from another. The lesions of the last few are kept.
        """
        facts: dict[str, Any] = {"settings": automatic.settings.stored()}
        if automatic.proposal is not None:
            facts["proposal"] = automatic.proposal.version
        facts["display"] = self._display(case_id, reader, reading, automatic, display)
        before = self._noted(case_id, reader, reading)
        if any(before.get(name) != fact for name, fact in facts.items()):
            self._note_shown(case_id, reader, reading, **facts)

    def _display(self, case_id: str, reader: str, reading: int, result: VhiResult, display: Mapping[str, Any]) -> dict[str, Any]:
        """The record of a number that is shown, with the results before it; their lesions are in files."""
        before, automatic = self.display(case_id, reader, reading) or {}, str(display["automatic_id"])
        lesions = ShownLesions.of(result)
        results: dict[str, Any] = dict(before.get("results", {}))
        known = results.pop(automatic, None)
        results[automatic] = known or [] if result.proposal is None else list(lesions.removed)
        midlines = {**before.get("midlines", {}), automatic: lesions.midline_mm}
        path = self._shown_lesions(case_id, reader, reading, automatic)
        is_noted = known is not None and automatic in before.get("midlines", {})
        if not is_noted or not (self._is_whole(path) or self.displayed_lesions(case_id, reader, reading, automatic)):
            make_folder(path.parent)
            write_labels(path, lesions.coded, lesions.grid)
        mark = _mark(path)
        if mark is not None:
            if len(self._whole) >= FILES_KNOWN:
                self._whole.clear()
            self._whole[path] = mark
        for older in [*results][:-RESULTS_SHOWN]:
            del results[older]
            self._shown_lesions(case_id, reader, reading, older).unlink(missing_ok=True)
        return {**display, "results": results, "midlines": {kept: midlines.get(kept) for kept in results}}

    def display(self, case_id: str, reader: str, reading: int) -> dict[str, Any] | None:
        """The record of the number that was shown; None for a reader who saw none in that reading."""
        return self._noted(case_id, reader, reading).get("display")

    def displayed_lesions(self, case_id: str, reader: str, reading: int, automatic: str | None = None) -> ShownLesions | None:
        """The lesions of an automatic result that was shown, the last one where none is named.

        None where it is not known, or its file is damaged.
        """
        display = self.display(case_id, reader, reading) or {}
        automatic = automatic or display.get("automatic_id", "")
        if automatic not in display.get("results", {}):
            return None
        path = self._shown_lesions(case_id, reader, reading, automatic)
        try:
            coded, grid = read_labels(path, "lesions that were shown")
        except InputError as error:
            log_once(DamagedError(path, str(error)), "it is noted anew with the next number that is shown")
            return None
        midline = display.get("midlines", {}).get(automatic)
        return ShownLesions(coded, grid, tuple(display["results"][automatic]), midline)

    def _is_whole(self, path: Path) -> bool:
        """Whether a file of lesions is still the one that was read or written here."""
        known = self._whole.get(path)
        return known is not None and known == _mark(path)

    def _shown_lesions(self, case_id: str, reader: str, reading: int, automatic: str) -> Path:
        path = self._shown(case_id, reader, reading)
        return path.with_name(f"{path.stem}-{automatic}.nii.gz")

    def proposal_shown(self, case_id: str, reader: str, reading: int) -> str | None:
        """The version of the cleaning proposal that a reader saw of a case; None for one who saw none in that reading."""
        return self._noted(case_id, reader, reading).get("proposal")

    def settings_shown(self, case_id: str, reader: str, reading: int) -> dict[str, Any] | None:
        """The settings that VHI of a case was last shown with; None for a reader who never saw it in that reading."""
        return self._noted(case_id, reader, reading).get("settings")

    def note_model(self, case_id: str, reader: str, reading: int, version: str) -> None:
        """Remember which version of the networks drew the regions that a reader was shown of a case."""
        self._note_shown(case_id, reader, reading, model=version)

    def model_shown(self, case_id: str, reader: str, reading: int) -> str | None:
        """That version; None for a reader who was shown nothing automatic in that reading."""
        return self._noted(case_id, reader, reading).get("model")

    def _note_shown(self, case_id: str, reader: str, reading: int, **facts: Any) -> None:
        noted = self._noted(case_id, reader, reading)
        path = self._shown(case_id, reader, reading)
        make_folder(path.parent)
        write_json(path, {**noted, **facts, "time": now()})

    def _noted(self, case_id: str, reader: str, reading: int) -> dict[str, Any]:
        """The record of what a reader was shown; a damaged one counts as none, and they are shown it anew."""
        path = self._shown(case_id, reader, reading)
        mark = _mark(path)
        with self._lock:
            known, noted = self._notes.get(path, (None, {}))
        if mark is None or mark != known:
            noted = read_remakable(path) or {}
            with self._lock:
                self._notes[path] = mark, noted
        return {name: value for name, value in noted.items() if isinstance(value, _NOTED.get(name, object))}

    def _shown(self, case_id: str, reader: str, reading: int) -> Path:
        check_reader(reader)
        check_reading(reading)
        return self._case(case_id) / "shown" / f"{reader}-{reading}.json"

    def _case(self, case_id: str) -> Path:
        if not CASE_ID.fullmatch(case_id):
            raise RequestError("A case id holds letters, digits, dots, dashes and underscores only.")
        return self.root / "cases" / case_id


def is_region_alone(made: Sequence[Submission]) -> bool:
    """Whether the disease region was handed in or rated and no inflammation, among what a reader submitted in one reading."""
    has_region = any(submission.segment(DISEASE_REGION) is not None or submission.rating is not None for submission in made)
    return has_region and all(submission.segment(FINISHING) is None for submission in made)


def _mark(path: Path) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None where it is gone."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def check_file(path: Path, sha256: str) -> None:
    """Refuse a file that is not the one that was kept.

    Raises
    ------
    DamagedError
        It is missing, cannot be read, or has another sha256.
    """
    try:
        digest = sha256_of(path)
    except InputError as error:
        raise DamagedError(path, "it is missing or cannot be read") from error
    if digest != sha256:
        raise DamagedError(path, f"it is not the file that was kept (sha256 {sha256[:12]}..., now {digest[:12]}...)")


def stored_segment(name: str, path: Path, voxels: int, proposal: Mapping[str, Any] | None = None) -> StoredSegment:
    """The record of a segment's file that was just written; with how it came about, where it is the automatic proposal."""
    return StoredSegment(name, path.name, voxels, sha256_of(path), proposal)


def _matches(folder: Path) -> list[re.Match[str]]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [match for match in map(_FOLDER.fullmatch, names) if match]
