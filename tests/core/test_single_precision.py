"""A scan in float32 measures as the same scan in float64: numpy 2 takes percentiles of float32 in float32."""

import numpy as np
import pytest

from drawing import OBLIQUE, pair
from lib.core.active_learning import features_of
from lib.core.contrast import bright_fill, tissues
from lib.core.pipeline import measure_vhi
from lib.core.propagation import image_statistics
from lib.core.settings import VhiSettings
from lib.core.thresholds import ThresholdRule, thresholds_from
from lib.core.volume import Grid, Volume


def both(volume: Volume) -> tuple[Volume, Volume]:
    """A volume made from float32 and one from the same values in float64, some thousand times larger than their spacing."""
    values = (volume.data * 7.3).astype(np.float32)
    return Volume(values, volume.grid, volume.name), Volume(values.astype(np.float64), volume.grid, volume.name)


def test_the_error_that_this_is_about_is_there():
    # three quarters of the way between two values of float32 is no value of float32
    values = np.array([1000.0, 1000.00006103515625], dtype=np.float32)
    assert float(np.percentile(values, 75)) != 1000.0000457763671875


@pytest.mark.parametrize("rule", ["paper", "robust"])
@pytest.mark.parametrize("upper", [97.3, 100.0])
def test_thresholds_are_the_same_to_the_bit(rule, upper):
    scan = pair(np.random.default_rng(3))
    (stir, other), settings = both(scan.stir), VhiSettings.from_values({"rule": rule, "upper_percentile": upper})
    found, expected = (measure_vhi(scan.t1w, one, (), scan.normal_bone, settings, scan.disease_region) for one in (stir, other))
    assert found.thresholds == expected.thresholds
    assert found.measurement == expected.measurement


def test_thresholds_of_a_float32_sample_are_those_of_its_values():
    sample = np.random.default_rng(1).gamma(40, 25, 5001).astype(np.float32)
    rule = ThresholdRule(upper_percentile=99.3)
    assert thresholds_from(sample, rule) == thresholds_from(sample.astype(np.float64), rule)
    # by hand: value number 99.3 / 100 * 5000 = 4965, and 3750 for the third quartile
    ordered = np.sort(sample.astype(np.float64))
    assert thresholds_from(sample, rule).conservative == pytest.approx(ordered[4965], abs=1e-7)
    assert thresholds_from(sample, rule).q3 == pytest.approx(ordered[3750], abs=1e-7)


def test_what_is_told_of_contrast_texture_and_other_images_is_the_same():
    scan = pair(np.random.default_rng(5), shape=(60, 60, 6))
    t1w, stir = both(scan.t1w), both(scan.stir)
    assert bright_fill(t1w[0]) == bright_fill(t1w[1])
    assert tissues(t1w[0]) == tissues(t1w[1])
    assert features_of(t1w[0], scan.disease_region) == features_of(t1w[1], scan.disease_region)
    result = measure_vhi(scan.t1w, scan.stir, (), scan.normal_bone, None, scan.disease_region)
    assert image_statistics(stir[0], result) == image_statistics(stir[1], result)


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int16, np.uint8, np.float64])
def test_a_volume_holds_its_values_in_float64(kind):
    values = np.arange(60).reshape(3, 4, 5).astype(kind)
    volume = Volume(values, Grid((3, 4, 5), OBLIQUE))
    assert volume.data.dtype == np.float64
    np.testing.assert_array_equal(volume.data, values.astype(np.float64))
