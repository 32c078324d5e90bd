"""The pelvis as solids in millimetres.

The anatomical frame has its origin near the middle of the sacrum: `x` to the patient's left, `y` up along the sacrum, `z`
towards the patient's back, so a slice of the scan is roughly a plane of constant `z`. Proportions were read by eye from
oblique coronal scans; they describe no particular person.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .shapes import Curve, Point, capsule, ellipsoid, ramp, ribbon, smooth_max

CORTEX_MM = 1.1
JOINT_GAP_MM = 2.2

# The iliac blade in a plane of constant z: points (x, y) along its middle and half thicknesses.
BLADE = ((47.0, -53.0), (53.0, -28.0), (62.0, 0.0), (71.0, 22.0), (78.0, 33.0), (89.0, 41.0), (118.0, 53.0))
BLADE_HALF_THICKNESS = (4.5, 5.5, 8.0, 7.8, 7.0, 5.8, 4.6)
BLADE_MIDDLE = Curve([p[1] for p in BLADE], [p[0] for p in BLADE])
# Its lower and upper free edge (y) along z.
BLADE_LOW = Curve((-50, -12, -6, 2, 8, 16, 22, 28), (-24, -29, -40, -49, -46, -40, -36, -22))
BLADE_HIGH = Curve((-50, 0, 6, 12, 17, 22, 28), (90, 75, 50, 43, 22, 0, -24))
BLADE_LOW_SCALE = Curve((-50, -14, -10, -3, 2, 18, 24), (0.9, 0.9, 0.5, 0.7, 0.9, 0.9, 0.4))
BLADE_HIGH_SCALE = Curve((-50, -2, 3, 10, 15, 28), (0.9, 0.9, 0.3, 0.6, 0.25, 0.25))

# The sacrum in profile: front and back (z) along y, in the midline and at the alae; half width (x) along y.
_Y = (-80.0, -60.0, -40.0, -25.0, -15.0, 0.0, 15.0, 30.0, 46.0)
FRONT_MIDLINE = Curve(_Y, (-1, -3, -6, -9, -12, -17, -22.5, -28, -31))
FRONT_ALA = Curve(_Y, (-1, -3, -9, -15, -19, -22.5, -24, -23, -20))
BACK_MIDLINE = Curve(_Y, (8, 8, 7, 5, 4, 2, 0, -2, -4))
BACK_ALA = Curve(_Y, (8, 9, 11, 12, 12, 10.5, 8, 5, 1))
SACRUM_HALF_WIDTH = Curve((-85, -70, -58, -45, -32, -20, 0), (6, 13, 21, 30, 44, 62, 80))

# What is left of the discs between the sacral bodies: centre and radii.
SACRAL_DISCS: tuple[tuple[Point, Point], ...] = (
    ((0.0, 14.0, -12.0), (9.5, 1.4, 8.0)),
    ((0.0, -13.0, -5.0), (7.5, 1.0, 6.0)),
    ((0.0, -36.0, -1.5), (6.5, 0.9, 5.0)),
    ((0.0, -56.0, 1.0), (5.5, 0.8, 4.0)),
)


@dataclass(frozen=True)
class Foramen:
    """The channel of one sacral nerve root, left side (x > 0): down from the canal along the back of a body, then forward
    beside the disc below that body, and out in front. Radii [mm] at these four points."""

    points: tuple[Point, Point, Point, Point]
    radii: tuple[float, float, float, float]

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, side: int, share: float = 1.0) -> np.ndarray:
        """Signed distance [mm] to the channel, or to a strand along its middle whose radius is a `share` of the channel's.

        Negative inside; coordinates [mm] of any one shape in, the same shape out.
        """
        path = [(side * p[0], p[1], p[2]) for p in self.points]
        parts = [
            capsule(x, y, z, a, b, (share * r, share * q))
            for (a, b), (r, q) in zip(pairwise(path), pairwise(self.radii), strict=True)
        ]
        return np.minimum.reduce(parts)


FORAMINA = (
    Foramen(((8.0, 41.0, 2.0), (19.5, 17.0, -8.0), (21.5, 13.0, -18.0), (26.0, 4.0, -28.0)), (3.0, 5.2, 6.0, 6.0)),
    Foramen(((7.0, 9.0, 4.0), (20.0, -10.0, 0.0), (21.5, -14.0, -9.0), (25.0, -22.0, -17.0)), (2.8, 5.0, 5.6, 5.6)),
    Foramen(((6.0, -18.0, 6.0), (18.0, -34.0, 3.0), (19.0, -37.0, -4.0), (21.0, -43.0, -11.0)), (2.5, 4.4, 5.0, 5.0)),
    Foramen(((5.0, -42.0, 8.0), (13.0, -54.0, 4.0), (15.0, -57.0, 0.0), (17.0, -62.0, -7.0)), (2.2, 3.4, 4.0, 4.0)),
)

# Where oedema may sit along the joint: (bone, side, y, z).
LESION_SITES: tuple[tuple[str, int, float, float], ...] = (
    ("sacrum", 1, 22.0, -15.0),
    ("sacrum", -1, 24.0, -14.0),
    ("ilium", -1, -8.0, -18.0),
    ("ilium", 1, -12.0, -12.0),
    ("sacrum", -1, -10.0, -6.0),
    ("sacrum", 1, -17.0, -3.0),
    ("ilium", 1, 16.0, -29.0),
    ("ilium", -1, 20.0, -29.0),
)


@dataclass(frozen=True)
class Vertebra:
    """A lumbar vertebral body: centre, the lean of its axis towards the back [degrees], half height and radii [mm]."""

    centre: Point
    lean_deg: float
    half_height: float = 12.5
    half_width: float = 23.5
    half_depth: float = 16.5

    def along(self, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Position [mm] along the axis and from front to back, of coordinates [mm] of any one shape."""
        c, s = np.cos(np.radians(self.lean_deg)), np.sin(np.radians(self.lean_deg))
        dy, dz = y - self.centre[1], z - self.centre[2]
        return dy * c + dz * s, dz * c - dy * s

    def body(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to a waisted cylinder with dished end plates; coordinates [mm] of any one shape."""
        height, depth = self.along(y, z)
        waist = 1 - 0.13 * np.maximum(1 - (height / self.half_height) ** 2, 0)
        radius = np.hypot(x / self.half_width, depth / self.half_depth)
        side = (radius / waist - 1) * (self.half_depth * 0.5 + self.half_width * 0.5)
        end = np.abs(height) - (self.half_height - 1.8 * np.maximum(1 - radius * radius, 0))
        return smooth_max(side, end, 2.0)

    def disc_below(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to a slab under the body, a little wider than it; coordinates [mm] of any one shape.

        The bodies are laid over it.
        """
        height, depth = self.along(y, z)
        side = (np.hypot(x / self.half_width, depth / self.half_depth) - 1.04) * self.half_width
        return smooth_max(side, np.abs(height + self.half_height + 3.5) - 7.0, 3.0)


@dataclass(frozen=True)
class PhantomLesion:
    """A patch of marrow oedema under one joint surface.

    `severity` is the share of the marrow that oedema replaces; `phase` shapes the outline.
    """

    label: int
    bone: str
    side: int
    centre: Point
    radii: Point
    severity: float
    phase: Point

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to the patch before it is confined to the marrow; coordinates [mm] of any one shape."""
        lobes = np.sin(0.45 * y + self.phase[0]) + np.sin(0.5 * x + self.phase[1]) * np.sin(0.35 * z + self.phase[2])
        return ellipsoid(x, y, z, self.centre, self.radii) + np.float32(0.7) * lobes


@dataclass(frozen=True)
class Pelvis:
    """One seeded pelvis. `side` is +1 for the patient's left.

    All coordinates are [mm], arrays of any one shape; all distances are [mm] of the same shape, negative inside.
    """

    vertebrae: tuple[Vertebra, ...]
    warp: np.ndarray
    """(3, 2, 5): per axis two waves (amplitude mm, phase, wave numbers rad/mm along x, y, z) that make outlines irregular."""
    joint_waves: np.ndarray
    """(2, 2): phases of the two sides' joint unevenness."""

    @classmethod
    def random(cls, rng: np.random.Generator) -> Pelvis:
        warp = np.empty((3, 2, 5))
        warp[..., 0] = rng.uniform(0.4, 0.9, (3, 2))
        warp[..., 1] = rng.uniform(0, 2 * np.pi, (3, 2))
        warp[..., 2:] = rng.normal(size=(3, 2, 3))
        wavelength = np.array([[55.0, 22.0]] * 3)[..., None]
        warp[..., 2:] *= 2 * np.pi / wavelength / np.linalg.norm(warp[..., 2:], axis=-1, keepdims=True)
        lean = rng.uniform(-4, 4)
        l5 = Vertebra((0.0, 63.0, -9.5), 20 + lean)
        l4 = Vertebra((0.0, 89.5, 9.5), 40 + lean)
        l3 = Vertebra((0.0, 112.5, 33.0), 50 + lean)
        return cls((l5, l4, l3), warp, rng.uniform(0, 2 * np.pi, (2, 2)))

    def warped(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Coordinates displaced by about a millimetre in slow waves; [mm], of the shape that came in."""
        moved = []
        for axis, waves in zip((x, y, z), self.warp, strict=True):
            for amplitude, phase, kx, ky, kz in waves:
                axis = axis + amplitude * np.sin(kx * x + ky * y + kz * z + phase)
            moved.append(axis)
        return moved[0], moved[1], moved[2]

    def ilium(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, side: int) -> np.ndarray:
        """Signed distance [mm] to the iliac blade, an array of the shape of the coordinates [mm].

        A thick bent ribbon in each plane that moves towards the midline with `z`, with a free edge all round.
        """
        across = x * side + 0.3 * (z + 13)
        thick = 0.09 * np.clip(-13 - z, 0, 30) - 0.17 * np.clip(z - 4, 0, 24)
        blade = ribbon(across, y, BLADE, BLADE_HALF_THICKNESS) - thick
        low, high = BLADE_LOW(z), BLADE_HIGH(z)
        # both edges lean: scaled to millimetres of distance, or thick slices would cut them into steps
        below, above = (low - y) * BLADE_LOW_SCALE(z), (y - high) * BLADE_HIGH_SCALE(z)
        return smooth_max(smooth_max(blade, below, 7), above, 4)

    def joint_gap(self, y: np.ndarray, z: np.ndarray, side: int) -> np.ndarray:
        """Width between the two bones [mm], of the shape of the coordinates [mm].

        Narrow and uneven in front, wide behind where ligaments hold them.
        """
        p, q = self.joint_waves[(1 + side) // 2]
        uneven = 0.35 * np.sin(0.5 * y + 0.2 * z + p) + 0.35 * np.sin(0.23 * y - 0.4 * z + q)
        behind = np.clip(z - 2 + 0.12 * np.clip(y, -25, 50), 0, 30)
        return JOINT_GAP_MM + uneven + behind * (0.6 + 0.15 * uneven)

    def sacrum_untrimmed(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to the sacrum as it would be if it ran on into the ilia, of the shape of the coordinates [mm]."""
        s = np.abs(x)
        lateral = ramp(s, 16, 38)
        front_mid, back_mid = FRONT_MIDLINE(y), BACK_MIDLINE(y)
        # the alae come forward towards the joints, so that slices cut their front steeply
        front = front_mid + (FRONT_ALA(y) + 3 - 8 * ramp(s, 28, 64) - front_mid) * lateral
        back = back_mid + (BACK_ALA(y) - 0.1 * np.maximum(s - 35, 0) - back_mid) * ramp(s, 8, 18)
        half_width = np.minimum(SACRUM_HALF_WIDTH(y), BLADE_MIDDLE(y) - 0.3 * (z + 13))
        # the end plate of S1 is flat, the alae fall a little beside it and rise again towards the ilia
        top = np.where(s < 23, 45.5, 42.5 - 0.5 * np.minimum(s - 23, 6)) + 0.06 * np.maximum(s - 35, 0)
        solid = smooth_max(front - z, z - back, 4)
        solid = smooth_max(solid, (s - half_width) * 0.75, 5)
        solid = smooth_max(solid, -66 - y, 4)
        return smooth_max(solid, (y - top).astype(np.float32), 3)

    def sacrum(self, untrimmed: np.ndarray, ilium: np.ndarray, gap: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to the sacrum, trimmed to lie one joint gap beside the ilium; three distances of one shape in."""
        return np.maximum(untrimmed, gap - ilium)

    def marrow_of_sacrum(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to the marrow between the joints, of the shape of the coordinates [mm]."""
        return self.sacrum_untrimmed(x, y, z) + CORTEX_MM

    def joint_x(self, y: float, z: float, side: int) -> float:
        """Signed `x` of the ilium's inner surface at one height and depth."""
        s = np.arange(30.0, 110.0, 0.25, dtype=np.float32)
        inside = self.ilium(side * s, np.full_like(s, y), np.full_like(s, z), side) <= 0
        return float(side * s[int(np.argmax(inside))])

    def thecal_sac(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to the fluid-filled sac from the upper sacrum to L3, of the shape of the coordinates [mm]."""
        chain = ((-6.0, 6.0, 2.5), (22.0, 6.0, 6.0), (48.0, 9.5, 8.0), (66.0, 17.0, 8.5), (92.0, 35.0, 9.0), (110.0, 54.0, 9.0))
        parts = [capsule(x, y, z, (0.0, *a[:2]), (0.0, *b[:2]), (a[2], b[2])) for a, b in pairwise(chain)]
        return np.minimum.reduce(parts)

    def marrow_of(self, lesion: PhantomLesion, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to the marrow of the bone that a lesion lies in, of the shape of the coordinates [mm]."""
        ilium = self.ilium(x, y, z, lesion.side)
        if lesion.bone == "ilium":
            return ilium + CORTEX_MM
        return self.sacrum(self.sacrum_untrimmed(x, y, z), ilium, self.joint_gap(y, z, lesion.side)) + CORTEX_MM

    def lesion_volume_mm3(self, lesion: PhantomLesion, step_mm: float = 0.5) -> float:
        """Volume of a lesion inside the marrow, by counting points of a fine lattice."""
        axes = [
            np.arange(c - r - 4, c + r + 4, step_mm, dtype=np.float32) for c, r in zip(lesion.centre, lesion.radii, strict=True)
        ]
        x, y, z = self.warped(*np.meshgrid(*axes, indexing="ij"))
        inside = np.maximum(lesion.distance(x, y, z), self.marrow_of(lesion, x, y, z)) <= 0
        return float(np.count_nonzero(inside)) * step_mm**3

    def place_lesions(self, rng: np.random.Generator, n: int, scale: float) -> tuple[PhantomLesion, ...]:
        """`n` oedema patches at different sites, radii times `scale`; at most `len(LESION_SITES)`."""
        order = rng.permutation(len(LESION_SITES))[:n]
        lesions = []
        for label, site in enumerate(sorted(order), start=1):
            bone, side, y, z = LESION_SITES[site]
            y, z = y + rng.uniform(-2, 2), z + rng.uniform(-1, 1)
            surface = self.joint_x(y, z, side)
            if bone == "sacrum":
                radii = tuple(scale * rng.uniform((7.0, 7.0, 6.0), (12.0, 11.0, 9.0)))
                x = surface - side * (JOINT_GAP_MM + CORTEX_MM + 0.55 * radii[0])
            else:
                radii = tuple(scale * rng.uniform((4.5, 6.5, 6.0), (6.0, 9.0, 8.0)))
                x = surface + side * (CORTEX_MM + 0.6 * radii[0])
            phase = tuple(rng.uniform(0, 2 * np.pi, 3))
            lesions.append(PhantomLesion(label, bone, side, (x, y, z), radii, rng.uniform(0.65, 0.9), phase))
        return tuple(lesions)
