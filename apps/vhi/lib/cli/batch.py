"""`batch`, and `measure --list`: many scans, side by side, on this machine or on a cluster."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .ensemble import MODEL_DIR
from .nifti_header import FORM_HELP, form_of
from .post_transforms import CHAIN_HELP, chosen_settings
from .working import working

if TYPE_CHECKING:
    from ..batch.cases import BatchCase
    from ..studies.pairing_rules import PairingRules

RESULT_COLUMNS = (
    "case",
    "vhi_mm3",
    "vhi_conservative_mm3",
    "vhi_voxels",
    "vhi_conservative_voxels",
    "left_vhi_mm3",
    "right_vhi_mm3",
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


def batch(
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
) -> None:
    """Measure many scans.

    Writes a result folder for each case, results.csv and failures.csv. A case that cannot be measured is listed and does not
    stop the others. The same call goes on where an earlier one was interrupted. Ends with 3 when cases failed.
    """
    from ..batch.cases import read_cases
    from ..batch.folder import FAILURES, RESULTS, batch_folder, is_finished, sweep, write_table
    from ..batch.workers import run_anywhere
    from ..provenance import code_version, command_line
    from ..studies.pairing_rules import read_rules
    from ..versions import read_live
    from .dicom_out import check_apart
    from .measure import parse_changes
    from .proposal import check_mode

    check_mode(proposal)
    settings = chosen_settings(parse_changes(change or []), post_transforms)
    cases, left_out = read_cases(source, form_of(use_qform))
    rules = read_rules(pairing_rules) if pairing_rules else None
    if dicom_out is not None:
        check_apart(dicom_out, out)
    networks = any(case.disease_region is None for case in cases)
    manifest = read_live(model_dir).manifest if networks else None
    plan = {
        "program": code_version(),
        "settings": settings.stored(),
        "model": None if manifest is None else {"version": manifest.version, "sha256": manifest.sha256},
        **({} if proposal == "off" else {"proposal": proposal}),
        **({} if rules is None else {"pairing_rules": str(rules)}),
    }
    failed: list[dict[str, str]] = [{"case": one.split(":", 1)[0], "reason": one.split(": ", 1)[1]} for one in left_out]
    with batch_folder(out, plan):
        to_do = [case for case in cases if not _is_done(case, out, dicom_out)]
        typer.echo(f"{len(cases)} scans, {len(cases) - len(to_do)} of them finished before")
        told: list[str] = []
        work = partial(
            measure_case,
            out=out.resolve(),
            values=settings.stored(),
            model_dir=model_dir.resolve(),
            command=command_line(),
            proposal=proposal,
            dicom_out=dicom_out and dicom_out.resolve(),
            rules=rules,
        )
        try:
            showing = working("Measuring", len(to_do), partial(_short, out))
            with showing as show, closing(run_anywhere(to_do, work, jobs, cluster)) as outcomes:
                for outcome in outcomes:
                    told.append(outcome.case.name)
                    if outcome.failure:
                        failed.append({"case": outcome.case.name, "reason": outcome.failure})
                    show(outcome)
        except KeyboardInterrupt as error:
            count = sum(is_finished(out, case) for case in cases)
            typer.echo(f"Interrupted; {count} of {len(cases)} scans are finished. The same call goes on from there.", err=True)
            raise typer.Exit(130) from error
        finally:
            if cluster is None or len(told) == len(to_do):  # no worker is at work any more
                sweep(out, cases)
            finished = [case for case in cases if is_finished(out, case)]
            write_table(out / RESULTS, RESULT_COLUMNS, (result_row(out, case) for case in finished))
            write_table(out / FAILURES, ("case", "reason"), failed)
    typer.echo(f"{len(finished)} measured  {out / RESULTS}")
    if failed:
        typer.echo(f"{len(failed)} failed    {out / FAILURES}")
        raise typer.Exit(SOME_FAILED)


def _short(out: Path, case: BatchCase) -> str:
    return f"VHI {result_row(out, case)['vhi_mm3']:.0f} mm3"


def result_row(out: Path, case: BatchCase) -> dict[str, Any]:
    """The numbers of a finished case, from its own `vhi.json`."""
    from ..batch.folder import result_of
    from ..files import RESULT_MARK

    found = json.loads((result_of(out, case.name) / RESULT_MARK).read_text(encoding="utf-8"))
    return {
        "case": case.name,
        "vhi_mm3": found["vhi_mm3"]["sensitive"],
        "vhi_conservative_mm3": found["vhi_mm3"]["conservative"],
        "vhi_voxels": found["voxels"]["sensitive"],
        "vhi_conservative_voxels": found["voxels"]["conservative"],
        "left_vhi_mm3": found["left"]["vhi_mm3"]["sensitive"],
        "right_vhi_mm3": found["right"]["vhi_mm3"]["sensitive"],
        "lesions": len(found["lesions"]),
        "stable": found["stability"]["stable"],
        # results of an earlier version have none recorded
        "post_transforms": found["provenance"].get("post_transforms", {}).get("name", "paper"),
        "normal_bone": found["normal_bone"]["source"],
        "disease_region": found["disease_region"]["source"],
        "warnings": len(found["warnings"]),
    }


# reports are drawn with one state for the whole process: threads of one worker take turns
_TURN = threading.Lock()


def _is_done(case: BatchCase, out: Path, dicom_out: Path | None) -> bool:
    from ..batch.folder import is_finished
    from .dicom_out import MARK

    return is_finished(out, case) and (dicom_out is None or (dicom_out / case.name / MARK).is_file())


def measure_case(
    case: BatchCase,
    *,
    out: Path,
    values: dict[str, Any],
    model_dir: Path,
    command: str,
    proposal: str = "off",
    dicom_out: Path | None = None,
    rules: PairingRules | None = None,
) -> None:
    """On a worker: measure one case into its result folder, as `measure` would; nothing where that was done meanwhile.

    Raises
    ------
    VhiError
    """
    from ..batch.folder import result_of
    from ..examination import examined, write_dicom, write_report

    with _TURN:
        if _is_done(case, out, dicom_out):
            return
        # `command` is the call that the user made, not the one that started this worker
        found = examined(case, values, model_dir, command, proposal, rules)
        write_report(found, result_of(out, case.name))
        if dicom_out is not None:
            write_dicom(found, dicom_out / case.name)
