"""Regions carried to another sequence; every answer follows from a ramp that is linear in patient millimetres."""

from dataclasses import replace

import numpy as np
import pytest

from lib.core.pipeline import VhiResult, measure_vhi
from lib.core.propagation import image_statistics
from lib.core.volume import Grid, Mask, Volume
from lib.errors import InputError

STIR_GRID = Grid((12, 10, 5), np.array([[-1.0, 0, 0, 20], [0, 0.2, 3.0, -5], [0, -1.0, 0.6, 30], [0, 0, 0, 1]]))


def ramp(grid: Grid, slope: tuple[float, float, float] = (1.0, 10.0, 100.0), name: str = "ADC") -> Volume:
    """Intensity = slope . position in mm, so that linear interpolation is exact."""
    at = np.moveaxis(np.indices(grid.shape), 0, -1)
    return Volume(grid.world_mm(at) @ np.array(slope), grid, name)


def covering(affine_3x3: np.ndarray, shape: tuple[int, int, int]) -> Grid:
    """A grid of other voxels whose middle is the middle of the STIR grid."""
    affine = np.eye(4)
    affine[:3, :3] = affine_3x3
    middle = STIR_GRID.world_mm((np.array(STIR_GRID.shape) - 1) / 2)
    affine[:3, 3] = middle - affine_3x3 @ ((np.array(shape) - 1) / 2)
    return Grid(shape, affine)


@pytest.fixture(scope="module")
def result() -> VhiResult:
    """Two lesions, of 3 x 3 x 2 and of 2 x 2 x 1 voxels, in a dim bone."""
    stir = np.full(STIR_GRID.shape, 90.0)
    stir[5:8] = 100.0 + np.arange(stir[5:8].size).reshape(stir[5:8].shape) % 20
    stir[1:4, 1:4, 1:3] = 900.0
    stir[9:11, 6:8, 3] = 130.0
    region = np.zeros(STIR_GRID.shape, dtype=bool)
    region[1:11, 1:9, 1:4] = True
    bone = np.zeros_like(region)
    bone[5:8, :, 1:4] = True
    t1w = 500.0 + np.arange(stir.size).reshape(stir.shape) % 7
    result = measure_vhi(
        Volume(t1w, STIR_GRID, "T1W"),
        Volume(stir, STIR_GRID, "STIR"),
        normal_bone=Mask(bone, STIR_GRID),
        disease_region=Mask(region, STIR_GRID),
    )
    assert [lesion.voxels for lesion in result.lesions] == [18, 4]
    return result


@pytest.mark.parametrize(
    ("voxel", "shape"),
    [
        (np.diag([2.0, 2.0, 2.0]), (20, 30, 20)),
        (np.array([[0, 0, 1.5], [-0.7, 0, 0], [0, 4.0, 0]]), (60, 10, 20)),  # other axis order and sense
    ],
)
def test_a_ramp_gives_each_lesion_the_value_at_its_centroid(result: VhiResult, voxel: np.ndarray, shape: tuple[int, int, int]):
    slope = np.array([1.0, 10.0, 100.0])
    found = image_statistics(ramp(covering(voxel, shape)), result)
    assert [lesion.region for lesion in found.lesions] == ["lesion 1", "lesion 2"]
    for statistics, lesion in zip(found.lesions, result.lesions, strict=True):
        assert statistics.inside_share == 1.0
        assert statistics.voxels == lesion.voxels
        assert statistics.mean == pytest.approx(np.array(lesion.centroid_mm) @ slope, rel=1e-9)


def test_percentiles_of_a_region_are_those_of_the_ramp_over_its_voxels(result: VhiResult):
    # along J the ramp rises by 1 per voxel, 8 voxels j = 1..8 in every column of the region
    along_j = np.linalg.solve(STIR_GRID.affine[:3, :3].T, [0.0, 1.0, 0.0])
    bone_free = image_statistics(ramp(STIR_GRID, tuple(along_j)), result).regions[1]
    offset = float(STIR_GRID.affine[:3, 3] @ along_j)
    assert bone_free.region == "disease region"
    assert bone_free.voxels == 10 * 8 * 3
    assert bone_free.median == pytest.approx(4.5 + offset)
    assert bone_free.p5 == pytest.approx(1 + offset)
    # 240 values, 30 of each: position 0.25 * 239 = 59.75 lies between the last 2 (59) and the first 3 (60)
    assert bone_free.p25 == pytest.approx(2.75 + offset)
    assert bone_free.p95 == pytest.approx(8 + offset)


def test_regions_carry_the_segments_names_and_their_voxels(result: VhiResult):
    statistics = image_statistics(ramp(STIR_GRID), result)
    assert {one.region: one.voxels for one in statistics.regions} == {
        "normal bone": 3 * 10 * 3,
        "disease region": 240,
        "inflammation": 22,
        "inflammation (conservative)": result.measurement.total.conservative,
    }


def test_a_part_outside_the_field_of_view_is_left_out_and_said(result: VhiResult):
    # the STIR grid cut to I = 0..5: of the region's i = 1..10, five of ten columns are left
    statistics = image_statistics(ramp(Grid((6, 10, 5), STIR_GRID.affine)), result)
    assert statistics.regions[1].inside_share == pytest.approx(0.5)
    assert statistics.lesions[0].inside_share == 1.0
    assert statistics.lesions[1].inside_share == 0.0
    assert statistics.lesions[1].mean is None
    assert statistics.lesions[1].p95 is None


def test_a_region_without_voxels_has_no_values(result: VhiResult):
    nothing = replace(result, grade=np.zeros_like(result.grade), lesion_labels=np.zeros_like(result.lesion_labels), lesions=())
    statistics = image_statistics(ramp(STIR_GRID), nothing)
    assert statistics.regions[2].voxels == 0
    assert statistics.regions[2].inside_share is None
    assert statistics.regions[2].mean is None
    assert statistics.lesions == ()


def test_an_image_of_another_place_is_refused(result: VhiResult):
    affine = STIR_GRID.affine.copy()
    affine[0, 3] += 500
    with pytest.raises(InputError, match="ADC covers no voxel of the disease region on STIR"):
        image_statistics(ramp(Grid(STIR_GRID.shape, affine)), result)
