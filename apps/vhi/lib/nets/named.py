"""Networks of MONAI by the names they have there: which, with what arguments, and what they make of slices.

A manifest keeps such a network as a layout with a `name`; the method's own U-Net has none. MONAI takes seconds to import and is
imported only where a network of it is built.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

from torch import nn

from ..errors import ModelError

# slices are padded to multiples of this: each of the networks below halves them five times at most
MULTIPLE = 32
_SLICES: dict[str, Any] = {"spatial_dims": 2, "in_channels": 1, "out_channels": 1}
# what `train --network` begins with: small enough for a CPU, about the size of the shipped networks
DEFAULTS: dict[str, dict[str, Any]] = {
    "BasicUNet": {"features": [16, 16, 32, 64, 128, 16]},
    "SegResNet": {"init_filters": 8, "blocks_down": [1, 2, 2, 4], "blocks_up": [1, 1, 1]},
    "DynUNet": {
        "kernel_size": [3, 3, 3, 3],
        "strides": [1, 2, 2, 2],
        "upsample_kernel_size": [2, 2, 2],
        "filters": [16, 32, 64, 128],
    },
    "SwinUNETR": {"feature_size": 12},
}
# packages that MONAI asks for only when such a network works
_NEEDED = {"SwinUNETR": "einops"}


def slice_layout(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The layout of a 2-D network of MONAI with one channel in and one out, ours where no argument is given.

    Raises
    ------
    ModelError
        MONAI has no such network, or not with these arguments.
    """
    package = _NEEDED.get(name)
    if package is not None and find_spec(package) is None:
        raise ModelError(f"{name} needs the package {package}, which is not installed: pip install {package} (docs/monai.md).")
    layout = {"name": name, "arguments": _SLICES | DEFAULTS.get(name, {}) | dict(arguments), "multiple": MULTIPLE}
    named_network(layout)
    return layout


def named_network(layout: Mapping[str, Any]) -> nn.Module:
    """The network of a layout with a `name`, with random weights.

    Parameters
    ----------
    layout : mapping
        `name`: a class of `monai.networks.nets`, or `package.module.Class` of another installed package, which a person allowed
        by name when its bundle was imported; `arguments`: what it is made with.

    Raises
    ------
    ModelError
        There is no such network, or not with these arguments.
    """
    kind, arguments = _class_of(str(layout["name"])), dict(layout["arguments"])
    try:
        return kind(**arguments)
    except Exception as error:  # whatever a constructor makes of arguments that it does not know
        raise ModelError(
            f"{layout['name']} cannot be made with {arguments} ({error}); correct the arguments of the network."
        ) from error


def _class_of(name: str) -> type[nn.Module]:
    from importlib import import_module

    module, _, attribute = name.rpartition(".")
    try:
        network = getattr(import_module(module or "monai.networks.nets"), attribute, None)
    except ImportError as error:
        raise ModelError(f"The network {name} needs {module}, which is not installed ({error}); install it.") from error
    if not (isinstance(network, type) and issubclass(network, nn.Module)):
        raise ModelError(f"There is no network {name} in {module or 'monai.networks.nets'}; known are {', '.join(DEFAULTS)}.")
    return network
