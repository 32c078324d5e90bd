"""Labels of other scanners' scans as training wants them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..core.bone_labels import LabelMap, LearntLabels, learnt_of
from ..core.disease_region import Member
from ..core.volume import Mask, Volume, check_same_grid
from ..errors import InputError
from ..files import write_atomically
from ..studies.labelled import LabelledCase
from ..studies.nifti import read_labels
from .scans import probabilities, read_t1w

LABEL_MAP, WRITTEN = "labels.json", "other_labels"


def read_label_map(path: Path) -> LabelMap:
    """The label map in a JSON file such as `{"region": [2, 4], "partly": [3], "ignored": [1]}`.

    Raises
    ------
    InputError
        The file is missing or says something else, or one number twice.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        label_map = LabelMap(**{name: tuple(_whole(n) for n in numbers) for name, numbers in content.items()})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f'{path} does not say what the labels mean ({error}); write for example {{"region": [2, 4], "partly": [3], '
            '"ignored": [1]}.'
        ) from error
    numbers = (*label_map.region, *label_map.partly, *label_map.bright, *label_map.ignored)
    if not label_map.region or len(set(numbers)) < len(numbers):
        raise InputError(f"{path} must name at least one label as region, and each label once; found {label_map}.")
    return label_map


def _whole(number: Any) -> int:
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise ValueError(f"{number!r} is no label, which are whole numbers from 1 on")
    return number


def write_other_labels(folder: Path, cases: Sequence[LabelledCase], start: Callable[[], Sequence[Member]]) -> None:
    """Write the labels that are learnt of each scan into a group's folder, once: a resumed run must find those it began with.

    `start` gives the networks that the training starts from; it may give none, whose bone is then nowhere.
    """
    missing = [case for case in cases if not _written(folder, case).exists()]
    members = start() if missing else ()
    for case in missing:
        t1w, labels = read_t1w(case), _labels(case)
        bone = probabilities(t1w, members)[0] >= 0.5 if members else np.zeros(labels.shape, dtype=bool)
        learnt = learnt_of(t1w, labels, read_label_map(_map_of(case)), bone)
        content = io.BytesIO()
        np.savez_compressed(content, mask=learnt.mask.data, ignored=learnt.ignored, dark=learnt.dark)
        path = _written(folder, case)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content.getvalue())


def read_other(folder: Path, case: LabelledCase) -> tuple[Volume, LearntLabels]:
    """T1W and what is learnt of its labels, from a group's folder; InputError where an earlier build wrote them."""
    t1w, path = read_t1w(case), _written(folder, case)
    with np.load(path) as arrays:
        if "dark" not in arrays:
            raise InputError(f"{path} was written by an earlier build and does not tell discs and canal; choose another --out.")
        return t1w, LearntLabels(Mask(arrays["mask"], t1w.grid), arrays["ignored"], arrays["dark"])


def _labels(case: LabelledCase) -> np.ndarray:
    if case.disease_region is None:
        raise InputError(f"{case.t1w} has no labels.")
    labels, grid = read_labels(case.disease_region, f"labels {case.case_id}")
    check_same_grid(read_t1w(case), Mask(labels > 0, grid, f"labels {case.case_id}"))
    return labels


def _map_of(case: LabelledCase) -> Path:
    return (case.disease_region or case.t1w).parent / LABEL_MAP


def _written(folder: Path, case: LabelledCase) -> Path:
    return folder / WRITTEN / f"{case.case_id}.npz"
