"""A version as a MONAI bundle: a folder that runs with MONAI alone."""

from __future__ import annotations

import ast
import io
import json
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, distribution
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import torch

from ..errors import ModelError
from ..files import result_folder, write_atomically
from ..nets.averaging import EnsembleNetwork
from ..nets.weights import load_networks
from ..versions import Manifest, Version
from ..versions.card import card_text
from . import configs

LIB = Path(__file__).resolve().parents[1]
# what a bundle takes along, with all that these import: the program's own files
SHARED = ("bundles/transforms.py", "nets/averaging.py")
METADATA = "configs/metadata.json"
OWN = ("configs", "docs", "models", "scripts", "LICENSE")
# single files of the model zoo are no larger
LARGEST_BYTES = 25_000_000
_SCRIPTS = '"""What the configurations of this bundle use: the modules of VHI that turn scans into slices and back."""\n'
_DATA_LICENCE = """No image and no mask is part of this bundle.

The versions of VHI that ship with it were trained on sacroiliac MR images and masks that the authors of
Hepburn et al., PLOS ONE 2023, doi 10.1371/journal.pone.0284508, published in the repository c-hepburn/Bone_MRI.
That repository carries no licence file: whether and how its images may be used, its authors alone can say.

Versions that a site trained or trained on learnt scans of that site: whether and how those may be used, the site alone can say.
docs/README.md names every scan that this version learnt.
"""


def export_bundle(version: Version, folder: Path) -> dict[str, Any]:
    """Write a version as a bundle, which appears whole: its networks for all scans, without those for a kind of scans.

    Parameters
    ----------
    version : Version
        Verified before its weights are read.
    folder : Path
        Absent, empty, or a bundle that this program wrote.

    Returns
    -------
    dict
        `torchscript`: why there is no `models/model.ts`, or None; `large`: files larger than the model zoo takes.

    Raises
    ------
    ModelError
        The weights are damaged, or a member sees whole stacks: such a network came in a bundle of its own.
    OutputError
        The folder holds something else, or cannot be written.
    """
    network = ensemble_network(version)
    with result_folder(folder, OWN, "configs") as staging:
        for path, content in _files(_for_all_scans(version.manifest)).items():
            (staging / path).parent.mkdir(parents=True, exist_ok=True)
            write_atomically(staging / path, content)
        (staging / "models").mkdir()
        write_atomically(staging / "models" / "model.pt", _saved(network.state_dict()))
        obstacle = _write_script(network, staging / "models" / "model.ts")
        large = [path.name for path in sorted((staging / "models").iterdir()) if path.stat().st_size > LARGEST_BYTES]
    return {"torchscript": obstacle, "large": large}


def ensemble_network(version: Version) -> EnsembleNetwork:
    """The members of a version as one network, in evaluation mode.

    Raises
    ------
    ModelError
    """
    manifest = version.manifest
    for n, layout in enumerate(manifest.networks):
        if "inferer" in layout:
            raise ModelError(
                f"Member {n} of version {manifest.version}, {layout['name']}, came in a bundle and sees whole "
                "stacks; it cannot be "
                "one network with the others. Pass that bundle on as it came, and export a version without it."
            )
    network = EnsembleNetwork(manifest.networks, manifest.flip)
    for member, trained in zip(network.members, load_networks(version), strict=True):
        member.get_submodule("net").load_state_dict(trained.state_dict())
    return network.eval()


def _for_all_scans(manifest: Manifest) -> Manifest:
    """Without the networks for a kind of scans, which are not in a bundle, and what was measured of them."""
    metrics = {name: measured for name, measured in (manifest.metrics or {}).items() if name != "cross_validation_kind"}
    return replace(manifest.of_kind(None), metrics=metrics or None)


def _files(manifest: Manifest) -> dict[str, bytes]:
    """All but the weights, by their paths."""
    versions = _versions()
    content = {
        METADATA: configs.metadata(manifest, versions),
        "configs/inference.json": configs.inference(manifest),
        "configs/evaluate.json": configs.evaluation(manifest),
        "configs/train.json": configs.training(manifest),
    }
    files = {path: (json.dumps(config, indent=1) + "\n").encode() for path, config in content.items()}
    files["docs/README.md"] = card_text(manifest, versions).encode()
    files["docs/data_license.txt"] = _DATA_LICENCE.encode()
    files["LICENSE"] = _licence()
    return files | {f"scripts/{path}": source for path, source in scripts().items()}


def scripts() -> dict[str, bytes]:
    """The program's modules that a bundle needs, by their paths under `scripts`."""
    modules: dict[str, bytes] = {"__init__.py": _SCRIPTS.encode()}
    waiting = list(SHARED)
    while waiting:
        path = waiting.pop()
        if path not in modules:
            modules[path] = (LIB / path).read_bytes()
            waiting += _imported(path, modules[path].decode())
    return modules


def _imported(path: str, source: str) -> list[str]:
    """The modules of ours that one imports by relative names, and the packages they lie in."""
    needed = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            place = Path(path).parents[node.level - 1] / node.module.replace(".", "/")
            needed.append(f"{place}.py")
    return needed + [f"{folder}/__init__.py" for folder in Path(path).parents if folder.name]


def _versions() -> dict[str, str]:
    versions = {}
    for name in ("monai", "torch", "numpy", *configs.PACKAGES):
        try:
            versions[name] = installed(name).split("+")[0]
        except PackageNotFoundError:
            continue  # not needed to write a bundle, and then not promised
    return versions


def _licence() -> bytes:
    """The licence of the program: from its source, or from where pip put it."""
    beside = LIB.parents[2] / "LICENSE"
    if beside.is_file():
        return beside.read_bytes()
    text = distribution("vhi").read_text("licenses/LICENSE")
    if text is None:
        raise ModelError("The licence of VHI is not beside it; install it again, or export from a clone.")
    return text.encode()


def _saved(state: Mapping[str, torch.Tensor]) -> bytes:
    content = io.BytesIO()
    torch.save(dict(state), content)
    return content.getvalue()


def _write_script(network: EnsembleNetwork, path: Path) -> str | None:
    """`model.ts`, and None; or why a network cannot be one."""
    try:
        script = torch.jit.script(network)
    except Exception as error:  # TorchScript refuses what it cannot compile in many ways
        return str(error).strip().splitlines()[0]
    content = io.BytesIO()
    torch.jit.save(script, content)
    write_atomically(path, content.getvalue())
    return None
