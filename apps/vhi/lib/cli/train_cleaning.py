"""`train-cleaning`: the cleaning proposal, from readers' masks or from what readers submitted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..provenance import code_version
from .proposal import CLEANING_DIR


def train_cleaning(
    data: Annotated[
        Path | None, typer.Option(help="Folder of labelled scans with readers' masks: train from nothing.", exists=True)
    ] = None,
    studies: Annotated[
        Path | None, typer.Option(help="Folder that a server serves: learn from what its readers submitted.", exists=True)
    ] = None,
    data_folder: Annotated[
        Path | None, typer.Option(help="With --studies: the server's data folder.", show_default=".vhi in the folder of studies")
    ] = None,
    model_dir: Annotated[Path, typer.Option(help="Model folder of the proposal.", show_default="the shipped one")] = CLEANING_DIR,
    version: Annotated[str | None, typer.Option(help="Id of the new version; by default its time.")] = None,
    share: Annotated[
        float, typer.Option(min=0.0, max=0.5, help="With --studies: share of the patients that are held out.")
    ] = 0.2,
) -> None:
    """Train the cleaning proposal.

    With --data a version is measured with each patient left out, published and live. With --studies the live version goes on
    learning in the data folder; the result is published only where it lies within the margins on three held-out patients or more.
    """
    from datetime import UTC, datetime

    from ..errors import InputError

    if (data is None) == (studies is None):
        raise InputError("Pass --data for labelled scans, or --studies for what readers submitted.")
    now = datetime.now(UTC)
    version = version or f"cleaning-{now:%Y%m%d-%H%M%S}"
    created = now.isoformat(timespec="seconds")
    if data is not None:
        _from_masks(data, model_dir, version, created)
    elif studies is not None:
        _from_submissions(studies, data_folder, model_dir, version, created, share)


def _from_masks(data: Path, model_dir: Path, version: str, created: str) -> None:
    from ..cleaning.evaluation import leave_one_patient_out, metrics_of
    from ..cleaning.learning import fit, publish_model
    from ..cleaning.table import LesionTable
    from ..training.cleaning import cleaned_scans

    tables: list[LesionTable] = []
    for scan in cleaned_scans(data):
        scan_tables = scan.tables()
        typer.echo(f"{scan.case_id}: {len(scan_tables[0].voxels)} lesions, {len(scan.readings)} readings")
        tables += scan_tables
    metrics = metrics_of(leave_one_patient_out(tables, on_patient=lambda patient: typer.echo(f"left out {patient}")))
    made = publish_model(fit(tables, version), model_dir, created=created, code_version=code_version(), metrics=metrics)
    typer.echo(f"Version {version} is live: {made.folder}")


def _from_submissions(studies: Path, data_folder: Path | None, shipped: Path, version: str, created: str, share: float) -> None:
    from ..cleaning.learning import learn
    from ..retraining.holdout import PATIENTS, HoldOut, patients_of_table
    from ..service.service import DATA_FOLDER, VhiService
    from ..versions.site import adopt_live, own_models

    root = data_folder or studies / DATA_FOLDER
    patient_of = patients_of_table(root / "retraining" / PATIENTS)
    cleanings = VhiService(studies, data=root).cleanings(patient_of)
    for sentence in cleanings.left_out:
        typer.echo(sentence)
    sides = HoldOut(root / "retraining", share).write_down(
        {table.case_id: patient_of(table.case_id) for table in cleanings.tables}
    )
    held_out = {case for case, side in sides.items() if side == "holdout"}
    typer.echo(
        f"{sum(table.as_measured for table in cleanings.tables)} readings of {len(sides)} cases, {len(held_out)} cases held out"
    )
    adopt_live(root, shipped, "cleaning")
    own = own_models(root, "cleaning")
    verdict, made = learn(own, cleanings.tables, held_out, version=version, created=created, code_version=code_version())
    for sentence in verdict.findings:
        typer.echo(sentence)
    if made is None:
        typer.echo(f"Refused, the live version stays: {' '.join(verdict.reasons)}")
        raise typer.Exit(3)
    typer.echo(f"Version {version} is live: {made.folder}")
