"""A whole synthetic study: two series on one grid and what is true of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..core.volume import Grid, Mask, Volume
from ..errors import SettingsError
from .anatomy import LESION_SITES, Pelvis, PhantomLesion
from .canvas import SIGNALS, Canvas, Noise, Texture
from .paint import Contents, Painter

FIELD_OF_VIEW_MM = 336 * 0.595
STACK_MM = 25 * 3.3
THICKNESS_OF_SPACING = 3.0 / 3.3
# Sheets across one slice's thickness that are averaged into it.
SHEETS = 3
# Where the upper half of the sacroiliac joint meets the lower, along the sacrum.
MIDDLE_OF_JOINT_MM = 4.0
# Scanner units are arbitrary; these put muscle where it lies in scans of the protocol.
T1W_GAIN = 560.0 / SIGNALS["muscle"][0]
STIR_GAIN = 290.0 / abs(SIGNALS["muscle"][1])


@dataclass(frozen=True)
class LesionTruth:
    """One lesion: its label in the truth map, bone, side, upper or lower half of the joint, and its volume [mm3] as a solid,
    before any voxel."""

    label: int
    bone: str
    side: str
    level: str
    volume_mm3: float
    centre_mm: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class PhantomStudy:
    """Two series and their truth, on one grid.

    `lesions` is an `(I, J, K)` integer map whose values are the labels of `lesion_table`; a voxel belongs to a lesion or to
    a region when more than half of it does.
    """

    seed: int
    t1w: Volume
    stir: Volume
    disease_region: Mask
    normal_bone: Mask
    vessels: Mask
    lesions: np.ndarray
    lesion_table: tuple[LesionTruth, ...]

    @property
    def grid(self) -> Grid:
        return self.stir.grid


@dataclass(frozen=True)
class Prescription:
    """How the stack lies on the anatomy and in the scanner."""

    grid: Grid
    to_anatomy: np.ndarray
    """(3, 4): voxel index, homogeneous, to the anatomical frame [mm]."""

    @classmethod
    def random(cls, rng: np.random.Generator, shape: tuple[int, int, int]) -> Prescription:
        n_i, n_j, n_k = shape
        spacing = np.array([FIELD_OF_VIEW_MM / n_i, FIELD_OF_VIEW_MM / n_j, STACK_MM / n_k])
        centre = (np.array(shape) - 1) / 2
        turn = _rotation(*rng.uniform(-1, 1, 3) * np.radians((2.5, 1.5, 1.5)))
        shift = rng.uniform(-1, 1, 3) * (3, 4, 2.5)
        linear = turn * spacing
        to_anatomy = np.column_stack([linear, shift - linear @ centre])
        # slices lean 30 to 50 degrees back from coronal, as a stack along the sacrum does: files say L-S-P or L-A-S
        lean = rng.uniform(np.radians(30), np.radians(50))
        frame = np.array([[-1, 0, 0], [0, np.sin(lean), -np.cos(lean)], [0, np.cos(lean), np.sin(lean)]])
        affine = np.eye(4)
        affine[:3, :3] = _rotation(*rng.uniform(-1, 1, 3) * np.radians(2)) @ frame * spacing
        affine[:3, 3] = rng.uniform((-10, -40, -80), (10, 0, -20)) - affine[:3, :3] @ centre
        return cls(Grid(shape, affine), to_anatomy)

    def repositioned(self, rng: np.random.Generator) -> Prescription:
        """The same stack when the patient has come back and lies up to 2 degrees and 3 mm otherwise."""
        turn, shift = _rotation(*rng.uniform(-1, 1, 3) * np.radians(2)), rng.uniform(-3, 3, 3)
        return Prescription(self.grid, np.column_stack([turn @ self.to_anatomy[:, :3], turn @ self.to_anatomy[:, 3] + shift]))

    def sheet(self, k: float) -> np.ndarray:
        """`(3, I, J)` anatomical coordinates [mm] of the pixels of one sheet."""
        i = np.arange(self.grid.shape[0], dtype=np.float32)[:, None]
        j = np.arange(self.grid.shape[1], dtype=np.float32)[None, :]
        a = self.to_anatomy.astype(np.float32)
        return np.stack([a[axis, 0] * i + a[axis, 1] * j + (a[axis, 2] * k + a[axis, 3]) for axis in range(3)]).astype(np.float32)

    def to_index(self, point: np.ndarray) -> np.ndarray:
        """Voxel index (fractional) of anatomical positions [mm]; `(..., 3)` in and out."""
        return (np.asarray(point) - self.to_anatomy[:, 3]) @ np.linalg.inv(self.to_anatomy[:, :3]).T


def _rotation(about_x: float, about_y: float, about_z: float) -> np.ndarray:
    (cx, cy, cz), (sx, sy, sz) = np.cos((about_x, about_y, about_z)), np.sin((about_x, about_y, about_z))
    rx = np.array([[1, 0, 0], [0, cx, -sx], [0, sx, cx]])
    ry = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rz = np.array([[cz, -sz, 0], [sz, cz, 0], [0, 0, 1]])
    return rz @ ry @ rx


def make_phantom(  # noqa: PLR0913 public interface
    seed: int = 0,
    shape: tuple[int, int, int] = (336, 336, 25),
    *,
    n_lesions: int = 5,
    lesion_scale: float = 1.0,
    noise: float = 0.045,
    bias: float = 0.06,
    visit: int = 0,
) -> PhantomStudy:
    """A synthetic T1W and STIR study of a pelvis with oedema of known volume.

    Parameters
    ----------
    seed : int
        Same seed, same study, on one version of NumPy.
    shape : (I, J, K)
        Voxels; the field of view stays about 200 x 200 x 82.5 mm, so fewer voxels are larger ones.
    n_lesions : int
        0 to 8 patches of oedema.
    lesion_scale : float
        Factor on the lesions' radii, 0.2 to 1.5.
    noise : float
        Standard deviation of the noise of each receiver channel, as a fraction of the signal of muscle.
    bias : float
        Largest deviation of the smooth coil sensitivity from 1, as a natural logarithm.
    visit : int
        0 for the first scan. With another number the same pelvis is scanned again: the patient lies a little otherwise, and
        noise and coil differ. Lesions stay where they are as long as `n_lesions` does; `lesion_scale` may change.

    Returns
    -------
    PhantomStudy
        Both scans, the masks that are true of them, and each lesion's volume.

    Raises
    ------
    SettingsError
        A parameter outside its range.
    """
    _check(shape, n_lesions, lesion_scale, noise, bias)
    if visit < 0:
        raise SettingsError(f"visit is {visit}; the first is 0, and later ones count up.")
    rng = np.random.default_rng(seed)
    plan = Prescription.random(rng, shape)
    pelvis = Pelvis.random(rng)
    lesions = pelvis.place_lesions(rng, n_lesions, lesion_scale)
    painter = Painter(pelvis, Contents.random(rng, pelvis, lesions), lesions)
    grain = Noise(rng)
    if visit:
        rng = np.random.default_rng([seed, visit])
        plan = plan.repositioned(rng)
    signed = _render(painter, plan, grain)

    images = []
    for channel, gain, name in ((0, T1W_GAIN, "T1W"), (1, STIR_GAIN, "STIR")):
        sensitivity = coil_sensitivity(rng, shape, bias)
        sigma = noise * gain * abs(SIGNALS["muscle"][channel])
        # scanners store whole numbers
        data = np.rint(rician(rng, np.abs(signed[channel]) * gain * sensitivity, sigma))
        images.append(Volume(data, plan.grid, name))
    labels = _label_map(signed[4] > 0.5, plan, lesions)
    vessels = Mask(signed[3] > 0.5, plan.grid, "vessels")
    region = Mask(signed[2] > 0.5, plan.grid, "disease region")
    return PhantomStudy(
        seed=seed,
        t1w=images[0],
        stir=images[1],
        disease_region=region,
        normal_bone=_normal_bone(plan, pelvis, ~vessels.data & (labels == 0)),
        vessels=vessels,
        lesions=labels,
        lesion_table=tuple(_truth(lesion, plan, pelvis) for lesion in lesions),
    )


def _check(shape: tuple[int, int, int], n_lesions: int, lesion_scale: float, noise: float, bias: float) -> None:
    if len(shape) != 3 or min(shape[:2]) < 32 or shape[2] < 5 or max(shape) > 1024:
        raise SettingsError(
            f"A phantom of shape {tuple(shape)} was asked for; it needs 32 to 1024 pixels each way and at least 5 slices."
        )
    ranges = (
        ("n_lesions", n_lesions, 0, len(LESION_SITES)),
        ("lesion_scale", lesion_scale, 0.2, 1.5),
        ("noise", noise, 0, 1),
        ("bias", bias, 0, 1),
    )
    for name, value, low, high in ranges:
        if not low <= value <= high:
            raise SettingsError(f"{name} is {value}; the phantom takes {low} to {high}.")


def _render(painter: Painter, plan: Prescription, noise: Noise) -> np.ndarray:
    """`(5, I, J, K)` mean of the sheets of each slice."""
    n_i, n_j, n_k = plan.grid.shape
    out = np.empty((5, n_i, n_j, n_k), np.float32)
    # sheets lie a millimetre apart: sharper edges would show them as steps where a surface leans
    width_mm = max(*plan.grid.spacing_mm[:2], 0.85 * plan.grid.spacing_mm[2] * THICKNESS_OF_SPACING / SHEETS)
    offsets = ((np.arange(SHEETS) + 0.5) / SHEETS - 0.5) * THICKNESS_OF_SPACING
    for k in range(n_k):
        texture = Texture.at(noise, *plan.sheet(k))
        total = np.zeros((5, n_i, n_j), np.float32)
        for offset in offsets:
            xyz = plan.sheet(k + offset)
            canvas = Canvas(xyz, painter.pelvis.warped(*xyz), width_mm, texture)
            painter.paint(canvas)
            total += canvas.channels
        out[..., k] = total / SHEETS
    return out


def coil_sensitivity(rng: np.random.Generator, shape: tuple[int, int, int], bias: float) -> np.ndarray:
    """`(I, J, K)` smooth factor without unit whose logarithm lies in `[-bias, bias]`."""
    waves = [np.cos(np.pi * np.outer(np.arange(3), (np.arange(n) + 0.5) / n)) for n in shape]
    field = np.einsum("abc,ai,bj,ck->ijk", rng.standard_normal((3, 3, 3)), *waves, optimize=True).astype(np.float32)
    field -= field.mean()
    return np.exp(field * (bias / float(np.abs(field).max())))


def rician(rng: np.random.Generator, magnitude: np.ndarray, sigma: float) -> np.ndarray:
    """Magnitude of a complex signal with Gaussian noise of `sigma` in both channels, float32, shape and unit of `magnitude`.

    In air its mean is `sigma sqrt(pi/2)`.
    """
    real = magnitude + sigma * rng.standard_normal(magnitude.shape, dtype=np.float32)
    return np.hypot(real, sigma * rng.standard_normal(magnitude.shape, dtype=np.float32)).astype(np.float32)


def _label_map(inside: np.ndarray, plan: Prescription, lesions: tuple[PhantomLesion, ...]) -> np.ndarray:
    labels = np.zeros(inside.shape, np.uint8)
    index = np.argwhere(inside)
    if len(index) and lesions:
        points = index @ plan.to_anatomy[:, :3].T + plan.to_anatomy[:, 3]
        scaled = [np.linalg.norm((points - lesion.centre) / lesion.radii, axis=1) for lesion in lesions]
        labels[tuple(index.T)] = np.array([lesion.label for lesion in lesions], np.uint8)[np.argmin(scaled, axis=0)]
    return labels


def _truth(lesion: PhantomLesion, plan: Prescription, pelvis: Pelvis) -> LesionTruth:
    x, y, z = plan.grid.world_mm(plan.to_index(np.array(lesion.centre)))
    side = "left" if lesion.side > 0 else "right"
    level = "upper" if lesion.centre[1] > MIDDLE_OF_JOINT_MM else "lower"
    return LesionTruth(
        lesion.label, lesion.bone, side, level, round(pelvis.lesion_volume_mm3(lesion), 1), (float(x), float(y), float(z))
    )


def _normal_bone(plan: Prescription, pelvis: Pelvis, allowed: np.ndarray) -> Mask:
    """Circles in the bodies of S1 and S2 between the foramina, on up to five slices, as a reader draws them."""
    mask = np.zeros(plan.grid.shape, bool)
    for y, z, radius in ((30.0, -15.0, 9.0), (0.5, -6.5, 6.5)):
        k_centre = plan.to_index(np.array((0.0, y, z)))[2]
        reach = 8.0 / plan.grid.spacing_mm[2] if radius > 6 else 4.0 / plan.grid.spacing_mm[2]
        for k in range(plan.grid.shape[2]):
            if abs(k - k_centre) <= max(reach, 0.5):
                circle = np.ones(mask.shape[:2], bool)
                for edge in (-0.5, 0.0, 0.5):  # all of the slice's thickness in marrow
                    x_, y_, z_ = pelvis.warped(*plan.sheet(k + edge))
                    circle &= (np.hypot(x_, y_ - y) < radius) & (pelvis.marrow_of_sacrum(x_, y_, z_) < -1.0)
                mask[..., k] |= circle
    return Mask(mask & allowed, plan.grid, "normal bone")
