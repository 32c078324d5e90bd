"""Joint lines and levels of the spine, on slices drawn by hand."""

import numpy as np
import pytest

from lib.core.context import context_of
from lib.core.joint import joint_columns
from lib.core.volume import Grid, Mask, Volume
from lib.errors import InputError

# 5 slices of 100 rows and 160 columns of 1 mm: I to the patient's left, J upwards, K to the back
AFFINE = np.array([[-1.0, 0, 0, 80], [0, 0, -3.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1]])
GRID = Grid((160, 100, 5), AFFINE)


def hung_pelvis():
    """Bone in rows 30 to 79, with a dark joint 2 pixels wide, 40 mm from the midline on both sides; two vertebrae above."""
    region = np.zeros((5, 100, 160), dtype=bool)
    region[:, 30:80, 10:150] = True
    for top, bottom in ((18, 26), (4, 12)):
        region[:, top:bottom, 60:100] = True
    t1w = np.where(region, 1.0, 0.4)
    t1w[:, 30:80, [39, 40, 119, 120]] = 0.2
    return region, t1w


def volumes():
    region, t1w = hung_pelvis()
    back = lambda one: np.ascontiguousarray(one[:, ::-1].transpose(2, 1, 0))  # noqa: E731 - rows from the top, columns as they are
    return Volume(900.0 * back(t1w), GRID, "T1W"), Mask(back(region), GRID, "disease region")


def test_the_joint_is_found_on_both_sides_and_only_where_there_is_one():
    region, t1w = hung_pelvis()
    columns, present = joint_columns(t1w, region, 79.5, (1.0, 1.0))
    inside = present[:, 2]
    assert inside[:, 35:75].all()
    assert not inside[:, :25].any()
    assert not inside[:, 85:].any()
    for side, at in ((0, 39.5), (1, 119.5)):
        np.testing.assert_allclose(columns[side, 2, 35:75], at, atol=1.5)


def test_slices_in_which_the_line_runs_elsewhere_have_no_joint():
    region, t1w = (np.repeat(one[:1], 12, axis=0) for one in hung_pelvis())
    t1w[:4, 30:80, 39:41] = 1.0
    t1w[:4, 30:80, 19:21] = 0.2
    columns, present = joint_columns(t1w, region, 79.5, (1.0, 1.0))
    np.testing.assert_allclose(columns[0, 1, 35:75], 19.5, atol=1.5)
    np.testing.assert_array_equal(present[0].any(axis=1), [False] * 4 + [True] * 8)
    assert present[1].any(axis=1).all()


def test_levels_count_the_discs_above_the_sacrum():
    context = context_of(*volumes())
    assert [int(context.level[2, row]) for row in (50, 22, 8)] == [0, 1, 2]
    assert context.marrow == pytest.approx(900.0)
    assert context.front_first
    top, bottom = context.joint_rows
    assert top == pytest.approx(30, abs=5)
    assert bottom == pytest.approx(79, abs=5)


def test_an_empty_region_is_refused():
    t1w, region = volumes()
    with pytest.raises(InputError, match="The disease region is empty"):
        context_of(t1w, Mask(np.zeros_like(region.data), GRID))
