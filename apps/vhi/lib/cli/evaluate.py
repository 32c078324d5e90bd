"""`evaluate`: a folder of masks against a folder of reference masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..core.volume import Mask
    from ..evaluation import EvaluationSummary, MaskAgreement

FILES = ("evaluation.json", "evaluation.csv")
SOME_FAILED = 3
_SUFFIXES = (".nii.gz", ".nii")
_OF_LESIONS = (
    "reference_lesions",
    "found_lesions",
    "predicted_lesions",
    "false_lesions",
    "lesion_sensitivity",
    "lesion_precision",
)


def evaluate(
    predictions: Annotated[Path, typer.Argument(help="Folder of masks (NIfTI).", show_default=False)],
    references: Annotated[Path, typer.Argument(help="Folder of reference masks with the same names.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for evaluation.json and evaluation.csv.", show_default=False)],
    lesions: Annotated[
        bool, typer.Option("--lesions", help="The masks are lesions (0 and 1, or grades 0, 1, 2): count those found as well.")
    ] = False,
    tolerance_mm: Annotated[
        float, typer.Option(min=0, max=1000, help="How far surfaces may lie apart in the surface Dice [mm].")
    ] = 1.0,
) -> None:
    """Compare masks with reference masks: Dice, surface Dice, Hausdorff 95 in mm, and lesions found.

    Masks are paired by their names; every file without a partner is named. Ends with 3 where a file has no partner or a pair
    cannot be compared.
    """
    from ..errors import InputError, VhiError
    from ..evaluation import compare_masks, summarise
    from ..files import check_result_folder, result_folder
    from .status import status

    check_result_folder(out, FILES, FILES[0])
    (predicted, odd), (given, other_odd) = _masks_in(predictions), _masks_in(references)
    names = sorted(predicted.keys() & given.keys())
    if not names:
        raise InputError(
            f"No mask of {predictions} has the name of one in {references} ({len(predicted)} and {len(given)} masks); name them "
            "alike."
        )
    left_out = {
        "predictions": [*sorted(path.name for name, path in predicted.items() if name not in given), *odd],
        "references": [*sorted(path.name for name, path in given.items() if name not in predicted), *other_odd],
    }
    cases: list[MaskAgreement] = []
    failures: list[dict[str, str]] = []
    with status(f"Comparing {len(names)} masks"):
        for name in names:
            try:
                masks = _read(predicted[name], "prediction", lesions), _read(given[name], "reference", lesions)
                cases.append(compare_masks(name, *masks, tolerance_mm=tolerance_mm, lesions=lesions))
            except VhiError as error:
                failures.append({"case": name, "reason": " ".join(str(error).split())})
    summary = summarise(cases)
    with result_folder(out, FILES, FILES[0]) as place:
        (place / FILES[0]).write_text(_json(cases, summary, lesions, tolerance_mm, left_out, failures), encoding="utf-8")
        (place / FILES[1]).write_text(_csv([row_of(case, lesions) for case in cases]), encoding="utf-8")
    _print(cases, summary, lesions, tolerance_mm)
    for role, files in left_out.items():
        for file in files:
            typer.echo(f"{role}: {file} has no partner and was not compared", err=True)
    for failure in failures:
        typer.echo(f"{failure['case']}: {failure['reason']}", err=True)
    typer.echo(f"written   {out}")
    if failures or any(left_out.values()):
        raise typer.Exit(SOME_FAILED)


def _masks_in(folder: Path) -> tuple[dict[str, Path], list[str]]:
    """NIfTI files below a folder by their path without suffix, and the names of other files."""
    from ..errors import InputError

    if not folder.is_dir():
        raise InputError(f"{folder} is no folder; pass a folder of masks.")
    paths: dict[str, Path] = {}
    odd = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part.startswith(".") for part in relative.parts) or not path.is_file():
            continue
        suffix = next((one for one in _SUFFIXES if path.name.lower().endswith(one)), None)
        if suffix is None:
            odd.append(f"{relative.as_posix()} (no NIfTI file)")
            continue
        name = relative.as_posix()[: -len(suffix)]
        if name in paths:
            raise InputError(f"{folder} holds {paths[name].name} and {path.name}: two masks of one name; remove one.")
        paths[name] = path
    return paths, odd


def _read(path: Path, role: str, lesions: bool) -> Mask:
    from ..core.volume import Mask
    from ..errors import InputError
    from ..studies.nifti import read_labels, read_mask

    if not lesions:
        return read_mask(path, role)
    labels, grid = read_labels(path, role)
    if labels.max(initial=0) > 2:
        raise InputError(
            f"{role} ({path.name}) holds values up to {labels.max()}; a mask of lesions holds 0 and 1, or grades 0, 1 and 2."
        )
    return Mask(labels > 0, grid, f"{role} ({path.name})")


def row_of(case: MaskAgreement, lesions: bool) -> dict[str, Any]:
    """A case as a row of the tables: units in the names, nan for no value."""
    from ..evaluation import MaskAgreement

    names = [field.name for field in fields(MaskAgreement) if field.name not in _OF_LESIONS]
    return {name: getattr(case, name) for name in [*names, "volume_difference_mm3", *(_OF_LESIONS if lesions else ())]}


def _json(
    cases: Sequence[MaskAgreement],
    summary: EvaluationSummary,
    lesions: bool,
    tolerance_mm: float,
    left_out: Mapping[str, Sequence[str]],
    failures: Sequence[Mapping[str, str]],
) -> str:
    from ..core.numbers import plain
    from ..evaluation import RULES
    from ..provenance import command_line, now, versions

    together = {name: one for name, one in plain(summary).items() if lesions or name not in _OF_LESIONS}
    if lesions:
        together |= {name: plain(getattr(summary, name)) for name in ("lesion_sensitivity", "lesion_precision")}
    content = {
        "of": "lesions" if lesions else "regions",
        "tolerance_mm": tolerance_mm,
        "rules": RULES,
        "summary": together,
        "cases": [row_of(case, lesions) for case in cases],
        "without_partner": left_out,
        "failures": failures,
        "provenance": {"created": now(), "command": command_line(), "versions": versions("numpy", "scipy", "monai", "nibabel")},
    }
    return json.dumps(plain(content), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    from ..reports.cohort_content import Records, rows_of

    return Records("", tuple(rows[0]), rows_of(tuple(row.values()) for row in rows)).csv_text() if rows else ""


def _print(cases: Sequence[MaskAgreement], summary: EvaluationSummary, lesions: bool, tolerance_mm: float) -> None:
    from rich.console import Console
    from rich.table import Table

    def number_text(value: float, digits: int = 3) -> str:
        return "–" if value != value else f"{value:.{digits}f}"

    columns = ["case", "Dice", f"surface Dice ({tolerance_mm:g} mm)", "Hausdorff 95 (mm)", "prediction (mm3)", "reference (mm3)"]
    columns += ["found", "false"] if lesions else []
    console = Console(highlight=False, soft_wrap=True)
    table = Table(*columns, box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for case in cases:
        numbers = (number_text(case.dice), number_text(case.surface_dice), number_text(case.hausdorff95_mm, 2))
        volumes = (f"{case.prediction_mm3:.0f}", f"{case.reference_mm3:.0f}")
        counted = (f"{case.found_lesions} of {case.reference_lesions}", f"{case.false_lesions} of {case.predicted_lesions}")
        table.add_row(case.case, *numbers, *volumes, *(counted if lesions else ()))
    console.print(table, markup=False)
    of = summary.dice.n, summary.surface_dice.n, summary.hausdorff95_mm.n
    console.print(
        f"mean      Dice {number_text(summary.dice.mean)} ({of[0]} cases), "
        f"surface Dice {number_text(summary.surface_dice.mean)} ({of[1]}), "
        f"Hausdorff 95 {number_text(summary.hausdorff95_mm.mean, 2)} mm ({of[2]})"
    )
    console.print(f"empty     both {summary.both_empty} (in no mean), one of them {summary.one_empty} (Dice 0, no distance)")
    if lesions:
        console.print(
            f"lesions   sensitivity {number_text(summary.lesion_sensitivity)} "
            f"({summary.found_lesions} of {summary.reference_lesions}), "
            f"precision {number_text(summary.lesion_precision)} ({summary.false_lesions} false of {summary.predicted_lesions})"
        )
