"""`trial`: a simulated trial on disk, as `cohort` reads it, whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from ..phantom.trial import PatientPlan, TrialScan

TABLE = "cohort.csv"
MARK = "trial.json"
OWN_FILES = (MARK, TABLE, "scans", "inflammation_semi-automatic", "inflammation_manual", "sparcc")


def trial(  # noqa: PLR0913 options of a command
    out: Annotated[Path, typer.Option("--out", help="Folder; an earlier trial there is replaced.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="Another number, another trial.")] = 0,
    patients: Annotated[int, typer.Option(min=1, max=999, help="Each has a baseline and a follow-up.")] = 29,
    shape: Annotated[tuple[int, int, int], typer.Option(metavar="I J K", help="Voxels of every scan.")] = (112, 112, 18),
    effect: Annotated[float, typer.Option(help="Strength of the treatment: 1 as usual, 0 none.")] = 1.0,
    reader_bias: Annotated[float, typer.Option(help="Share by which the second reader's VHI is larger.")] = 0.0,
    threshold_bias: Annotated[float, typer.Option(help="Share by which thresholds lie too high at follow-up.")] = 0.0,
    missing: Annotated[float, typer.Option(help="Probability that a visit is missing.")] = 0.0,
    correlation: Annotated[
        float,
        typer.Option(help="With --numbers: share of VHI's noise and of readers' differences that both visits have in common."),
    ] = 0.0,
    numbers: Annotated[bool, typer.Option("--numbers", help="No scans, only cohort.csv: in a second.")] = False,
) -> None:
    """Write a simulated trial: patients scanned before and after treatment, read by two readers.

    Bend it to see what the analysis makes of a reader's bias, thresholds that drift, missing visits, a weak treatment.
    Writes scans (T1W and STIR), masks of both readers, SPARCC score sheets, cohort.csv with clinical values and scores, and
    trial.json with what was planted. Analyse it by: cohort DIR --table DIR/cohort.csv.
    """
    from dataclasses import asdict

    from ..errors import SettingsError
    from ..files import result_folder
    from ..phantom.trial import Bent, PlantedNumbers, plan_trial, simulate_numbers

    bent = Bent(effect, reader_bias, threshold_bias, missing)
    planted = PlantedNumbers(n_patients=patients, correlation=correlation, bent=bent)
    if correlation and not numbers:
        raise SettingsError("--correlation is for trials of numbers; pass --numbers too, or leave it out.")
    with result_folder(out, OWN_FILES, MARK) as folder:
        if numbers:
            rows = _prefixed(simulate_numbers(seed, planted).rows())
            if not rows:
                raise SettingsError("Every visit of this trial is missing; lower --missing, or pass another --seed.")
            truth: dict[str, Any] = {"numbers": asdict(planted)}
        else:
            scans, rows = _write_scans(folder, plan_trial(seed, patients, bent), shape)
            truth = {"bent": asdict(bent), "scans": scans}
        _write_table(folder, rows, {"seed": seed, **truth})
    visits = len({(row["subject"], row["visit"]) for row in rows})
    typer.echo(f"{patients} patients, {visits} {'visits' if numbers else 'scans'}, {len(rows)} readings in {out}")


def _prefixed(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    return [{**row, "reader": f"R{row['reader']}"} for row in rows]


def _write_table(folder: Path, rows: list[dict[str, str]], truth: dict[str, Any]) -> None:
    import json

    from ..files import write_atomically
    from ..phantom.trial import as_csv

    write_atomically(folder / TABLE, as_csv(rows).encode("utf-8"))
    write_atomically(folder / MARK, (json.dumps(truth, indent=1) + "\n").encode("utf-8"))


def _write_scans(
    folder: Path, plans: Sequence[PatientPlan], shape: tuple[int, int, int]
) -> tuple[list[dict[str, Any]], list[dict[str, str]]]:
    """Scans, masks and score sheets; what was planted, and the rows of the table."""
    from ..cohort.score_sheets import Scored, sheets_text
    from ..cohort.sparcc import SparccSheet
    from ..files import write_atomically
    from ..phantom.trial import simulate_scans
    from .status import status

    rows: list[dict[str, str]] = []
    sheets: dict[str, list[Scored]] = {}
    truth: list[dict[str, Any]] = []
    scans, total = simulate_scans(plans, shape), sum(sum(plan.present) for plan in plans)
    (folder / "scans").mkdir()
    for number in range(1, total + 1):
        with status(f"Scan {number} of {total}"):
            scan = next(scans)
            _write_scan(folder, scan)
            rows += _prefixed(scan.rows())
            for reader, score in scan.sparcc.items():
                sheet = SparccSheet(score.oedema, score.depth, score.intensity)
                sheets.setdefault(f"R{reader}", []).append(Scored(f"R{reader}", 1, _case(scan), sheet))
            truth.append(
                {
                    "case": _case(scan),
                    "second_minus_first_voxels": scan.second_minus_first_voxels,
                    "disagreement": scan.disagreement,
                    "true_lesion_mm3": sum(lesion.volume_mm3 for lesion in scan.study.lesion_table),
                }
            )
    (folder / "sparcc").mkdir()
    for reader, scored in sheets.items():
        write_atomically(folder / "sparcc" / f"{reader}.csv", sheets_text(scored).encode("utf-8"))
    return truth, rows


def _case(scan: TrialScan) -> str:
    return f"{scan.plan.subject}_{scan.visit}"


def _write_scan(folder: Path, scan: TrialScan) -> None:
    from ..studies.nifti import write_mask, write_volume

    case = _case(scan)
    write_volume(folder / "scans" / f"{case}_T1W.nii.gz", scan.study.t1w)
    write_volume(folder / "scans" / f"{case}_STIR.nii.gz", scan.study.stir)
    for reading in scan.readings:
        which = f"R{reading.reader}{reading.reading}"
        place = folder / f"inflammation_{reading.method}" / which
        place.mkdir(parents=True, exist_ok=True)
        write_mask(place / f"{case}_inflammation_{which}.nii.gz", reading.mask)
