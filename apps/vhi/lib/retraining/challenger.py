"""Networks from elsewhere, measured beside the live version by the gate of retraining."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ..core.disease_region import Member
from ..core.volume import Mask, Volume
from ..engine.members import load_members
from ..readings.store import ReadingStore
from ..studies.pairing import Case, CaseSource
from ..versions import Version
from .config import TrainConfig
from .entries import LabelUse, write_case
from .gate import HOLDOUT, PHANTOMS, Decision, DicePair, decide
from .phantom_regression import phantom_regression_cases
from .prepare import waiting_labels

# set, case id, T1W, true region
Measured = tuple[str, str, Volume, Mask]


def decide_between(
    live: Sequence[Member],
    rival: Sequence[Member],
    cases: Iterator[Measured],
    config: TrainConfig,
    on_case: Callable[[DicePair], None] = lambda pair: None,
) -> Decision:
    """Measure both ensembles on each case, and decide as the gate does.

    Parameters
    ----------
    cases : iterator
        See `phantom_cases`, `holdout_cases`.
    on_case : callable
        Told each case when it has been measured.
    """
    from .jobs import measured_case  # brings torch

    pairs = []
    for case_set, case_id, t1w, truth in cases:
        pair = DicePair(case_set, case_id, *(measured_case(t1w, truth, members)[0]["dice"] for members in (live, rival)))
        on_case(pair)
        pairs.append(pair)
    return decide(pairs, config, learnt_here=False)


def phantom_cases() -> Iterator[Measured]:
    """The phantoms of every site."""
    for name, t1w, truth in phantom_regression_cases():
        yield PHANTOMS, name, t1w, truth


def holdout_cases(
    store: ReadingStore,
    source: CaseSource,
    cases: Sequence[Case],
    live: Version,
    patient_of: Callable[[str], str],
    config: TrainConfig,
    *others: Version,
) -> Iterator[Measured]:
    """A site's hold-out, as a session of retraining would measure it: labels that are not in quarantine, of patients that no
    version learns.

    Parameters
    ----------
    cases : sequence of Case
        By the ids that `store` knows them by.
    live : Version
        Cases that it learnt, or one of `others`, are left out. A region that a reader only rated is made by the version that
        was rated.

    Raises
    ------
    VhiError
        A scan or a label cannot be had: what was held out may not shrink unnoticed.
    """
    from .jobs import region_by

    by_id = {case.case_id: case for case in cases}
    learnt_cases = {case.case_id for version in (live, *others) for case in version.manifest.training_cases}
    for label in waiting_labels(store, live.manifest, config, patient_of):
        case_id = label.candidate.case_id
        if label.side != "holdout" or label.held or case_id in learnt_cases or case_id not in by_id:
            continue
        with TemporaryDirectory() as place:
            entry = write_case(Path(place), by_id[case_id], source, store, label.candidate, LabelUse("holdout", label.known))
            t1w = entry.read_t1w(Path(place))
            if entry.rated_version is None:
                truth = entry.read_label(Path(place))
            else:
                truth = region_by(t1w, load_members(live.folder.parent.parent, entry.rated_version))
        yield HOLDOUT, case_id, t1w, truth
