"""A folder laid out as the authors' public repository, of real scans where they are, and of phantoms where files are missing."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np

PUBLISHED = json.loads((Path(__file__).parent / "reference" / "published_overlap.json").read_text())
SEMI = "Inflammation_semi-automatic_segmentation"
POST = {"1012", "1016", "3002", "4386"}


def savetxt(path: Path, rows, header: str) -> None:
    """As the authors write tables."""
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savetxt(path, rows, header=header)


def write_published_tables(folder: Path) -> None:
    """The tables of overlap and volume similarity of manual readings, with the published numbers."""
    for pair, dices in PUBLISHED["dice"].items():
        if "semi" in pair:
            continue
        name, (first, second) = pair.replace(" ", "_"), pair.split()
        files = "\n".join(f"['{case}_inflammation_{first}.nii.gz']\n['{case}_inflammation_{second}.nii.gz']" for case in dices)
        rows = [(float(case), dice) for case, dice in dices.items()]
        header = f"\nCol. 0: scan ID, Col. 1: volume overlap\n\nData, used to compute volume overlap:\n{files}\n"
        savetxt(folder / "generated_files" / "overlap" / f"overlap_{name}.txt", rows, header)
        counts = [(case, PUBLISHED["voxels"][first][case], PUBLISHED["voxels"][second][case]) for case in dices]
        similar = [(float(case), 1 - abs(a - b) / (a + b), a, b) for case, a, b in counts]
        header = f"\nCol. 0: scan ID\nCol. 1: volume similarity coefficient\n\n{files}\n"
        savetxt(folder / "generated_files" / "volume_similarity" / f"vs_{name}.txt", similar, header)


def write_semi_automatic(folder: Path, case: str, lower: dict[str, np.ndarray], higher: dict[str, np.ndarray], affine) -> None:
    """Both readers' semi-automatic masks: above the lower threshold, and of both thresholds."""
    for reader, mask in lower.items():
        place = folder / "data" / "segmentations" / SEMI / reader
        (place / "Two_thresholds").mkdir(parents=True, exist_ok=True)
        both = (mask.astype(np.uint8) + (mask & higher[reader])).astype(np.uint8)
        nib.save(nib.Nifti1Image(mask.astype(np.uint8), affine), place / f"{case}_inflammation_{reader}_LT.nii")
        nib.save(nib.Nifti1Image(both, affine), place / "Two_thresholds" / f"{case}_inflammation_{reader}.nii")


def write_intensities(folder: Path, case: str, values: np.ndarray) -> None:
    header = f"\n    Files used to generate the data: \n    image: {case}_STIR.nii.gz\n    mask: {case}_normal_marrow.nii.gz\n"
    header += "    Column: intensities of voxels considered to be normal bone.\n    "
    savetxt(folder / "generated_files" / "normal_bone_intensities" / f"{case}_normal_bone_ints.txt", values, header)


def write_training_tables(folder: Path) -> list[float]:
    """Learning curves of two partitions, and 48 test slices; these are the test slices' Dice."""
    place = folder / "generated_files" / "model_training"
    epochs = np.arange(1, 101)
    for partition in (1, 2):
        curves = np.column_stack([1 - 0.2 / epochs, 0.96 - 0.1 / epochs])
        header = "\nCol.0: Average 2D soft dice, training data\nCol.1: Average 2D soft dice, validation data\n"
        savetxt(place / f"overlap_partition_{partition}.txt", curves, header)
        header = "\nCol.0: Training Loss\nCol.1: Validation Loss \n"
        savetxt(place / f"loss_partition_{partition}.txt", np.column_stack([98 / epochs, 1.5 / epochs]), header)
    rows = [(1003.0, k, 0.95) for k in range(1, 24)] + [(2014.0, k, 0.93) for k in range(1, 26)]
    rows[5], rows[40] = (1003.0, 6, 0.98), (2014.0, 18, 0.85)
    savetxt(place / "test_data_overlap.txt", rows, "\nCol. 0: scan ID\nCol. 1: slice number\nCol. 2: area overlap (2D Dice)\n")
    return [row[2] for row in rows]


def link(folder: Path, file: Path, *parts: str) -> None:
    place = folder.joinpath("data", *parts)
    place.mkdir(parents=True, exist_ok=True)
    (place / file.name).symlink_to(file)


def real_clone(folder: Path, data: Path) -> None:
    """Real scans and manual masks; semi-automatic masks are phantoms, made of the readers' manual ones."""
    masks = data / "segmentations"
    for case_file in sorted((data / "images_study" / "T1W").iterdir()):
        case = case_file.name.split("_")[0]
        visit = "Post_Scans" if case in POST else "Pre_Scans"
        for what in ("T1W", "STIR"):
            link(folder, data / "images_study" / what / f"{case}_{what}.nii.gz", "images_study", what, visit)
        link(
            folder,
            masks / "disease_region" / f"{case}_disease_region.nii.gz",
            "segmentations",
            "Disease_region_manual_segmentation",
        )
        link(
            folder, masks / "normal_marrow" / f"{case}_normal_marrow.nii.gz", "segmentations", "Normal_marrow_manual_segmentation"
        )
        _readings(folder, data, case)
    for file in sorted((data / "images_atypical" / "T1W").iterdir()):
        link(folder, file, "images_study", "T1W", "Additional_scans", "Pre_Scans")
    for file in sorted((masks / "disease_region_atypical").iterdir()):
        link(folder, file, "segmentations", "Disease_region_manual_segmentation", "Additional_data")
    for file in sorted((data / "images_unlabelled" / "T1W").iterdir()):
        link(folder, file, "images_model_evaluation", "T1W", "Pre_Scans")
    write_published_tables(folder)
    write_training_tables(folder)


def _readings(folder: Path, data: Path, case: str) -> None:
    stir = np.asarray(nib.load(data / "images_study" / "STIR" / f"{case}_STIR.nii.gz").dataobj)
    bone = np.asarray(nib.load(data / "segmentations" / "normal_marrow" / f"{case}_normal_marrow.nii.gz").dataobj) > 0
    write_intensities(folder, case, stir[bone])
    drawn = {}
    for reading in ("R11", "R12", "R21", "R22"):
        file = data / "segmentations" / "inflammation_manual" / reading / f"{case}_inflammation_{reading}.nii.gz"
        if not file.exists():
            return
        link(folder, file, "segmentations", "Inflammation_manual_segmentation", reading)
        image = nib.load(file)
        drawn[reading] = np.asarray(image.dataobj) > 0
    lower = {"R1": drawn["R11"] | drawn["R21"], "R2": drawn["R21"] | drawn["R12"] & drawn["R22"]}
    bright = stir > np.percentile(stir[lower["R1"]], 60)
    write_semi_automatic(folder, case, lower, {"R1": bright, "R2": bright}, image.affine)
