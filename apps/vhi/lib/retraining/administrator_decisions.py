"""An administrator's decisions about labels and versions, from the page or by command; every decision is in the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import ConflictError, RequestError
from ..readings.audit import AuditLog
from ..readings.store import ReadingStore
from ..versions import make_live, pin, pinned, unpin
from ..versions.site import adopt, adopt_live, own_models
from .candidates import Candidate
from .history import is_rejected
from .retraining_folder import RetrainingFolder


@dataclass(frozen=True)
class AdministratorDecisions:
    """The decisions of one person.

    Parameters
    ----------
    store : ReadingStore
        The server's data folder; may be read-only.
    audit : AuditLog
    shipped : Path
        The model folder that the site starts from.
    who : str
    """

    store: ReadingStore
    audit: AuditLog
    shipped: Path
    who: str

    def release(self, case_id: str, submission_id: str) -> dict[str, str]:
        """Let a label that was set aside be learnt from the next session on; one that was never checked is checked there first.

        Raises
        ------
        NotFoundError, RequestError
        """
        state = RetrainingFolder(self.store.root).release(case_id, submission_id, self.who)
        self._log("label released", case=case_id, submission=submission_id)
        return {"case": case_id, "submission": submission_id, "state": state}

    def set_aside(self, case_id: str, submission_id: str) -> dict[str, str]:
        """Have no session learn a label or measure on it, be it one that passed its check, was released, or was learnt.

        Versions that learnt it stay as they are: go back to one that did not.

        Raises
        ------
        NotFoundError
            There is no such submission.
        RequestError
            It gives no label.
        ConflictError
            It is set aside already.
        """
        made = self.store.get(case_id, submission_id)
        if made.segment("disease region") is None and (made.rating != "satisfactory" or made.model is None):
            raise RequestError(f"Submission {submission_id} of case {case_id} gives no disease region to learn from.")
        folder, label = RetrainingFolder(self.store.root), Candidate(case_id, made).label_id
        folder.take_back(case_id, submission_id, label, self.who)
        self._log("label set aside", case=case_id, submission=submission_id)
        return {"case": case_id, "submission": submission_id, "state": "taken back"}

    def make_live(self, version: str, *, rejected: bool = False) -> dict[str, str]:
        """Make one of the site's own versions the live one; the next request is answered by it.

        Parameters
        ----------
        version : str
        rejected : bool
            Even one that the gate rejected.

        Raises
        ------
        ConflictError
            A session is under way, which compares with the live version; or another version is pinned.
        RequestError
            It was rejected.
        ModelError
            There is no such version, or its files are damaged.
        """
        models = own_models(self.store.root)
        if is_rejected(adopt(self.store.root, self.shipped, version).manifest) and not rejected:
            raise RequestError(f"Version {version} was rejected, because it is worse than the one it came from.")
        pin = pinned(models)
        if pin is not None and pin["version"] != version:
            raise ConflictError(f"Version {pin['version']} was pinned by {pin['by']}; take the pin off first.")
        with RetrainingFolder(self.store.root).lock():
            make_live(models, version)
        self._log("model made live", version=version)
        return {"live": version}

    def pin(self, version: str) -> dict[str, str]:
        """Have the live version stay live whatever is trained.

        Raises
        ------
        RequestError
            It is not the live one.
        """
        live = self._live()
        if version != live:
            raise RequestError(f"Version {live} is live, not {version}; make that the live one first, and then pin it.")
        pin(own_models(self.store.root), self.who)
        self._log("model pinned", version=version)
        return {"pinned": version}

    def unpin(self) -> dict[str, str]:
        """Let sessions replace the live version again.

        Raises
        ------
        RequestError
            None is pinned.
        """
        live = self._live()
        if pinned(own_models(self.store.root)) is None:
            raise RequestError("No version is pinned.")
        unpin(own_models(self.store.root))
        self._log("model unpinned", version=live)
        return {"unpinned": live}

    def _live(self) -> str:
        return adopt_live(self.store.root, self.shipped).manifest.version

    def _log(self, event: str, case: str | None = None, submission: str | None = None, **facts: str) -> None:
        self.audit.append(event, reader=self.who, case=case, submission=submission, **facts)
