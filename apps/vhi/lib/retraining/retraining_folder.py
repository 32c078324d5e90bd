"""The folder of retraining in the data folder: what is there, who works in it, how far it is, and the wish to stop.

```
retraining/
  holdout.json            which patients no version learns; lib.retraining.holdout
  patients.csv            made by the site: which cases are of one patient
  labels/<case>--<submission>.json   what the check of a label found; those set aside wait here for an administrator
  labels/<case>--<submission>.png    its slice that fits worst
  session/                the session under way: everything it needs, removed when it has ended
  history/<id>/           what became of it: result.json, pictures of the worst slices of a rejected version
  comparisons/<a>--<b>/   two versions case by case; lib.retraining.comparison
  progress.json           how far the session is, for viewers
  stop                    there while a stop is wanted
  lock, pid               held by the process that works; its id
```
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConflictError, DamagedError, NotFoundError, RequestError
from ..files import write_atomically
from ..locks import locked
from ..provenance import now
from ..readings.data_folder import make_folder
from ..records import NUMBER, Kinds, has_shape, log_once, read_remakable, write_json

FOLDER = "retraining"
_CHECK: dict[str, Kinds] = {"case": str, "submission": str, "label_id": str, "state": str, "reasons": list}
# states of a label that no session learns: what a check found, and what an administrator decided
HELD, TAKEN_BACK = "held", "taken back"
ASIDE = (HELD, TAKEN_BACK)
# of labels that a check or an administrator spoke for; of one that a session used without a check
CHECKED, UNCHECKED = ("passed", "released"), "unchecked"
_BY = "It was set aside by"
_MAYBE_TEXT, _MAYBE_NUMBER = (str, type(None)), (*NUMBER, type(None))
# of `progress.json`, what is told of a session
_PROGRESS: dict[str, Any] = {
    "state": str,
    **{name: [str] for name in ("learnt", "replayed", "holdout", "held", "later", "reasons", "told")},
    **dict.fromkeys(("session", "version", "parent", "message", "updated", "begun"), _MAYBE_TEXT),
    "left_s": _MAYBE_NUMBER,
    **dict.fromkeys(("options", "compared"), (dict, type(None))),
    "skipped": [{"case": str, "reason": str}],
    "members": [
        {"name": str, **dict.fromkeys(("step", "steps", "epoch"), NUMBER), **dict.fromkeys(("loss", "dice"), _MAYBE_NUMBER)}
    ],
}
_GAINS = {"cases": int, "mean_gain": NUMBER}
# states of `progress.json` in which nothing more happens
ENDED = ("accepted", "rejected", "nothing", "waits", "stopped", "failed")

# whoever looks whether a session runs holds the lock for a moment, which is no session
WAIT_S, LOOK_S = 0.5, 0.03


@dataclass(frozen=True)
class RetrainingFolder:
    """Paths and small files below `<data>/retraining`.

    Parameters
    ----------
    data : Path
        The server's data folder.
    """

    data: Path

    @property
    def root(self) -> Path:
        return self.data / FOLDER

    @property
    def session(self) -> Path:
        return self.root / "session"

    @property
    def history(self) -> Path:
        return self.root / "history"

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder; a killed process holds nothing.

        Raises
        ------
        ConflictError
            Another process works in it.
        """
        make_folder(self.root)
        with locked(self.root / "lock", WAIT_S) as free:
            if not free:
                raise ConflictError(f"A training session is under way (process {self._pid()}); wait for it, or stop it.")
            write_atomically(self.root / "pid", f"{os.getpid()}\n".encode())
            yield

    def running(self) -> bool:
        """Whether a process works in it now."""
        if not (self.root / "lock").exists():
            return False
        with locked(self.root / "lock", LOOK_S) as free:
            return not free

    def _pid(self) -> str:
        try:
            return (self.root / "pid").read_text(encoding="utf-8").strip()
        except OSError:
            return "unknown"

    def has_pending_session(self) -> bool:
        """Whether there is a session that was begun and has not ended: it can be gone on with."""
        return (self.session / "session.json").is_file()

    def end_session(self) -> None:
        """Remove the session; in one step for whoever looks, and for good at the next start where this process is killed."""
        ended = self.root / f".{self.session.name}.partial-ended"
        if self.session.exists():
            self.session.rename(ended)
        shutil.rmtree(ended, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Remove the files that a killed process left half written; nobody else may be working here."""
        for path in list(self.root.rglob(".*.partial-*")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    # progress -------------------------------------------------------------------------------------------------------------

    def write_progress(self, content: Mapping[str, Any]) -> None:
        write_json(self.root / "progress.json", {**content, "updated": now()})

    def progress(self) -> dict[str, Any] | None:
        """The last progress of the session; None before the first.

        `state` is one of checking, training, measuring, publishing, accepted, rejected, nothing, stopped, failed;
        "interrupted" where it says that work goes on but no process does it.
        """
        path = self.root / "progress.json"
        progress = read_remakable(path, state=str)
        if progress is not None and not (
            has_shape(progress, _PROGRESS)
            and all(has_shape(gains, _GAINS) for gains in (progress.get("compared") or {}).values())
        ):
            log_once(DamagedError(path, "its fields are something else"), "the next session writes it anew")
            return None
        if progress is not None and progress["state"] not in ENDED and not self.running():
            progress["state"] = "interrupted"
        return progress

    def request_stop(self) -> bool:
        """Have the session stop at its next report; False where none runs."""
        if not self.running():
            return False
        write_atomically(self.root / "stop", b"")
        return True

    def stop_requested(self) -> bool:
        return (self.root / "stop").exists()

    def clear_stop(self) -> None:
        (self.root / "stop").unlink(missing_ok=True)

    # what became of earlier sessions ------------------------------------------------------------------------------------------

    def results(self) -> tuple[dict[str, Any], ...]:
        """`result.json` of every session that ended, oldest first."""
        contents = (
            read_remakable(path, state=str, session=str, begun=str) for path in sorted(self.history.glob("*/result.json"))
        )
        return tuple(content for content in contents if content is not None)

    # checked labels -------------------------------------------------------------------------------------------------------------

    def note_check(self, content: Mapping[str, Any], picture: bytes | None = None) -> None:
        """Keep the result of a label's check: `case`, `submission`, `label_id`, `state` (passed, held) and more."""
        make_folder(self.root / "labels")
        path = self._check_path(str(content["case"]), str(content["submission"]))
        if picture is not None:
            write_atomically(path.with_suffix(".png"), picture)
        write_json(path, {**content, "checked": now()})

    def check_of(self, case_id: str, submission_id: str) -> dict[str, Any] | None:
        """The result of a label's check; None before it was checked, and where that is damaged: then it is checked anew."""
        return read_remakable(self._check_path(case_id, submission_id), **_CHECK)

    def checks(self) -> tuple[dict[str, Any], ...]:
        """The record of every label that was checked, or decided about, by `case`, `submission`, `state` and more."""
        records = (read_remakable(path, **_CHECK) for path in sorted((self.root / "labels").glob("*.json")))
        return tuple(content for content in records if content is not None)

    def held(self) -> tuple[dict[str, Any], ...]:
        """The labels in quarantine, by a check or by an administrator: `case`, `submission`, `reader`, `reasons`, `dice`,
        `version`, `releasable`, `picture`. For administrators: the reasons name the other case that a label fits better."""
        return tuple(
            {**check, "reasons": [*check["reasons"], *_fitted(check)]} for check in self.checks() if check["state"] in ASIDE
        )

    def release(self, case_id: str, submission_id: str, who: str) -> str:
        """Learn this label from the next session on, whatever the check said; for an administrator.

        One that was never checked is checked there first.

        Returns
        -------
        str
            The state of the label now: "released" or "unchecked".

        Raises
        ------
        NotFoundError
            It is not in quarantine.
        RequestError
            Nothing could be learnt from it.
        """
        check = self.check_of(case_id, submission_id)
        if check is None or check["state"] not in ASIDE:
            raise NotFoundError(f"Submission {submission_id} of case {case_id} is not in quarantine; ask for the list.")
        if not check.get("releasable", True):
            raise RequestError(f"Submission {submission_id} of case {case_id} cannot be learnt: {' '.join(check['reasons'])}")
        if check["state"] == TAKEN_BACK and check.get("before") not in CHECKED:
            self._forget_check(check)
            return UNCHECKED
        self.note_check({**check, "state": "released", "released_by": who})
        return "released"

    def _forget_check(self, record: Mapping[str, Any]) -> None:
        """As before an administrator set a label aside that was never checked; what a session said of it stays."""
        if record.get("fate"):
            self.note_check({**record, "state": UNCHECKED, "reasons": []})
        else:
            self._check_path(str(record["case"]), str(record["submission"])).unlink(missing_ok=True)

    def take_back(self, case_id: str, submission_id: str, label_id: str, who: str) -> None:
        """Neither learn this label nor measure on it, whatever the check said, until it is released; for an administrator.

        Parameters
        ----------
        case_id, submission_id : str
            Of a submission that there is.
        label_id : str
            See `lib.retraining.candidates.Candidate.label_id`.
        who : str

        Raises
        ------
        ConflictError
            It is set aside already.
        """
        check = self.check_of(case_id, submission_id)
        if check is not None and check["state"] in ASIDE:
            raise ConflictError(f"Submission {submission_id} of case {case_id} is set aside already.")
        known = check or {"case": case_id, "submission": submission_id, "label_id": label_id, "releasable": True}
        other_reasons = [reason for reason in known.get("reasons", []) if not reason.startswith(_BY)]
        before = check["state"] if check else None
        reasons = [f"{_BY} {who}.", *other_reasons]
        self.note_check({**known, "state": TAKEN_BACK, "reasons": reasons, "taken_back_by": who, "before": before})

    def _check_path(self, case_id: str, submission_id: str) -> Path:
        name = f"{case_id}--{submission_id}"
        if "/" in name or "\0" in name or name.startswith("."):
            raise RequestError("A case id and a submission id hold letters, digits, dots, dashes, underscores and @ only.")
        return self.root / "labels" / f"{name}.json"


def _fitted(check: Mapping[str, Any]) -> list[str]:
    return [f"The other case is {check['fits_case']}."] if check.get("fits_case") else []
