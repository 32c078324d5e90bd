"""`batch`, and `measure --list`: many scans, side by side, on this machine or on a cluster."""

from __future__ import annotations

import json
import threading
from collections.abc import Collection
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .batch_progress import batch_progress
from .dicom_out import DICOM_REPORT_HELP
from .ensemble import MODEL_DIR
from .forms import DEFAULT_FORMS, FORMS_HELP, checked_paper
from .nifti_header import FORM_HELP, form_of
from .post_transforms import CHAIN_HELP, chosen_settings

if TYPE_CHECKING:
    from ..batch.case_list import BatchCase
    from ..examination import Procedure

RESULT_COLUMNS = (
    "case",
    "stage",
    "title",
    "verdict",
    "volume_mm3",
    "conservative_mm3",
    "voxels",
    "conservative_voxels",
    "left_mm3",
    "right_mm3",
    "lesions",
    "stable",
    "post_transforms",
    "normal_bone",
    "disease_region",
    "warnings",
)
SOME_FAILED = 3
JOBS_HELP = "Scans measured at a time; 0 for one per core."
CLUSTER_HELP = "Scheduler of a dask.distributed cluster, instead of this machine (docs/batch.md)."


def batch(  # noqa: PLR0913 options of a command
    source: Annotated[
        Path, typer.Argument(help="Table (CSV: case, t1w, stir or study, masks), or folder of NIfTI scans.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of results; a batch begun there goes on.", show_default=False)],
    jobs: Annotated[int, typer.Option(min=0, help=JOBS_HELP)] = 0,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help=CLUSTER_HELP)] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting, see the command settings; repeatable.")
    ] = None,
    model_dir: Annotated[
        Path, typer.Option("--model-dir", help="Folder of the trained ensemble.", show_default="the shipped one")
    ] = MODEL_DIR,
    proposal: Annotated[
        str, typer.Option(help="off, show (which lesions the cleaning proposal would remove) or apply (without them).")
    ] = "off",
    dicom_out: Annotated[
        Path | None,
        typer.Option("--dicom-out", metavar="DIR", help="Results as DICOM too, a folder for each case; needs DICOM series."),
    ] = None,
    pairing_rules: Annotated[Path | None, typer.Option(help="For studies: a site's own rules, see docs/dicom.md.")] = None,
    use_qform: Annotated[bool | None, typer.Option("--use-qform/--use-sform", help=FORM_HELP)] = None,
    post_transforms: Annotated[Path | None, typer.Option(metavar="FILE", help=CHAIN_HELP, show_default="the paper's")] = None,
    paper: Annotated[str, typer.Option(help="What the reports are printed on: a4 or letter.")] = "a4",
    forms: Annotated[str, typer.Option(metavar="LIST", help=FORMS_HELP)] = DEFAULT_FORMS,
    dicom_report: Annotated[bool, typer.Option("--dicom-report", help=DICOM_REPORT_HELP)] = False,
) -> None:
    """Measure many scans.

    Writes a result folder for each case, results.csv and failures.csv. A case that cannot be measured is listed and does not
    stop the others; of one that is not measured for want of normal bone the folder holds the region and where to click. The same
    call goes on where an earlier one was interrupted. Ends with 3 when cases failed.
    """
    from .. import fork_server

    if cluster is None and source.exists():  # first of all: it imports what workers need while this process gets ready
        fork_server.begin("cli.batch_imports", *(f"reports.{form}" for form in ("html", "pdf") if form in forms))
    from ..batch.batch_folder import FAILURES, RESULTS, batch_folder, is_finished, sweep, write_table
    from ..batch.case_list import read_cases
    from ..batch.workers import run_anywhere
    from ..examination import Procedure
    from ..provenance import code_version, command_line
    from ..reports.forms import checked_forms
    from ..versions import read_live
    from .dicom_out import check_apart, check_dicom_report
    from .proposal import check_mode
    from .settings import parse_changes

    check_mode(proposal)
    wanted = checked_forms(forms)
    settings = chosen_settings(parse_changes(change or []), post_transforms)
    cases, left_out = read_cases(source, form_of(use_qform))
    rules = None
    if pairing_rules is not None:
        from ..studies.pairing_rules import read_rules

        rules = read_rules(pairing_rules)
    check_dicom_report(dicom_report, dicom_out)
    if dicom_out is not None:
        check_apart(dicom_out, out)
    networks = any(case.disease_region is None for case in cases)
    manifest = read_live(model_dir).manifest if networks else None
    plan = {
        "program": code_version(),
        "settings": settings.stored(),
        "model": None if manifest is None else {"version": manifest.version, "sha256": manifest.sha256},
        **({} if proposal == "off" else {"proposal": proposal}),
        **({} if wanted == checked_forms(DEFAULT_FORMS) else {"forms": sorted(wanted)}),
        **({} if rules is None else {"pairing_rules": str(rules)}),
    }
    failed: list[dict[str, str]] = [
        {"case": sentence.split(":", 1)[0], "reason": sentence.split(": ", 1)[1]} for sentence in left_out
    ]
    with batch_folder(out, plan):
        to_do = [case for case in cases if not _is_done(case, out, dicom_out, dicom_report)]
        typer.echo(f"{len(cases)} scans, {len(cases) - len(to_do)} of them finished before")
        reported: list[str] = []
        work = partial(
            measure_case,
            procedure=Procedure(settings.stored(), model_dir.resolve(), command_line(), proposal, rules, checked_paper(paper)),
            out=out.resolve(),
            dicom_out=dicom_out and dicom_out.resolve(),
            forms=wanted,
            dicom_report=dicom_report,
        )
        try:
            showing = batch_progress("Measuring", len(to_do), partial(_short, out))
            with showing as show, closing(run_anywhere(to_do, work, jobs, cluster)) as outcomes:
                for outcome in outcomes:
                    reported.append(outcome.case.name)
                    if outcome.failure:
                        failed.append({"case": outcome.case.name, "reason": outcome.failure})
                    show(outcome)
        except KeyboardInterrupt as error:
            count = sum(is_finished(out, case) for case in cases)
            typer.echo(f"Interrupted; {count} of {len(cases)} scans are finished. The same call goes on from there.", err=True)
            raise typer.Exit(130) from error
        finally:
            if cluster is None or len(reported) == len(to_do):  # no worker is at work any more
                sweep(out, cases)
            finished = [case for case in cases if is_finished(out, case)]
            write_table(out / RESULTS, RESULT_COLUMNS, (result_row(out, case) for case in finished))
            write_table(out / FAILURES, ("case", "reason"), failed)
    typer.echo(f"{len(finished)} measured  {out / RESULTS}")
    if failed:
        typer.echo(f"{len(failed)} failed    {out / FAILURES}")
        raise typer.Exit(SOME_FAILED)


def _short(out: Path, case: BatchCase) -> str:
    row = result_row(out, case)
    return f"{row['title']} {row['volume_mm3']:.0f} mm3"


def result_row(out: Path, case: BatchCase) -> dict[str, Any]:
    """The numbers of a finished case, from its own `vhi.json`."""
    from ..batch.batch_folder import result_of
    from ..core.stages import title_of
    from ..files import RESULT_MARK

    result = json.loads((result_of(out, case.name) / RESULT_MARK).read_text(encoding="utf-8"))
    stage = result.get("stage", "raw")  # nobody cleans in a batch; results of an earlier version do not say so
    return {
        "case": case.name,
        "stage": stage,
        "title": title_of(stage),
        "verdict": result.get("verdict", {}).get("word", ""),
        "volume_mm3": result["vhi_mm3"]["sensitive"],
        "conservative_mm3": result["vhi_mm3"]["conservative"],
        "voxels": result["voxels"]["sensitive"],
        "conservative_voxels": result["voxels"]["conservative"],
        "left_mm3": result["left"]["vhi_mm3"]["sensitive"],
        "right_mm3": result["right"]["vhi_mm3"]["sensitive"],
        "lesions": len(result["lesions"]),
        "stable": result["stability"]["stable"],
        # results of an earlier version have none recorded
        "post_transforms": result["provenance"].get("post_transforms", {}).get("name", "paper"),
        "normal_bone": result["normal_bone"]["source"],
        "disease_region": result["disease_region"]["source"],
        "warnings": len(result["warnings"]),
    }


# reports are drawn with one state for the whole process: threads of one worker take turns
_TURN = threading.Lock()


def _is_done(case: BatchCase, out: Path, dicom_out: Path | None, dicom_report: bool) -> bool:
    from ..batch.batch_folder import is_finished
    from .dicom_out import MARK, REPORT

    wanted = () if dicom_out is None else (MARK, REPORT) if dicom_report else (MARK,)
    return is_finished(out, case) and all((dicom_out / case.name / name).is_file() for name in wanted if dicom_out is not None)


def measure_case(
    case: BatchCase,
    *,
    procedure: Procedure,
    out: Path,
    dicom_out: Path | None = None,
    forms: Collection[str] | None = None,
    dicom_report: bool = False,
) -> None:
    """On a worker: measure one case into its result folder, as `measure` would; nothing where that was done meanwhile.

    The `command` of the procedure is the call that the user made, not the one that started this worker.

    Raises
    ------
    VhiError
    """
    from ..batch.batch_folder import result_of
    from ..core.not_measured import NormalBoneRefused
    from ..errors import NormalBoneError
    from ..examination import examined, write_dicom, write_not_measured, write_report

    with _TURN:
        if _is_done(case, out, dicom_out, dicom_report):
            return
        try:
            examination = examined(case, procedure)
        except NormalBoneRefused as refused:
            write_not_measured(refused, result_of(out, case.name), forms)
            raise NormalBoneError(f"not measured: {refused}") from refused
        write_report(examination, result_of(out, case.name), forms)
        if dicom_out is not None:
            write_dicom(examination, dicom_out / case.name, with_report=dicom_report)
