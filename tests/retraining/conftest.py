"""A site whose readers label phantoms, and a small ensemble that is live there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lib.core.volume import Mask
from lib.phantom.study import PhantomStudy
from lib.readings.store import ReadingStore, now, stored_segment
from lib.readings.submission import Submission
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.holdout import HoldOut
from lib.retraining.patients import StudyCases
from lib.retraining.prepare import Session, prepare
from lib.retraining.retraining_folder import RetrainingFolder
from lib.studies.nifti import write_mask, write_scan
from lib.studies.pairing import CaseFinder
from lib.versions import Manifest, TrainingCase, publish
from pooling import fine_phantom

REGION = "disease region"


@pytest.fixture(scope="session")
def phantoms() -> tuple[PhantomStudy, ...]:
    """The first three are learnt by the live ensemble of the tests."""
    return tuple(fine_phantom(seed) for seed in range(1, 9))


@pytest.fixture(scope="session")
def trained_models(phantoms: tuple[PhantomStudy, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with one live version of two members, which finds the bone of phantoms with a Dice of about 0.8."""
    import torch

    from lib.core.normalise import TRAINING_PIXEL_SPACING_MM
    from lib.nets.augment import Augmentation
    from lib.nets.fit import Slices, fit
    from lib.nets.recipes import Recipe
    from lib.nets.weights import pack

    torch.set_num_threads(1)
    recipe = Recipe(
        "tiny", steps=150, batch=4, learning_rate=5e-3, widths=(16, 32, 64), shuffle=4,
        augmentation=Augmentation(rotation_deg=8.0, elastic=0.01),
    )  # fmt: skip
    slices = Slices.of([(one.t1w, one.disease_region) for one in phantoms[:3]], recipe.multiple)
    first = fit(recipe, 0, slices, tmp_path_factory.mktemp("member"))
    second = fit(replace(recipe, steps=40), 1, slices, tmp_path_factory.mktemp("member"), start=first)
    root = tmp_path_factory.mktemp("models") / "disease_region"
    manifest = Manifest(
        version="tiny-1", created="2026-01-01T00:00:00+00:00", code_version="0", sha256="", network=recipe.layout(), members=2,
        pixel_spacing_mm=TRAINING_PIXEL_SPACING_MM, recipes=[recipe.as_dict()] * 2, seeds=[0, 1],
        training_cases=[TrainingCase(f"start-{n}", f"{n}") for n in range(3)], flip=False,
    )  # fmt: skip
    publish(root, manifest, pack([first, second]))
    return root


@dataclass
class Site:
    """A folder of studies with its data folder and the model folder that it starts from."""

    studies: Path
    shipped: Path
    phantoms: tuple[PhantomStudy, ...]

    @property
    def data(self) -> Path:
        return self.studies / ".vhi"

    @property
    def store(self) -> ReadingStore:
        return ReadingStore(self.data)

    @property
    def folder(self) -> RetrainingFolder:
        return RetrainingFolder(self.data)

    def name(self, side: str, n: int = 0) -> str:
        """The n-th case name that the hold-out puts on a side."""
        rule = HoldOut(self.folder.root, 0.2)
        names = (f"case-{i}" for i in range(1000))
        return [one for one, _ in zip((c for c in names if rule.side(c, str) == side), range(n + 1), strict=False)][n]

    def add(self, case_id: str, phantom: int) -> None:
        """A case whose scans are those of a phantom."""
        study = self.phantoms[phantom]
        write_scan(self.studies / f"{case_id}_T1W.nii.gz", study.t1w)
        write_scan(self.studies / f"{case_id}_STIR.nii.gz", study.stir)

    def submit(self, case_id: str, region: Mask | None, reader: str = "anna", **more: Any) -> Submission:
        """Hand in a disease region, or something without one."""

        def write(folder: Path, number: int) -> Submission:
            segments = ()
            if region is not None:
                write_mask(folder / "disease_region.nii.gz", region)
                segments = (stored_segment(REGION, folder / "disease_region.nii.gz", region.voxels),)
            return Submission(case_id, number, reader, 1, "semi-automatic", now(), segments, **more)

        return self.store.append(case_id, reader, write)

    def label(self, case_id: str, phantom: int, change: Callable[[np.ndarray], np.ndarray] = np.copy) -> Submission:
        """A case with its true disease region, or what `change` makes of it."""
        self.add(case_id, phantom)
        truth = self.phantoms[phantom].disease_region
        return self.submit(case_id, replace(truth, data=change(truth.data)))

    def prepare(self, config: TrainConfig | None = None, options: TrainOptions | None = None) -> Session:
        studies = StudyCases.of(self.data, CaseFinder(self.studies))
        store = ReadingStore(self.data, read_only=True)
        return prepare(store, studies, self.shipped, code_version="0", config=config, options=options)


@pytest.fixture
def empty_site(tmp_path: Path, phantoms: tuple[PhantomStudy, ...]) -> Site:
    """Without a model."""
    studies = tmp_path / "studies"
    studies.mkdir()
    return Site(studies, tmp_path / "no-model" / "disease_region", phantoms)


@pytest.fixture
def site(empty_site: Site, trained_models: Path, tmp_path: Path) -> Site:
    shutil.copytree(trained_models, tmp_path / "shipped" / "disease_region")
    return replace(empty_site, shipped=tmp_path / "shipped" / "disease_region")
