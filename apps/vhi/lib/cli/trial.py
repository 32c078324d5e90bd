"""`trial`: a simulated trial on disk, as `cohort` reads it, whose truth is known."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

TABLE = "cohort.csv"
MARK = "trial.json"
OWN_FILES = (MARK, TABLE, "scans", "inflammation_semi-automatic", "inflammation_manual", "sparcc")


def trial(
    out: Annotated[Path, typer.Option("--out", help="Folder; an earlier trial there is replaced.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="Another number, another trial.")] = 0,
    patients: Annotated[int, typer.Option(min=1, max=999, help="Each has a baseline and a follow-up.")] = 29,
    shape: Annotated[tuple[int, int, int], typer.Option(metavar="I J K", help="Voxels of every scan.")] = (112, 112, 18),
) -> None:
    """Write a simulated trial: patients scanned before and after treatment, read by two readers.

    Writes scans (T1W and STIR), masks of both readers, SPARCC score sheets, cohort.csv with clinical values and scores, and
    trial.json with what was planted. Analyse it by: cohort DIR --table DIR/cohort.csv.
    """
    import json

    from ..cohort.score_sheets import Scored, sheets_text
    from ..cohort.sparcc import SparccSheet
    from ..files import result_folder, write_atomically
    from ..phantom.trial import as_csv, plan_trial, simulate_scans
    from ..studies.nifti import write_mask, write_volume
    from .steps import step

    plans = plan_trial(seed, patients)
    rows: list[dict[str, str]] = []
    sheets: dict[str, list[Scored]] = {}
    truth = []
    with result_folder(out, OWN_FILES, MARK) as folder:
        (folder / "scans").mkdir()
        scans = simulate_scans(plans, shape)
        for number in range(1, 2 * patients + 1):
            with step(f"Scan {number} of {2 * patients}"):
                scan = next(scans)
                case = f"{scan.plan.subject}_{scan.visit}"
                write_volume(folder / "scans" / f"{case}_T1W.nii.gz", scan.study.t1w)
                write_volume(folder / "scans" / f"{case}_STIR.nii.gz", scan.study.stir)
                for one in scan.readings:
                    which = f"R{one.reader}{one.reading}"
                    place = folder / f"inflammation_{one.method}" / which
                    place.mkdir(parents=True, exist_ok=True)
                    write_mask(place / f"{case}_inflammation_{which}.nii.gz", one.mask)
                rows += [{**row, "reader": f"R{row['reader']}"} for row in scan.rows()]
                for reader, score in scan.sparcc.items():
                    sheet = SparccSheet(score.oedema, score.depth, score.intensity)
                    sheets.setdefault(f"R{reader}", []).append(Scored(f"R{reader}", 1, case, sheet))
                truth.append(
                    {
                        "case": case,
                        "second_minus_first_voxels": scan.second_minus_first_voxels,
                        "disagreement": scan.disagreement,
                        "true_lesion_mm3": sum(lesion.volume_mm3 for lesion in scan.study.lesion_table),
                    }
                )
        (folder / "sparcc").mkdir()
        for reader, scored in sheets.items():
            write_atomically(folder / "sparcc" / f"{reader}.csv", sheets_text(scored).encode("utf-8"))
        write_atomically(folder / TABLE, as_csv(rows).encode("utf-8"))
        write_atomically(folder / MARK, (json.dumps({"seed": seed, "scans": truth}, indent=1) + "\n").encode("utf-8"))
    typer.echo(f"{patients} patients, {2 * patients} scans, {len(rows)} readings in {out}")
