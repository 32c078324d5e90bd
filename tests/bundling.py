"""Bundles of another project by MONAI's published layout, and Python where this program is not."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lib.core.normalise import TRAINING_PIXEL_SPACING_MM

SHIPPED = "quick-1"


def run_in(folder: Path, code: str) -> str:
    """The output of Python in a folder where nothing of this program can be imported."""
    code = f"import sys; sys.modules['lib'] = sys.modules['vhi'] = None; sys.path.insert(0, '.')\n{code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


Change = Callable[[dict[str, Any], dict[str, Any]], None]


def nothing(meta: dict[str, Any], inference: dict[str, Any]) -> None:
    """Leaves a bundle as it is."""


def another_bundle(folder: Path, change: Change = nothing, *, network: dict[str, Any] | None = None) -> Path:
    """A small bundle as the model zoo has them: one image, background and one class, windows of a 3-D network.

    Parameters
    ----------
    change : callable
        Given metadata and inference configuration before they are written.
    network : dict, optional
        Arguments of the SegResNet.
    """
    import torch
    from monai.networks.nets import SegResNet

    tensor = {"type": "image", "spatial_shape": [32, 32, 8], "dtype": "float32", "value_range": [], "is_patch_data": True}
    arguments = network or {
        "spatial_dims": 3, "in_channels": 1, "out_channels": 2, "init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1],
    }  # fmt: skip
    meta = {
        "version": "0.1.0",
        "name": "bone of somebody else",
        "network_data_format": {
            "inputs": {"image": {**tensor, "format": "magnitude", "num_channels": 1, "channel_def": {"0": "image"}}},
            "outputs": {
                "pred": {**tensor, "format": "segmentation", "num_channels": 2, "channel_def": {"0": "background", "1": "bone"}}
            },
        },
    }
    spacing = TRAINING_PIXEL_SPACING_MM
    inference = {
        "imports": ["$import glob"],
        "bundle_root": ".",
        "dataset_dir": "$@bundle_root + '/data'",
        "window": [32, 8, 32],
        "network_def": {"_target_": "SegResNet", **arguments},
        "network": "$@network_def.to(@device)",
        "preprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "LoadImaged", "keys": "image"},
                {"_target_": "EnsureChannelFirstd", "keys": "image"},
                {"_target_": "Orientationd", "keys": "image", "axcodes": "RAS"},
                {"_target_": "Spacingd", "keys": "image", "pixdim": [spacing, -1, spacing], "mode": "bilinear"},
                {"_target_": "NormalizeIntensityd", "keys": "image", "nonzero": True, "channel_wise": True},
                {"_target_": "EnsureTyped", "keys": "image"},
            ],
        },
        "inferer": {"_target_": "SlidingWindowInferer", "roi_size": "@window", "sw_batch_size": 2, "overlap": 0.25},
        "postprocessing": {
            "_target_": "Compose",
            "transforms": [
                {"_target_": "Activationsd", "keys": "pred", "softmax": True},
                {"_target_": "AsDiscreted", "keys": "pred", "argmax": True},
            ],
        },
    }
    change(meta, inference)
    for path, content in (("metadata", meta), ("inference", inference)):
        (folder / "configs").mkdir(parents=True, exist_ok=True)
        (folder / "configs" / f"{path}.json").write_text(json.dumps(content))
    (folder / "models").mkdir()
    torch.manual_seed(3)
    torch.save(SegResNet(**arguments).state_dict(), folder / "models" / "model.pt")
    return folder
