"""A bundle's networks as a version: members beside those of the live one, or an ensemble of their own."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from safetensors.torch import load

from ..core.disease_region import Member
from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..errors import ModelError
from ..nets.weights import load_members, pack_states, put_onto
from ..versions import Manifest, Version, publish, verify
from ..versions.manifest import OF_KIND
from .foreign import Imported


def version_of(imported: Imported, *, version: str, created: str, code_version: str) -> tuple[Manifest, bytes]:
    """Manifest and weights of an ensemble of the bundle's networks alone."""
    manifest = Manifest(
        version=version,
        created=created,
        code_version=code_version,
        sha256="",
        network=imported.layouts,
        members=len(imported.layouts),
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[dict(imported.source) for _ in imported.layouts],
        seeds=[],
        training_cases=[],
        flip=imported.flip,
        note=_note(imported),
    )
    return manifest, pack_states(imported.states)


def with_members(live: Version, imported: Imported, *, version: str, created: str, code_version: str) -> tuple[Manifest, bytes]:
    """Manifest and weights of the live version with the bundle's networks as further members.

    Its networks for a kind of scans stay alone there, as the live version has them.

    Raises
    ------
    ModelError
        The live version is damaged, or one of the two averages mirror images and the other does not.
    """
    manifest, before = live.manifest, load(verify(live))
    if imported.flip != manifest.flip:
        raise ModelError(
            f"Version {manifest.version} {_averages(manifest.flip)}, the bundle's networks "
            f"{_averages(imported.flip)}, and a version "
            "does one of them; import it --as-version."
        )
    states = [
        {name.removeprefix(f"member{n}."): tensor for name, tensor in before.items() if name.startswith(f"member{n}.")}
        for n in range(manifest.members)
    ]
    # a kind that is like all others in something must be given it before the others change
    own = {kind["name"]: manifest.of_kind(kind["name"]) for kind in manifest.kinds}
    kinds = [kind | {what: getattr(own[kind["name"]], what) for what in OF_KIND} for kind in manifest.kinds]
    added: dict[str, Any] = {
        "version": version, "created": created, "code_version": code_version, "sha256": "", "parent": manifest.version,
        "network": [*manifest.networks, *imported.layouts], "members": manifest.members + len(imported.layouts),
        "recipes": [*manifest.recipes, *(dict(imported.source) for _ in imported.layouts)],
        "seeds": [], "kinds": kinds, "metrics": None, "reference": None, "gate": None, "note": _note(imported),
    }  # fmt: skip
    return Manifest(**{**vars(manifest), **added}), put_onto(live, pack_states([*states, *imported.states]))


def members_of(manifest: Manifest, weights: bytes) -> tuple[Member, ...]:
    """The members of a version that is not published yet.

    Raises
    ------
    ModelError
        The weights do not fit the networks.
    """
    with TemporaryDirectory() as place:
        publish(Path(place), manifest, weights, live=False)
        return load_members(Path(place), manifest.version)


def import_id(imported: Imported, folder: Path) -> str:
    """The id of a version that nobody gave one: the bundle's name and the beginning of its weights' sha256."""
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in folder.resolve().name).strip("-") or "bundle"
    return f"{name}-{imported.source['source_sha256'][:8]}"


def _note(imported: Imported) -> str:
    source = imported.source
    return (
        f"With networks of the MONAI bundle {source['bundle']} {source['bundle_version']}: what they learnt, its own "
        "documents say; "
        "their scores on scans that they learnt are no fair test."
    )


def _averages(flip: bool) -> str:
    return "averages mirror images" if flip else "sees no mirror images"
