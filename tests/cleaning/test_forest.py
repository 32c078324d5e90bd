"""A forest as arrays: a tree drawn by hand, and scikit-learn's own answers."""

import numpy as np
import pytest

from lib.cleaning.fitting import _as_arrays
from lib.cleaning.forest import Forest
from lib.errors import ModelError

# one tree: feature 1 at most 2 goes left to a leaf of 0.1; else feature 0 at most 5 gives 0.4, more gives 0.9
BY_HAND = Forest(
    roots=np.array([0]),
    feature=np.array([1, -1, 0, -1, -1]),
    limit=np.array([2.0, 0.0, 5.0, 0.0, 0.0]),
    left=np.array([1, 1, 3, 3, 4]),
    right=np.array([2, 1, 4, 3, 4]),
    value=np.array([0.5, 0.1, 0.6, 0.4, 0.9]),
)
LESIONS = np.array([[9.0, 2.0], [5.0, 3.0], [6.0, 3.0]])


def test_every_lesion_ends_in_its_leaf_and_a_value_at_the_limit_goes_left():
    np.testing.assert_allclose(BY_HAND.probability(LESIONS), [0.1, 0.4, 0.9])


def test_contributions_tell_what_each_feature_moved():
    np.testing.assert_allclose(BY_HAND.contributions(LESIONS), [[0.0, -0.4], [-0.2, 0.1], [0.3, 0.1]], atol=1e-12)


def test_a_forest_of_scikit_learn_answers_the_same_as_arrays():
    from sklearn.ensemble import RandomForestClassifier

    rng = np.random.default_rng(3)
    features, kept = rng.normal(size=(200, 5)), rng.integers(0, 2, 200)
    grown = RandomForestClassifier(7, min_samples_leaf=3, random_state=0).fit(features, kept)
    ours = _as_arrays([one.tree_ for one in grown.estimators_])
    asked = rng.normal(size=(60, 5))
    np.testing.assert_allclose(ours.probability(asked), grown.predict_proba(asked)[:, 1], atol=1e-6)
    start = ours.value[ours.roots].mean()
    np.testing.assert_allclose(start + ours.contributions(asked).sum(axis=1), ours.probability(asked), atol=1e-6)


def test_trees_that_do_not_fit_together_are_refused():
    tensors = BY_HAND.tensors()
    with pytest.raises(ModelError, match="do not fit together"):
        Forest.of({**tensors, "forest.left": np.array([1, 1, 3, 3, 99])})
    with pytest.raises(ModelError, match=r"lacks 'forest\.value'"):
        Forest.of({name: one for name, one in tensors.items() if name != "forest.value"})
