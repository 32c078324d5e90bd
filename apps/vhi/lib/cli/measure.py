"""`measure`: from a T1W and a STIR scan to VHI with its report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..examination import NOT_MEASURED_FILES, RESULT_FILES, scan_facts, write_forms, write_not_measured
from .dicom_out import DICOM_REPORT_HELP, check_dicom_report
from .ensemble import MODEL_DIR
from .forms import DEFAULT_FORMS, FORMS_HELP, checked_paper
from .nifti_header import FORM_HELP, form_of
from .post_transforms import CHAIN_HELP, chosen_settings
from .proposal import check_mode, proposed
from .settings import parse_changes

if TYPE_CHECKING:
    from ..core.disease_region import DiseaseRegion, Member
    from ..core.pipeline import VhiResult
    from ..followup import EarlierVisit
    from ..versions import Manifest


def measure(  # noqa: PLR0913 options of a command
    out: Annotated[Path, typer.Option("--out", help="Result folder; an earlier result there is replaced.", show_default=False)],
    t1w: Annotated[Path | None, typer.Option("--t1w", help="T1W: .nii, .nii.gz, or the folder of a DICOM series.")] = None,
    stir: Annotated[Path | None, typer.Option("--stir", help="STIR of the same visit, likewise.")] = None,
    study: Annotated[
        Path | None,
        typer.Option("--study", help="DICOM study (folder, ZIP or DICOMDIR), in place of --t1w and --stir: the pair is found."),
    ] = None,
    normal_bone: Annotated[
        Path | None,
        typer.Option("--normal-bone", help="Mask (NIfTI, NRRD), DICOM SEG or RTSTRUCT; proposed when not given."),
    ] = None,
    normal_bone_at: Annotated[
        list[str] | None,
        typer.Option(
            "--normal-bone-at",
            metavar="I,J,K",
            help="Voxel of STIR, from 0, in normal sacral marrow, in place of --normal-bone; repeatable, best on three slices.",
        ),
    ] = None,
    disease_region: Annotated[
        Path | None, typer.Option("--disease-region", help="The bone, likewise; found on T1W by the networks when not given.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A setting, see the command settings; repeatable.")
    ] = None,
    post_transforms: Annotated[Path | None, typer.Option(metavar="FILE", help=CHAIN_HELP, show_default="the paper's")] = None,
    image: Annotated[
        list[Path] | None, typer.Option("--image", metavar="FILE", help="Another sequence of the visit; repeatable.")
    ] = None,
    model_dir: Annotated[
        Path, typer.Option("--model-dir", help="Folder of the trained ensemble.", show_default="the shipped one")
    ] = MODEL_DIR,
    proposal: Annotated[
        str, typer.Option(help="off, show (which lesions the cleaning proposal would remove) or apply (without them).")
    ] = "off",
    dicom_out: Annotated[
        Path | None,
        typer.Option("--dicom-out", metavar="DIR", help="Result as DICOM, for a STIR DICOM series; replaces an earlier one."),
    ] = None,
    dicom_report: Annotated[bool, typer.Option("--dicom-report", help=DICOM_REPORT_HELP)] = False,
    stir_series: Annotated[str | None, typer.Option(metavar="UID", help="With --study: the STIR series to take.")] = None,
    t1w_series: Annotated[str | None, typer.Option(metavar="UID", help="With --study: the T1W series to take.")] = None,
    study_uid: Annotated[str | None, typer.Option(metavar="UID", help="With --study: which of several studies.")] = None,
    patient: Annotated[str | None, typer.Option(metavar="ID", help="With --study: whose, by patient ID or name.")] = None,
    pairing_rules: Annotated[Path | None, typer.Option(help="With --study: a site's own rules, see docs/dicom.md.")] = None,
    normal_bone_segment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which segment of --normal-bone: its name, number or code.")
    ] = None,
    disease_region_segment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which segment of --disease-region, likewise.")
    ] = None,
    use_qform: Annotated[bool | None, typer.Option("--use-qform/--use-sform", help=FORM_HELP)] = None,
    previous: Annotated[
        Path | None, typer.Option(metavar="RESULT", help="Result folder of the patient's earlier visit, to say what changed.")
    ] = None,
    previous_stir: Annotated[
        Path | None, typer.Option(metavar="SCAN", help="With --previous: STIR of that visit, for pictures side by side.")
    ] = None,
    paper: Annotated[str, typer.Option(help="What the report is printed on: a4 or letter.")] = "a4",
    forms: Annotated[str, typer.Option(metavar="LIST", help=FORMS_HELP)] = DEFAULT_FORMS,
    cases: Annotated[
        Path | None, typer.Option("--list", metavar="CASES.csv", help="Many scans instead of one: the same as the command batch.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=0, help="With --list: scans at a time; 0 for one per core.")] = 0,
    cluster: Annotated[str | None, typer.Option(metavar="ADDRESS", help="With --list: a dask.distributed cluster.")] = None,
) -> None:
    """Measure VHI on a T1W and a STIR scan.

    Writes a result folder: vhi.json, grade.nii.gz, disease_region.nii.gz, normal_bone.nii.gz, lesions.nii.gz, report.html
    and report.pdf; with --dicom-out another one: seg.dcm (DICOM Segmentation) and sr.dcm (structured report).
    Where no normal bone is given and none is found, it ends with 2 and writes not_measured.json, not_measured.html,
    disease_region.nii.gz, region_t1w.png and region_stir.png instead: the region, and the best places to click.
    """
    from ..errors import InputError
    from .batch import batch

    segments = (normal_bone_segment, disease_region_segment)
    within_study = (stir_series, t1w_series, study_uid, patient)
    one_scan = (
        t1w, stir, study, normal_bone, normal_bone_at, disease_region, *segments, image, *within_study, previous, previous_stir
    )  # fmt: skip
    check_mode(proposal)
    check_dicom_report(dicom_report, dicom_out)
    if cases is not None:
        if any(one_scan):
            raise InputError("--list names the files of every scan; leave out the options of one scan, or leave out --list.")
        same = (cases, out, jobs, cluster, change, model_dir, proposal, dicom_out, pairing_rules, use_qform, post_transforms)
        batch(*same, paper, forms, dicom_report)
        return
    if jobs or cluster is not None:
        raise InputError("--jobs and --cluster are for many scans; name these with --list.")

    from ..files import NOT_MEASURED_MARK, check_result_folder, result_folder
    from .dicom_out import DICOM_FILES, MARK, check_dicom_out, check_dicom_series, write_dicom_files
    from .ensemble import begin_loading, reference_of

    settings = chosen_settings(parse_changes(change or []), post_transforms)
    own_files = (*RESULT_FILES, *NOT_MEASURED_FILES)
    check_result_folder(out, own_files)
    if dicom_out is not None:
        check_dicom_out(dicom_out, out)
    _check_sources(t1w, stir, study, (*within_study, pairing_rules))
    networks = begin_loading(model_dir) if disease_region is None else None

    from ..batch.case_list import BatchCase
    from ..reports.forms import checked_forms
    from .one_scan import normal_bone_of, read_regions, read_scans
    from .status import status

    printed_on, wanted = checked_paper(paper), checked_forms(forms)
    other_files = {f"image {n}": path for n, path in enumerate(image or [], start=1)}
    choices = (*within_study, *segments, form_of(use_qform), "; ".join(normal_bone_at or ()) or None)
    case = BatchCase("scan", t1w, stir, study, normal_bone, disease_region, *choices)
    with status("Reading the scans"):
        from ..studies.nifti import read_volume

        rules = None
        if pairing_rules is not None:
            from ..studies.pairing_rules import read_rules

            rules = read_rules(pairing_rules)
        pair = read_scans(case, rules)
        dicom_series = None if dicom_out is None else check_dicom_series(pair.stir_info)
        masks, notes = read_regions(case, pair)
        others = {role: read_volume(path, role, case.use_form) for role, path in other_files.items()}
        earlier = earlier_visit(previous, previous_stir)
    members: tuple[Member, ...] = ()
    model: Manifest | None = None
    if networks is not None:
        with status("Loading the networks"):
            members, model = networks()
    with status("Measuring"):
        from ..core.not_measured import NormalBoneRefused
        from ..core.pipeline import measure_vhi
        from ..core.propagation import image_statistics
        from ..errors import NormalBoneError
        from ..provenance import command_line, ensemble_of, input_files, provenance_of

        files = {**case.scans, **{role: path for role, (path, _) in case.regions.items()}, **other_files}
        inputs = input_files(files, pair.files)

        def provenance_with(region: DiseaseRegion) -> dict[str, Any]:
            ensemble = ensemble_of(model, region) if model else None
            return provenance_of(command_line(), settings, ensemble, inputs, case.choices)

        given_bone, given_region = normal_bone_of(case, masks), masks.get("disease region")
        try:
            reference = reference_of(model, pair.t1w.grid)
            result = measure_vhi(pair.t1w, pair.stir, members, given_bone, settings, given_region, reference)
        except NormalBoneRefused as refused:
            described = refused.described(provenance_with(refused.scan.disease_region), (*pair.warnings, *notes))
            write_not_measured(described, out, wanted)
            named = "not_measured.html" if wanted & {"html", "pdf"} else NOT_MEASURED_MARK
            raise NormalBoneError(f"Not measured. {refused} What is there without a number: {out / named}") from refused
        result = proposed(replace(result, warnings=(*pair.warnings, *notes, *result.warnings)), proposal)
        statistics = [image_statistics(other, result) for other in others.values()]
    since = None
    if earlier is not None:
        with status("Comparing with the earlier visit"):
            from ..followup import compare_with_earlier

            since = compare_with_earlier(result, earlier)
    with status("Writing the report"), ExitStack() as places:
        folder = places.enter_context(result_folder(out, own_files))
        from ..reports.content import report_content

        content = report_content(
            result,
            provenance_with(result.disease_region),
            statistics,
            scan=scan_facts(pair.stir_info),
            change=since,
        )
        content = replace(content, paper=printed_on)
        write_forms(content, folder, wanted)
        if dicom_out is not None and dicom_series is not None:
            dicom_folder = places.enter_context(result_folder(dicom_out, DICOM_FILES, MARK))
            write_dicom_files(content, dicom_series, pair.t1w_info, dicom_folder, dicom_report)
    print_summary(result, out / ("report.html" if "html" in wanted else "vhi.json"), content.change)
    if dicom_out is not None:
        typer.echo(f"DICOM           {dicom_out}")


def earlier_visit(result: Path | None, stir: Path | None) -> EarlierVisit | None:
    """The earlier visit that --previous names, with its STIR where it is given; None for neither.

    Raises
    ------
    InputError
    """
    from ..errors import InputError

    if result is None:
        if stir is not None:
            raise InputError("--previous-stir is the scan of the visit that --previous names; pass both, or --previous alone.")
        return None
    from ..followup import read_earlier
    from ..studies.scan_pair import read_scan

    if stir is None:
        return read_earlier(result)
    volume, info = read_scan(stir, "STIR of the earlier visit")
    return read_earlier(result, volume, scan_facts(info).date)


def _check_sources(t1w: Path | None, stir: Path | None, study: Path | None, within_study: Sequence[str | Path | None]) -> None:
    """Refuse options that name no pair, or contradict each other."""
    from ..errors import InputError

    if study is not None and t1w is None and stir is None:
        return
    if study is not None or t1w is None or stir is None:
        given = [name for name, path in {"--t1w": t1w, "--stir": stir, "--study": study}.items() if path is not None]
        raise InputError(f"Pass --t1w and --stir, or --study alone; found {' and '.join(given) or 'none of them'}.")
    if any(within_study):
        raise InputError(
            "--stir-series, --t1w-series, --study-uid, --patient and --pairing-rules choose within --study; leave them out with "
            "--t1w and --stir."
        )


def certainty(region: DiseaseRegion) -> str:
    """How sure the networks are of a region, to follow its source; empty for a given one."""
    dice, entropy = region.member_dice, region.entropy
    words = [] if dice is None else [f"mean Dice between members {dice:.4f}"]
    words += [] if region.rank is None else [f"less than on {region.rank.above} of {region.rank.of} reference scans"]
    words += [] if entropy is None else [f"entropy inside {entropy:.4f} bit"]
    return "".join(f", {word}" for word in words)


def certainty_of_bone(result: VhiResult) -> str:
    """How sure a proposed normal bone is, to follow its source; empty for a given one."""
    confidence = result.normal_bone_confidence
    return "" if confidence is None else f", confidence {confidence:.2f}"


def print_summary(result: VhiResult, report: Path, change: Sequence[str] = ()) -> None:
    """The volume by grade and side under the title of its stage, what it rests on, warnings, and where the report is."""
    from rich.console import Console
    from rich.table import Table

    from ..core.stages import title_of, warnings_of
    from ..core.verdict import verdict_of
    from ..reports.stages import other_stages, stage_sentence

    measured, thresholds, stability = result.measurement, result.thresholds, result.stability
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title_of(result.stage), "mm3", "voxels", "left mm3", "right mm3", box=None, pad_edge=False)
    for column in table.columns[1:]:
        column.justify = "right"
    for grade in ("sensitive", "conservative"):
        left, right = (f"{getattr(side, f'{grade}_mm3'):.0f}" for side in (measured.left, measured.right))
        table.add_row(grade, f"{getattr(measured.total, f'{grade}_mm3'):.0f}", str(getattr(measured.total, grade)), left, right)
    console.print(table)
    console.print(
        f"thresholds      sensitive {thresholds.sensitive:.7f}, conservative {thresholds.conservative:.7f}, "
        f"multiple {thresholds.multiple:g}, by the {thresholds.rule} rule from {thresholds.n_normal_bone} voxels of normal bone "
        f"({result.normal_bone_source}{certainty_of_bone(result)})"
    )
    interval = result.interval
    console.print(f"interval        {result.no_interval_because if interval is None else interval.text}", markup=False)
    for part in measured.parts:
        console.print(f"where           {part.part}, {part.side}: {part.sensitive_mm3:.0f} mm3", markup=False)
    for zone in measured.left_out:
        console.print(f"left out        {zone.zone}: {zone.sensitive_mm3:.0f} mm3", markup=False)
    changes = ", ".join(f"{moved.change:+.0%} {moved.vhi_mm3:.0f}" for moved in stability.threshold_changes)
    console.print(f"stability       mm3 with the sensitive threshold changed: {changes}")
    left_out = stability.slices_left_out_range_mm3
    if left_out is not None:
        console.print(f"                mm3 with one slice of normal bone left out: {left_out[0]:.0f} to {left_out[1]:.0f}")
    region = result.disease_region
    console.print(f"disease region  {region.mask.volume_mm3:.0f} mm3 ({region.source}{certainty(region)})")
    console.print(f"lesions         {len(result.lesions)}")
    console.print(f"verdict         {verdict_of(result).sentence}")
    console.print(f"this number     {stage_sentence(result)}")
    for sentence in other_stages(result):
        console.print(f"                {sentence}", markup=False)
    for sentence in change:
        console.print(f"earlier visit   {sentence}", markup=False)
    for warning in warnings_of(result):
        console.print(f"WARNING         {warning}", markup=False)
    console.print(f"report          {report}", markup=False)
