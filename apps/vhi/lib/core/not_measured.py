"""A scan whose automatic normal bone was refused: what is there without a number, and where a reader would click."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import NormalBoneError
from .disease_region import DiseaseRegion
from .normal_bone import Voxel
from .volume import Volume


@dataclass(frozen=True, eq=False)
class NotMeasured:
    """The findings on a scan that was not measured.

    Parameters
    ----------
    t1w, stir : Volume
    disease_region : DiseaseRegion
    reason : str
        Why there is no number.
    places : tuple of (i, j, k)
        Voxels of STIR, from 0, where a click in normal bone is most promising, the best first; none where no sacrum was found.
    warnings : tuple of str
        On the images and the region.
    """

    t1w: Volume
    stir: Volume
    disease_region: DiseaseRegion
    reason: str
    places: tuple[Voxel, ...]
    warnings: tuple[str, ...] = ()

    @property
    def advice(self) -> str:
        """The next thing to do, as a sentence, with the places to click; slices are counted from 1."""
        if not self.places:
            return "Or click in even marrow of the sacrum, one click a slice on three slices."
        where = "; ".join(f"{i},{j},{k} (slice {k + 1})" for i, j, k in self.places)
        return f"Or click in normal marrow; the most promising voxels, counted from 0: {where}. Look at them on STIR first."


class NormalBoneRefused(NormalBoneError):
    """The automatic normal bone is missing or unsure; `scan` is what is there without it, `provenance` what it was found with."""

    def __init__(self, scan: NotMeasured, provenance: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{scan.reason} {scan.advice}")
        self.scan, self.provenance = scan, dict(provenance or {})

    def described(self, provenance: Mapping[str, Any], warnings: Sequence[str] = ()) -> NormalBoneRefused:
        """This refusal with its provenance, and with warnings on the files put first."""
        return NormalBoneRefused(replace(self.scan, warnings=(*warnings, *self.scan.warnings)), provenance)
