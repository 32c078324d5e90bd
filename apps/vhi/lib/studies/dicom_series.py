"""One DICOM series of MR images to a volume.

Array axes are `(I, J, K)`: I counts columns of the image (to the viewer's right), J rows (downwards), K slices along the normal,
which is I x J. This is the order in which SimpleITK reads a series and browser viewers hold it. Slices are placed by
ImagePositionPatient alone; InstanceNumber and file names say nothing about where a slice lies. The affine maps to RAS+ mm, so
DICOM's x and y change their sign.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from ..core.volume import Grid, Volume
from ..errors import InputError
from .dicom_content import Content, find_series, series_of
from .dicom_contrasts import contrast_for, kinds_of, no_scan
from .dicom_frames import ENHANCED_MR, MR_IMAGE, Frame, Series, number_of
from .dicom_intensities import check_one_scale, rescaled
from .dicom_voxels import read_stored
from .pairing_rules import PairingRules, RoleRule

# two slices nearer to each other than this lie at one place [mm]
_ONE_PLACE_MM = 0.05
# Scanners write positions to 0.001 mm or better; anonymisers and converters round them to 0.1 mm, which moves a slice by up to
# 0.087 mm. A share of the distance between slices, but never more than that rounding.
_SHARE_OF_SPACING = 0.1
_MOST_OFF_MM = 0.1
# PixelSpacing is rounded to six digits by some programs: how far that may move the last pixel, as a share of a pixel
_SHARE_OF_PIXEL = 0.1
# direction cosines of one stack differ by rounding only
_DIRECTION_TOLERANCE = 1e-3
_RAS_OF_LPS = np.array([-1.0, -1.0, 1.0])
_NO_AGENT = {"", "none", "no", "n/a", "0"}
# echo and inversion times of one series differ by rounding only; repetition times where breathing or a pulse sets them
_SHARE_OF_TIME = 0.1
# JPEG and JPEG-LS that keep no exact values, whatever the header says
_LOSSY_SYNTAXES = ("1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.4.81")
_TILED = {"MOSAIC", "VFRAME", "MONTAGE", "TILED"}
# what tells images at one place apart that are no contrasts, and what they are then
_REPEATED_BY = {
    "TemporalPositionIdentifier": "a time series",
    "TemporalPositionIndex": "a time series",
    "TriggerTime": "a time series",
    "DiffusionBValue": "several diffusion weightings",
    "FlipAngle": "several flip angles",
    "AcquisitionNumber": "several acquisitions",
    "AcquisitionTime": "several acquisitions",
}


class NotAScanError(InputError):
    """A series that is whole and no scan to measure on: a localiser, a mosaic, a phase image, a map."""


@dataclass(frozen=True)
class Slice:
    """Where one slice comes from.

    `frame` counts from 1 in a multi-frame file and is None in a file of one image; `position_mm` is DICOM's (LPS+).
    """

    path: Path
    sop_class_uid: str
    sop_instance_uid: str
    frame: int | None
    position_mm: tuple[float, float, float]


@dataclass(frozen=True)
class SeriesInfo:
    """The facts that a series states about itself; `slices` are in the order of K.

    Times are None where the header does not give them. `acquired` is date and time as one sortable text, possibly empty.
    """

    study_uid: str
    series_uid: str
    frame_of_reference_uid: str
    patient_id: str = field(repr=False)
    number: int | None
    description: str
    image_type: str
    scanning_sequence: str
    inversion_time_ms: float | None
    repetition_time_ms: float | None
    echo_time_ms: float | None
    contrast_agent: bool
    fat_suppressed: bool
    acquired: str
    contrast: str = ""
    slices: tuple[Slice, ...] = field(repr=False, default=())
    warnings: tuple[str, ...] = ()

    @property
    def derived(self) -> bool:
        """Computed from other images (reformatted, subtracted), says its ImageType."""
        return self.image_type.upper().startswith("DERIVED")

    @property
    def files(self) -> tuple[Path, ...]:
        """Each file once, in the order of K."""
        return tuple(dict.fromkeys(frame.path for frame in self.slices))

    def __str__(self) -> str:
        times = (("TI", self.inversion_time_ms), ("TR", self.repetition_time_ms), ("TE", self.echo_time_ms))
        times_text = ", ".join(f"{name} {'–' if ms is None else f'{ms:g}'}" for name, ms in times)
        number = "" if self.number is None else f"{self.number} "
        part = f", its images {self.contrast}" if self.contrast else ""
        return f"{number}{self.description or 'without description'!r}{part} ({times_text}; {self.series_uid})"

    @property
    def acquired_at(self) -> str:
        """Date and time of the acquisition as people write them; empty where the header does not give them."""
        digits = "".join(sign for sign in self.acquired.split(".")[0] if sign.isdigit())
        date, time = digits[:8], digits[8:14]
        shown = f"{date[:4]}-{date[4:6]}-{date[6:]}" if len(date) == 8 else ""
        return f"{shown} {time[:2]}:{time[2:4]}:{time[4:]}".strip() if len(time) == 6 else shown


def read_series(
    source: Path | Sequence[Path] | Series, name: str, rules: PairingRules | None = None
) -> tuple[Volume, SeriesInfo]:
    """An intensity image from a folder, one file, several files, or a series that was found.

    Parameters
    ----------
    source : Path, sequence of Path, or Series
        All of one series. A folder is searched with its subfolders.
    name : str
        What it is for, e.g. ``"STIR"``; messages and `Volume.name` add the folder's or file's name.
    rules : PairingRules, optional
        Which of several contrasts in the series is meant, where `name` is a role; magnitude comes before phase in any case.

    Returns
    -------
    volume : Volume
        float64, `(I, J, K)` as this module says, with each slice's own rescaling applied in float64.
    info : SeriesInfo

    Raises
    ------
    InputError
        Not one series of equally spaced, parallel, grey MR slices, each there once; or a file is truncated or damaged. One
        sentence says which file and what to do.
    """
    series, notes = (source, ()) if isinstance(source, Series) else one_series(source, name, rules)
    label = _label(source, series, name)
    stack = _Stack(series, label)
    stored: dict[Path, np.ndarray] = {}
    data = np.empty(stack.grid.shape)
    for k, frame in enumerate(stack.ordered):
        if frame.path not in stored:
            stored = {frame.path: read_stored(frame.path)}  # one file at a time; a multi-frame file is decoded once
        data[:, :, k] = rescaled(stored[frame.path][frame.index or 0], frame).T
    check_one_scale(stack.ordered, max(float(data.max()), -float(data.min())), label)
    return Volume(data, stack.grid, label), info_of(series, stack, notes)


def one_series(source: Path | Sequence[Path], name: str, rules: PairingRules | None = None) -> tuple[Series, tuple[str, ...]]:
    """The only MR series among files or in a folder, and what is to be said of other files there.

    Raises
    ------
    InputError
        None, or several; all are named.
    """
    content, place = _content(source, name)
    mr = tuple(series for series in content.series if series.first.text("Modality") == "MR") or content.series
    if not mr:
        raise InputError(f"{name}: {place} holds no DICOM images; pass the files of the series.")
    if len({series.uid for series in mr}) > 1:
        raise InputError(
            f"{name}: {place} holds {len(mr)} series: {'; '.join(str(info_of(series)) for series in mr)}. Pass the folder of one "
            "of them, or the whole study with --study."
        )
    rule = _rule_of(name, rules or PairingRules())
    return contrast_for(name, mr, rule.fits if rule else lambda _: True), content.notes


def _content(source: Path | Sequence[Path], name: str) -> tuple[Content, str]:
    if isinstance(source, Path) and source.is_dir():
        return find_series(source, name), str(source)
    files = [source] if isinstance(source, Path) else list(source)
    return series_of(files), ", ".join(path.name for path in files[:3])


def _rule_of(role: str, rules: PairingRules) -> RoleRule | None:
    return {"T1W": rules.t1w, "STIR": rules.stir}.get(role)


def grid_of(series: Series, name: str) -> Grid:
    """Where the voxels of a series lie, from its headers alone.

    Raises
    ------
    InputError
        As `read_series`.
    """
    return _Stack(series, name).grid


def info_of(series: Series, stack: _Stack | None = None, notes: tuple[str, ...] = ()) -> SeriesInfo:
    """The facts that a series states about itself; its slices only with the stack that orders them. `notes` join its warnings."""
    first = series.first
    number = series.number("SeriesNumber")
    return SeriesInfo(
        study_uid=first.text("StudyInstanceUID"),
        series_uid=series.uid,
        frame_of_reference_uid=first.text("FrameOfReferenceUID"),
        patient_id=first.text("PatientID").casefold(),
        number=None if number is None else int(number),
        description=first.text("SeriesDescription"),
        image_type=first.image_type,
        scanning_sequence=first.text("ScanningSequence"),
        inversion_time_ms=series.number("InversionTime"),
        repetition_time_ms=series.number("RepetitionTime"),
        echo_time_ms=series.number("EchoTime"),
        contrast_agent=_has_agent(first),
        fat_suppressed="FS" in first.text("ScanOptions").upper().split("\\")
        or first.text("SpectrallySelectedSuppression").upper() in ("FAT", "FAT_AND_WATER"),
        acquired=max(_acquired(frame) for frame in series.frames),
        contrast=series.contrast,
        slices=() if stack is None else stack.slices,
        warnings=notes if stack is None else (*notes, *stack.warnings),
    )


class _Stack:
    """The frames of a series in space, checked."""

    def __init__(self, series: Series, name: str) -> None:
        self.name = name
        self.series = series
        for frame in series.frames:
            self._check_kind(frame)
        if series.incomplete:
            raise InputError(f"{name} {series.incomplete}; export the whole series.")
        first = series.first
        self.directions = self._directions(first)
        self.normal = np.cross(self.directions[0], self.directions[1])
        for frame in series.frames:
            self._check_alike(frame, first)
        at = np.array([frame.floats("ImagePositionPatient", 3) for frame in series.frames])
        order = np.argsort(at @ self.normal, kind="stable")
        self.ordered = tuple(series.frames[k] for k in order)
        self.positions_mm = at[order]
        self._check_spacing()

    @cached_property
    def grid(self) -> Grid:
        first = self.ordered[0]
        row_mm, column_mm = first.floats("PixelSpacing", 2)
        if min(row_mm, column_mm) <= 0:
            raise InputError(f"{self.name}: PixelSpacing is {row_mm:g} and {column_mm:g} mm; export the series again.")
        affine = np.eye(4)
        # DICOM gives the distance between rows first, which is the step along J
        affine[:3, 0] = self.directions[0] * column_mm
        affine[:3, 1] = self.directions[1] * row_mm
        affine[:3, 2] = (self.positions_mm[-1] - self.positions_mm[0]) / (len(self.ordered) - 1)
        affine[:3, 3] = self.positions_mm[0]
        affine[:3] *= _RAS_OF_LPS[:, np.newaxis]
        return Grid((int(first.get("Columns")), int(first.get("Rows")), len(self.ordered)), affine)

    @property
    def slices(self) -> tuple[Slice, ...]:
        return tuple(
            Slice(
                frame.path,
                frame.sop_class_uid,
                frame.text("SOPInstanceUID"),
                None if frame.index is None else frame.index + 1,
                (float(x), float(y), float(z)),
            )
            for frame, (x, y, z) in zip(self.ordered, self.positions_mm, strict=True)
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        warnings = []
        first, count = self.series.first, len(self.ordered)
        expected = self.series.number("ImagesInAcquisition")
        if first.index is None and expected is not None and count < expected:
            warnings.append(
                f"{self.name} has {count} slices, but its header speaks of {expected:g} images in the acquisition; slices may be "
                "missing at an end of the stack. Check that the series is complete."
            )
        if any(frame.text("LossyImageCompression") == "01" or frame.syntax in _LOSSY_SYNTAXES for frame in self.ordered):
            warnings.append(f"{self.name} was compressed with loss, so its intensities are not those that the scanner measured.")
        return tuple(warnings)

    def _check_kind(self, frame: Frame) -> None:
        file = frame.path.name
        modality = frame.text("Modality")
        if modality != "MR":
            raise InputError(f"{self.name}: {file} is of modality {modality}, not MR; pass the MR series.")
        if (frame.get("SamplesPerPixel") or 1) != 1 or frame.text("PhotometricInterpretation") not in ("MONOCHROME2", ""):
            kind = frame.text("PhotometricInterpretation") or "several samples"
            raise InputError(f"{self.name}: {file} is a colour or inverted image ({kind}); pass the original grey-value series.")
        if frame.sop_class_uid != MR_IMAGE and frame.sop_class_uid not in ENHANCED_MR:
            kind = frame.header.SOPClassUID.name
            raise InputError(f"{self.name}: {file} is {kind}, not MR Image or Enhanced MR Image; pass the original series.")
        if frame.index is None and int(frame.get("NumberOfFrames") or 1) > 1:
            raise InputError(
                f"{self.name}: {file} holds several frames but is no Enhanced MR Image, so their positions are not known; "
                "export one file per slice."
            )
        kinds = set(frame.image_type.upper().split("\\"))
        if "LOCALIZER" in kinds:
            raise NotAScanError(f"{self.name}: {file} belongs to a localiser; pass the diagnostic series.")
        if kinds & _TILED or _images_in_mosaic(frame) > 1:
            raise NotAScanError(
                f"{self.name}: {file} is a mosaic (ImageType {frame.image_type}): every file tiles all slices of one time point, "
                "as Siemens stores functional and diffusion series, so it is no slice; pass the original series."
            )
        no_kind = no_scan(frame)
        if no_kind:
            raise NotAScanError(
                f"{self.name}: {file} is of the kind {no_kind!r} (ImageType {frame.image_type}), no scan in the weighting of its "
                "sequence; pass the plain magnitude series."
            )

    def _directions(self, frame: Frame) -> np.ndarray:
        """`(2, 3)` unit vectors (LPS+) along which columns and rows are counted."""
        directions = np.array(frame.floats("ImageOrientationPatient", 6)).reshape(2, 3)
        if np.abs(directions @ directions.T - np.eye(2)).max() > _DIRECTION_TOLERANCE:
            raise InputError(
                f"{self.name}: the two directions in ImageOrientationPatient of {frame.path.name} are not perpendicular unit "
                "vectors; export the series again."
            )
        return directions / np.linalg.norm(directions, axis=1, keepdims=True)

    def _check_alike(self, frame: Frame, first: Frame) -> None:
        own, other = first.path.name, frame.path.name
        if np.abs(self._directions(frame) - self.directions).max() > _DIRECTION_TOLERANCE:
            raise InputError(
                f"{self.name}: {own} and {other} of one series are oriented differently, as in a three-plane localiser; pass a "
                "series of parallel slices."
            )
        for keyword in ("Rows", "Columns", "PixelSpacing", "FrameOfReferenceUID", "StudyInstanceUID"):
            if frame.get(keyword) != first.get(keyword) and not (keyword == "PixelSpacing" and _same_spacing(frame, first)):
                raise InputError(
                    f"{self.name}: {own} and {other} of one series differ in {keyword} ({first.text(keyword)} and "
                    f"{frame.text(keyword)}); pass a series of equal slices."
                )
        patients = {frame.text("PatientID").casefold(), first.text("PatientID").casefold()} - {""}
        if len(patients) > 1:
            raise InputError(
                f"{self.name}: {own} and {other} of one series are of different patients, say their headers (PatientID); pass a "
                "series of one patient."
            )
        difference = _other_contrast(frame, first)
        if difference:
            raise InputError(
                f"{self.name}: {own} and {other} of one series differ in {difference}, so they are of two contrasts; pass the "
                "files of one of them."
            )
        if not (frame.get("Rows") and frame.get("Columns")):
            raise InputError(f"{self.name}: {other} does not say how many rows and columns it has; export the series again.")

    def _check_spacing(self) -> None:
        files = [_shown(frame) for frame in self.ordered]
        if len(files) < 2:
            raise InputError(f"{self.name} has one slice only; a volume needs two or more. Pass the whole series.")
        gaps = np.diff(self.positions_mm @ self.normal)
        self._check_doubled(gaps, files)
        k = int(np.argmax(gaps))
        smallest, largest = float(gaps.min()), float(gaps[k])
        off = min(_SHARE_OF_SPACING * float(np.median(gaps)), _MOST_OFF_MM)
        # a gap lies between two slices, each of which may be off
        if largest - smallest > 4 * off:
            multiples = np.maximum(np.round(gaps / np.median(gaps[gaps < 1.5 * smallest])), 1)
            if np.abs(gaps - multiples * smallest).max() <= 4 * off * multiples.max():
                raise InputError(
                    f"{self.name}: {multiples.sum() - len(gaps):.0f} slices are missing, the first gap being between "
                    f"{files[k]} and {files[k + 1]} ({largest:.2f} mm, elsewhere {smallest:.2f} mm); export the whole series."
                )
            raise InputError(
                f"{self.name}: slices are {smallest:.2f} to {largest:.2f} mm apart (widest between {files[k]} and "
                f"{files[k + 1]}); VHI needs equally spaced slices. Pass such a series."
            )
        steps = np.linspace(0, 1, len(files))[:, np.newaxis]
        straight = self.positions_mm[0] + steps * (self.positions_mm[-1] - self.positions_mm[0])
        drift = float(np.linalg.norm(self.positions_mm - straight, axis=1).max())
        # both ends of the line are rounded too
        if drift > 2 * off:
            raise InputError(
                f"{self.name}: its slices do not lie on one straight line with equal steps (off by {drift:.2f} mm, allowed "
                f"{2 * off:.2f} mm); pass such a series."
            )
        step = (self.positions_mm[-1] - self.positions_mm[0]) / (len(files) - 1)
        aside = float(np.linalg.norm(step - (step @ self.normal) * self.normal))
        if aside > max(2 * off / (len(files) - 1), _ONE_PLACE_MM):
            raise InputError(
                f"{self.name}: each slice is shifted sideways by {aside:.2f} mm against the one before, as with a tilted gantry; "
                "pass a series whose slices lie straight behind each other."
            )

    def _check_doubled(self, gaps: np.ndarray, files: Sequence[str]) -> None:
        doubled = np.flatnonzero(gaps < _ONE_PLACE_MM)
        if not doubled.size:
            return
        k = int(doubled[0])
        groups = Counter(np.concatenate([[0], np.cumsum(gaps >= _ONE_PLACE_MM)]).tolist())
        often = min(groups.values())
        what = f"; every position occurs {often} times or more ({self._repeated_by(k)})" if often > 1 else ""
        raise InputError(
            f"{self.name} has two slices at one position: {files[k]} and {files[k + 1]}{what}. Pass a series with each slice "
            "once."
        )

    def _repeated_by(self, k: int) -> str:
        frame, other = self.ordered[k], self.ordered[k + 1]
        differing = (
            f"{what}, {keyword} {frame.text(keyword)} and {other.text(keyword)}"
            for keyword, what in _REPEATED_BY.items()
            if frame.text(keyword) != other.text(keyword)
        )
        return next(differing, "echoes, phases or repetitions")


def _same_spacing(one: Frame, other: Frame) -> bool:
    """Whether two pixel spacings are one but for rounding: the last pixel lies at the same place to a share of a pixel."""
    spacing, rounded = (np.array(frame.floats("PixelSpacing", 2)) for frame in (one, other))
    size = max(int(one.get("Rows") or 0), int(one.get("Columns") or 0))
    return bool((np.abs(spacing - rounded) * size <= _SHARE_OF_PIXEL * spacing).all())


def _other_contrast(frame: Frame, first: Frame) -> str:
    """How a frame differs from the first of its series in what makes a contrast, in words; empty where it does not."""
    kinds = [", ".join(kinds_of(one)) or "none" for one in (first, frame)]
    if kinds[0] != kinds[1]:
        return f"their kind by ImageType ({kinds[0]} and {kinds[1]})"
    sequences = [set(one.text("ScanningSequence").split("\\")) - {""} for one in (first, frame)]
    if all(sequences) and sequences[0] != sequences[1]:
        return f"ScanningSequence ({first.text('ScanningSequence')} and {frame.text('ScanningSequence')})"
    for keyword in ("EchoTime", "InversionTime"):
        if not _same_time(frame, first, keyword):
            return f"{keyword} ({first.text(keyword) or 'none'} and {frame.text(keyword) or 'none'} ms)"
    return ""


def _same_time(one: Frame, other: Frame, keyword: str) -> bool:
    """Whether a time of the sequence is one in both but for rounding, or given in neither; 0 is none."""
    first, second = (number_of(frame.get(keyword)) or 0.0 for frame in (one, other))
    if not first and not second:
        times = [frame.text(keyword) for frame in (one, other)]
        return times[0] == times[1] or all(number_of(time or 0) == 0 for time in times)
    return abs(first - second) <= _SHARE_OF_TIME * max(abs(first), abs(second))


def _images_in_mosaic(frame: Frame) -> int:
    """How many slices a Siemens mosaic tiles, says its private header; 0 where it says nothing."""
    try:
        value = frame.header.private_block(0x0019, "SIEMENS MR HEADER")[0x0A].value
        return int(value) if isinstance(value, int) else int.from_bytes(bytes(value)[:2], "little")
    except (KeyError, TypeError, ValueError):
        return 0


def _label(source: Path | Sequence[Path] | Series, series: Series, name: str) -> str:
    if isinstance(source, Path):
        return f"{name} ({source.resolve().name})"
    return f"{name} (series {series.first.text('SeriesNumber') or series.uid})"


def _shown(frame: Frame) -> str:
    return frame.path.name if frame.index is None else f"{frame.path.name} frame {frame.index + 1}"


def _has_agent(frame: Frame) -> bool:
    listed = frame.header.get("ContrastBolusAgentSequence")
    return bool(listed) or frame.text("ContrastBolusAgent").lower() not in _NO_AGENT


def _acquired(frame: Frame) -> str:
    for whole in ("FrameAcquisitionDateTime", "AcquisitionDateTime"):
        if frame.text(whole):
            return frame.text(whole)
    for kind in ("Acquisition", "Series", "Content", "Study"):
        if frame.text(f"{kind}Date"):
            return frame.text(f"{kind}Date") + frame.text(f"{kind}Time")
    return ""
