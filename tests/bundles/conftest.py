"""An exported version, and a version of tiny networks."""

from __future__ import annotations

from pathlib import Path

import pytest

from bundling import SHIPPED
from lib.cli.ensemble import MODEL_DIR
from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
from lib.core.volume import Mask, Volume
from lib.versions import Manifest, publish, read_version


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of a shipped version."""
    from lib.bundles.export import export_bundle

    folder = tmp_path_factory.mktemp("bundle") / "disease_region"
    export_bundle(read_version(MODEL_DIR, SHIPPED), folder)
    return folder


@pytest.fixture(scope="session")
def tiny_version(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model folder with a live version of two networks of a few weights, and the version's id."""
    import torch

    from lib.nets.unet import UNet
    from lib.nets.weights import pack

    root = tmp_path_factory.mktemp("models") / "disease_region"
    layout = {"widths": [4, 8], "shuffle": 4, "bias": False}
    torch.manual_seed(5)
    nets = [UNet(**layout) for _ in range(2)]
    manifest = Manifest(
        version="tiny", created="2026-01-01T00:00:00+00:00", code_version="0", sha256="", network=layout, members=2,
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM, recipes=[{"name": "tiny"}] * 2, seeds=[0, 1], training_cases=[], flip=False,
    )  # fmt: skip
    publish(root, manifest, pack(nets))
    return root, "tiny"


@pytest.fixture
def small_phantoms(monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate's phantoms with five slices of 96 x 96 pixels."""
    from lib.phantom.study import make_phantom

    def small(seed: int) -> tuple[Volume, Mask]:
        study = make_phantom(seed, (96, 96, 5))
        return study.t1w, study.disease_region

    monkeypatch.setattr("lib.retraining.phantom_regression.reference_phantom", small)
