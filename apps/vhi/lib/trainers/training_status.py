"""A training session as viewers and pages are told of it: MONAI Label's task, its statistics, one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from ..retraining.retraining_folder import ENDED

NAME = "disease_region"
# lists of cases in the progress of a session
_CASES = ("learnt", "replayed", "holdout", "held", "later")
WHY_IS_HIDDEN = "An administrator finds why at /vhi/models."
_STATUS = {
    "accepted": "DONE",
    "rejected": "DONE",
    "nothing": "DONE",
    "waits": "DONE",
    "stopped": "STOPPED",
    "interrupted": "STOPPED",
    "failed": "ERROR",
}
_DOING = {
    "preparing": "Scans and labels are gathered.",
    "checking": "Labels are checked before they are learnt.",
    "validating": "Short trainings show what is gained on patients who are left out in turn.",
    "training": "The members learn.",
    "measuring": "The new ensemble is compared with the live one.",
    "publishing": "The new version is written.",
}


def without_cases(progress: Mapping[str, Any]) -> dict[str, Any]:
    """The same for a blinded study, in which no reader may learn what others read: cases are counted, not named.

    Parameters
    ----------
    progress : mapping
        See `lib.retraining.retraining_folder.RetrainingFolder.progress`.
    """
    counted = {name: _counted(progress[name]) for name in _CASES if name in progress}
    blinded = {**progress, **counted}
    if progress.get("skipped"):
        blinded["skipped"] = [{"case": _counted(progress["skipped"])[0], "reason": WHY_IS_HIDDEN}]
    if progress["state"] == "failed":
        blinded["message"] = f"It failed. {WHY_IS_HIDDEN}"
    return blinded


def _counted(cases: Sequence[Any]) -> list[str]:
    return [] if not cases else ["1 case" if len(cases) == 1 else f"{len(cases)} cases"]


def text_of(progress: Mapping[str, Any], live: str | None = None) -> str:
    """How far a session is, or how it ended, in words.

    Parameters
    ----------
    progress : mapping
        See `lib.retraining.retraining_folder.RetrainingFolder.progress`.
    live : str, optional
        The version that is live now, which another one may have become since the session ended.
    """
    state, version = progress["state"], progress.get("version")
    if state == "accepted":
        return f"{_published(progress, live)}{_compared(progress)}{_left_out(progress)}"
    if state == "rejected":
        why = " ".join(_reasons(progress))
        return f"Version {version} was rejected: {why}{_compared(progress)}{_left_out(progress)}"
    if state == "nothing":
        return f"No new label passed the checks.{_left_out(progress)}"
    if state in _STATUS:
        return str(progress.get("message") or f"The session was {state}; it can be gone on with.")
    seconds_left = progress.get("left_s")
    minutes = (
        f" About {max(1, round(seconds_left / 60))} min of learning left."
        if seconds_left is not None and state == "training"
        else ""
    )
    return _DOING.get(state, f"{state}.") + minutes


def _reasons(progress: Mapping[str, Any]) -> list[str]:
    """Why not, for readers: they may read blinded, so that no case and no other reader's submission is named."""
    return list(progress.get("told", progress.get("reasons", [])))


def _published(progress: Mapping[str, Any], live: str | None) -> str:
    version, learnt = progress.get("version"), ", ".join(progress.get("learnt", []))
    if not progress.get("live", True) and live != version:
        return f"Version {version} passed but is not live: {' '.join(_reasons(progress))}"
    if live not in (None, version):
        return f"Version {version} learnt {learnt} and went live; now version {live} is live."
    return f"Version {version} is live; it learnt {learnt}, and lies within the margins of {progress.get('parent')}."


def _left_out(progress: Mapping[str, Any]) -> str:
    """Submissions that a session did not learn, in words."""
    held, skipped = list(progress.get("held") or []), list(progress.get("skipped") or [])
    aside = f" Set aside: {', '.join(held)}; an administrator finds why at /vhi/models." if held else ""
    return aside + "".join(f" Left out: {label['case']}. {label['reason']}" for label in skipped)


def stats_of(
    progress: Mapping[str, Any] | None, *, running: bool, dice: float | None, live: str | None = None, gain: str = ""
) -> dict[str, Any]:
    """Numbers for the progress bars of 3D Slicer and OHIF.

    Parameters
    ----------
    dice : float or None
        Of the live version.
    live : str or None
        Its id.
    gain : str
        What a case takes its readers since it is live, in words; shown once training has ended.

    Returns
    -------
    dict
        `epoch` of `total_epochs`, summed over the members; `total_time` unless it runs, which is how viewers know that it does
        not; `best_metric`: while members learn their mean Dice of the slices that they learn, else that of the live version.
    """
    done, total, learning = _epochs((progress or {}).get("members", []))
    # OHIF takes 0 for 1
    stats: dict[str, Any] = {
        "version": live,
        "epoch": max(0.1, done),
        "total_epochs": max(1.0, total),
        "best_metric": learning if running and learning else dice,
    }
    if progress is not None:
        text = " ".join([text_of(progress, live), *(_at_work(progress) if running else filter(None, [gain]))])
        stats |= {"state": progress["state"], "text": text}
    if not running:
        stats["total_time"] = "0:00:00"  # how long it took is in `begun` and `ended` of the session
    return {name: value for name, value in stats.items() if value is not None}


def task_of(
    progress: Mapping[str, Any] | None,
    session: Mapping[str, Any] | None,
    *,
    running: bool,
    last_words: Sequence[str],
    live: str | None = None,
) -> dict[str, Any] | None:
    """A session as MONAI Label tells of a task; None where there never was one.

    Parameters
    ----------
    session : mapping or None
        `session.json` while it waits or runs.
    last_words : sequence of str
        Why a process failed, in words.
    live : str or None
        The version that is live now.
    """
    if progress is None and session is None and not last_words:
        return None
    progress = progress or {"state": "stopped", "message": "A session was begun, and can be gone on with."}
    failed = bool(last_words) and not running
    lines = [text_of(progress, live), *(_member(member) for member in progress.get("members", []))]
    ended = not running and progress["state"] in (*ENDED, "interrupted")
    return {
        "id": str(progress.get("session") or (session or {}).get("session_id") or NAME),
        "model": NAME,
        "status": "RUNNING" if running else "ERROR" if failed else _STATUS.get(progress["state"], "STOPPED"),
        "request": dict((session or progress).get("options") or {}),
        "start_ts": _clock((session or {}).get("created") or progress.get("begun")),
        **({"end_ts": _clock(progress.get("updated"))} if ended else {}),
        # never empty: 3D Slicer shows the last line
        "details": [*lines, *last_words] if failed else lines,
        "progress": {name: value for name, value in progress.items() if name not in ("options", "updated", "told")}
        | ({"reasons": _reasons(progress)} if "reasons" in progress else {})
        # what a session said of itself when it ended need not hold any more
        | ({"live": progress.get("version") == live} if "live" in progress and live else {}),
    }


def _at_work(progress: Mapping[str, Any]) -> list[str]:
    """The members that have begun and not ended."""
    return [_member(member) for member in progress.get("members", []) if 0 < member["step"] < member["steps"]]


def _member(member: Mapping[str, Any]) -> str:
    learnt = f", loss {member['loss']:.4f}, Dice {member['dice']:.4f}" if member.get("loss") is not None else ""
    return f"{member['name']}: step {member['step']} of {member['steps']}, epoch {member['epoch']:.1f}{learnt}"


def _compared(progress: Mapping[str, Any]) -> str:
    sentences = [
        f" On {gains['cases']} cases of the {case_set} its mean Dice is {gains['mean_gain']:+.4f} against the version before."
        for case_set, gains in (progress.get("compared") or {}).items()
    ]
    return "".join(sentences)


def _epochs(members: Sequence[Mapping[str, Any]]) -> tuple[float, float, float | None]:
    """Epochs done and to do of all members, and the mean Dice of those that have begun."""
    started = [member for member in members if member["step"]]
    if not started:
        return 0.0, 10.0, None  # what there is to do is not known yet
    each = sum(member["epoch"] for member in started) / sum(member["step"] for member in started)
    done, total = each * sum(member["step"] for member in members), each * sum(member["steps"] for member in members)
    dices = [member["dice"] for member in started if member["dice"] is not None]
    return round(done, 1), round(total, 1), round(sum(dices) / len(dices), 4) if dices else None


def _clock(moment: Any) -> str | None:
    """ISO time as MONAI Label writes it, in local time; None where it is none."""
    try:
        return datetime.fromisoformat(str(moment)).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except ValueError:
        return None
