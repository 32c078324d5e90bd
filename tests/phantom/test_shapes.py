"""Signed distances of solids whose distances are known."""

import numpy as np
import pytest

from lib.phantom.shapes import Curve, capsule, coverage, ellipsoid, ribbon, smooth_max


def at(*points):
    return tuple(np.array(points, dtype=np.float64).T)


def test_a_sphere_as_an_ellipsoid():
    # 8 mm from the centre of a 5 mm sphere, on it, and 2 mm inside
    distance = ellipsoid(*at((8, 0, 0), (0, 5, 0), (0, 0, 3)), (0, 0, 0), (5, 5, 5))
    np.testing.assert_allclose(distance, [3, 0, -2], atol=1e-6)


def test_the_volume_of_a_sphere_counted_on_a_lattice():
    axis = np.arange(-7, 7, 0.25)
    inside = ellipsoid(*np.meshgrid(axis, axis, axis, indexing="ij"), (0, 0, 0), (6, 6, 6)) <= 0
    # a lattice of 0.25 mm misplaces part of a shell of that thickness; the errors of the two sides nearly cancel
    assert inside.sum() * 0.25**3 == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.005)


def test_a_rod_that_tapers_from_two_to_one_millimetre():
    # beside its middle the radius is 1.5; beyond its thin end 3 - 1
    distance = capsule(*at((5, 4, 0), (13, 0, 0)), (0, 0, 0), (10, 0, 0), (2, 1))
    np.testing.assert_allclose(distance, [2.5, 2], atol=1e-9)


def test_a_bent_ribbon_is_measured_to_its_nearer_leg():
    x, y = np.array([5.0, 13.0]), np.array([3.0, 5.0])
    np.testing.assert_allclose(ribbon(x, y, [(0, 0), (10, 0), (10, 10)], [1, 1, 1]), [2, 2], atol=1e-9)


def test_a_surface_covers_half_of_the_pixel_it_passes_through():
    np.testing.assert_allclose(coverage(np.array([-1.0, -0.25, 0, 0.25, 1]), 1.0), [1, 0.75, 0.5, 0.25, 0])


def test_a_rounded_intersection_is_never_larger_than_the_sharp_one():
    a, b = np.linspace(-5, 5, 101), np.linspace(5, -5, 101) * 0.7
    assert (smooth_max(a, b, 3.0) >= np.maximum(a, b)).all()
    assert smooth_max(np.array([9.0]), np.array([1.0]), 3.0)[0] == 9


def test_a_curve_passes_through_its_points_and_is_constant_beyond():
    curve = Curve((-10, 0, 20), (4, 8, 0))
    np.testing.assert_allclose(curve(np.array([-50, -10, -5, 0, 10, 20, 90])), [4, 4, 6, 8, 4, 0, 0], atol=0.05)
