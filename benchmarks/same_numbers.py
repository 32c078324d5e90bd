"""Whether another build gives the numbers of this one: both measure the published scans, and every difference is a line.

The eight scans with their manual masks; two of them by their files alone, with a further image; two as DICOM in and out, from
studies that the other build wrote. Both use the networks of the other build; the cleaning proposal is another model since, and
left out. `vhi.json` must be equal but for times, versions and the command, the volumes voxel by voxel, SEG in frames and codes;
each number of the SR must be there again. Told, and no difference: numbers apart by the rounding of a sum, what follows another
rule since (`OTHER_RULES`), fields of `vhi.json` that only this build has, further items and attributes of the DICOM objects.
Ends with 1 where something differs.

    VHI_DATA=<folder> python benchmarks/same_numbers.py FOLDER

FOLDER is the other checkout with its environment in `.venv`: benchmarks/before.sh makes the one before numpy 2 and pydicom 3.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from fnmatch import fnmatch
from math import isclose
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
from pydicom.dataset import Dataset

HERE = Path(__file__).parents[1]
ALONE, DICOM = ("1013", "1016"), ("1013", "4386")
VOLUMES = ("grade", "disease_region", "normal_bone", "lesions")
# relative; of a sum, where numpy adds in another order. The entropy is of float64 logarithms now, of float32 before
ROUNDING, ROUNDING_OF = 1e-12, {"disease_region/entropy": 1e-5}
# a lesion whose centre lies near the midline is on neither side; more is said of an unstable and of an uncleaned number
OTHER_RULES = ("lesions/*/side", "warnings", "stability/stable", "stability/reasons", "stability/warnings")
NOT_COMPARED = ("schema_version", "provenance/created", "provenance/command", "provenance/versions")


def main() -> None:
    if "VHI_DATA" not in os.environ or len(sys.argv) != 2:
        sys.exit("Set VHI_DATA to the folder of published scans and pass the folder of the other build.")
    before = Path(sys.argv[1])
    faults = 0
    with tempfile.TemporaryDirectory() as name:
        for what, arguments in cases(Path(os.environ["VHI_DATA"]), before, Path(name)):
            old, new = Path(name, what, "before"), Path(name, what, "now")
            for build, folder in ((before, old), (HERE, new)):
                dicom = ("--dicom-out", str(folder / "dicom")) if "--study" in arguments else ()
                networks = ("--model-dir", str(before / "apps/vhi/model/disease_region"))
                run(build, "measure", *arguments, *networks, "--out", str(folder / "result"), *dicom)
            wrong, notes = compared(old, new)
            faults += len(wrong)
            print(f"{what}: {'equal' if not wrong else f'{len(wrong)} differences'}")
            alike = Counter(re.sub(r"/\d+", "/*", line.split(": ")[0]) for line in notes)
            for line in (*wrong, *(f"({line}{f', {count} times' if count > 1 else ''})" for line, count in alike.items())):
                print(f"    {line}", flush=True)
    sys.exit(1 if faults else 0)


def cases(data: Path, before: Path, work: Path) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is measured, and the arguments of `measure`."""
    for path in sorted((data / "images_study/STIR").glob("*.nii.gz")):
        subject = path.name.split("_")[0]
        pair = ("--t1w", str(data / f"images_study/T1W/{subject}_T1W.nii.gz"), "--stir", str(path))
        masks = {role: data / f"segmentations/{role}/{subject}_{role}.nii.gz" for role in ("disease_region", "normal_marrow")}
        given = ("--disease-region", str(masks["disease_region"]), "--normal-bone", str(masks["normal_marrow"]))
        yield f"{subject} with manual masks", (*pair, *given)
        if subject in ALONE:
            yield f"{subject} alone", (*pair, "--image", str(path))
        if subject in DICOM:
            study = work / f"{subject} study"
            run(before, "dicomize", *pair, "--out", str(study), "--patient-id", subject, "--study-date", "20200102")
            yield f"{subject} as DICOM", ("--study", str(study))


def run(build: Path, *arguments: str) -> None:
    command = [str(build / ".venv/bin/python"), str(build / "main.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr.strip() or done.stdout.strip()}")


def compared(old: Path, new: Path) -> tuple[list[str], list[str]]:
    """Differences that count, and those that are only told."""
    wrong, notes = json_differences(*(json.loads((one / "result/vhi.json").read_text()) for one in (old, new)))
    for name in VOLUMES:
        first, second = (nib.Nifti1Image.from_filename(build / f"result/{name}.nii.gz") for build in (old, new))
        unlike = int(np.count_nonzero(np.asarray(first.dataobj) != np.asarray(second.dataobj)))
        if unlike or not np.array_equal(first.affine, second.affine):
            wrong.append(f"{name}.nii.gz: {unlike} voxels differ, or its place")
    for name in ("seg.dcm", "sr.dcm") if (old / "dicom").exists() else ():
        objects = [pydicom.dcmread(one / "dicom" / name) for one in (old, new)]
        if name == "seg.dcm":
            frames = [frames_of(one) for one in objects]
            apart = [key for key in {**frames[0], **frames[1]} if frames[0].get(key) != frames[1].get(key)]
            wrong += [f"{name}: {len(apart)} of {len(frames[0])} segments and frames differ, {apart[0]} first"] if apart else []
        else:
            lacking = Counter(numbers_of(objects[0])) - Counter(numbers_of(objects[1]))
            wrong += [f"{name} lacks {number}, {count} times" for number, count in lacking.items()]
        notes += [f"{name} {line}" for line in attribute_differences(*objects)]
    return wrong, notes


def json_differences(old: Any, new: Any, at: str = "") -> tuple[list[str], list[str]]:
    wrong: list[str] = []
    notes: list[str] = []
    if at in NOT_COMPARED:
        pass
    elif isinstance(old, dict) and isinstance(new, dict):
        notes += [f"vhi.json has {at}/{key}, new" for key in new.keys() - old.keys()]
        for key, value in old.items():
            more = json_differences(value, new.get(key, "(absent)"), f"{at}/{key}".lstrip("/"))
            wrong, notes = wrong + more[0], notes + more[1]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for n, (a, b) in enumerate(zip(old, new, strict=True)):
            more = json_differences(a, b, f"{at}/{n}")
            wrong, notes = wrong + more[0], notes + more[1]
    elif isinstance(old, float) and isinstance(new, float) and isclose(old, new, rel_tol=ROUNDING_OF.get(at, ROUNDING)):
        notes += [f"vhi.json {at}: {old!r} before, {new!r} now"] if old != new else []
    elif (old != new or type(old) is not type(new)) and any(fnmatch(at, rule) for rule in OTHER_RULES):
        notes.append(f"vhi.json {at}, by another rule")
    elif old != new or type(old) is not type(new):
        wrong.append(f"vhi.json {at}: {old!r} before, {new!r} now")
    return wrong, notes


def code_of(item: Dataset, name: str) -> tuple[str, ...]:
    # a value of more than 16 characters has an attribute of its own
    return tuple(
        f"{code.get('CodeValue', code.get('LongCodeValue'))} {code.CodingSchemeDesignator} {code.CodeMeaning}"
        for code in item.get(name, ())
    )


def frames_of(seg: Dataset) -> dict[Any, Any]:
    """What each segment is, and for every frame its pixels by segment and place."""
    facts: dict[Any, Any] = {}
    for one in seg.SegmentSequence:
        codes = (code_of(one, "SegmentedPropertyCategoryCodeSequence"), code_of(one, "SegmentedPropertyTypeCodeSequence"))
        facts[one.SegmentNumber] = (one.SegmentLabel, one.SegmentAlgorithmType, *codes, code_of(one, "AnatomicRegionSequence"))
    pixels = seg.pixel_array.reshape(int(seg.NumberOfFrames), seg.Rows, seg.Columns)
    for frame, own in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
        both = (own, seg.SharedFunctionalGroupsSequence[0])
        number, place, turned, measures = (
            group(both, name)
            for name in (
                "SegmentIdentificationSequence",
                "PlanePositionSequence",
                "PlaneOrientationSequence",
                "PixelMeasuresSequence",
            )
        )
        at = (number.ReferencedSegmentNumber, *map(float, place.ImagePositionPatient))
        facts[at] = (
            *map(float, turned.ImageOrientationPatient),
            *map(float, measures.PixelSpacing),
            frame.tobytes(),
        )
    return facts


def group(both: tuple[Dataset, Dataset], name: str) -> Dataset:
    """A functional group of a frame: its own, or the one that all share."""
    return next(one[name][0] for one in both if name in one)


def numbers_of(item: Dataset) -> Iterator[tuple[Any, ...]]:
    """Every measured number: the codes of its name and unit, its value, and that as text."""
    for one in item.get("ContentSequence", ()):
        for measured in one.get("MeasuredValueSequence", ()):
            value = float(measured.get("FloatingPointValue", measured.NumericValue))
            # by their codes: some names are worded anew
            codes = code_of(one, "ConceptNameCodeSequence") + code_of(measured, "MeasurementUnitsCodeSequence")
            yield (*(code.split()[0] for code in codes), value, str(measured.NumericValue))
        yield from numbers_of(one)


def attribute_differences(old: Dataset, new: Dataset) -> list[str]:
    """Attributes of which the two objects have other numbers or other values; no identifiers, dates and times."""
    differences = []
    old_values, new_values = values_of(old), values_of(new)
    for name in sorted(old_values.keys() | new_values.keys()):
        a, b = old_values.get(name, []), new_values.get(name, [])
        if a != b:
            shown = [f"{len(one)} x {sorted(set(one))[:3]}"[:90] for one in (a, b)]
            differences.append(f"{name}: {shown[0]} before, {shown[1]} now")
    return differences


def values_of(dataset: Dataset) -> dict[str, list[str]]:
    values = defaultdict(list)
    for one in dataset.iterall():
        if one.VR not in ("SQ", "DA", "TM", "DT", "OB", "OW"):
            values[one.keyword].append("" if one.VR == "UI" else str(one.value))
    return values


if __name__ == "__main__":
    main()
