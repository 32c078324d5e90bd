"""The order in which the tissues of the pelvis are laid down, from the skin inwards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from .anatomy import BACK_MIDLINE, CORTEX_MM, FORAMINA, SACRAL_DISCS, Pelvis, PhantomLesion
from .canvas import SIGNALS, Canvas, Range, Value, Window, mixed
from .shapes import Curve, Point, capsule, clipped, coverage, ellipsoid, ramp, smooth_max


@dataclass(frozen=True)
class BoneTissue:
    """Mean fat fraction of a bone's marrow, how strong its grain is, and how thick its cortex.

    Red marrow is patchier than fatty marrow.
    """

    fat: Value
    grain: Value
    cortex_mm: float = CORTEX_MM


RED = BoneTissue(fat=0.29, grain=1.35)  # the bodies of the sacrum
FATTY = BoneTissue(fat=0.38, grain=0.7)  # its alae, and the ilia
LUMBAR = BoneTissue(fat=0.30, grain=0.8)
THIN = replace(LUMBAR, cortex_mm=1.5)  # the processes of the vertebrae


FORAMEN_WALL_MM = 0.7  # cortex round a nerve's channel through the sacrum


def read_sacrum(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """1 where readers count sacrum to the disease region, else 0; float32 of the shape of the coordinates [mm].

    They draw the sacrum beside the foramina down to the end of the joints, and between the foramina the first body alone:
    from the slice where the canal opens not even that.
    """
    s = np.abs(x)
    body = (y > 15.5) & (z < BACK_MIDLINE(y) - 1.5)
    beside = (s > 17 + 5 * ramp(y, -12, -22) + 4 * ramp(y, -34, -44)) & (y > -44)
    return (body | beside).astype(np.float32)


@dataclass(frozen=True)
class Rod:
    """A tapered rod of one tissue; a vessel, a nerve, a bone process."""

    tissue: str
    a: Point
    b: Point
    radius_a: float
    radius_b: float

    @cached_property
    def box(self) -> tuple[Range, Range, Range]:
        """The ranges along x, y and z [mm] that it may touch."""
        r = max(self.radius_a, self.radius_b)
        x, y, z = ((min(p, q) - r, max(p, q) + r) for p, q in zip(self.a, self.b, strict=True))
        return x, y, z

    def distance(self, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
        """Signed distance [mm] to the rod, negative inside, of the shape of the coordinates [mm]."""
        return capsule(x, y, z, self.a, self.b, (self.radius_a, self.radius_b))


@dataclass(frozen=True)
class Blob:
    """An ellipsoid with a wall: bowel, bladder."""

    content: str
    centre: Point
    radii: Point
    wall_mm: float


@dataclass(frozen=True)
class Contents:
    """The parts that differ from seed to seed besides the bones: soft parts, vessels in marrow, fluid in joints."""

    bowel: tuple[Blob, ...]
    pelvic_vessels: tuple[Rod, ...]
    marrow_vessels: tuple[Rod, ...]
    joint_fluid: tuple[Rod, ...]

    @classmethod
    def random(cls, rng: np.random.Generator, pelvis: Pelvis, lesions: Sequence[PhantomLesion]) -> Contents:
        return cls(_bowel(rng), _pelvic_vessels(rng), _marrow_vessels(rng, lesions), _joint_fluid(rng, pelvis, lesions))


def _bowel(rng: np.random.Generator) -> tuple[Blob, ...]:
    contents = ("bowel content", "bowel content", "bowel fluid", "gas")
    loops = [Blob("gas", (rng.uniform(-6, 6), -66.0, -30.0), (14.0, 10.0, 16.0), 2.2)]
    for x, y, z in ((-9, -30, -42), (10, -22, -46), (-4, -52, -48), (9, -44, -24)):
        radii = tuple(rng.uniform((8, 8, 9), (13, 13, 15)))
        loops.append(Blob(str(rng.choice(contents)), (x + rng.uniform(-3, 3), y + rng.uniform(-4, 4), z), radii, 2.0))
    for side in (-1, 1):
        for y, z, s in ((92, -32, 78), (84, -6, 88), (94, 12, 84)):
            radii = tuple(rng.uniform((13, 10, 14), (20, 16, 22)))
            loops.append(
                Blob(str(rng.choice(contents)), (side * (s + rng.uniform(-6, 6)), y + rng.uniform(-4, 4), z), radii, 2.5)
            )
    return tuple(loops)


def _pelvic_vessels(rng: np.random.Generator) -> tuple[Rod, ...]:
    rods = [
        Rod("arterial flow", (-5, 112, -18), (-3, 90, -34), 6.5, 6.0),
        Rod("venous blood", (11, 112, -14), (9, 86, -31), 7.5, 7.0),
    ]
    for side in (-1, 1):
        bend = rng.uniform(-3, 3)
        for kind, dx, r in (("arterial flow", 0.0, 4.8), ("venous blood", 9.0, 5.2)):
            rods.append(Rod(kind, (side * (3 + dx * 0.5), 88, -34), (side * (36 - dx + bend), 34, -40), r, r - 0.6))
            rods.append(Rod(kind, (side * (36 - dx + bend), 34, -40), (side * (47 - dx * 0.6), -8, -46), r - 0.6, r - 1))
            rods.append(Rod(kind, (side * (36 - dx + bend), 32, -38), (side * (42 - dx), -38, -30), r - 2, r - 3))
        rods += _veins(rng, side, 6, ((26, -50, -44), (40, 10, -26)), ((2, -16, -4), (16, 4, 4)))
        rods += _veins(rng, side, 7, ((62, -45, -42), (86, -20, -5)), ((6, -10, -3), (18, 10, 3)))  # between the gluteal muscles
        rods += _veins(rng, side, 8, ((22, 5, 20), (44, 60, 36)), ((-2, -14, -3), (5, 0, 3)))  # along the spine
    return tuple(rods)


Box = tuple[Point, Point]


def _veins(rng: np.random.Generator, side: int, n: int, starts: Box, courses: Box) -> list[Rod]:
    """Short thin veins that start in one box (left side) and run along a vector out of another."""
    mirror = (side, 1, 1)
    veins = []
    for _ in range(n):
        start = rng.uniform(*starts)
        end = start + rng.uniform(*courses)
        r = rng.uniform(0.7, 1.5)
        veins.append(Rod("venous blood", tuple(start * mirror), tuple(end * mirror), r, 0.8 * r))
    return veins


def _far_from(lesions: Sequence[PhantomLesion], point: np.ndarray, clearance_mm: float) -> bool:
    return all(np.linalg.norm(point - lesion.centre) > max(lesion.radii) + clearance_mm for lesion in lesions)


def _marrow_vessels(rng: np.random.Generator, lesions: Sequence[PhantomLesion]) -> tuple[Rod, ...]:
    rods = [Rod("venous blood", (side * 1.5, 65, -3), (side * 5.0, 64, -12), 1.3, 0.8) for side in (-1, 1)]
    places: tuple[Box, Box] = (((30, -20, -12), (48, 30, 4)), ((76, 30, -30), (90, 40, -4)))  # sacrum, ilium
    while len(rods) < 10:
        place = places[int(rng.integers(2))]
        (vein,) = _veins(rng, int(rng.choice((-1, 1))), 1, place, ((2, 4, -2), (5, 9, 2)))
        if _far_from(lesions, np.array(vein.a), 8) and _far_from(lesions, np.array(vein.b), 8):
            rods.append(vein)
    return tuple(rods)


def _joint_fluid(rng: np.random.Generator, pelvis: Pelvis, lesions: Sequence[PhantomLesion]) -> tuple[Rod, ...]:
    rods: list[Rod] = []
    for _ in range(60):
        side, y, z = int(rng.choice((-1, 1))), float(rng.uniform(-18, 25)), float(rng.uniform(-22, -4))
        a = np.array([pelvis.joint_x(y - 4, z, side) - side * 1.1, y - 4, z])
        b = np.array([pelvis.joint_x(y + 4, z, side) - side * 1.1, y + 4, z])
        if len(rods) < 2 and _far_from(lesions, a, 9) and _far_from(lesions, b, 9):
            rods.append(Rod("joint fluid", tuple(a), tuple(b), 1.0, 0.8))
    return tuple(rods)


class Painter:
    """Lays the whole pelvis on one canvas after another."""

    def __init__(self, pelvis: Pelvis, contents: Contents, lesions: Sequence[PhantomLesion]) -> None:
        self.pelvis, self.contents, self.lesions = pelvis, contents, tuple(lesions)

    def paint(self, canvas: Canvas) -> None:
        _body(canvas)
        iliac = {side: self._half(canvas, side) for side in (-1, 1)}
        for side, (window, ilium) in iliac.items():
            _gluteal(canvas, window, ilium, side)
        _trunk_muscles(canvas)
        _viscera(canvas)
        self._bowel(canvas)
        _back_muscles(canvas)
        for rod in self.contents.pelvic_vessels:
            _rod(canvas, rod, vessel=1.0)
        for side, (window, ilium) in iliac.items():
            self._sacrum_half(canvas, window, ilium, side)
            self._ilium(canvas, window, ilium, side)
        self._spine(canvas)
        self._sacral_discs(canvas)
        _foramina(canvas, self.pelvis)
        self._canal(canvas)
        for rod in self.contents.marrow_vessels:
            _rod(canvas, rod, vessel=1.0, region=1.0)
        for rod in self.contents.joint_fluid:
            _rod(canvas, rod, region=1.0)

    def _half(self, canvas: Canvas, side: int) -> tuple[Window, np.ndarray]:
        n, m = canvas.channels.shape[1:]
        inner = canvas.window((0, 0), (0, 0))
        middle = n // 2 if inner is None else (inner[0].start + inner[0].stop) // 2
        # the index runs towards the patient's left
        window = (slice(middle, n), slice(0, m)) if side > 0 else (slice(0, middle), slice(0, m))
        return window, self.pelvis.ilium(*canvas.at(window), side)

    def _lesions_here(self, canvas: Canvas, bone: str, side: int) -> list[PhantomLesion]:
        low, high = canvas.z_range
        return [
            lesion
            for lesion in self.lesions
            if (lesion.bone, lesion.side) == (bone, side)
            and low - 5 < lesion.centre[2] + lesion.radii[2]
            and lesion.centre[2] - lesion.radii[2] < high + 5
        ]

    def _sacrum_half(self, canvas: Canvas, window: Window, ilium: np.ndarray, side: int) -> None:
        x, y, z = canvas.at(window)
        untrimmed = self.pelvis.sacrum_untrimmed(x, y, z)
        gap = self.pelvis.joint_gap(y, z, side)
        # in front the space between the bones is cartilage and belongs to the joint; behind it is ligament and fat
        joint = np.maximum(untrimmed, ilium - gap - 1)
        behind = ramp(gap, 4.0, 6.0)
        ligament = mixed("ligament", "fat", clipped(0.45 + 4 * canvas.texture.marrow_fat[window]))
        cartilage = SIGNALS["cartilage"]
        signals = tuple(c + behind * (v - c) for c, v in zip(cartilage, ligament, strict=True))
        canvas.lay(window, coverage(joint, canvas.width_mm), (signals[0], signals[1]), region=(1 - behind) * read_sacrum(x, y, z))
        beside = ramp(np.abs(x), 14, 32)
        beside_joint = ramp(ilium, 22, 4) * ramp(canvas.texture.patches[window], 0.2, 1.4)  # fat left by old inflammation
        tissue = BoneTissue(
            fat=RED.fat + (FATTY.fat - RED.fat) * beside + 0.2 * beside_joint,
            grain=RED.grain + (FATTY.grain - RED.grain) * beside,
        )
        sacrum = self.pelvis.sacrum(untrimmed, ilium, gap)
        lesions = self._lesions_here(canvas, "sacrum", side)
        _bone(canvas, window, sacrum, tissue, region=read_sacrum(x, y, z), lesions=lesions)

    def _ilium(self, canvas: Canvas, window: Window, ilium: np.ndarray, side: int) -> None:
        _bone(canvas, window, ilium, FATTY, lesions=self._lesions_here(canvas, "ilium", side))

    def _spine(self, canvas: Canvas) -> None:
        for vertebra in reversed(self.pelvis.vertebrae):
            cy, cz = vertebra.centre[1:]
            window = canvas.window((-26, 26), (cy - 30, cy + 24), (cz - 26, cz + 24))
            if window is None:
                continue
            x, y, z = canvas.at(window)
            canvas.lay(window, coverage(vertebra.disc_below(x, y, z), canvas.width_mm), SIGNALS["disc annulus"])
        for vertebra in self.pelvis.vertebrae:
            cy, cz = vertebra.centre[1:]
            window = canvas.window((-26, 26), (cy - 26, cy + 26), (cz - 26, cz + 24))
            if window is None:
                continue
            x, y, z = canvas.at(window)
            lean = np.radians(vertebra.lean_deg)
            offset = vertebra.half_height + 4.5
            nucleus = (0.0, cy - offset * float(np.cos(lean)), cz - offset * float(np.sin(lean)))
            canvas.lay(window, coverage(ellipsoid(x, y, z, nucleus, (13, 2.6, 9)), canvas.width_mm), SIGNALS["disc nucleus"])
            _bone(canvas, window, vertebra.body(x, y, z), LUMBAR)
        for rod, region in POSTERIOR_ELEMENTS:
            for side in (-1, 1) if rod.a[0] > 1 else (1,):
                mirrored = Rod(
                    rod.tissue, (side * rod.a[0], *rod.a[1:]), (side * rod.b[0], *rod.b[1:]), rod.radius_a, rod.radius_b
                )
                window = canvas.window(*mirrored.box)
                if window is not None:
                    distance = mirrored.distance(*canvas.at(window))
                    _bone(canvas, window, distance, THIN, region=region)

    def _sacral_discs(self, canvas: Canvas) -> None:
        for centre, radii in SACRAL_DISCS:
            y, z = centre[1:]
            window = canvas.window((-12, 12), (y - 4, y + 4), (z - radii[2], z + radii[2]))
            if window is not None:
                distance = ellipsoid(*canvas.at(window), centre, radii)
                # below the bodies that readers draw
                canvas.lay(window, coverage(distance, canvas.width_mm), mixed("disc annulus", "cortex", 0.35))

    def _bowel(self, canvas: Canvas) -> None:
        for blob in self.contents.bowel:
            box = [(c - r - 3, c + r + 3) for c, r in zip(blob.centre, blob.radii, strict=True)]
            window = canvas.window(box[0], box[1], box[2])
            if window is not None:
                x, y, z = canvas.at(window)
                distance = ellipsoid(x, y, z, blob.centre, blob.radii) + 2.0 * np.sin(0.17 * x + 0.1 * z) * np.sin(0.21 * y)
                canvas.lay(window, coverage(distance, canvas.width_mm), SIGNALS["bowel wall"])
                canvas.lay(window, coverage(distance + blob.wall_mm, 1.5), SIGNALS[blob.content])

    def _canal(self, canvas: Canvas) -> None:
        window = canvas.window((-16, 16), (-62, 112), (-2, 60))
        if window is None:
            return
        x, y, z = canvas.at(window)
        tail = capsule(x, y, z, (0.0, -60.0, 7.0), (0.0, -4.0, 7.0), (1.5, 4.5))
        sac = self.pelvis.thecal_sac(x, y, z)
        # fat fills the sacral canal round the sac; higher up only a thin ligament lies between sac and bone
        higher = ramp(y, 38, 52)
        sleeve = np.minimum(sac - 3.5 + 2.3 * higher, tail)
        canvas.lay(window, coverage(sleeve, canvas.width_mm), mixed("fat", "ligament", 0.1 + 0.75 * higher))
        roots = 0.1 + 0.35 * np.maximum(np.sin(1.5 * x + 0.03 * y), 0) ** 4
        canvas.lay(window, coverage(sac, canvas.width_mm), mixed("csf", "nerve", roots))


def _bone(
    canvas: Canvas,
    window: Window,
    distance: np.ndarray,
    tissue: BoneTissue,
    *,
    region: Value = 1.0,
    lesions: Sequence[PhantomLesion] = (),
) -> None:
    """Cortex, and inside it marrow that oedema replaces where a lesion lies; readers outline along the middle of the cortex."""
    canvas.lay(window, coverage(distance, canvas.width_mm), SIGNALS["cortex"], region=None)
    canvas.read(window, coverage(distance + CORTEX_MM / 2, canvas.width_mm), region)
    t1w, stir = mixed("marrow water", "marrow fat", np.clip(tissue.fat + canvas.texture.marrow_fat[window], 0.05, 0.95))
    oedema = SIGNALS["oedema"]
    share: Value = 0.0
    for lesion in lesions:
        cover = coverage(lesion.distance(*canvas.at(window)), canvas.width_mm)
        replaced = lesion.severity * cover
        t1w, stir = t1w + replaced * (oedema[0] - t1w), stir + replaced * (oedema[1] - stir)
        share = np.maximum(share, cover)
    stir = stir * (1 + tissue.grain * canvas.texture.grain[window])
    canvas.lay(window, coverage(distance + tissue.cortex_mm, canvas.width_mm), (t1w, stir), region=region, lesion=share)


# Facets, pedicles and transverse processes belong to the region that readers draw; spinous processes do not.
POSTERIOR_ELEMENTS: tuple[tuple[Rod, float], ...] = (
    (Rod("bone", (16.0, 60.0, 2.0), (19.0, 54.0, 14.0), 6.0, 5.5), 1.0),
    (Rod("bone", (17.0, 51.0, 6.0), (44.0, 53.0, 5.0), 4.5, 4.0), 1.0),
    (Rod("bone", (19.0, 54.0, 14.0), (18.5, 42.0, 21.0), 7.5, 8.0), 1.0),
    (Rod("bone", (27.0, 48.0, 15.0), (25.0, 34.0, 9.0), 7.0, 8.0), 1.0),
    (Rod("bone", (26.0, 82.0, 27.0), (23.0, 66.0, 27.0), 6.0, 7.0), 1.0),
    (Rod("bone", (16.0, 90.0, 18.0), (18.0, 80.0, 27.0), 5.5, 5.5), 1.0),
    (Rod("bone", (17.0, 82.0, 24.0), (42.0, 87.0, 22.0), 4.0, 3.5), 1.0),
    (Rod("bone", (17.5, 78.0, 30.0), (17.5, 63.0, 33.0), 7.0, 8.0), 1.0),
    (Rod("bone", (16.0, 48.0, 21.0), (3.0, 38.0, 27.0), 3.5, 3.5), 0.0),
    (Rod("bone", (0.0, 38.0, 27.0), (0.0, 26.0, 32.0), 3.0, 3.5), 0.0),
    (Rod("bone", (0.0, 60.0, 42.0), (0.0, 48.0, 48.0), 3.0, 3.5), 0.0),
    (Rod("bone", (0.0, 16.0, 15.0), (0.0, -26.0, 15.0), 3.0, 2.6), 0.0),
    (Rod("bone", (0.0, -70.0, 3.0), (0.0, -84.0, -8.0), 5.0, 3.5), 0.0),
    (Rod("bone", (0.0, -85.0, -10.0), (0.0, -90.0, -20.0), 3.5, 3.0), 0.0),
)


def _rod(canvas: Canvas, rod: Rod, *, vessel: float = 0.0, region: float = 0.0) -> None:
    window = canvas.window(*rod.box)
    if window is not None:
        distance = rod.distance(*canvas.at(window))
        canvas.lay(window, coverage(distance, canvas.width_mm), SIGNALS[rod.tissue], vessel=vessel, region=region)


def skin_y(x: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Height y [mm] of the skin of the back, which leans through the oblique slices, of the shape of the coordinates [mm]."""
    cleft = 9 * np.exp(-((x / 5) ** 2)) * ramp(z, 8, -6)
    return -98 + 1.57 * z + 0.0017 * x * x + cleft


# a plane y = 1.57 z has this much distance per mm of y
SKIN_SLOPE = 1 / np.sqrt(1 + 1.57**2)


def _body(canvas: Canvas) -> None:
    everything = (slice(None), slice(None))
    depth = (skin_y(canvas.x, canvas.z) - canvas.y) * SKIN_SLOPE
    canvas.lay(everything, coverage(depth, 1.5), SIGNALS["skin"])
    canvas.lay(everything, coverage(depth + 1.6, 1.5), mixed("fat", "ligament", canvas.texture.septa))


def _flesh(tissue: str, fat: np.ndarray, grain: np.ndarray) -> tuple[Value, Value]:
    """Muscle with fat between its fibres, dark on STIR, and a little grain."""
    t1w, stir = mixed(tissue, "fat", fat)
    return t1w, stir * (1 + 0.35 * grain - 0.5 * fat)


# Inner border (x) along y of the gluteal muscles, and their thickness outside the ilium along z.
GLUTEAL_INNER = Curve((-120, -92, -60, -28, 0, 25, 38, 52, 60), (-4, 4, 30, 57, 66, 76, 88, 116, 140))
GLUTEAL_REACH = Curve((-45, -10, 5, 15, 25), (90, 70, 34, 20, 8))


def _gluteal(canvas: Canvas, window: Window, ilium: np.ndarray, side: int) -> None:
    x, y, z = canvas.at(window)
    across = x * side + 0.3 * (z + 13)
    inner, reach = GLUTEAL_INNER(y), GLUTEAL_REACH(z)
    fascia = (skin_y(x, z) + 33 - y) * SKIN_SLOPE
    distance = smooth_max(smooth_max((inner - across) * 0.75, ilium - reach, 6), fascia, 6) + canvas.texture.patches[window]
    cover = coverage(distance, 1.5)
    canvas.lay(window, cover, _flesh("muscle", canvas.texture.gluteal_fat[window], canvas.texture.grain[window]))


def _viscera(canvas: Canvas) -> None:
    """Bowel and mesentery in front of the spine and in the small pelvis: soft tissue where slow noise is high."""
    for x_range, y_range, z_range, softness in (
        ((-110.0, 110.0), (66.0, 115.0), (-60.0, 20.0), 0.25),
        ((-34.0, 34.0), (-72.0, 12.0), (-60.0, -15.0), -0.35),
    ):
        window = canvas.window(x_range, y_range, z_range)
        if window is None:
            continue
        x, y, z = canvas.at(window)
        inside = ramp(np.abs(x), x_range[1], x_range[1] - 16) * ramp(y, y_range[0] - 4, y_range[0] + 12)
        inside = inside * ramp(y, y_range[1], y_range[1] - 14) * ramp(z, z_range[1], z_range[1] - 12)
        level = canvas.texture.loops[window] - 2.5 * (1 - inside)
        canvas.lay(window, ramp(level, softness, softness + 0.25), mixed("bowel wall", "fat", 0.15))
        content = mixed("bowel content", "bowel fluid", ramp(canvas.texture.patches[window], 0.4, 1.2))
        canvas.lay(window, ramp(level, softness + 0.6, softness + 0.75), content)


def _trunk_muscles(canvas: Canvas) -> None:
    for side in (-1, 1):
        for tissue, a, b, ra, rb in (
            ("muscle", (42.0, 38.0, -48.0), (43.0, 64.0, -10.0), 17.0, 17.5),
            ("muscle", (43.0, 64.0, -10.0), (42.0, 94.0, 22.0), 17.5, 14.0),
            ("muscle", (66.0, 34.0, -30.0), (112.0, 62.0, -30.0), 9.0, 10.0),
            ("muscle", (66.0, 38.0, -12.0), (112.0, 62.0, -12.0), 6.0, 9.0),
            ("muscle", (72.0, 52.0, 18.0), (120.0, 50.0, 18.0), 4.0, 6.0),
            ("muscle", (72.0, 56.0, 32.0), (120.0, 52.0, 32.0), 5.0, 8.0),
            ("muscle", (30.0, -38.0, -20.0), (60.0, -58.0, -34.0), 8.0, 13.0),
            ("muscle", (62.0, 30.0, -45.0), (54.0, -36.0, -46.0), 7.0, 8.0),
            ("ligament", (36.0, 50.0, -40.0), (44.0, 56.0, -36.0), 0.8, 0.8),
        ):
            rod = Rod(tissue, (side * a[0], *a[1:]), (side * b[0], *b[1:]), ra, rb)
            window = canvas.window(*rod.box)
            if window is not None:
                x, y, z = canvas.at(window)
                distance = rod.distance(x, y, z) + 0.8 * canvas.texture.patches[window]
                flesh = _flesh(tissue, canvas.texture.muscle_fat[window], canvas.texture.grain[window])
                canvas.lay(window, coverage(distance, 1.2), flesh)


def _back_muscles(canvas: Canvas) -> None:
    window = canvas.window((-80, 80), (-75, 110), (4, 99))
    if window is None:
        return
    x, y, z = canvas.at(window)
    s = np.abs(x)
    fascia = (-44 + 1.6 * (z - 14) + 0.5 * s + 0.004 * s * s - y) * 0.5
    front = (13 - 6 * ramp(y, 5, 30) + 0.3 * np.maximum(y - 36, 0) - z) * 0.9 + 2.5 * canvas.texture.patches[window]
    flank = s - 66 + 0.35 * np.maximum(y - 40, 0)
    distance = smooth_max(smooth_max(fascia, front, 4), flank, 8)
    canvas.lay(window, coverage(distance, 2.0), _flesh("muscle", canvas.texture.back_fat[window], canvas.texture.grain[window]))


def _foramina(canvas: Canvas, pelvis: Pelvis) -> None:
    """Fat round a nerve and a vein, in a channel through the sacrum."""
    for foramen in FORAMINA:
        inner, *_, bend, outer = foramen.points
        for side in (-1, 1):
            window = canvas.window(*Rod("fat", (side * inner[0], *inner[1:]), (side * outer[0], *outer[1:]), 6, 6).box)
            if window is None:
                continue
            x, y, z = canvas.at(window)
            opening = foramen.distance(x, y, z, side) + 0.4 * canvas.texture.patches[window]
            wall = np.maximum(opening - FORAMEN_WALL_MM, pelvis.sacrum_untrimmed(x, y, z))
            canvas.lay(window, coverage(wall, canvas.width_mm), SIGNALS["cortex"])
            canvas.lay(window, coverage(opening, canvas.width_mm), mixed("fat", "ligament", 0.1))
            canvas.lay(window, coverage(foramen.distance(x, y, z, side, 0.45), canvas.width_mm), SIGNALS["nerve"])
            vein = [(side * (p[0] + 2.5), p[1] - 2.5, p[2]) for p in (bend, outer)]
            distance = capsule(x, y, z, vein[0], vein[1], (0.6, 1.0))
            canvas.lay(window, coverage(distance, canvas.width_mm), SIGNALS["venous blood"], vessel=1.0)
