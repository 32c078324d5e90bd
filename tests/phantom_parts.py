"""The part of a phantom that each voxel belongs to, from the solids that it was painted from: no image is looked at."""

from __future__ import annotations

import numpy as np

from lib.core.partition import FACET, ILIUM, JOINT_SPACE, LUMBAR, SACRUM
from lib.phantom.anatomy import Pelvis
from lib.phantom.paint import POSTERIOR_ELEMENTS
from lib.phantom.shapes import capsule
from lib.phantom.study import Prescription

ARTICULAR = (
    2,
    3,
    7,
)  # of the posterior elements: processes that meet in facet joints; the others are arch and transverse processes


def true_parts(seed: int, shape: tuple[int, int, int]) -> np.ndarray:
    """`(I, J, K)`: the solid that each voxel's centre lies deepest in, or nearest to."""
    rng = np.random.default_rng(seed)
    plan, pelvis = Prescription.random(rng, shape), Pelvis.random(rng)
    points = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), -1) @ plan.to_anatomy[:, :3].T + plan.to_anatomy[:, 3]
    at = pelvis.warped(*(points[..., axis].astype(np.float32) for axis in range(3)))
    x, y, z = at
    untrimmed = pelvis.sacrum_untrimmed(x, y, z)
    sacrum, ilium, joint = (np.empty(shape, np.float32) for _ in range(3))
    for side in (-1, 1):
        half = x * side >= 0
        own, gap = pelvis.ilium(x, y, z, side), pelvis.joint_gap(y, z, side)
        sacrum[half] = pelvis.sacrum(untrimmed, own, gap)[half]
        ilium[half] = own[half]
        joint[half] = np.maximum(untrimmed, own - gap)[half]
    joint = np.where((sacrum > 0) & (ilium > 0) & (joint <= 0), joint, 99.0)
    rods = [rod for rod, region in POSTERIOR_ELEMENTS if region]
    process = [_both_sides(rod, at) for rod in rods]
    lumbar = [vertebra.body(x, y, z) for vertebra in pelvis.vertebrae]
    lumbar += [one for n, one in enumerate(process) if n not in ARTICULAR]
    distance = {
        SACRUM: sacrum,
        ILIUM: ilium,
        JOINT_SPACE: joint,
        LUMBAR: np.minimum.reduce(lumbar),
        FACET: np.minimum.reduce([process[n] for n in ARTICULAR]),
    }
    return np.array(list(distance))[np.stack(list(distance.values())).argmin(axis=0)]


def _both_sides(rod, at) -> np.ndarray:
    ends = ([(side * end[0], *end[1:]) for end in (rod.a, rod.b)] for side in (-1, 1))
    return np.minimum.reduce([capsule(*at, a, b, (rod.radius_a, rod.radius_b)) for a, b in ends])
