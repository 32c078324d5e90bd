"""Which scans an ensemble learns and which measure it."""

from __future__ import annotations

from dataclasses import dataclass

from ..errors import InputError
from ..studies.labelled import LabelledCase, LabelledData

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
    other, held_out_other : tuple of Case
        Scans of other scanners that its networks learn, and that they do not.
    """

    name: str
    cases: tuple[LabelledCase, ...]
    held_out: tuple[LabelledCase, ...]
    n_study: int = 0
    other: tuple[LabelledCase, ...] = ()
    held_out_other: tuple[LabelledCase, ...] = ()


def folds_of(labelled: LabelledData, *, kind: bool = False) -> tuple[Group, ...]:
    """Four folds by subject: every fourth study subject, atypical scan and scan of another scanner is held out of one.

    Parameters
    ----------
    kind : bool
        Of networks for the other scanner alone: every fold learns all scans of the study, which measure nothing.

    Raises
    ------
    InputError
        Fewer than two study subjects, or scans of another scanner.
    """
    if kind:
        return _kind_folds(labelled)
    n = min(FOLDS, len(labelled.study))
    if n < 2:
        raise InputError("Cross-validation needs at least two labelled study scans, one was found; train without --folds.")
    folds = []
    for f in range(n):
        study, atypical = labelled.study[f::n], labelled.atypical[f::n]
        rest = tuple(case for case in (*labelled.study, *labelled.atypical) if case not in (*study, *atypical))
        other = tuple(case for case in labelled.other if case not in labelled.other[f::n])
        folds.append(Group(f"fold{f}", rest, study + atypical, len(study), other, labelled.other[f::n]))
    return tuple(folds)


def _kind_folds(labelled: LabelledData) -> tuple[Group, ...]:
    n = min(FOLDS, len(labelled.other))
    if n < 2:
        raise InputError(
            f"Networks for another scanner need at least two labelled scans of it, of which each is held out once; found "
            f"{len(labelled.other)} under images_other."
        )
    parts = [(tuple(case for case in labelled.other if case not in labelled.other[f::n]), labelled.other[f::n]) for f in range(n)]
    known = labelled.study + labelled.atypical
    return tuple(Group(f"fold{f}", known, (), 0, other, held_out) for f, (other, held_out) in enumerate(parts))


def shipped_group(labelled: LabelledData, *, with_test: bool = False) -> Group:
    """The ensemble that learns every labelled scan but those set aside as test scans.

    Parameters
    ----------
    with_test : bool
        It learns those too, as the paper's networks did before their last evaluation; then nothing is left to measure it on.
    """
    if with_test:
        return Group(SHIPPED, labelled.study + labelled.atypical + labelled.test, (), other=labelled.other)
    return Group(SHIPPED, labelled.study + labelled.atypical, labelled.test, other=labelled.other)
