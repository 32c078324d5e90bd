"""The automatic regions: the disease region from the networks and the proposal of normal bone, computed once per scan."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..core.active_learning import features_of
from ..core.contrast import t1w_warnings
from ..core.disease_region import DiseaseRegion
from ..core.normal_bone_proposal import most_even_places, propose_normal_bone
from ..core.not_measured import NormalBoneRefused, NotMeasured
from ..core.plausibility import Reference, region_warnings
from ..core.volume import Mask
from ..errors import InputError, ModelError, NormalBoneError, OutputError
from ..files import result_folder
from ..provenance import ensemble_of
from ..readings.data_folder import make_folder, remove_but
from ..records import read_json, write_json
from ..studies.nifti import read_mask, write_mask
from ..versions import Manifest
from .landmarks import recall_landmarks
from .memory_cache import LastUsed
from .networks import Networks
from .scans import Scans

# raised when the method of the automatic regions changes, so that no older one is taken from the disk
METHOD = 5
# per case: those of the live version, and of the ones that readings rest on; what is gone is computed again
KEPT_VERSIONS = 4
_REGION, _BONE, _INFO = "disease_region.nii.gz", "normal_bone.nii.gz", "info.json"
log = logging.getLogger("vhi.service")


@dataclass(frozen=True, eq=False)
class AutomaticRegions:
    """Both regions of one scan; `normal_bone` is None where none was found, and `no_normal_bone` says why.

    `confidence` is that of the proposed normal bone. `warnings` are sentences on what is unusual about T1W and the region;
    `reference` is that of the model.
    """

    region: DiseaseRegion
    normal_bone: Mask | None
    no_normal_bone: str | None
    confidence: float | None
    model: Mapping[str, Any]
    warnings: tuple[str, ...]
    reference: Reference | None

    @property
    def origin(self) -> str:
        return f"automatic, model {self.model['version']}"


class Automatic:
    """Automatic regions: from memory, else from disk, else computed and written there.

    What lies on disk is a cache under a key made of the scans' and the model's sha256; it may be deleted at any time. Callers
    hold the case's lock.
    """

    def __init__(self, root: Path, networks: Networks, count: int) -> None:
        self.root, self.networks = root, networks
        self._kept: LastUsed[AutomaticRegions] = LastUsed(count)

    def is_ready(self, case_id: str, sha256: Mapping[str, str], manifest: Manifest) -> bool:
        """Whether those of a version of the model lie on disk already."""
        return (self.root / case_id / self.key(sha256, manifest) / _INFO).is_file()

    @staticmethod
    def key(sha256: Mapping[str, str], manifest: Manifest) -> str:
        """Names the regions of two scans by a version of the model."""
        parts = {"scans": dict(sha256), "model": manifest.sha256, "version": manifest.version, "method": METHOD}
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]

    def info(self, case_id: str, sha256: Mapping[str, str], manifest: Manifest) -> dict[str, Any] | None:
        """The facts noted beside those regions; None where they do not lie on disk.

        Raises
        ------
        InputError
            It is damaged.
        """
        return read_json(self.root / case_id / self.key(sha256, manifest) / _INFO)

    def mask(self, case_id: str, sha256: Mapping[str, str], manifest: Manifest) -> Mask | None:
        """The disease region alone, as it lies on disk; None where it does not.

        Raises
        ------
        InputError
            It is damaged.
        """
        path = self.root / case_id / self.key(sha256, manifest) / _REGION
        return read_mask(path, "disease region") if path.is_file() else None

    def of(self, scans: Scans, version: str | None = None) -> AutomaticRegions:
        """The regions of a scan, by the live version or by that one.

        Raises
        ------
        ModelError, DiseaseRegionError
            See `Networks.segment`.
        """
        manifest = self.networks.manifest() if version is None else self.networks.manifest_of(version)
        key = self.key(scans.sha256, manifest)
        folder = self.root / scans.case.case_id / key
        regions = self._kept.get(key)
        if regions is None:
            regions = _read(folder, scans) or self._computed(scans, manifest, folder)
            self._kept.put(key, regions)
        recall_landmarks(folder, scans, regions.region.mask)
        return regions

    def forget_but(self, case_ids: Collection[str]) -> None:
        """Remove what was computed for cases that are no longer there: a mask is patient data too."""
        remove_but(self.root, case_ids)

    def _computed(self, scans: Scans, manifest: Manifest, folder: Path) -> AutomaticRegions:
        region = self.networks.segment(scans.t1w, manifest)
        made_by = ensemble_of(manifest, region)  # the networks follow from the grid of T1W
        region = replace(region, mask=Mask(region.mask.data, scans.stir.grid, "disease region"))
        bone, why, confidence = None, None, None
        try:
            proposed = propose_normal_bone(scans.t1w, scans.stir, region.mask)
            bone, confidence = proposed.mask, proposed.confidence
        except NormalBoneError as error:
            places = most_even_places(scans.t1w, scans.stir, region.mask)
            why = str(NormalBoneRefused(NotMeasured(scans.t1w, scans.stir, region, str(error), places)))
        reference = Reference.from_dict(manifest.for_scan(scans.t1w.grid).reference)
        warnings = (*t1w_warnings(scans.t1w), *region_warnings(scans.t1w, region, reference))
        regions = AutomaticRegions(region, bone, why, confidence, made_by, warnings, reference)
        try:
            _write(folder, regions, features_of(scans.t1w, region.mask))
        except OutputError as error:
            log.warning("not kept for the next start: %s", error)
        return regions


def _write(folder: Path, regions: AutomaticRegions, features: Sequence[float]) -> None:
    make_folder(folder.parent)
    if folder.exists():  # damaged
        shutil.rmtree(folder, ignore_errors=True)
    with result_folder(folder, ()) as staging:
        write_mask(staging / _REGION, regions.region.mask)
        if regions.normal_bone is not None:
            write_mask(staging / _BONE, regions.normal_bone)
        info = {
            "source": regions.region.source,
            "member_disagreement": regions.region.member_disagreement,
            "entropy": regions.region.entropy,
            "features": list(features),
            "warnings": list(regions.warnings),
            "reference": None if regions.reference is None else regions.reference.as_dict(),
            "no_normal_bone": regions.no_normal_bone,
            "confidence": regions.confidence,
            "model": dict(regions.model),
        }
        write_json(staging / _INFO, info)
    others = [other for other in folder.parent.iterdir() if other != folder and not other.name.startswith(".")]
    for older in sorted(others, key=lambda place: place.stat().st_mtime_ns, reverse=True)[KEPT_VERSIONS - 1 :]:
        shutil.rmtree(older, ignore_errors=True)


def _read(folder: Path, scans: Scans) -> AutomaticRegions | None:
    """The content that was written; None where there is nothing, or nothing whole."""
    try:
        info = read_json(folder / _INFO)
        if info is None:
            return None
        region = _on(scans, read_mask(folder / _REGION, "disease region"))
        why = info["no_normal_bone"]
        bone = _on(scans, read_mask(folder / _BONE, "proposed normal bone")) if why is None else None
        drawn = DiseaseRegion(region, info["source"], info["member_disagreement"], info["entropy"])
        reference = Reference.from_dict(info["reference"])
        return AutomaticRegions(drawn, bone, why, info["confidence"], info["model"], tuple(info["warnings"]), reference)
    except (InputError, KeyError, TypeError, ValueError, ModelError) as error:
        log.warning("computed again, because what was kept is damaged: %s", error)
        return None


def _on(scans: Scans, mask: Mask) -> Mask:
    return Mask(mask.data, scans.stir.grid, mask.name)
