"""The networks in somebody's MONAI bundle, as members of an ensemble here. Nothing of the bundle is run."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..core.normalise import SPACING_TOLERANCE, TRAINING_PIXEL_SPACING_MM
from ..errors import InputError, ModelError
from ..nets.averaging import network_of
from ..nets.plain import load_plain
from .configs import NETWORK
from .layout import Config, before_network, own_spacing_mm

WEIGHTS = "models/model.pt"
_NESTED = ("model", "state_dict", "network")


@dataclass(frozen=True)
class Imported:
    """The networks of a bundle as they were read.

    Parameters
    ----------
    layouts : list of dict
        One per network, as a manifest keeps it.
    states : list of dict
        Their tensors by name, of the shapes and as precise as they were.
    flip : bool
        Whether they average mirror images.
    source : dict
        `bundle`, `bundle_version`, `source_file`, `source_sha256`: where they came from, as a manifest states it.
    """

    layouts: list[dict[str, Any]]
    states: list[dict[str, torch.Tensor]]
    flip: bool
    source: dict[str, str]


def read_bundle(folder: Path, *, foreground: str | None = None, allowed: Collection[str] = ()) -> Imported:
    """Read a bundle with one image and one foreground class.

    Parameters
    ----------
    folder : Path
        With `configs/metadata.json`, `configs/inference.json` and `models/model.pt`.
    foreground : str, optional
        Which class is the region, by its name in `channel_def`, where a bundle has several.
    allowed : collection of str
        Networks beside MONAI's own that may be made, by their full names.

    Raises
    ------
    InputError
        A file is missing or not JSON.
    ModelError
        The bundle is another kind than can be a member, by one sentence that says why.
    """
    meta = _read(folder / "configs" / "metadata.json")
    config = Config(_read(folder / "configs" / "inference.json"), str(folder / "configs" / "inference.json"), allowed)
    image, answer = _tensors(meta, folder)
    content = _bytes(folder / WEIGHTS)
    state = _state(content, folder / WEIGHTS)
    name, arguments = config.network()
    source = {
        "name": "bundle",
        "bundle": str(meta.get("name", folder.name)),
        "bundle_version": str(meta.get("version", "")),
        "source_file": WEIGHTS,
        "source_sha256": hashlib.sha256(content).hexdigest(),
    }
    if name == NETWORK:
        return _own(config, arguments, state, source)
    axcodes, intensity = before_network(config)
    channels = int(answer["num_channels"])
    channel = _foreground(answer["channel_def"], channels, foreground, folder)
    layout: dict[str, Any] = {
        "name": name,
        "arguments": arguments,
        "axcodes": axcodes,
        "intensity": intensity,
        "inferer": config.inferer(axcodes),
        "softmax": config.activation(channels),
        "channel": channel,
    }
    offsets = _neighbours(image, folder)
    if offsets:
        layout["neighbours"] = offsets
    _check_fits(layout, state, folder)
    return Imported([layout], [state], False, source)


def _own(config: Config, arguments: Mapping[str, Any], state: Mapping[str, torch.Tensor], source: dict[str, str]) -> Imported:
    """The members of an ensemble that this program exported."""
    spacing = own_spacing_mm(config)
    if abs(spacing / TRAINING_PIXEL_SPACING_MM - 1) > SPACING_TOLERANCE:
        raise ModelError(
            f"The networks of {config.name} work at {spacing:g} mm pixels; this program gives networks pixels of "
            f"{TRAINING_PIXEL_SPACING_MM:.4f} mm, 10% more or less. Train them at that spacing."
        )
    layouts, states = list(arguments["members"]), []
    for n, layout in enumerate(layouts):
        Config({"network_def": {"_target_": layout.get("name", "UNet")}}, config.name, config.allowed).network()
        prefix = f"members.{n}.net."
        own = {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}
        _check_fits(layout, own, Path(config.name))
        states.append(own)
    return Imported(layouts, states, bool(arguments.get("flip", False)), source)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(_bytes(path))
    except ValueError as error:
        raise InputError(f"{path} is not JSON ({error}); pass a bundle as MONAI writes it.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} is no JSON object; pass a bundle as MONAI writes it.")
    return content


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error.strerror or error}); a bundle needs configs/metadata.json, "
            "configs/inference.json and "
            f"{WEIGHTS}."
        ) from error


def _tensors(meta: Mapping[str, Any], folder: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The one input and the one output of the network."""
    sides = []
    for side in ("inputs", "outputs"):
        tensors = meta.get("network_data_format", {}).get(side, {})
        if len(tensors) != 1:
            raise ModelError(
                f"The network of {folder} has {len(tensors)} {side} ({', '.join(tensors) or 'none'}); a member has "
                "one: T1W in, the "
                "disease region out."
            )
        (name, tensor), *_ = tensors.items()
        if not isinstance(tensor.get("channel_def"), Mapping) or not isinstance(tensor.get("num_channels"), int):
            raise ModelError(
                f"{folder / 'configs' / 'metadata.json'} does not say what the channels of {name} are (num_channels, "
                "channel_def); "
                "which one is meant is not guessed. Add them to network_data_format."
            )
        sides.append(tensor)
    return sides[0], sides[1]


def _neighbours(image: Mapping[str, Any], folder: Path) -> list[int]:
    """Offsets of the slices that are a network's channels, towards the patient's front; empty for one channel."""
    channels = image["num_channels"]
    if channels == 1:
        return []
    channel_names = [str(image["channel_def"].get(str(n), "")) for n in range(channels)]
    offsets = [re.fullmatch(r"slice ?([+-]?\d+)", channel.strip()) for channel in channel_names]
    if not all(offsets):
        raise ModelError(
            f"The network of {folder} has {channels} inputs, the channels {', '.join(channel_names)}; a member sees T1W "
            "alone: one channel, "
            "or a slice and its neighbours, called slice -1, slice 0, slice +1."
        )
    return [int(offset[1]) for offset in offsets if offset]


def _foreground(channel_def: Mapping[str, Any], channels: int, wanted: str | None, folder: Path) -> int:
    names = {int(n): str(name) for n, name in channel_def.items()}
    # of one channel these are its values, of several the channels
    classes = {n: name for n, name in names.items() if name.lower() != "background"}
    if wanted is not None:
        matches = [n for n, name in classes.items() if name == wanted]
        if len(matches) != 1:
            raise ModelError(f"{folder} has no class {wanted!r}; its classes are {', '.join(classes.values())}.")
        return min(matches[0], channels - 1)
    if len(classes) != 1:
        raise ModelError(
            f"{folder} has the classes {', '.join(classes.values())}; say with --class which one is the disease region."
        )
    return min(next(iter(classes)), channels - 1)


def _state(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a state dict, or of the one in it."""
    loaded = load_plain(content, path, "Pass a bundle whose model.pt is a state dict.")
    for key in _NESTED:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(key), Mapping):
            loaded = loaded[key]
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(tensor, torch.Tensor) for tensor in loaded.values()):
        raise ModelError(f"{path} holds no state dict; pass a bundle as MONAI writes it.")
    return {str(name): tensor.detach() for name, tensor in loaded.items()}


def _check_fits(layout: Mapping[str, Any], state: Mapping[str, torch.Tensor], where: Path) -> None:
    """Refuse weights that are not those of the network, or that are not finite."""
    with torch.random.fork_rng():
        net = network_of(layout)
    try:
        net.load_state_dict(state)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise ModelError(f"The weights in {where} are not those of the network that its configuration names: {reason}") from error
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ModelError(f"The weights in {where} are not finite ({name}); pass a bundle that was trained to its end.")
