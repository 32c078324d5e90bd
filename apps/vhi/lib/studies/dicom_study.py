"""The forms of `--study`: a folder, also of a CD or of several studies, a ZIP file, or a DICOMDIR; and which study is meant."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from ..errors import InputError, OutputError
from .dicom_files import read_header
from .dicom_frames import Series

# of a ZIP file: a whole examination of 3 T with all its reformats is a tenth of this [bytes]
MOST_UNZIPPED = 20 * 2**30
MOST_ENTRIES = 200_000
_BLOCK_BYTES = 1 << 20
_ZIP = b"PK\x03\x04"
_DIRECTORY = "1.2.840.10008.1.3.10"


@dataclass(frozen=True)
class OpenedStudy:
    """The files of what a user named; `files` is empty for a folder, whose files are all in it. `close` removes unpacked ones."""

    files: tuple[Path, ...]
    temporary: str | None = None

    def close(self) -> None:
        if self.temporary is not None:
            shutil.rmtree(self.temporary, ignore_errors=True)


def opened_study(source: Path) -> OpenedStudy:
    """The files of a folder, a ZIP file (unpacked into a temporary folder), or a DICOMDIR (those that it names).

    Raises
    ------
    InputError
        Something else, a damaged or too large ZIP file, or a DICOMDIR whose files are not all there.
    OutputError
        There is no room to unpack.
    """
    if source.is_dir() or not source.exists():  # what is missing is refused where folders are listed
        return OpenedStudy(())
    try:
        with source.open("rb") as file:
            is_zip = file.read(4) == _ZIP
    except OSError as error:
        raise InputError(f"{source} cannot be read ({error.strerror or error}); pass the folder of a study.") from error
    return _unzipped(source) if is_zip else OpenedStudy(_of_directory(source))


def chosen_study(
    series: Sequence[Series], place: str, study_uid: str | None = None, patient: str | None = None
) -> tuple[Series, ...]:
    """The series of the one study that is meant.

    Parameters
    ----------
    series : sequence of Series
        At least one.
    place : str
        What messages call where they are.
    study_uid, patient : str, optional
        StudyInstanceUID; PatientID or PatientName, upper and lower case alike.

    Raises
    ------
    InputError
        None or several; all are listed.
    """
    studies: dict[str, list[Series]] = {}
    for member in series:
        studies.setdefault(member.first.text("StudyInstanceUID"), []).append(member)
    matching = {
        uid: members
        for uid, members in studies.items()
        if (study_uid is None or uid == study_uid) and (patient is None or _is_of(members[0], patient))
    }
    if len(matching) == 1:
        return tuple(next(iter(matching.values())))
    asked = " and ".join(f"{option} {value}" for option, value in (("--study-uid", study_uid), ("--patient", patient)) if value)
    reason = f"{len(matching)} of them fit {asked}" if asked else "series of different visits are never paired"
    raise InputError(
        f"{place} holds {len(studies)} {'study' if len(studies) == 1 else 'studies'}, and {reason}: "
        f"{'; '.join(_described(uid, members) for uid, members in (matching or studies).items())}. "
        "Choose one with --study-uid, or with --patient."
    )


def _is_of(series: Series, patient: str) -> bool:
    known = {series.first.text(keyword).casefold() for keyword in ("PatientID", "PatientName")}
    return patient.strip().casefold() in known - {""}


def _described(uid: str, series: Sequence[Series]) -> str:
    first = series[0].first
    date, described = first.text("StudyDate"), first.text("StudyDescription")
    parts = [f"patient {first.text('PatientID') or 'unknown'}", date or "without date", *([repr(described)] if described else [])]
    return f"{uid or 'without UID'} ({', '.join(parts)}, {len(series)} series)"


def _unzipped(source: Path) -> OpenedStudy:
    folder = tempfile.mkdtemp(prefix="vhi-study-")
    try:
        with zipfile.ZipFile(source) as archive:
            entries = [entry for entry in archive.infolist() if not entry.is_dir()]
            if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > MOST_UNZIPPED:
                mib = sum(entry.file_size for entry in entries) >> 20
                raise InputError(
                    f"{source.name} holds {len(entries)} files of {mib} MiB together; at most {MOST_ENTRIES} of "
                    f"{MOST_UNZIPPED >> 20} MiB are unpacked. Unpack it yourself and pass the folder of the study."
                )
            left = MOST_UNZIPPED
            files = []
            for number, entry in enumerate(entries):
                path = Path(folder, f"{number:06d}", *_safe_parts(entry.filename))
                path.parent.mkdir(parents=True)
                left -= _unpack(archive, entry, path, left)
                files.append(path)
        return OpenedStudy(tuple(files), folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, RuntimeError) and not isinstance(error, NotImplementedError):
            raise InputError(f"{source.name} is locked with a password; unpack it and pass the folder.") from error
        if isinstance(error, zipfile.BadZipFile | zlib.error | EOFError | NotImplementedError):
            raise InputError(f"{source.name} is a damaged ZIP file ({error}); copy it again.") from error
        if isinstance(error, OSError):
            raise OutputError(f"{source.name} cannot be unpacked into {folder} ({error.strerror or error}).") from error
        raise


def _safe_parts(name: str) -> list[str]:
    """The last folder and the name of an entry, without anything that leads out of a folder."""
    parts = [part for part in PurePosixPath(name.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    return [part.replace(":", "_").replace("\0", "_")[:200] for part in parts[-2:]] or ["file"]


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, most: int) -> int:
    """Bytes written; what an entry says about its size is not believed."""
    written = 0
    with archive.open(entry) as source, path.open("wb") as file:
        while block := source.read(_BLOCK_BYTES):
            written += len(block)
            if written > most:
                raise InputError(
                    f"{entry.filename} is larger than it says; unpack the ZIP file and pass the folder of the study."
                )
            file.write(block)
    return written


def _of_directory(source: Path) -> tuple[Path, ...]:
    """The images that a DICOMDIR names."""
    header = read_header(source)
    if header.file_meta.get("MediaStorageSOPClassUID") != _DIRECTORY:
        raise InputError(f"{source} is one DICOM file; --study needs a folder, a ZIP file or a DICOMDIR of a whole study.")
    records = header.get("DirectoryRecordSequence") or []
    named = [record.ReferencedFileID for record in records if record.get("ReferencedFileID")]
    wanted = [[str(part) for part in ([name] if isinstance(name, str) else name)] for name in named]
    paths = {"/".join(parts): _in_any_case(source.parent, parts) for parts in wanted}
    missing = [name for name, path in paths.items() if path is None]
    if missing or not paths:
        raise InputError(
            f"{source} names {len(paths)} files, of which {len(missing)} are not there"
            + (f", the first being {missing[0]}" if missing else "")
            + "; copy the whole CD, or pass its folder."
        )
    return tuple(path for path in paths.values() if path is not None)


def _in_any_case(folder: Path, parts: Sequence[str]) -> Path | None:
    """The file of a DICOMDIR, whose names are upper case: systems show the CD's in lower case, or with a version behind."""
    for part in parts:
        if (folder / part).exists():
            folder = folder / part
            continue
        try:
            names = {path.name.upper().split(";")[0].rstrip("."): path for path in folder.iterdir()}
        except OSError:
            return None
        if part.upper() not in names:
            return None
        folder = names[part.upper()]
    return folder
