"""Scans of a data folder as training wants them, and what networks make of them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ..core.disease_region import Member, drop_small_pieces, probability_of
from ..core.normalise import NetworkFrame, normalise_t1w
from ..core.protocol import members_for, spacing_of
from ..core.volume import Mask, Volume, check_same_grid, check_scan
from ..errors import InputError
from ..files import write_atomically
from ..studies.labelled import LabelledCase
from ..studies.nifti import read_mask, read_volume
from ..studies.registration import placed

PSEUDO_LABELS = "pseudo_labels"


def read_t1w(case: LabelledCase) -> Volume:
    t1w = read_volume(case.t1w, f"T1W {case.case_id}")
    check_scan(t1w)
    return t1w


def read_labelled(case: LabelledCase) -> tuple[Volume, Mask]:
    """T1W and manual disease region, on one grid."""
    if case.disease_region is None:
        raise InputError(f"{case.t1w} has no manual disease region.")
    t1w = read_t1w(case)
    mask = placed(read_mask(case.disease_region, f"disease region {case.case_id}"), t1w.grid)
    check_same_grid(t1w, mask)
    return t1w, mask


def probabilities(t1w: Volume, members: Sequence[Member]) -> tuple[np.ndarray, list[np.ndarray]]:
    """`(I, J, K)` float32 probability of disease region, of the ensemble and of each member that answers for this kind of scan.

    That of the ensemble is to the bit as `segment_disease_region` has it.
    """
    members = members_for(members, t1w.grid)
    frame = NetworkFrame.of(t1w, spacing_of(members))
    slices = frame.slices(normalise_t1w(t1w))
    mean, each = np.zeros_like(slices), []
    for member in members:
        probability = probability_of(member, t1w, slices, frame)
        mean += probability
        each.append(frame.volume(probability))
    mean /= len(each)
    return frame.volume(mean), each


def region_of(probability: np.ndarray, t1w: Volume) -> Mask:
    """An `(I, J, K)` probability as the mask that `segment_disease_region` makes of it.

    Here an empty one is an answer like any other.
    """
    return Mask(drop_small_pieces(probability >= 0.5), t1w.grid, "disease region")


def read_pseudo_labelled(folder: Path, case: LabelledCase) -> tuple[Volume, Mask]:
    """T1W and the teachers' mask of it, from a group's folder."""
    t1w = read_t1w(case)
    return t1w, Mask(np.load(_pseudo_label(folder, case)), t1w.grid)


def write_pseudo_labels(folder: Path, cases: Sequence[LabelledCase], teachers: Sequence[Member]) -> None:
    """The teachers' masks into a group's folder, once: a resumed run must find those it began with."""
    for case in cases:
        path = _pseudo_label(folder, case)
        if path.exists():
            continue
        t1w = read_t1w(case)
        mask = region_of(probabilities(t1w, teachers)[0], t1w)
        content = io.BytesIO()
        np.save(content, mask.data)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())


def _pseudo_label(folder: Path, case: LabelledCase) -> Path:
    return folder / PSEUDO_LABELS / f"{case.case_id}.npy"
