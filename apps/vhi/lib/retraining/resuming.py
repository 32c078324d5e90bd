"""Going on with a session that waits: with the options that it began with, or another number of steps."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

from ..errors import RequestError
from ..nets.fit import last_progress
from ..records import write_json
from .config import TrainOptions
from .jobs import MEASURED
from .plan import SessionPlan
from .prepare import FILE, Session
from .retraining_folder import RetrainingFolder


def resume_with(data: Path, options: TrainOptions) -> Session:
    """The session that waits, ready to go on.

    Parameters
    ----------
    data : Path
        The server's data folder.
    options : TrainOptions
        What is asked now. What is at its default was not asked for. `steps` are steps of each network in all, those that it has
        made included; the learning rate falls off towards the new end.

    Raises
    ------
    RequestError
        Another option differs from what the session began with, or a network has made more steps already.
    InputError
        There is no session, or it is damaged.
    ConflictError
        A process works on it.
    """
    folder = RetrainingFolder(data)
    with folder.lock():
        session = Session.read(folder.session)
        other = _differing(options, session.options)
        for name in other:
            if name != "steps":
                raise RequestError(
                    f"The session that waits goes on with {name} {_shown(getattr(session.options, name))}, as it began; "
                    f"{_shown(getattr(options, name))} was asked for. Leave {name} out, or begin another session: go_on false."
                )
        return _lengthened(folder, session, options.steps) if "steps" in other and options.steps else session


def _differing(asked: TrainOptions, began: TrainOptions) -> list[str]:
    plain = TrainOptions()
    return [
        field.name
        for field in fields(TrainOptions)
        if getattr(asked, field.name) not in (getattr(plain, field.name), getattr(began, field.name))
    ]


def _lengthened(folder: RetrainingFolder, session: Session, steps: int) -> Session:
    """The session with so many steps of each network in all."""
    plan = SessionPlan.read(folder.session)
    members = range(len(plan.steps)) if plan else ()
    made = max((point.step for n in members if (point := last_progress(folder.session / f"member{n}"))), default=0)
    if made > steps:
        raise RequestError(
            f"{steps} steps in all were asked for, and a network of the session that waits has made {made}. Ask for more, "
            "or begin another session: go_on false."
        )
    (folder.session / MEASURED).unlink(missing_ok=True)
    if plan is not None:
        replace(plan, steps=(steps,) * len(plan.steps)).write(folder.session)
    longer = replace(session, options=replace(session.options, steps=steps, epochs=None, minutes=None))
    write_json(folder.session / FILE, longer.as_dict())
    return longer


def _shown(value: object) -> str:
    return "as usual" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
