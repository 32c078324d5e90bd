"""The engine file of a version: written from its weights, and believed only once it answers as torch does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import load as load_arrays

from ..core.library import ndimage
from ..engine.graph import ensemble_graph
from ..engine.runtime import graph_of, members_of_graph
from ..errors import ModelError
from ..versions import Manifest, Version, add_engine, publish, read_version, verify
from .weights import member_of, networks_of

# (slices, rows, columns): the study's size, one that needs air, one smaller than any network takes
TRIED = ((2, 336, 336), (2, 149, 211), (1, 17, 30))
# float32 of two programs differs by rounding alone; a wrong layer by tenths
LARGEST_DIFFERENCE = 1e-3


def engine_file(manifest: Manifest, weights: bytes) -> bytes | None:
    """The ONNX file of a version's ensemble, verified against torch; None where a member is no U-Net of the method.

    Raises
    ------
    ModelError
        The weights are not those of the networks, or the two engines differ.
    """
    own = {kind: manifest.of_kind(kind) for kind in (None, *(kind["name"] for kind in manifest.kinds))}
    if any("name" in layout for one in own.values() for layout in one.networks):
        return None
    content = ensemble_graph({kind: (one.networks, one.flip) for kind, one in own.items()}, load_arrays(weights))
    whole = graph_of(content)
    for kind, one in own.items():
        nets = networks_of(manifest, weights, "The file of weights", kind)
        members = members_of_graph(whole, one.networks, "float32", kind)
        for n, (net, member) in enumerate(zip(nets, members, strict=True)):
            expected = member_of(net, one.networks[n], flip=one.flip, dtype=torch.float32)
            what = f"member {n}{f' for {kind}' if kind else ''} of version {manifest.version}"
            for seed, size in enumerate(TRIED):
                slices = _bodies(size, seed)
                _check_alike(what, member(slices), expected(slices))
    return content


def publish_networks(root: Path, manifest: Manifest, weights: bytes, *, live: bool = True) -> Version:
    """`lib.versions.publish` with the engine file beside the weights.

    Raises
    ------
    ModelError, OutputError
    """
    return publish(root, manifest, weights, engine=engine_file(manifest, weights), live=live)


def add_engine_file(root: Path, version: str) -> Version:
    """Make the engine file of a version that has none, or has a damaged one.

    Raises
    ------
    ModelError
        The version is damaged, or has members that only torch can compute.
    OutputError
    """
    old = read_version(root, version)
    content = engine_file(old.manifest, verify(old))
    if content is None:
        raise ModelError(
            f"Version {version} has networks of other projects, which torch computes; there is no engine file for them, and none "
            "is needed."
        )
    return add_engine(old, content)


def _bodies(size: tuple[int, int, int], seed: int) -> np.ndarray:
    """Slices of smooth blobs as bright as T1W is to a network: noise alone is nothing that a network knows."""
    noise = np.random.default_rng(seed).normal(size=size)
    smooth = ndimage.gaussian_filter(noise, (0, size[1] / 24, size[2] / 24))
    return np.clip(0.4 + 0.35 * smooth / smooth.std() + 0.05 * noise, 0, None).astype(np.float32)


def _check_alike(what: str, answer: np.ndarray, expected: np.ndarray) -> None:
    difference = float(np.abs(answer - expected).max())
    if not difference <= LARGEST_DIFFERENCE:
        raise ModelError(
            f"The engine file of {what} answers otherwise than torch (probabilities up to {difference:.2g} apart, allowed "
            f"{LARGEST_DIFFERENCE:g}); nothing was published. Train it again, or report it."
        )
