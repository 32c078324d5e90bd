"""Where a site's own versions lie: in its data folder, beside what its readers submitted.

The shipped folder belongs to the program: it may be read-only, and an update replaces it. The first retraining therefore makes
`<data>/models/disease_region` (of the cleaning proposal: `cleaning`) with a copy of the live version, and from then on that
folder is the one in use. Its name does not depend on the folder that the site started from: a site has one lineage. Which folder
a server starts from is written down (`models/started_from.json`), so that commands begin where the server does.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

from ..errors import ConflictError, InputError
from ..files import output_error
from ..records import read_remakable, write_json
from .store import POINTER, Version, list_versions, make_live, publish, read_live, read_version, verify, verify_engine

FOLDER, START = "models", "started_from.json"
Role = Literal["disease_region", "cleaning"]


def models_in_use(data: Path, shipped: Path, role: Role = "disease_region") -> Path:
    """The model folder that a site uses: its own once it has one, else the shipped one. Costs one look at the disk.

    Parameters
    ----------
    data : Path
        The server's data folder.
    shipped : Path
        The folder that the site starts from, for example `apps/vhi/model/disease_region`.
    role : str
        What its networks are for.
    """
    own = own_models(data, role)
    return own if (own / POINTER).exists() else shipped


def own_models(data: Path, role: Role = "disease_region") -> Path:
    """Where a site's own versions lie, or will."""
    return data / FOLDER / role


def start_of(data: Path, asked: Path | None, otherwise: Path) -> Path:
    """The model folder that a command begins from: the one that the site's server starts from, where there is such a server.

    Parameters
    ----------
    data : Path
        The server's data folder.
    asked : Path, optional
        What was asked for.
    otherwise : Path
        Where neither tells.

    Raises
    ------
    InputError
        Another folder than the server's was asked for: what is learnt would belong to no version of the site.
    """
    noted = read_remakable(data / FOLDER / START, disease_region=str)
    start = Path(noted["disease_region"]) if noted else None
    if asked is None:
        return start or otherwise
    if start is not None and asked.resolve() != start:
        raise InputError(
            f"The server of {data} starts from the versions in {start}, not from those in {asked.resolve()}. "
            "Leave --model-dir out, or serve with it first."
        )
    return asked


def note_start(data: Path, shipped: Path) -> str | None:
    """Write down, for a server that starts, which model folder it starts from; its own versions of an earlier build move in.

    Returns
    -------
    str or None
        That the folder does not count, in words, where it is another than before and the site has versions of its own.

    Raises
    ------
    ConflictError
        Versions lie under two names: which of them go on is for a person to say.
    OutputError
    """
    own, older = own_models(data), data / FOLDER / shipped.name
    if older != own and (older / POINTER).exists():
        _move_in(older, own)
    before, now = read_remakable(data / FOLDER / START, disease_region=str), str(shipped.resolve())
    if before is None or before["disease_region"] != now:
        try:
            (data / FOLDER).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(data / FOLDER, error) from error
        write_json(data / FOLDER / START, {"disease_region": now})
    if before is None or before["disease_region"] == now or not (own / POINTER).exists():
        return None
    return f"The versions in {own} are in use: {now} is where a site without versions of its own begins."


def _move_in(older: Path, own: Path) -> None:
    """Give the versions of an earlier build the one name; a copy that was cut short before it was live makes room for them."""
    if (own / POINTER).exists() or set(list_versions(own)) - set(list_versions(older)):
        raise ConflictError(
            f"The data folder holds two lines of versions, in {own} and in {older}. Take the folder that is not to go on "
            f"out of {own.parent}, and start again."
        )
    try:
        if own.exists():
            shutil.rmtree(own)
        older.rename(own)
    except OSError as error:
        raise output_error(own, error) from error


def folder_with(data: Path, shipped: Path, version: str, role: Role = "disease_region") -> Path | None:
    """The model folder that holds a version: the one in use, else the shipped one, whose live version a site starts from."""
    folders = (models_in_use(data, shipped, role), shipped)
    return next((folder for folder in folders if (folder / "versions" / version).is_dir()), None)


def adopt(data: Path, shipped: Path, version: str) -> Version:
    """A version in the site's own folder, copied there first from the one that the site starts from; what is live stays live.

    Raises
    ------
    ModelError
        There is no such version, or it is damaged.
    OutputError
    """
    adopt_live(data, shipped)
    own = own_models(data)
    if version not in list_versions(own) and version in list_versions(shipped):
        _copy(read_version(shipped, version), own)
    return read_version(own, version)


def adopt_live(data: Path, shipped: Path, role: Role = "disease_region") -> Version:
    """The live version, in the site's own folder: copied there first where that is not in use yet.

    Raises
    ------
    ModelError
        There is no live version, or it is damaged.
    OutputError
        The data folder cannot be written.
    """
    live = read_live(models_in_use(data, shipped, role))
    own = own_models(data, role)
    if live.folder.is_relative_to(own):
        return live
    version = live.manifest.version
    # a copy that was made before the pointer could be written is used as it is: publishing is whole or not at all
    if version not in list_versions(own):
        _copy(live, own)
    return make_live(own, version)


def _copy(version: Version, own: Path) -> None:
    engine = None if version.manifest.engine is None else verify_engine(version)
    publish(own, version.manifest, verify(version), engine=engine, live=False)
