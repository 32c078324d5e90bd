"""`VhiService`: from the id of a series to regions, VHI, cleaning, submissions and reports.

It knows no web server. Every method may be called from any thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lib.core.volume import Grid
from lib.readings.submission import Submission
from lib.service.answers import CleanAnswer, NormalBoneAnswer, RegionAnswer, ServiceConfig, VhiAnswer, Voxel
from lib.studies.pairing import Case, CaseIndex

MODEL_DIR = Path(__file__).resolve().parents[2] / "model" / "disease_region"


class VhiService:
    """One folder of studies and what is read of it.

    Parameters
    ----------
    studies : Path
        Folder of the scans; nothing is written there but the data folder.
    data : Path, optional
        Where submissions are kept; `.vhi` in the folder of studies when absent.
    model_dir : Path
        The disease-region ensemble.
    config : ServiceConfig

    Raises
    ------
    VhiError
        The folder of studies is missing, or the data folder cannot be used.
    """

    def __init__(
        self, studies: Path, *, data: Path | None = None, model_dir: Path = MODEL_DIR, config: ServiceConfig | None = None
    ) -> None:
        raise NotImplementedError

    @property
    def index(self) -> CaseIndex:
        """The cases by their public ids, as of the last `refresh`."""
        raise NotImplementedError

    def refresh(self) -> CaseIndex:
        """Look at the folder again; cheap where nothing changed."""
        raise NotImplementedError

    def image_file(self, image_id: str, reader: str | None = None) -> Path:
        """The file to hand to a viewer."""
        raise NotImplementedError

    def disease_region(self, image_id: str) -> RegionAnswer:
        """The automatic disease region."""
        raise NotImplementedError

    def normal_bone(self, image_id: str) -> NormalBoneAnswer:
        """The automatic proposal of normal bone, in the automatic disease region."""
        raise NotImplementedError

    def vhi(self, image_id: str, reader: str | None, values: Mapping[str, Any]) -> VhiAnswer:
        """VHI from the regions in force for a reader."""
        raise NotImplementedError

    def clean(
        self, image_id: str, reader: str | None, values: Mapping[str, Any], remove: Sequence[Voxel], restore: Sequence[Voxel]
    ) -> CleanAnswer:
        """VHI without the lesions that clicks removed."""
        raise NotImplementedError

    def submit(
        self,
        image_id: str,
        labels: np.ndarray,
        grid: Grid,
        segments: Sequence[tuple[str, int]],
        *,
        reader: str,
        reading: int = 1,
        method: str = "semi-automatic",
        rating: str | None = None,
        amends: str | None = None,
    ) -> Submission:
        """Keep what a reader hands in, measure it and write its report."""
        raise NotImplementedError

    def next_case(self, reader: str, *, order: str = "first", reading: int = 1) -> Case | None:
        """The next case for a reader, leased to them; None when there is none."""
        raise NotImplementedError

    def report(self, image_id: str, reader: str | None, form: str) -> Path:
        """The report ("json", "html" or "pdf") of the reader's newest measured submission."""
        raise NotImplementedError

    def precompute_pending(self) -> int:
        """Precompute one case that was not; how many are left."""
        raise NotImplementedError
