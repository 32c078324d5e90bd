"""From a version on disk to its members: by its engine file, or by torch where it has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ..core.disease_region import Member
from ..core.normalise import check_training_spacing
from ..core.protocol import Ensemble, Protocol
from ..versions import Version, read_live, read_version, verify_engine

if TYPE_CHECKING:
    from .runtime import Precision


def load_members(model_dir: Path, version: str | None = None, precision: Precision | None = None) -> tuple[Member, ...]:
    """The members of a disease-region ensemble, as callables for `lib.core.disease_region`.

    Parameters
    ----------
    model_dir : Path
        A model folder as in `lib.versions`, for example `apps/vhi/model/disease_region`.
    version : str, optional
        Its live version when absent.
    precision : {"bfloat16", "float32"}, optional
        What to compute in; when absent the faster one on this CPU.

    Returns
    -------
    tuple of Member
        Each maps `(K, H, W)` float32 slices of any size, air being 0, to `(K, H, W)` float32 probabilities.

    Raises
    ------
    ModelError
        Missing, corrupt or swapped files, or files that do not fit the manifest's networks.
    """
    chosen = read_live(model_dir) if version is None else read_version(model_dir, version)
    return members_of_version(chosen, precision)


def members_of_version(version: Version, precision: Precision | None = None) -> tuple[Member, ...]:
    """The members of a version that was read, as `load_members`."""
    if version.manifest.engine is None:
        import torch  # takes seconds to import, and is needed for versions without an engine file alone

        from ..nets.weights import torch_members

        return torch_members(version, None if precision is None else getattr(torch, precision))
    from .runtime import graph_of, members_of_graph

    check_training_spacing(version.manifest.version, version.manifest.pixel_spacing_mm)
    whole = graph_of(verify_engine(version))
    kinds = []
    for kind in version.manifest.kinds:
        own = version.manifest.of_kind(kind["name"])
        members = members_of_graph(whole, own.networks, precision, kind["name"])
        kinds.append((Protocol.from_dict(kind["protocol"]), Ensemble(members, pixel_spacing_mm=own.pixel_spacing_mm)))
    members = members_of_graph(whole, version.manifest.networks, precision)
    return Ensemble(members, kinds) if kinds else members
