"""Scans of another scanner: when readers' labels contradict the networks there, who is right?

One label that is unlike the networks' region is for an administrator. Where most labels of scans of one protocol are, all in the
same way, while each lies on the edges of its image and readers agree, the networks are wrong about that kind of scan: the labels
are learnt, by networks of its own (`lib.core.protocol`), so that what the networks answer on other scans stays as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ..core.protocol import STUDY, Protocol
from ..core.protocol import kind_of as kind_of_scan
from ..core.volume import Grid
from ..versions import Manifest
from .entries import Entry
from .quarantine import DROP, Check, placement_doubts

PATIENTS = 3
# of the labels of scans of one protocol that were checked, those that are unlike the networks' regions
MOST = 2 / 3
# readers of one case who agree less contradict each other
READERS_AGREE = 0.8
# the share of a label that the networks find: of labels that contradict them in the same way it differs by no more
SAME_WAY = 0.25


def kind_of(manifest: Manifest, entry: Entry) -> str | None:
    """The name of the kind of scans of a version that has networks of its own and that this scan is of."""
    return kind_of_scan(manifest.kinds, Protocol.from_dict(entry.protocol))


def other_scanners(entries: Sequence[Entry], checks: Mapping[str, Check]) -> dict[str, Check]:
    """The checks by key of the label, where labels of scans that the networks do not know pass by each other's word.

    Parameters
    ----------
    entries : sequence of Entry
        All labels of a session.
    checks : mapping
        What was found of those that were checked. On the others, which passed before or were learnt, the networks are right.
    """
    judged = dict(checks)
    for group in _groups([entry for entry in entries if not Protocol.from_dict(entry.protocol).is_like(STUDY)]):
        for entry in _by_each_other(group, checks):
            judged[entry.key] = replace(checks[entry.key], reasons=())
    return judged


def _groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    groups: list[list[Entry]] = []
    for entry in entries:
        protocol = Protocol.from_dict(entry.protocol)
        near = [group for group in groups if Protocol.from_dict(group[0].protocol).is_like(protocol)]
        if near:
            near[0].append(entry)
        else:
            groups.append([entry])
    return groups


def _by_each_other(group: Sequence[Entry], checks: Mapping[str, Check]) -> list[Entry]:
    """The labels of one protocol that contradict the networks and are right; none where the networks may be."""
    right_of_place = [entry for entry in group if entry.key not in checks or not checks[entry.key].misplaced]
    unlike = [entry for entry in right_of_place if entry.key in checks and checks[entry.key].unlike and _readers_agree(entry)]
    if not unlike or len(unlike) < MOST * len(right_of_place):
        return []
    shares = [checks[entry.key].share_found or 0.0 for entry in unlike]
    shifts = np.median([_shift(checks[entry.key]) for entry in unlike], axis=0)
    same = [
        entry
        for entry, share in zip(unlike, shares, strict=True)
        if abs(share - float(np.median(shares))) <= SAME_WAY and _lies_as_others(checks[entry.key], shifts)
    ]
    return same if len({entry.patient for entry in same}) >= PATIENTS else []


def _readers_agree(entry: Entry) -> bool:
    return all(dice >= READERS_AGREE for dice in entry.disagreement.values())


def _shift(check: Check) -> tuple[float, float]:
    return check.placement.shift if check.placement else (0.0, 0.0)


def _lies_as_others(check: Check, usual: np.ndarray) -> bool:
    grid = Grid((1, 1, 1), np.eye(4))  # for the words alone, which nobody reads here
    return check.placement is not None and not placement_doubts(check.placement, grid, (float(usual[0]), float(usual[1])))


def outliers(dices: Mapping[str, float]) -> list[str]:
    """Labels of a kind that the networks which learnt the others match far worse than is usual, by Dice."""
    usual = float(np.median(list(dices.values()))) if dices else 0.0
    return [key for key, dice in dices.items() if dice < usual - DROP]
