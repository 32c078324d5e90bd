"""Where a site's own versions lie: in its data folder, beside what its readers submitted.

The shipped folder belongs to the program: it may be read-only, and an update replaces it. The first retraining therefore makes
`<data>/models/<name>` with a copy of the live version, and from then on that folder is the one in use.
"""

from __future__ import annotations

from pathlib import Path

from .store import POINTER, Version, list_versions, make_live, publish, read_live, verify

FOLDER = "models"


def models_in_use(data: Path, shipped: Path) -> Path:
    """The model folder that a site uses: its own once it has one, else the shipped one. Costs one look at the disk.

    Parameters
    ----------
    data : Path
        The server's data folder.
    shipped : Path
        The folder that the site starts from, for example `apps/vhi/model/disease_region`.
    """
    own = own_models(data, shipped)
    return own if (own / POINTER).exists() else shipped


def own_models(data: Path, shipped: Path) -> Path:
    """Where a site's own versions lie, or will."""
    return data / FOLDER / shipped.name


def folder_with(data: Path, shipped: Path, version: str) -> Path | None:
    """The model folder that holds a version: the one in use, else the shipped one, whose live version a site starts from."""
    folders = (models_in_use(data, shipped), shipped)
    return next((folder for folder in folders if (folder / "versions" / version).is_dir()), None)


def adopt_live(data: Path, shipped: Path) -> Version:
    """The live version, in the site's own folder: copied there first where that is not in use yet.

    Raises
    ------
    ModelError
        There is no live version, or it is damaged.
    OutputError
        The data folder cannot be written.
    """
    live = read_live(models_in_use(data, shipped))
    own = own_models(data, shipped)
    if live.folder.is_relative_to(own):
        return live
    version = live.manifest.version
    # a copy that was made before the pointer could be written is used as it is: publishing is whole or not at all
    if version not in list_versions(own):
        publish(own, live.manifest, verify(live), live=False)
    return make_live(own, version)
