"""The networks' answers on scans like those they know, to tell later what is unlike: the `reference` of a version."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..core.disease_region import DiseaseRegion, DiseaseRegionError, Member, segment_disease_region
from ..core.plausibility import Reference
from ..studies.labelled import LabelledCase
from .run import EnsembleTraining
from .scans import read_t1w


def reference_of(
    ensemble: EnsembleTraining, folds: Sequence[EnsembleTraining], study: Sequence[LabelledCase]
) -> Reference | None:
    """The reference values of a shipped ensemble, from scans with ordinary marrow.

    Study scans are answered by the ensemble of the fold that did not learn them, or, without folds, by the shipped one, which
    learnt them; the scans without masks by the shipped one, whose students learnt their teachers' masks of them.

    Parameters
    ----------
    ensemble : EnsembleTraining
        The shipped one.
    folds : sequence of EnsembleTraining
        All folds of the cross-validation, or none.
    study : sequence of Case
        The study scans.

    Returns
    -------
    Reference or None
        None where the networks find no bone on any of these scans.
    """
    shipped = ensemble.callables(ensemble.members())
    asked: list[tuple[Sequence[LabelledCase], Sequence[Member]]] = [(ensemble.unlabelled, shipped)]
    if folds:
        asked += [(fold.group.held_out[: fold.group.n_study], fold.callables(fold.members())) for fold in folds]
        how = "held-out study scans, each by the ensemble of its fold"
    else:
        asked += [(study, shipped)]
        how = "study scans by this ensemble, which learnt them"
    regions = [region for cases, members in asked for region in _regions(cases, members)]
    without = f", and {_scans(len(ensemble.unlabelled))} without masks by this ensemble" if ensemble.unlabelled else ""
    return Reference.of(regions, f"{how}{without}") if regions else None


def kind_reference_of(ensemble: EnsembleTraining) -> Reference | None:
    """The reference values of networks for another scanner's scans alone, from those scans; None where no bone was found."""
    regions = list(_regions(ensemble.group.other, ensemble.callables(ensemble.members())))
    return (
        Reference.of(regions, "scans of this kind by these networks, of which all but those of its fold learnt each")
        if regions
        else None
    )


def _scans(n: int) -> str:
    return "1 scan" if n == 1 else f"{n} scans"


def _regions(cases: Iterable[LabelledCase], members: Sequence[Member]) -> Iterable[DiseaseRegion]:
    for case in cases:
        try:
            yield segment_disease_region(read_t1w(case), members)
        except DiseaseRegionError:
            continue  # a network of a few steps finds none; that is no answer to compare others with
