"""From which probability lesions are kept."""

from dataclasses import replace

import numpy as np
import pytest
from safetensors.numpy import load, save

from lib.cleaning.features import FEATURES
from lib.cleaning.forest import Forest
from lib.cleaning.learning import fit
from lib.cleaning.model import CleaningModel
from lib.cleaning.rule import keeps, limits_of, probability_of, weight_of
from lib.errors import ModelError


def test_the_limit_is_that_of_a_hundredth_of_the_expected_inflammation():
    # expected: 0.5 x 990 + 0.5 x 10 = 500 voxels, of which five are a hundredth
    probability, voxels = np.array([0.5, 0.5, 0.0]), np.array([990, 10, 5])
    assert limits_of(probability, voxels, 0.3)[2] == pytest.approx(0.3)


def test_eight_times_the_weight_halves_the_odds():
    limits = limits_of(np.full(3, 0.5), np.array([8, 64, 512]), 0.3)
    odds = limits / (1 - limits)
    np.testing.assert_allclose(odds[:-1] / odds[1:], 2.0)


def test_the_same_lesion_is_kept_where_there_is_little_else():
    small = {"probability": 0.3, "voxels": 20}
    for others, kept in (((0.9, 100), True), ((0.9, 50_000), False)):
        found = keeps(np.array([small["probability"], others[0]]), np.array([small["voxels"], others[1]]), 0.3)
        assert found.tolist() == [kept, True]


def test_a_lesion_weighs_its_volume_as_far_as_it_stands_out():
    features = np.zeros((4, len(FEATURES)))
    features[:, list(FEATURES).index("contrast")] = [2.0, 1.5, 3.0, 0.9]
    np.testing.assert_allclose(weight_of(features, np.array([100, 100, 100, 100])), [100.0, 25.0, 400.0, 0.04])


def test_what_the_method_leaves_out_is_never_kept_and_weighs_on_nothing_else():
    tree = Forest(*(np.array(part) for part in ([0], [-1], [0.0], [0], [0], [0.5])))
    voxels, features = np.array([50_000, 20]), np.zeros((2, 1))
    assert probability_of(tree, features, None).tolist() == [0.5, 0.5]
    probability = probability_of(tree, features, np.array([True, False]))
    assert probability.tolist() == [0.0, 0.5]
    # of 10 expected voxels all are the second lesion's
    odds = 0.3 / 0.7 * (0.01 * 10 / 20) ** (1 / 3)
    np.testing.assert_allclose(limits_of(probability, voxels, 0.3)[1], odds / (1 + odds))
    assert keeps(probability, voxels, 0.3).tolist() == [False, True]


def test_where_nothing_is_likely_nothing_is_kept():
    assert not keeps(np.zeros(3), np.array([4, 40, 4000]), 0.3).any()
    assert keeps(np.zeros(0), np.zeros(0, dtype=int), 0.3).shape == (0,)


@pytest.fixture
def of_another_rule(table):
    """A version as programs before cleaning-3 wrote it, with the lesions that it is asked about: no rule, and none left out."""
    lesions = table("a")
    features = lesions.features.copy()
    features[:, list(FEATURES).index("contrast")] = np.linspace(1.0, 3.0, len(features))
    content = load(fit([lesions], "old").as_bytes())
    del content["rule"]
    return CleaningModel.of(save(content), "old"), features, lesions.voxels


def test_a_version_without_the_number_of_a_rule_decides_as_it_did(of_another_rule):
    model, features, voxels = of_another_rule
    probability, limits = model.decided(features, voxels, np.ones(len(voxels), dtype=bool))
    np.testing.assert_array_equal(probability, model.forest.probability(features))
    expected = max(float(probability @ voxels), 1.0)
    odds = model.limit / (1 - model.limit) * (0.01 * expected / voxels) ** (1 / 3)
    np.testing.assert_allclose(limits, odds / (1 + odds))
    again = CleaningModel.of(model.as_bytes(), "old")
    np.testing.assert_array_equal(again.decided(features, voxels, None)[1], limits)


def test_a_version_that_learnt_what_the_method_leaves_out_decides_by_the_rule_of_now(of_another_rule, table):
    _, features, voxels = of_another_rule
    learnt = replace(table("a"), left_out=np.zeros(len(voxels), dtype=bool))
    content = load(fit([learnt], "two").as_bytes())
    del content["rule"]
    model = CleaningModel.of(save(content), "two")
    never = voxels > 35
    probability, limits = model.decided(features, voxels, never)
    assert not probability[never].any()
    np.testing.assert_array_equal(limits, limits_of(probability, weight_of(features, voxels), model.limit))


def test_a_rule_of_a_later_program_is_refused(table):
    content = load(fit([table("a")], "new").as_bytes())
    with pytest.raises(ModelError, match="decides by rule 3, which this version of the program does not know"):
        CleaningModel.of(save({**content, "rule": np.array([3])}), "new")
