"""One scan from its files to its report, without a terminal: what `batch` does with each case, and what `import vhi` offers."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .cli.ensemble import MODEL_DIR
from .cli.forms import DEFAULT_FORMS

if TYPE_CHECKING:
    from .batch.case_list import BatchCase
    from .core.disease_region import DiseaseRegion, Member
    from .core.not_measured import NormalBoneRefused
    from .core.pipeline import VhiResult
    from .reports.content import ReportContent
    from .reports.parts import Paper, ScanFacts
    from .studies.dicom_series import SeriesInfo
    from .studies.nifti_geometry import Form
    from .studies.pairing_rules import PairingRules
    from .studies.scan_pair import ScanPair
    from .versions import Manifest

NOT_MEASURED_FILES = ("not_measured.json", "not_measured.html", "disease_region.nii.gz", "region_t1w.png", "region_stir.png")
RESULT_FILES = (
    "vhi.json",
    "grade.nii.gz",
    "disease_region.nii.gz",
    "normal_bone.nii.gz",
    "lesions.nii.gz",
    "report.html",
    "report.pdf",
    "overlay.png",
)
StrPath = str | Path


@dataclass(frozen=True, eq=False)
class Examination:
    """One measured scan.

    Attributes
    ----------
    scans : ScanPair
        T1W and STIR on STIR's grid, with what their files say.
    result : VhiResult
        Thresholds, grade map, lesions, volumes, stability and warnings, as objects and arrays.
    content : ReportContent
        What every form of the report is written from.
    """

    scans: ScanPair
    result: VhiResult
    content: ReportContent

    @property
    def vhi_mm3(self) -> float:
        """Volume of hyperintense inflammation at the sensitive threshold [mm3]."""
        return self.result.measurement.total.sensitive_mm3

    @property
    def numbers(self) -> Mapping[str, Any]:
        """Every number and its provenance: the content of `vhi.json`, as docs/vhi-json.md describes it."""
        return self.content.numbers


def measure(  # noqa: PLR0913 public interface
    t1w: StrPath | None = None,
    stir: StrPath | None = None,
    *,
    study: StrPath | None = None,
    normal_bone: StrPath | None = None,
    disease_region: StrPath | None = None,
    normal_bone_segment: str | None = None,
    disease_region_segment: str | None = None,
    normal_bone_at: Sequence[Sequence[int]] | None = None,
    use_form: Form | None = None,
    settings: Mapping[str, Any] | None = None,
    post_transforms: StrPath | None = None,
    model_dir: StrPath | None = None,
    command: str | None = None,
) -> Examination:
    """Measure the volume of hyperintense inflammation of one visit. Nothing is written.

    Parameters
    ----------
    t1w, stir : path-like, optional
        Both series, each a NIfTI file or the folder of a DICOM series. NIfTI scans must share one grid.
    study : path-like, optional
        Folder of a DICOM study, in place of both; the pair is found by physics and geometry.
    normal_bone : path-like, optional
        Mask of normal bone as a reader drew it (NIfTI, NRRD, DICOM SEG or RTSTRUCT); proposed by rule when absent.
    disease_region : path-like, optional
        Mask of the imaged bone, likewise; found on T1W by the networks when absent.
    normal_bone_segment, disease_region_segment : str, optional
        Which segment of these files, where several could be meant.
    normal_bone_at : sequence of (i, j, k), optional
        In place of `normal_bone`: voxels of STIR, counted from 0, where a reader clicked in normal marrow of the sacrum, best one
        on each of three slices; normal bone is grown from them.
    use_form : {"sform", "qform"}, optional
        Which transform rules in NIfTI files that carry two different ones.
    settings : mapping, optional
        Settings that differ from the paper's method, by the names that ``vhi settings`` lists.
    post_transforms : path-like, optional
        A site's own chain of post-transforms in place of the paper's: a file in MONAI's configuration syntax, see docs/monai.md.
    model_dir : path-like, optional
        Another ensemble than the shipped one.
    command : str, optional
        What provenance says made the result; the running program when absent.

    Returns
    -------
    Examination

    Raises
    ------
    VhiError
        Whatever makes the number untrustworthy, in one sentence: scans that cannot be read or do not belong together
        (`InputError`, `GridMismatchError`), unusable normal bone (`NormalBoneError`), an unknown setting or a value outside
        its range (`SettingsError`), a damaged ensemble (`ModelError`). Where the automatic normal bone is refused,
        `NormalBoneRefused`, which carries the disease region and the best places to click.

    Notes
    -----
    Hepburn et al. 2023, doi 10.1371/journal.pone.0284508, section 2.5.1, up to the reader's cleaning.
    """
    from .batch.case_list import BatchCase
    from .cli.post_transforms import chosen_settings

    _check_sources(t1w, stir, study)
    chosen = chosen_settings(settings or {}, _path(post_transforms))
    case = BatchCase(
        "scan",
        t1w=_path(t1w),
        stir=_path(stir),
        study=_path(study),
        normal_bone=_path(normal_bone),
        disease_region=_path(disease_region),
        normal_bone_segment=normal_bone_segment,
        disease_region_segment=disease_region_segment,
        use_form=use_form,
        normal_bone_at="; ".join(",".join(map(str, voxel)) for voxel in normal_bone_at or ()) or None,
    )
    return examined(case, Procedure(chosen.stored(), Path(model_dir or MODEL_DIR), command))


def _path(source: StrPath | None) -> Path | None:
    return None if source is None else Path(source)


@dataclass(frozen=True)
class Procedure:
    """How scans are measured, the same for each of a batch.

    Attributes
    ----------
    settings : as `VhiSettings.stored` gives them
    model_dir : folder of the ensemble
    command : what provenance says made the result; the running program where it is None
    proposal : "off", "show" or "apply" the cleaning proposal
    rules : a site's own rules of pairing
    paper : of the report, "a4" or "letter"
    """

    settings: Mapping[str, Any]
    model_dir: Path
    command: str | None = None
    proposal: str = "off"
    rules: PairingRules | None = None
    paper: Paper = "a4"


def examined(case: BatchCase, procedure: Procedure) -> Examination:
    """Measure a case of a batch; see `measure`.

    Raises
    ------
    VhiError
    """
    from .cli.ensemble import reference_of
    from .cli.one_scan import normal_bone_of, read_regions, read_scans
    from .cli.proposal import proposed
    from .core.not_measured import NormalBoneRefused
    from .core.pipeline import measure_vhi
    from .post_transforms import settings_of_stored
    from .provenance import command_line, ensemble_of, input_files, provenance_of
    from .reports.content import report_content

    chosen = settings_of_stored(procedure.settings)
    scans = read_scans(case, procedure.rules)
    masks, notes = read_regions(case, scans)
    members: tuple[Member, ...] = ()
    model: Manifest | None = None
    if case.disease_region is None:
        members, model = _ensemble(procedure.model_dir.resolve())
    inputs = input_files({**case.scans, **{role: path for role, (path, _) in case.regions.items()}}, scans.files)

    def provenance_with(region: DiseaseRegion) -> dict[str, Any]:
        ensemble = ensemble_of(model, region) if model else None
        return provenance_of(procedure.command or command_line(), chosen, ensemble, inputs, case.choices)

    bone, region = normal_bone_of(case, masks), masks.get("disease region")
    try:
        result = measure_vhi(scans.t1w, scans.stir, members, bone, chosen, region, reference_of(model, scans.t1w.grid))
    except NormalBoneRefused as refused:
        raise refused.described(provenance_with(refused.scan.disease_region), (*scans.warnings, *notes)) from refused
    result = proposed(replace(result, warnings=(*scans.warnings, *notes, *result.warnings)), procedure.proposal)
    content = report_content(result, provenance_with(result.disease_region), scan=scan_facts(scans.stir_info))
    return Examination(scans, result, replace(content, paper=procedure.paper))


def write_report(examination: Examination, folder: StrPath, forms: Collection[str] | None = None) -> None:
    """Write the report, the numbers and the masks of a measured scan: the files that `measure` writes on the command line.

    Parameters
    ----------
    examination : Examination
    folder : path-like
        New, empty, or an earlier result, which is replaced. It appears whole or not at all.
    forms : collection of str, optional
        Of "json", "masks", "overlay", "html" and "pdf", which to write, and `vhi.json` always; all but "overlay" when absent.

    Raises
    ------
    InputError
        A form that is unknown.
    OutputError
        The folder holds something else, or cannot be written.
    """
    from .files import result_folder
    from .reports.forms import checked_forms

    wanted = checked_forms(DEFAULT_FORMS if forms is None else ",".join(forms))
    with result_folder(Path(folder), (*RESULT_FILES, *NOT_MEASURED_FILES)) as place:
        write_forms(examination.content, place, wanted)


def write_forms(content: ReportContent, folder: Path, wanted: Collection[str]) -> None:
    """Write what was asked for into a folder that is there, and `vhi.json` last: it says that the result is whole.

    Raises
    ------
    OutputError
    """
    from .reports.forms import write_html, write_json, write_overlay_png, write_pdf

    if "pdf" in wanted:
        write_pdf(content, folder / "report.pdf")
    if "overlay" in wanted:
        write_overlay_png(content, folder / "overlay.png")
    if "html" in wanted:
        write_html(content, folder / "report.html")
    if "masks" in wanted:
        write_masks(content.result, folder)
    write_json(content, folder / "vhi.json")


def write_not_measured(refused: NormalBoneRefused, folder: StrPath, forms: Collection[str] | None = None) -> None:
    """Write what is there of a scan whose automatic normal bone was refused.

    That is the disease region, pictures of it on T1W and STIR, the best places to click, and why there is no number.

    Parameters
    ----------
    refused : NormalBoneRefused
        As `measure` raised it.
    folder : path-like
    forms : collection of str, optional
        Both as for `write_report`: the region goes with "masks", the page and its pictures with "html" or "pdf";
        `not_measured.json` is always written.

    Raises
    ------
    InputError
        A form that is unknown.
    OutputError
    """
    from .core.volume import Mask
    from .files import result_folder
    from .reports.forms import checked_forms
    from .reports.not_measured import not_measured_facts, write_facts, write_page
    from .studies.nifti import write_mask

    wanted = checked_forms(DEFAULT_FORMS if forms is None else ",".join(forms))
    scan, facts = refused.scan, not_measured_facts(refused.scan, refused.provenance)
    with result_folder(Path(folder), (*RESULT_FILES, *NOT_MEASURED_FILES)) as place:
        if "masks" in wanted:
            write_mask(place / "disease_region.nii.gz", Mask(scan.disease_region.mask.data, scan.stir.grid))
        if wanted & {"html", "pdf"}:
            write_page(scan, facts, place)
        write_facts(facts, place)


def write_dicom(examination: Examination, folder: StrPath, *, with_report: bool = False) -> None:
    """Write a measured scan as DICOM Segmentation (`seg.dcm`) and structured report (`sr.dcm`).

    Parameters
    ----------
    examination : Examination
        Of a STIR scan that was read from a DICOM series.
    folder : path-like
        New, empty, or an earlier such result, which is replaced. It appears whole or not at all.
    with_report : bool
        The report as Encapsulated PDF (`report.dcm`) and its pictures as Secondary Capture too.

    Raises
    ------
    RequestError
        STIR was no DICOM series.
    InputError
        The headers of a series cannot carry results.
    OutputError
    """
    from .cli.dicom_out import DICOM_FILES, MARK, check_dicom_series, write_dicom_files
    from .files import result_folder

    stir = check_dicom_series(examination.scans.stir_info)
    with result_folder(Path(folder), DICOM_FILES, MARK) as place:
        write_dicom_files(examination.content, stir, examination.scans.t1w_info, place, with_report)


def write_masks(result: VhiResult, folder: Path) -> None:
    """Write the grade map, both regions and the numbered lesions, on the STIR grid.

    Raises
    ------
    OutputError
    """
    from .core.volume import Mask
    from .studies.nifti import write_labels, write_mask

    grid = result.stir.grid
    write_labels(folder / "grade.nii.gz", result.grade, grid)
    write_labels(folder / "lesions.nii.gz", result.lesion_labels, grid)
    # masks agree with the STIR grid to a tolerance; what is written shares it exactly
    write_mask(folder / "disease_region.nii.gz", Mask(result.disease_region.mask.data, grid))
    write_mask(folder / "normal_bone.nii.gz", Mask(result.normal_bone.data, grid))


def scan_facts(stir: SeriesInfo | None) -> ScanFacts:
    """The facts in the header of the STIR series for the first page; none of a scan that was no DICOM series."""
    from .reports.parts import ScanFacts

    if stir is None or not stir.files:
        return ScanFacts()
    from .studies.dicom_files import read_header
    from .studies.scan_facts import day_of, patient_of, scanner_of

    header = read_header(stir.files[0])
    return ScanFacts(patient_of(header), day_of(header), scanner_of(header))


def _check_sources(t1w: StrPath | None, stir: StrPath | None, study: StrPath | None) -> None:
    from .errors import InputError

    if study is not None and t1w is None and stir is None:
        return
    if study is not None or t1w is None or stir is None:
        given = [name for name, path in {"t1w": t1w, "stir": stir, "study": study}.items() if path is not None]
        raise InputError(f"Pass t1w and stir, or study alone; found {' and '.join(given) or 'none of them'}.")


@lru_cache(maxsize=1)
def _ensemble(model_dir: Path) -> tuple[tuple[Member, ...], Manifest]:
    """Loaded once by a process that measures many scans."""
    from .cli.ensemble import load_ensemble

    return load_ensemble(model_dir)
