"""Which scans an ensemble learns and which measure it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..studies.labelled import Case, LabelledData

FOLDS = 4
SHIPPED = "ensemble"


@dataclass(frozen=True)
class Group:
    """The networks of one ensemble: of a fold, or of the one that learns every labelled scan.

    Parameters
    ----------
    name : str
        `fold0` ..., or `ensemble`; its folder's name.
    cases : tuple of Case
        Labelled scans that all its networks learn.
    held_out : tuple of Case
        Labelled scans that none of its networks learns, study subjects first.
    n_study : int
        How many of `held_out` are study subjects.
    """

    name: str
    cases: tuple[Case, ...]
    held_out: tuple[Case, ...]
    n_study: int = 0


def folds_of(found: LabelledData) -> tuple[Group, ...]:
    """Four folds by subject: every fourth study subject and every fourth atypical scan is held out of one, once each.

    Raises
    ------
    InputError
        Fewer than two study subjects.
    """
    n = min(FOLDS, len(found.study))
    if n < 2:
        raise InputError("Cross-validation needs at least two labelled study scans, one was found; train without --folds.")
    folds = []
    for f in range(n):
        study, atypical = found.study[f::n], found.atypical[f::n]
        rest = tuple(case for case in (*found.study, *found.atypical) if case not in (*study, *atypical))
        folds.append(Group(f"fold{f}", rest, study + atypical, len(study)))
    return tuple(folds)


def shipped_group(found: LabelledData, *, with_test: bool = False) -> Group:
    """The ensemble that learns every labelled scan but those set aside as test scans.

    Parameters
    ----------
    with_test : bool
        It learns those too, as the paper's networks did before their last evaluation; then nothing is left to measure it on.
    """
    if with_test:
        return Group(SHIPPED, found.study + found.atypical + found.test, ())
    return Group(SHIPPED, found.study + found.atypical, found.test)
