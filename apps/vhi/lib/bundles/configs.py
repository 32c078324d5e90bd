"""The configurations of an exported bundle, in the syntax of MONAI's ConfigParser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..versions import Manifest

# as the published bundles name it; MONAI's own check fetches it from there
SCHEMA = "https://github.com/Project-MONAI/MONAI-extra-test-data/releases/download/0.8.1/meta_schema_20240725.json"
NETWORK, TRANSFORMS = "scripts.nets.averaging.EnsembleNetwork", "scripts.bundles.transforms"
# of the packages that the configurations and scripts need beside MONAI, PyTorch and numpy
PACKAGES = ("nibabel", "scikit-image", "scipy", "pytorch-ignite", "fire", "tensorboard")
# slices that are answered at a time
_AT_A_TIME = 4


def metadata(manifest: Manifest, versions: Mapping[str, str]) -> dict[str, Any]:
    """The content of a bundle's `metadata.json`.

    Parameters
    ----------
    versions : mapping
        Of `monai`, `torch`, `numpy` and `PACKAGES`, by the names of pip.
    """
    tensor = {"modality": "MR", "num_channels": 1, "spatial_shape": ["*", "*"], "dtype": "float32", "is_patch_data": False}
    return {
        "schema": SCHEMA,
        "version": "1.0.0",
        "changelog": {"1.0.0": f"version {manifest.version} of the disease region, sha256 of its weights {manifest.sha256}"},
        "monai_version": versions["monai"],
        "pytorch_version": versions["torch"],
        "numpy_version": versions["numpy"],
        "required_packages_version": {name: versions[name] for name in PACKAGES if name in versions},
        "supported_apps": {"monai-label": ""},
        "name": "Disease region of the sacroiliac joints",
        "task": "Segmentation of the bone in which inflammation may count, on T1W MRI of the sacroiliac joints",
        "description": f"An ensemble of {manifest.members} networks on the slices of an oblique coronal T1-weighted scan, their "
        "probabilities averaged; step (iii) of the VHI workflow.",
        "authors": "The VHI developers",
        "copyright": "Copyright The VHI developers",
        "data_source": "named in docs/README.md",
        "data_type": "nifti",
        "image_classes": "one channel: T1W over three standard deviations of the volume",
        "label_classes": "one channel: 1 is disease region, 0 is everything else",
        "pred_classes": "one channel: probability of the disease region",
        "eval_metrics": _eval_metrics(manifest),
        "intended_use": "Research use only, not a medical device. A reader checks the region.",
        "references": [
            "Hepburn et al., PLOS ONE 2023, doi 10.1371/journal.pone.0284508",
        ],
        "network_data_format": {
            "inputs": {
                "image": {"type": "image", "format": "magnitude", **tensor, "value_range": [], "channel_def": {"0": "T1W"}}
            },
            "outputs": {
                "pred": {
                    "type": "image", "format": "segmentation", **tensor, "value_range": [0, 1],
                    # one channel of values: 0 and, rounded, 1
                    "channel_def": {"0": "background", "1": "disease region"},
                }
            },
        },
        "vhi": {"version": manifest.version, "sha256": manifest.sha256, "created": manifest.created},
    }  # fmt: skip


def _eval_metrics(manifest: Manifest) -> dict[str, float]:
    return {
        f"{name}_mean_slice_dice": entry["mean_slice_dice"]
        for name, entry in (manifest.metrics or {}).items()
        if isinstance(entry, Mapping) and isinstance(entry.get("mean_slice_dice"), float)
    }


def inference(manifest: Manifest) -> dict[str, Any]:
    """`inference.json`: the masks of a folder of scans."""
    return {
        **_shared(manifest),
        "dataset_dir": "$@bundle_root + '/images'",
        "output_dir": "$@bundle_root + '/eval'",
        "images": "$list(sorted(glob.glob(@dataset_dir + '/*.nii.gz')))",
        "preprocessing": _compose(_loaded(["image"]), _hung(manifest, [])),
        "dataset": _dataset("$[{'image': i} for i in @images]", "@preprocessing"),
        "dataloader": _loader("@dataset"),
        "inferer": _inferer(),
        "postprocessing": _compose(*_masks(), _saved()),
        "handlers": [_weights()],
        "evaluator": _evaluator("@dataloader", "@inferer", "@postprocessing", "@handlers"),
        "initialize": ["$monai.utils.set_determinism(seed=0)"],
        "run": ["$@evaluator.run()"],
        "finalize": [],
    }


def evaluation(manifest: Manifest) -> dict[str, Any]:
    """`evaluate.json`, given after `inference.json`: Dice of the masks against labels, by monai.metrics."""
    pair = ["image", "label"]
    return {
        "dataset_dir": "$@bundle_root + '/data'",
        "images": "$list(sorted(glob.glob(@dataset_dir + '/images/*.nii.gz')))",
        "labels": "$list(sorted(glob.glob(@dataset_dir + '/labels/*.nii.gz')))",
        "preprocessing": _compose(_loaded(pair), _hung(manifest, [])),
        "dataset": _dataset("$[{'image': i, 'label': l} for i, l in zip(@images, @labels, strict=True)]", "@preprocessing"),
        "postprocessing": _compose(*_masks(), {"_target_": "AsDiscreted", "keys": "label", "threshold": 0.5}),
        "key_metric": {"val_mean_dice": _dice()},
        "additional_metrics": {
            "val_mean_iou": {"_target_": "MeanIoUHandler", "include_background": True, "output_transform": _PAIR}
        },
        "handlers": [
            _weights(),
            {"_target_": "StatsHandler", "iteration_log": False},
            {
                "_target_": "MetricsSaver",
                "save_dir": "@output_dir",
                "metrics": ["val_mean_dice", "val_mean_iou"],
                "metric_details": ["val_mean_dice", "val_mean_iou"],
                "batch_transform": "$lambda x: [i['image'].meta for i in x]",
                "summary_ops": "*",
            },
        ],
        "evaluator": _evaluator("@dataloader", "@inferer", "@postprocessing", "@handlers")
        | {"key_val_metric": "@key_metric", "additional_metrics": "@additional_metrics"},
    }


def training(manifest: Manifest) -> dict[str, Any]:
    """`train.json`: goes on from the bundle's weights, all members at once by the loss of their mean."""
    pair = ["image", "label"]
    drawn = [
        # some slices of each scan, as images of their own
        {"_target_": "RandSpatialCropSamplesd", "keys": pair, "roi_size": [1, -1, -1], "num_samples": 8, "random_size": False},
        {"_target_": "SqueezeDimd", "keys": pair, "dim": 1},
        {"_target_": "RandFlipd", "keys": pair, "prob": 0.5, "spatial_axis": 1},
        {
            "_target_": "RandAffined", "keys": pair, "prob": 0.8, "rotate_range": 0.26, "scale_range": 0.15,
            "padding_mode": "zeros", "mode": ["bilinear", "nearest"],
        },
        {"_target_": "RandScaleIntensityd", "keys": "image", "factors": 0.25, "prob": 0.5},
    ]  # fmt: skip
    scans = _compose(_loaded(pair), _hung(manifest, ["label"]))
    rounded = _compose({"_target_": "AsDiscreted", "keys": ["pred", "label"], "threshold": 0.5})
    return {
        **_shared(manifest),
        "dataset_dir": "$@bundle_root + '/data'",
        "output_dir": "$@bundle_root + '/eval'",
        "ckpt_dir": "$@bundle_root + '/models'",
        "images": "$list(sorted(glob.glob(@dataset_dir + '/images/*.nii.gz')))",
        "labels": "$list(sorted(glob.glob(@dataset_dir + '/labels/*.nii.gz')))",
        "pairs": "$[{'image': i, 'label': l} for i, l in zip(@images, @labels, strict=True)]",
        "held_out": 1,
        "val_interval": 1,
        "loss": {"_target_": "DiceLoss", "squared_pred": True},
        "optimizer": {"_target_": "torch.optim.AdamW", "params": "$@network.parameters()", "lr": 0.0005, "weight_decay": 0.02},
        "train": {
            "preprocessing": _compose(*scans["transforms"], *drawn),
            "dataset": _dataset("$@pairs[:-@held_out]", "@train#preprocessing"),
            "dataloader": _loader("@train#dataset") | {"shuffle": True},
            "inferer": {"_target_": "SimpleInferer"},
            "postprocessing": rounded,
            "key_metric": {"train_mean_dice": _dice()},
            "handlers": [
                _weights(),
                {
                    "_target_": "ValidationHandler", "validator": "@validate#evaluator", "epoch_level": True,
                    "interval": "@val_interval",
                },
                {"_target_": "StatsHandler", "tag_name": "train_loss", "output_transform": _LOSS},
                {
                    "_target_": "TensorBoardStatsHandler", "log_dir": "@output_dir", "tag_name": "train_loss",
                    "output_transform": _LOSS,
                },
            ],
            "trainer": {
                "_target_": "SupervisedTrainer",
                "max_epochs": 50,
                "device": "@device",
                "train_data_loader": "@train#dataloader",
                "network": "@network",
                "loss_function": "@loss",
                "optimizer": "@optimizer",
                "inferer": "@train#inferer",
                "postprocessing": "@train#postprocessing",
                "key_train_metric": "@train#key_metric",
                "train_handlers": "@train#handlers",
            },
        },
        "validate": {
            "preprocessing": scans,
            "dataset": _dataset("$@pairs[-@held_out:]", "@validate#preprocessing"),
            "dataloader": _loader("@validate#dataset"),
            "inferer": _inferer(),
            "postprocessing": rounded,
            "key_metric": {"val_mean_dice": _dice()},
            "handlers": [
                {"_target_": "StatsHandler", "iteration_log": False},
                {"_target_": "TensorBoardStatsHandler", "log_dir": "@output_dir", "iteration_log": False},
                # beside the weights that it began with, not in their place
                {
                    "_target_": "CheckpointSaver", "save_dir": "@ckpt_dir", "save_dict": {"model": "@network"},
                    "save_key_metric": True, "key_metric_filename": "model_trained.pt",
                },
            ],
            "evaluator": _evaluator("@validate#dataloader", "@validate#inferer", "@validate#postprocessing", "@validate#handlers")
            | {"key_val_metric": "@validate#key_metric"},
        },
        "initialize": ["$monai.utils.set_determinism(seed=0)"],
        "run": ["$@train#trainer.run()"],
        "finalize": [],
    }  # fmt: skip


_PAIR = "$monai.handlers.from_engine(['pred', 'label'])"
_LOSS = "$monai.handlers.from_engine(['loss'], first=True)"


def _shared(manifest: Manifest) -> dict[str, Any]:
    return {
        "imports": ["$import glob", "$import numpy as np"],
        "bundle_root": ".",
        "device": "$torch.device('cuda:0' if torch.cuda.is_available() else 'cpu')",
        "network_def": {"_target_": NETWORK, "members": manifest.networks, "flip": manifest.flip},
        "network": "$@network_def.to(@device)",
    }


def _compose(*transforms: dict[str, Any]) -> dict[str, Any]:
    return {"_target_": "Compose", "transforms": list(transforms)}


def _loaded(keys: list[str]) -> dict[str, Any]:
    # in float64, as the program reads: the deviation of a scan of many voxels shows in float32
    return {"_target_": "LoadImaged", "keys": keys, "dtype": "$np.float64", "ensure_channel_first": True}


def _hung(manifest: Manifest, masks: list[str]) -> dict[str, Any]:
    hang = {"_target_": f"{TRANSFORMS}.HangSlicesd", "keys": "image", "pixel_spacing_mm": manifest.pixel_spacing_mm}
    return hang | ({"masks": masks} if masks else {})


def _masks() -> tuple[dict[str, Any], ...]:
    """From probabilities to the mask on the scan's grid."""
    return (
        {"_target_": f"{TRANSFORMS}.UnhangSlicesd", "keys": "pred", "orig_keys": "image"},
        {"_target_": "AsDiscreted", "keys": "pred", "threshold": 0.5},
        {"_target_": f"{TRANSFORMS}.DropSmallPiecesd", "keys": "pred"},
    )  # fmt: skip


def _saved() -> dict[str, Any]:
    return {
        "_target_": "SaveImaged", "keys": "pred", "output_dir": "@output_dir", "output_postfix": "disease_region",
        "output_dtype": "$np.uint8", "resample": False, "separate_folder": False,
    }  # fmt: skip


def _dataset(data: str, transform: str) -> dict[str, Any]:
    return {"_target_": "Dataset", "data": data, "transform": transform}


def _loader(dataset: str) -> dict[str, Any]:
    return {"_target_": "DataLoader", "dataset": dataset, "batch_size": 1, "shuffle": False, "num_workers": 0}


def _inferer() -> dict[str, Any]:
    """Whole slices, some at a time."""
    return {"_target_": "SliceInferer", "roi_size": [-1, -1], "spatial_dim": 0, "sw_batch_size": _AT_A_TIME, "overlap": 0}


def _weights() -> dict[str, Any]:
    return {"_target_": "CheckpointLoader", "load_path": "$@bundle_root + '/models/model.pt'", "load_dict": {"model": "@network"}}


def _dice() -> dict[str, Any]:
    return {"_target_": "MeanDice", "include_background": True, "output_transform": _PAIR}


def _evaluator(loader: str, inferer: str, postprocessing: str, handlers: str) -> dict[str, Any]:
    return {
        "_target_": "SupervisedEvaluator", "device": "@device", "val_data_loader": loader, "network": "@network",
        "inferer": inferer, "postprocessing": postprocessing, "val_handlers": handlers,
    }  # fmt: skip
