"""A scan unlike those that the networks know is said to be so, in words, and a usual one is not."""

from dataclasses import replace

import numpy as np
import pytest

from drawing import OBLIQUE, mask_of
from lib.core.contrast import Tissues, t1w_warnings
from lib.core.disease_region import DisagreementRank, DiseaseRegion, DiseaseRegionError, segment_disease_region
from lib.core.library import ndimage
from lib.core.plausibility import (
    Reference,
    blur_within_slices,
    coverage,
    dark_surroundings,
    lean_and_turn_deg,
    marrow,
    region_warnings,
)
from lib.core.volume import Grid, Mask, Volume
from lib.errors import ModelError
from unlike import KINDS, PROTON_DENSITY, T2W, cut, cut_mask, inverted, painted_as, parts, resliced, squared

REFERENCE = Reference("ten scans", 10, highest_disagreement=0.04, highest_entropy=0.1, lowest_mm3=2e5, highest_mm3=4e5)
STUDY = ("1007", "1012", "1013", "1016", "1234", "2015", "3002", "4386")
ATYPICAL = ("1001", "2016", "3009")


def grid_along(i: tuple, j: tuple, k: tuple, shape=(20, 20, 30)) -> Grid:
    """Voxel axes along these RAS+ directions, slices 3.3 mm apart."""
    affine = np.eye(4)
    affine[:3, :3] = np.array([i, j, k]).T * (0.6, 0.6, 3.3)
    return Grid(shape, affine)


# the plane ------------------------------------------------------------------------------------------------------------------

AXIAL = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
CORONAL = ((-1, 0, 0), (0, 0, 1), (0, -1, 0))
SAGITTAL = ((0, 1, 0), (0, 0, 1), (1, 0, 0))


@pytest.mark.parametrize(
    ("axes", "lean", "turn"),
    [(CORONAL, 0, 0), (AXIAL, 90, 0), (SAGITTAL, None, 90), (((-1, 0, 0), (0, 0.6, 0.8), (0, -0.8, 0.6)), 36.87, 0)],
)
def test_lean_is_0_for_coronal_and_90_for_axial_slices(axes, lean, turn):
    for sign in (1, -1):  # a stack stored from back to front lies in the same plane
        i, j, k = axes
        angles = lean_and_turn_deg(grid_along(i, j, tuple(sign * np.array(k))))
        flipped = lean_and_turn_deg(grid_along(tuple(-np.array(i)), j, k))
        assert angles == pytest.approx(flipped) or abs(angles[0]) == pytest.approx(90)
        assert angles[1] == pytest.approx(turn, abs=1e-6)
        if lean is not None:
            assert abs(angles[0]) == pytest.approx(lean, abs=0.01)


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        (AXIAL, "are axial by"),
        (SAGITTAL, "are sagittal by"),
        (CORONAL, "are straight coronal by"),
        (((-1, 0, 0), (0, 0.8, -0.6), (0, -0.6, -0.8)), "are oblique axial, across the sacrum by"),
        (((-0.8, 0.6, 0), (0, 0, 1), (0.6, 0.8, 0)), "are turned 37 degrees sideways by"),
    ],
)
def test_another_plane_is_named(axes, words):
    warnings = warnings_of(grid_along(*axes))
    assert any(words in one and "Pass the oblique coronal series" in one for one in warnings), warnings


def test_slices_along_the_sacrum_are_usual():
    assert warnings_of(grid_along((-1, 0, 0), (0, 0.6, 0.8), (0, -0.8, 0.6))) == ()


def warnings_of(grid: Grid, reference=REFERENCE, **of_region) -> tuple[str, ...]:
    """Of a region in the middle of a scan of grey muscle, with the size and agreement of a usual one unless told otherwise."""
    data = np.full(grid.shape, 400.0)
    data[:4, :4] = 900.0
    mask = np.zeros(grid.shape, dtype=bool)
    mask[6:14, 6:14, 5:25] = True
    scale = 3e5 / (mask.sum() * grid.voxel_volume_mm3)
    usual = {"source": "ensemble of 3", "member_disagreement": 0.03, "entropy": 0.08} | of_region
    reference = reference and replace(
        reference, lowest_mm3=reference.lowest_mm3 / scale, highest_mm3=reference.highest_mm3 / scale
    )
    return region_warnings(Volume(data, grid, "T1W"), DiseaseRegion(Mask(mask, grid), **usual), reference)


# the networks ---------------------------------------------------------------------------------------------------------------

USUAL = grid_along((-1, 0, 0), (0, 0.6, 0.8), (0, -0.8, 0.6))


def test_disagreement_and_entropy_half_as_large_again_as_ever_are_unusual():
    assert warnings_of(USUAL, member_disagreement=0.06, entropy=0.15) == ()
    (found,) = warnings_of(USUAL, member_disagreement=0.061)
    assert "The networks disagree (mean Dice between them 0.939, at least 0.960 on 10 reference scans)" in found
    assert "redraw it where it is wrong" in found
    (found,) = warnings_of(USUAL, entropy=0.151)
    assert "unsure inside the region (entropy 0.15 bit, at most 0.10 on 10 reference scans)" in found
    (found,) = warnings_of(USUAL, entropy=0.2, member_disagreement=0.2)
    assert "disagree" in found
    assert "and are unsure" in found


RANKED = replace(REFERENCE, scans=20, disagreements=tuple(n / 1000 for n in range(20, 40)))


def test_disagreement_is_ranked_among_the_reference_scans_and_warned_of_from_the_worst_decile_on():
    assert warnings_of(USUAL, RANKED, member_disagreement=0.0375) == ()  # more than 18 of 20
    (found,) = warnings_of(USUAL, RANKED, member_disagreement=0.0385)
    assert "The networks disagree more than on 19 of 20 reference scans (mean Dice between them 0.962)" in found
    mask = mask_of(np.ones((2, 2, 2)))
    assert RANKED.rank(DiseaseRegion(mask, "ensemble of 3", 0.0305, 0.1)) == DisagreementRank(11, 20)
    assert RANKED.rank(DiseaseRegion(mask, "single network", None, 0.1)) is None
    assert REFERENCE.rank(DiseaseRegion(mask, "ensemble of 3", 0.03, 0.1)) is None


def test_a_region_far_smaller_or_larger_than_ever_is_unusual():
    (small,) = warnings_of(USUAL, replace(REFERENCE, lowest_mm3=4.6e5, highest_mm3=5e5))
    assert "unusually small" in small
    (large,) = warnings_of(USUAL, replace(REFERENCE, lowest_mm3=1e5, highest_mm3=1.9e5))
    assert "unusually large" in large
    assert warnings_of(USUAL, replace(REFERENCE, lowest_mm3=4.4e5, highest_mm3=5e5)) == ()


def test_without_reference_values_nothing_rests_on_agreement_and_that_is_said_once():
    warnings = warnings_of(USUAL, None, member_disagreement=0.5, entropy=0.9)
    assert len(warnings) == 1
    assert "comes without reference values" in warnings[0]


def test_a_single_network_is_judged_by_its_entropy():
    assert warnings_of(USUAL, member_disagreement=None) == ()
    assert len(warnings_of(USUAL, replace(REFERENCE, highest_disagreement=None), entropy=0.3)) == 1


def test_a_reference_holds_the_extremes_of_its_scans_and_survives_json():
    def region(voxels: int, disagreement, entropy):
        drawn = np.arange(64).reshape(4, 4, 4) < voxels
        return DiseaseRegion(mask_of(drawn), "ensemble of 2", disagreement, entropy)

    cubic = abs(np.linalg.det(OBLIQUE[:3, :3]))
    found = Reference.of([region(10, 0.1, 0.3), region(30, 0.2, 0.1), region(20, None, 0.2)], "three")
    assert found == Reference("three", 3, 0.2, 0.3, pytest.approx(10 * cubic), pytest.approx(30 * cubic), (0.1, 0.2))
    assert Reference.from_dict(found.as_dict()) == found
    assert Reference.from_dict(None) is None
    assert Reference.of([region(3, None, 0.2)], "one").highest_disagreement is None


def test_a_reference_of_learnt_scans_is_widened_by_that_of_the_version_before():
    own = Reference("learnt scans", 20, 0.05, 0.06, 2.2e5, 4.5e5, (0.03, 0.05))
    assert own.widened(REFERENCE, "vhi-1") == Reference(
        "learnt scans; extremes also those of vhi-1: ten scans", 20, 0.05, 0.1, 2e5, 4.5e5, (0.03, 0.05)
    )


def test_a_given_region_is_no_reference():
    given = DiseaseRegion(mask_of(np.ones((2, 2, 2))), "given")
    with pytest.raises(ModelError, match="regions that networks drew"):
        Reference.of([given], "none")


@pytest.mark.parametrize(
    "content",
    [{"what": "x"}, REFERENCE.as_dict() | {"highest_entropy": "high"}, REFERENCE.as_dict() | {"lowest_mm3": float("nan")}],
)
def test_damaged_reference_values_are_refused(content):
    with pytest.raises(ModelError, match="reference values of the model are damaged"):
        Reference.from_dict(content)


# coverage -------------------------------------------------------------------------------------------------------------------


def box(*spans: tuple[int, int], shape=(20, 20, 30)) -> Mask:
    """A box on a usual grid: I from the patient's right to the left, J up, K from front to back."""
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*span) for span in spans)] = True
    return Mask(mask, replace(USUAL, shape=shape))


def test_a_region_inside_the_frame_and_the_stack_touches_nothing():
    share = coverage(box((5, 15), (5, 15), (1, 29)))
    assert (share.front, share.back, share.right, share.left, share.top, share.bottom) == (0, 0, 0, 0, 0, 0)
    assert share.balance == 1
    assert share.stack_mm == pytest.approx(99.0)


def test_shares_are_of_the_regions_own_greatest_extent():
    region = box((0, 10), (2, 19), (0, 20))
    region.data[:5, :, 0] = False  # half of the front slice is left
    share = coverage(region)
    assert (share.front, share.back) == (0.5, 0)
    # columns 0 to 4 lie in 19 slices, 5 to 9 in 20
    assert share.right == pytest.approx(19 / 20)
    assert share.left == 0
    # rows: J 17 and 18 of 17, 18, 19 at the top; J 2 of 0, 1, 2 at the bottom
    assert share.top == pytest.approx(2 / 3)
    assert share.bottom == pytest.approx(1 / 3)
    assert share.balance == 0


def with_wing(region: Mask) -> Mask:
    """The same with a row as thick as a tenth of it out to the frame's edge: 1100 voxels on that side, 600 on the other."""
    data = region.data.copy()
    data[:5, 5, 5:25] = True
    return Mask(data, region.grid, region.name)


def test_a_region_that_ends_before_the_frame_does_may_lie_off_its_middle():
    region = box((5, 13), (5, 15), (5, 25))
    t1w = Volume(np.random.default_rng(0).random(region.grid.shape), region.grid, "T1W")
    assert coverage(region).balance == 0.6
    assert region_warnings(t1w, DiseaseRegion(region, "given"), None) == ()


@pytest.mark.parametrize(
    ("region", "words"),
    [
        (box((5, 15), (5, 15), (0, 25)), "cut off at the front of the stack"),
        (box((5, 15), (5, 15), (5, 30)), "cut off at the back of the stack"),
        (box((0, 20), (5, 15), (5, 25)), "cut off at the patient's right edge, the patient's left edge"),
        (box((5, 15), (5, 20), (5, 25)), "cut off at the top edge"),
        (box((5, 15), (0, 15), (5, 25)), "cut off at the bottom edge"),
        (box((5, 15), (5, 15), (2, 10), shape=(20, 20, 12)), "the stack is only 40 mm deep"),
        (with_wing(box((5, 13), (5, 15), (5, 25))), "one side holds 55% of the region of the other"),
    ],
)
def test_bone_that_is_cut_off_is_told_whoever_drew_it(region, words):
    t1w = Volume(np.random.default_rng(0).random(region.grid.shape), region.grid, "T1W")
    (found,) = region_warnings(t1w, DiseaseRegion(region, "given"), None)
    assert words in found
    assert "compare it only with scans of the same coverage" in found


def test_coverage_does_not_depend_on_how_a_file_is_stored():
    region = box((0, 10), (2, 19), (0, 20))
    flip = np.diag([-1.0, -1.0, -1.0, 1.0])
    flip[:3, 3] = np.array(region.grid.shape) - 1
    stored = Mask(region.data[::-1, ::-1, ::-1], Grid(region.grid.shape, region.grid.affine @ flip))
    assert coverage(stored) == coverage(region)


# marrow and its surroundings ------------------------------------------------------------------------------------------------

SHOWN = Tissues(muscle=400.0, fat=900.0, dark=200.0, dark_share=0.1)


def marrow_scan(values: np.ndarray) -> tuple[Volume, Mask]:
    """A block of bone of `values` (60, 60), in muscle, in three slices; its outermost voxels are not marrow."""
    shape = (80, 80, 3)
    data = np.full(shape, 400.0)
    data[10:70, 10:70] = values[:, :, np.newaxis]
    mask = np.zeros(shape, dtype=bool)
    mask[10:70, 10:70] = True
    grid = replace(USUAL, shape=shape)
    return Volume(data, grid, "T1W"), Mask(mask, grid)


def test_even_marrow_darker_than_fat_is_usual():
    found = marrow(*marrow_scan(np.full((60, 60), 600.0)), SHOWN)
    assert found.bright_share == 0
    assert found.unevenness == pytest.approx(0, abs=1e-5)


def test_bright_share_counts_what_is_brighter_than_fat():
    values = np.full((60, 60), 600.0)
    values[:30] = 1000.0
    assert marrow(*marrow_scan(values), SHOWN).bright_share == pytest.approx(0.5, abs=0.03)


def test_patches_are_uneven_and_a_coils_shading_is_not():
    shaded = np.linspace(400.0, 800.0, 60)[:, np.newaxis].repeat(60, axis=1)
    assert marrow(*marrow_scan(shaded), SHOWN).unevenness < 0.15
    patches = np.where((np.arange(60) // 6) % 2, 300.0, 700.0)[:, np.newaxis].repeat(60, axis=1)
    # half of it at 0.6, half at 1.4 of the local mean
    assert marrow(*marrow_scan(patches), SHOWN).unevenness == pytest.approx(0.8, abs=0.15)


def test_dark_pixels_are_counted_around_the_bone_alone():
    t1w, region = marrow_scan(np.full((60, 60), 800.0))
    assert np.isnan(dark_surroundings(t1w, region, SHOWN))
    region.data[30:50, 30:50] = False
    t1w.data[30:50, 30:50] = 400.0
    assert dark_surroundings(t1w, region, SHOWN) == 0
    t1w.data[30:50, 30:50] = 100.0
    assert dark_surroundings(t1w, region, SHOWN) == 1
    # the same beside a coil: what is near is bright and dark alike
    t1w.data[:] *= np.linspace(3, 1, t1w.data.shape[1])[None, :, None]
    assert dark_surroundings(t1w, region, SHOWN) == 1
    t1w.data[:30] = 0.0  # bone may be as dark as it likes, and what no scan showed is not dark
    assert dark_surroundings(t1w, region, SHOWN) == 1


# real scans with manual masks: what needs no network ------------------------------------------------------------------------


def manual(data, case: str) -> tuple[Volume, DiseaseRegion]:
    """A scan and its manual mask as if networks had drawn it, as sure and as agreed as usual."""
    from lib.studies.nifti import read_mask, read_volume

    images, masks = ("images_atypical", "disease_region_atypical") if case in ATYPICAL else ("images_study", "disease_region")
    t1w = read_volume(data / images / "T1W" / f"{case}_T1W.nii.gz", "T1W")
    mask = read_mask(data / "segmentations" / masks / f"{case}_disease_region.nii.gz", "disease region")
    return t1w, DiseaseRegion(Mask(mask.data, t1w.grid), "ensemble of 3", 0.03, 0.08)


def all_warnings(t1w: Volume, region: DiseaseRegion) -> tuple[str, ...]:
    return (*t1w_warnings(t1w), *region_warnings(t1w, region, replace(REFERENCE, lowest_mm3=1, highest_mm3=1e9)))


@pytest.mark.data
@pytest.mark.parametrize("case", STUDY)
def test_a_study_scan_is_usual(vhi_data, case):
    assert all_warnings(*manual(vhi_data, case)) == ()


@pytest.mark.data
@pytest.mark.parametrize(
    ("case", "words"), [("1001", "brighter than fat"), ("2016", "brighter than fat"), ("3009", "it is patchy")]
)
def test_atypical_marrow_is_told(vhi_data, case, words):
    warnings = all_warnings(*manual(vhi_data, case))
    assert any("The marrow is atypical" in one and words in one for one in warnings)


@pytest.mark.data
@pytest.mark.parametrize("case", ["1013", "1016"])
def test_parts_of_a_scan_are_told(vhi_data, case):
    t1w, region = manual(vhi_data, case)
    for name, spans in parts(t1w.grid).items():
        warnings = all_warnings(cut(t1w, *spans), replace(region, mask=cut_mask(region.mask, *spans)))
        assert any("only part of the bone" in one for one in warnings), name


@pytest.mark.data
def test_other_planes_of_a_scan_are_told(vhi_data):
    t1w, region = manual(vhi_data, "1013")
    bone = Volume(region.mask.data.astype(float), t1w.grid)
    for plane in ("axial", "sagittal", "coronal"):
        cut_bone = resliced(bone, plane)
        warnings = all_warnings(resliced(t1w, plane), replace(region, mask=Mask(cut_bone.data > 0.5, cut_bone.grid)))
        assert f"{plane} by the file's geometry" in " ".join(warnings)


@pytest.mark.data
@pytest.mark.parametrize("case", STUDY)
def test_another_contrast_given_as_t1w_is_told(vhi_data, case):
    from lib.studies.nifti import read_volume

    t1w, region = manual(vhi_data, case)
    stir = read_volume(vhi_data / "images_study" / "STIR" / f"{case}_STIR.nii.gz", "T1W")
    assert any("does not look T1-weighted" in one for one in t1w_warnings(stir))
    assert any("inverted grey scale" in one for one in t1w_warnings(inverted(t1w)))
    assert any("does not look T1-weighted" in one for one in all_warnings(squared(t1w), region))


# phantoms -------------------------------------------------------------------------------------------------------------------


def phantom(seed: int = 0):
    from lib.phantom.study import make_phantom

    study = make_phantom(seed, (112, 112, 25))
    return study, DiseaseRegion(study.disease_region, "ensemble of 3", 0.03, 0.08)


@pytest.mark.slow
def test_phantoms_are_usual_and_their_variants_are_told():
    study, region = phantom()
    assert all_warnings(study.t1w, region) == ()
    assert any("fat-suppressed" in one for one in all_warnings(study.stir, region))
    spans = parts(study.grid)["front half of the slices"]
    warnings = all_warnings(cut(study.t1w, *spans), replace(region, mask=cut_mask(region.mask, *spans)))
    assert any("only part of the bone" in one for one in warnings)
    for series in (T2W, PROTON_DENSITY):
        with painted_as(series):
            other, region = phantom()
        assert any("does not look T1-weighted" in one for one in all_warnings(other.t1w, region)), series


# the live ensemble ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ensemble():
    from lib.cli.ensemble import MODEL_DIR, load_ensemble

    members, manifest = load_ensemble(MODEL_DIR)
    return members, Reference.from_dict(manifest.reference)


@pytest.mark.data
@pytest.mark.slow
def test_the_live_ensemble_is_warned_of_what_it_does_not_know(vhi_data, ensemble):
    from lib.studies.nifti import read_volume

    members, reference = ensemble
    right = [
        read_volume(path, "T1W")
        for folder in ("images_study", "images_unlabelled")
        for path in sorted((vhi_data / folder / "T1W").glob("*.nii.gz"))
    ]
    assert len(right) == 20
    regions = [segment_disease_region(t1w, members) for t1w in right]
    reference = reference or Reference.of(regions, "its own answers")
    found = [(*t1w_warnings(t1w), *region_warnings(t1w, region, reference)) for t1w, region in zip(right, regions, strict=True)]
    warned = [warnings for warnings in found if warnings]
    # the worst decile of the reference scans, which these are, is warned of by what the worst decile is
    assert len(warned) <= 2
    assert all("The networks disagree more than on" in warning for warnings in warned for warning in warnings)
    for case in ATYPICAL:
        t1w = read_volume(vhi_data / "images_atypical" / "T1W" / f"{case}_T1W.nii.gz", "T1W")
        assert region_warnings(t1w, segment_disease_region(t1w, members), reference) != ()
    for name, change in KINDS.items():
        other = change(right[2])
        try:
            region = segment_disease_region(other, members)
        except DiseaseRegionError:
            continue
        assert (*t1w_warnings(other), *region_warnings(other, region, reference)) != (), name


@pytest.mark.parametrize("shape", [(112, 90, 5), (20, 31, 2)])
@pytest.mark.parametrize("sigmas", [(14.0, 13.2), (2.5, 4.0)])
def test_a_wide_blur_by_matrices_is_scipys_filter(shape, sigmas):
    image = np.random.default_rng(0).gamma(2, 300, shape).astype(np.float32)
    image[image < 100] = 0
    plain = ndimage.gaussian_filter(image, (*sigmas, 0), truncate=2)
    quick = blur_within_slices(shape, sigmas)(image)
    assert quick.dtype == np.float32
    # sums are added up in another order, in double precision; nearly always they are rounded alike
    assert np.count_nonzero(quick != plain) <= 1e-4 * image.size
    np.testing.assert_allclose(quick, plain, rtol=3e-7, atol=1e-6)
