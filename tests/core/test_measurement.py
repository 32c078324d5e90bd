"""Voxels, cubic millimetres and sides."""

import numpy as np
import pytest

from drawing import slice_of
from lib.core.measurement import measure
from lib.core.volume import Grid

GRADE = slice_of("1..2.",
                 "2..1.",
                 "1....")  # fmt: skip


def test_sensitive_counts_both_grades_and_conservative_the_second():
    measurement = measure(GRADE, 7, Grid(GRADE.shape, np.diag([0.5, 0.5, 3.3, 1.0])), midline=0.0)
    assert (measurement.total.sensitive, measurement.total.conservative, measurement.raw_sensitive) == (5, 2, 7)
    assert measurement.total.sensitive_mm3 == pytest.approx(5 * 0.825)
    assert measurement.total.conservative_mm3 == pytest.approx(2 * 0.825)


def test_left_is_the_patients_left():
    # J runs to the patient's right (RAS+ x): columns 0 lie left of x = 1.5, column 3 right of it
    affine = np.array([[0, 1.0, 0, 0], [1.0, 0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1.0]])
    measurement = measure(GRADE, 5, Grid(GRADE.shape, affine), midline=1.5)
    assert (measurement.left.sensitive, measurement.left.conservative) == (3, 1)
    assert (measurement.right.sensitive, measurement.right.conservative) == (2, 1)


def test_no_inflammation_is_zero():
    measurement = measure(np.zeros_like(GRADE), 0, Grid(GRADE.shape, np.eye(4)), midline=0.0)
    assert (measurement.total.sensitive, measurement.total.sensitive_mm3, measurement.left.sensitive) == (0, 0.0, 0)
