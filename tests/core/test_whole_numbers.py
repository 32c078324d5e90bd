"""Whole numbers that come back as fractions."""

import numpy as np
import pytest

from lib.core.whole_numbers import whole_numbers


@pytest.mark.parametrize(
    "value", [0.9999999, np.float32(255) * np.float32(1 / 255), 32767 * float(np.float32(1 / 32767)), 0.9995]
)
def test_a_one_that_was_rounded_is_a_one(value):
    np.testing.assert_array_equal(whole_numbers(np.array([0.0, value])), [0, 1])


@pytest.mark.parametrize("value", [0.5, 0.99, 1.01, np.nan, np.inf])
def test_what_lies_between_two_is_none(value):
    assert whole_numbers(np.array([0.0, value])) is None


def test_nothing_is_nothing():
    assert whole_numbers(np.zeros((0, 2))).shape == (0, 2)
