"""The data folder: what format it has, folders that last, and one writer at a time.

```
format.json                                  {"format": 1, ...}
audit.jsonl                                  who opened, changed and exported what
cases/<case>/submissions/<NNNN>-<reader>/    one submission, whole
cases/<case>/shared.json                     regions an administrator shares, where it is not the first reader's
cases/<case>/scans.json                      sha256 of the two scans, since they were first opened
cases/<case>/voxels.json                     sha256 of their voxels and where they lie: the same scan compressed again is the same
cases/<case>/shown/<reader>-<reading>.json   what a reader last saw: settings, number, version of the networks
cases/<case>/shown/<reader>-<reading>-*.nii.gz  the lesions behind that number, and behind a few before it
cases/<case>/reviews/<NNNN>.json             what an administrator recorded where two readings differ
cases/<case>/drafts/<reader>-<reading>.json  what a reader has begun and not handed in
leases/<case>.json                           who is reading a case, and until when
leases/readers/<reader>/<case>.json          the same where every reader reads every case
corrections/cases/<case>/<SOP UID>.json      what became of a Segmentation found in the archive
corrections/senders/<SOP UID>.json           who stored it through the gateway
outbox/waiting/, outbox/sent/                submissions to be stored in the archive, and those that are
precomputed/<case>/<key>/                    a cache, may be deleted
```
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from ..errors import ConflictError, DamagedError, InputError
from ..files import output_error, sync_folder
from ..locks import locked
from ..records import log_once, read_json, write_json
from .aliases import ALIASES, is_seed_of

FORMAT = 1
FORMAT_FILE = "format.json"
LEFTOVER = ".*.partial-*"
# folder of the leases of each reader, below that of the leases
READERS = "readers"
# from format n to n + 1, given the data folder; each leaves format.json to `open_folder`
UPGRADES: dict[int, Callable[[Path], None]] = {}


def open_folder(root: Path, study: Mapping[str, Any] | None = None) -> None:
    """Make `root` a data folder of this program's format, and remove what a killed process left half written.

    Parameters
    ----------
    root : Path
        Created where it is missing.
    study : mapping
        What must stay as it was when the folder was made, such as the seed of a blinded study.

    Raises
    ------
    InputError
        Written by a newer program, or damaged.
    ConflictError
        It belongs to a study that is set up otherwise.
    OutputError
        It cannot be written.
    """
    wanted = dict(study or {})
    make_folder(root)
    with locked(root / "lock"):
        stored = _format_or_none(root)
        if stored is None:
            _check_evidence(root, wanted)
            _write_format(root, wanted)
        else:
            _check_study(root, stored, wanted)
            for step in range(stored["format"], FORMAT):
                UPGRADES[step](root)
                _write_format(root, wanted, step + 1)
    remove_leftovers(root)


def check_folder(root: Path) -> None:
    """Refuse what is no data folder of this program's format; nothing is written, so a server may be using it.

    Raises
    ------
    InputError
    """
    stored = _format_of(root / FORMAT_FILE)
    if stored is None:
        raise InputError(
            f"{root} holds no {FORMAT_FILE}: it is not the data folder of a server. Pass the folder that serve uses."
        )
    if stored["format"] < FORMAT:
        raise InputError(
            f"{root} has format {stored['format']}, this program reads {FORMAT}; start its server once, which upgrades it."
        )


def _format_of(path: Path) -> dict[str, Any] | None:
    content = read_json(path, format=int)
    if content is None:
        return None
    number = content["format"]
    if number < 1:
        raise DamagedError(path, f"it names format {number}")
    if number > FORMAT:
        raise InputError(f"{path.parent} has format {number}, this program reads up to {FORMAT}; update the program.")
    return content


def _format_or_none(root: Path) -> dict[str, Any] | None:
    """The content of the format file; None where it is gone or damaged, and is to be made anew."""
    try:
        return _format_of(root / FORMAT_FILE)
    except DamagedError as error:
        log_once(error)
        return None


def _check_evidence(root: Path, wanted: Mapping[str, Any]) -> None:
    """Refuse to make the format file of a used folder anew for another study: a blinded one lists the aliases of its seed."""
    used = (root / "cases").is_dir() and any((root / "cases").iterdir())
    if not used:
        return
    blinded = (root / ALIASES).exists()
    if blinded != bool(wanted.get("blinded")):
        kind = "a blinded study" if blinded else "an open study"
    elif blinded and not is_seed_of(root, wanted["seed"]):
        kind = "a blinded study with another seed"
    else:
        return
    raise ConflictError(
        f"{root / FORMAT_FILE} is gone or damaged, and the folder is of {kind}, this server is set up otherwise; start it as "
        "before, or restore the file from a backup."
    )


def _check_study(root: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    if (stored.get("study") or {}) != wanted:
        raise ConflictError(
            f"{root} belongs to a study set up as {json.dumps(stored.get('study') or {})}, this server is set up as "
            f"{json.dumps(wanted)}; start it with the former, or choose another data folder."
        )


def _write_format(root: Path, study: Mapping[str, Any], number: int = FORMAT) -> None:
    write_json(root / FORMAT_FILE, {"format": number, "study": dict(study)})


def remove_leftovers(root: Path) -> int:
    """Remove half-written files and folders that no living process is writing; returns how many."""
    removed = 0
    for place in (root, root / "leases", *_folders(root / "leases" / READERS)):
        removed += _remove(place)
    for case in _folders(root / "cases"):
        with locked(case / "lock", wait_s=0) as free:
            if free:
                removed += _remove(case) + sum(_remove(case / name) for name in ("submissions", "shown", "drafts", "reviews"))
    for case in _folders(root / "precomputed"):
        removed += _remove(case)
    return removed


def _remove(folder: Path) -> int:
    leftovers = list(folder.glob(LEFTOVER))
    for path in leftovers:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    return len(leftovers)


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir()] if folder.is_dir() else []


def remove_but(folder: Path, names: Collection[str]) -> None:
    """Remove what lies in a folder of caches under any other name."""
    for path in list(folder.iterdir()) if folder.is_dir() else ():
        if path.name not in names:
            shutil.rmtree(path, ignore_errors=True)


def make_folder(folder: Path) -> None:
    """Create a folder and its missing parents so that they outlast a power cut.

    Raises
    ------
    OutputError
    """
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        for place in reversed(missing):
            place.mkdir(exist_ok=True)
            sync_folder(place.parent)
        if not folder.is_dir():
            raise NotADirectoryError(20, "a file is where a folder is needed")
    except OSError as error:
        raise output_error(folder, error) from error
