"""The networks that the method's authors released, as a version that this program can use.

Each released file is a torch state dict of one network, `lib.nets.unet.UNet()` by its parameters' names and shapes. The
authors feed it slices turned by `np.rot90`, which on their files is how `lib.core.orientation` hangs them, divided by three
times the standard deviation of the volume, and round the mean of the three sigmoid outputs; no mirror images are averaged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from ..core.disease_region import Member
from ..core.normalise import TRAINING_PIXEL_SPACING_MM
from ..errors import InputError, ModelError
from ..versions import Manifest, Version
from .engine_file import publish_networks
from .plain import load_plain
from .unet import UNet
from .weights import member_of

NETWORK: dict[str, Any] = {"widths": [16, 32, 64, 128], "shuffle": 1, "bias": True}
NOTE = (
    "Imported from state dicts in the layout of Hepburn et al. 2023. The weights that the authors released were trained on all "
    "study subjects, the two test subjects included: their scores on those scans are no fair test."
)
_COUNTER = "num_batches_tracked"  # of a batch normalisation; plays no part in use


def import_published(
    files: Sequence[Path], model_dir: Path, *, code_version: str, created: str, version: str | None = None
) -> Version:
    """Add the networks in `files` as one version, which does not become the live one.

    Parameters
    ----------
    files : sequence of Path
        One torch file per member: a state dict, or a dict that holds one. Nothing but tensors and plain containers is loaded.
    model_dir : Path
        A model folder as in `lib.versions`.
    code_version, created : str
        For the manifest.
    version : str, optional
        Id of the version; `published-` and the beginning of the weights' sha256 when absent.

    Raises
    ------
    InputError
        A file cannot be read.
    ModelError
        A file is not plain tensors, lacks a parameter, has an unknown one or one of another shape, or the same network is
        given twice; or the version exists.
    """
    contents = [_read(path) for path in files]
    hashes = [hashlib.sha256(content).hexdigest() for content in contents]
    states = [read_state(content, path) for content, path in zip(contents, files, strict=True)]
    _check_distinct(files, hashes, states)
    # in full precision: these are the authors' networks, not networks like them
    weights = save({f"member{n}.{name}": tensor for n, state in enumerate(states) for name, tensor in state.items()})
    manifest = Manifest(
        version=version or f"published-{hashlib.sha256(weights).hexdigest()[:8]}",
        created=created,
        code_version=code_version,
        sha256="",
        network=NETWORK,
        members=len(files),
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM,
        recipes=[
            {"name": "imported", "source_file": path.name, "source_sha256": sha256}
            for path, sha256 in zip(files, hashes, strict=True)
        ],
        seeds=[],
        training_cases=[],
        flip=False,
        note=NOTE,
    )
    return publish_networks(model_dir, manifest, weights, live=False)


def released_members(states: Sequence[Mapping[str, torch.Tensor]]) -> tuple[Member, ...]:
    """Released networks as the members of an ensemble, without a version on disk.

    Parameters
    ----------
    states : sequence of mapping
        As `read_released` gives them, one per network, of the shapes in `lib.nets.unet.UNet`.

    Returns
    -------
    tuple of Member
        In full precision and without mirror images, as their authors use them.
    """
    members = []
    for state in states:
        net = UNet(**NETWORK)
        # the counters that are missing play no part in use
        net.load_state_dict(state, strict=False)
        members.append(member_of(net.eval(), flip=False, dtype=torch.float32))
    return tuple(members)


def read_released(path: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """One released network: the sha256 of its file, and its parameters by name, float32 of the shapes in `lib.nets.unet.UNet`.

    Raises
    ------
    InputError
        The file cannot be read.
    ModelError
        As `read_state`.
    """
    content = _read(path)
    return hashlib.sha256(content).hexdigest(), read_state(content, path)


def read_state(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    """The float32 parameters of one released network by name, of the shapes in `lib.nets.unet.UNet`.

    The counters of its batch normalisations are left out.

    Parameters
    ----------
    content : bytes
        Of the file at `path`, which only names it in messages.

    Raises
    ------
    ModelError
        Not plain tensors, or not those of the network.
    """
    loaded = load_plain(content, path, "Pass a state dict as the authors released it.")
    state = _find_state(loaded)
    _check_layout(state, path)
    # copies, so that no two parameters share memory
    return {name: t.detach().float().contiguous().clone() for name, t in state.items() if not name.endswith(_COUNTER)}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); check the path and its permissions.") from error


def _layout() -> dict[str, torch.Size]:
    """Names and shapes of the parameters, without the counters."""
    with torch.device("meta"):
        net = UNet(**NETWORK)
    return {name: tensor.shape for name, tensor in net.state_dict().items() if not name.endswith(_COUNTER)}


def _find_state(loaded: object) -> Mapping[Any, Any]:
    """The loaded mapping, or the mapping in it, that has most of the network's parameters."""
    if not isinstance(loaded, Mapping):
        return {}
    known = _layout().keys()
    candidates = [loaded, *(value for value in loaded.values() if isinstance(value, Mapping))]
    return max(candidates, key=lambda mapping: len(known & mapping.keys()))


def _check_layout(state: Mapping[Any, Any], path: Path) -> None:
    needed = _layout()
    counters = {f"{name.removesuffix('running_mean')}{_COUNTER}" for name in needed if name.endswith("running_mean")}
    what = f"{path} does not hold the network of Hepburn et al. 2023"
    way_out = "Pass the state dict of one of the authors' networks."
    for name in needed:
        if name not in state:
            raise ModelError(f"{what}: the parameter {name} is missing. {way_out}")
    for name in state:
        if name not in needed and name not in counters:
            raise ModelError(f"{what}: the parameter {name} does not belong to it. {way_out}")
    for name, shape in needed.items():
        tensor = state[name]
        if not (isinstance(tensor, torch.Tensor) and tensor.layout == torch.strided and tensor.is_floating_point()):
            raise ModelError(f"{what}: {name} is no tensor of floating-point numbers. {way_out}")
        if tensor.shape != shape:
            raise ModelError(f"{what}: {name} has shape {tuple(tensor.shape)}, needed {tuple(shape)}. {way_out}")
        if not tensor.isfinite().all():
            raise ModelError(f"{what}: {name} has values that are not finite. {way_out}")


def _check_distinct(files: Sequence[Path], hashes: Sequence[str], states: Sequence[Mapping[str, torch.Tensor]]) -> None:
    """The same network twice would count double, and its members would agree for a wrong reason."""
    for b in range(len(files)):
        for a in range(b):
            # a file saved again under another name has other bytes and the same tensors
            if hashes[a] == hashes[b] or all(torch.equal(states[a][name], states[b][name]) for name in states[a]):
                raise ModelError(f"{files[a]} and {files[b]} are the same network; pass each of the three once.")
