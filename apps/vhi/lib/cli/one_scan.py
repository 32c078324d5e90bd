"""One scan from files to a pair on one grid and its regions, alike for `measure` and `batch`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..batch.case_list import BatchCase
    from ..core.normal_bone import NormalBoneClicks
    from ..core.volume import Mask
    from ..studies.pairing_rules import PairingRules
    from ..studies.scan_pair import ScanPair


def read_scans(case: BatchCase, rules: PairingRules | None = None) -> ScanPair:
    """T1W and STIR that a case names.

    Raises
    ------
    InputError
    """
    if case.study is not None:
        from ..studies.dicom_pairing import read_study

        return read_study(case.study, rules, case.stir_series, case.t1w_series, study_uid=case.study_uid, patient=case.patient)
    from ..studies.scan_pair import read_pair

    return read_pair(case.t1w or Path(), case.stir or Path(), case.use_form)


def normal_bone_of(case: BatchCase, masks: Mapping[str, Mask]) -> Mask | NormalBoneClicks | None:
    """The normal bone that a reader gave: a mask, clicks, or nothing."""
    from ..core.normal_bone import NormalBoneClicks

    return masks.get("normal bone") or (NormalBoneClicks(case.clicks) if case.clicks else None)


def read_regions(case: BatchCase, pair: ScanPair) -> tuple[dict[str, Mask], tuple[str, ...]]:
    """The regions that a case names, on STIR's grid, and what the reader of a result must know about them.

    Raises
    ------
    InputError
    """
    if not case.regions:
        return {}, ()
    from ..errors import InputError
    from ..studies.region_files import read_region

    masks: dict[str, Mask] = {}
    notes: list[str] = []
    for role, (path, segment) in case.regions.items():
        masks[role], said = read_region(path, role, pair, segment, case.use_form)
        share = masks[role].voxels / masks[role].data.size
        if share > 0.5 and masks[role].data[[0, 0, -1, -1], [0, -1, 0, -1]].any(axis=1).all():
            raise InputError(
                f"{masks[role].name} covers {share:.0%} of the scan and all its corners: it is no {role}, or the mask is "
                "inverted. Pass a mask that is true inside alone."
            )
        notes += said
    return masks, tuple(notes)
