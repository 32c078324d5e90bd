"""Finding scans and their manual disease regions in a data folder.

Three layouts are read, told apart by what lies there:

shared and own data
    `images_study/T1W/<id>_T1W.nii.gz` with `segmentations/disease_region/<id>_*.nii.gz`; `images_atypical/T1W` with
    `segmentations/disease_region_atypical`; `images_unlabelled/T1W`; scans of other scanners, `images_other/T1W`, with labels
    of several bones, `segmentations/bones_other`, and what they mean, `labels.json` there. Only the first pair is needed.
    `.nii` will do too.
a clone of the authors' public repository
    the same files under `data/`, in their folders (`Pre_Scans`, `Post_Scans`, `Additional_scans`, ...).

The id is the file name up to its first underscore.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError

# where masks lie, by what their scans are for: our layout first, then the authors'
_MASKS = {
    "study": ("segmentations/disease_region", "data/segmentations/Disease_region_manual_segmentation"),
    "test": ("segmentations/disease_region_test", "data/segmentations/Disease_region_manual_segmentation/Test_data"),
    "atypical": (
        "segmentations/disease_region_atypical",
        "data/segmentations/Disease_region_manual_segmentation/Additional_data",
    ),
}
_IMAGES = (
    "images_study/T1W",
    "images_test/T1W",
    "images_atypical/T1W",
    "images_unlabelled/T1W",
    "data/images_study/T1W",
    "data/images_model_evaluation/T1W",
)
_OTHER = ("images_other/T1W", "segmentations/bones_other")


@dataclass(frozen=True)
class LabelledCase:
    """One T1W scan, with its manual disease region, or of another scanner its labels, where there is one."""

    case_id: str
    t1w: Path
    disease_region: Path | None = None


@dataclass(frozen=True)
class LabelledData:
    """The scans of a data folder by their use, each sorted by id.

    `study` trains; `test` and `atypical` are labelled but held out; `unlabelled` has no mask; `other` are of other scanners, with
    labels by other rules.
    """

    study: tuple[LabelledCase, ...]
    test: tuple[LabelledCase, ...] = field(default=())
    atypical: tuple[LabelledCase, ...] = field(default=())
    unlabelled: tuple[LabelledCase, ...] = field(default=())
    other: tuple[LabelledCase, ...] = field(default=())


def find_labelled(folder: Path) -> LabelledData:
    """Pair scans and masks by id.

    Raises
    ------
    InputError
        No labelled study scan, a mask without its scan, or two files with one id.
    """
    images: dict[str, Path] = {}
    for place in _IMAGES:
        for case_id, path in _by_id(folder / place, recursive=True).items():
            _refuse_double(case_id, images.get(case_id), path)
            images[case_id] = path
    labelled = {use: _labelled(folder, places, images) for use, places in _MASKS.items()}
    if not labelled["study"]:
        raise InputError(
            f"{folder} holds no labelled scans; needed are images_study/T1W/<id>_T1W.nii.gz and "
            "segmentations/disease_region/<id>_disease_region.nii.gz, or a clone of the authors' repository."
        )
    used = {case.case_id for cases in labelled.values() for case in cases}
    unlabelled = tuple(LabelledCase(case_id, path) for case_id, path in sorted(images.items()) if case_id not in used)
    return LabelledData(labelled["study"], labelled["test"], labelled["atypical"], unlabelled, _other(folder, used | set(images)))


def _other(folder: Path, used: Container[str]) -> tuple[LabelledCase, ...]:
    """Scans of other scanners and their labels, each of both."""
    images, labels = (_by_id(folder / place, recursive=False) for place in _OTHER)
    for case_id in sorted(images.keys() ^ labels.keys()):
        have, lack = ("a scan", "labels") if case_id in images else ("labels", "a scan")
        raise InputError(
            f"{case_id} of another scanner has {have} but no {lack}: {' and '.join(_OTHER)} in {folder} go in pairs."
        )
    for case_id in images:
        if case_id in used:
            raise InputError(f"{images[case_id]} has the id {case_id} of another scan in {folder}; rename it and its labels.")
    return tuple(LabelledCase(case_id, images[case_id], labels[case_id]) for case_id in sorted(images))


def _labelled(folder: Path, places: tuple[str, ...], images: dict[str, Path]) -> tuple[LabelledCase, ...]:
    cases: dict[str, LabelledCase] = {}
    for place in places:
        for case_id, mask in _by_id(folder / place, recursive=False).items():
            if case_id not in images:
                raise InputError(f"The mask {mask} has no T1W scan {case_id}_T1W in {folder}; add the scan or remove the mask.")
            if case_id in cases:
                _refuse_double(case_id, cases[case_id].disease_region, mask)
            cases[case_id] = LabelledCase(case_id, images[case_id], mask)
    return tuple(cases[case_id] for case_id in sorted(cases))


def _by_id(folder: Path, recursive: bool) -> dict[str, Path]:
    by_id: dict[str, Path] = {}
    paths = folder.rglob("*.nii*") if recursive else folder.glob("*.nii*")
    for path in sorted(paths):
        case_id = path.name.split(".nii")[0].split("_")[0]
        _refuse_double(case_id, by_id.get(case_id), path)
        by_id[case_id] = path
    return by_id


def _refuse_double(case_id: str, first: Path | None, second: Path) -> None:
    if first is not None:
        raise InputError(f"Two files have the id {case_id}: {first} and {second}; keep one.")
