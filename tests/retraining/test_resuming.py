"""A waiting session may be given more steps, counted in all, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lib.errors import InputError, RequestError
from lib.nets.fit import Slices, fit, read_curve
from lib.nets.recipes import Recipe
from lib.records import write_json
from lib.retraining.config import TrainConfig, TrainOptions
from lib.retraining.plan import SessionPlan
from lib.retraining.prepare import FILE, Session
from lib.retraining.resuming import resume_with
from lib.versions.site import own_models

PLAN = SessionPlan(learn=("a",), replay=(), holdout=(), held=(), later=(), steps=(40, 40))

pytestmark = pytest.mark.slow  # networks are trained once for all such tests


def waiting(site, models=None, **options) -> Session:
    models = str(models or own_models(site.data))
    session = Session(
        "s1", "site-s1", "2026-01-01T00:00:00+00:00", "v1", models, "0", TrainConfig(), TrainOptions(**options), (), ()
    )
    site.folder.session.mkdir(parents=True)
    write_json(site.folder.session / FILE, session.as_dict())
    return session


def test_steps_are_those_in_all_of_a_session_that_goes_on(empty_site):
    waiting(empty_site, steps=40)
    PLAN.write(empty_site.folder.session)
    (empty_site.folder.session / "measured.json").write_text("{}")
    assert resume_with(empty_site.data, TrainOptions(steps=60)).options.steps == 60
    assert Session.read(empty_site.folder.session).options.steps == 60
    assert SessionPlan.read(empty_site.folder.session).steps == (60, 60)
    # of networks that learn on, nothing was measured
    assert not (empty_site.folder.session / "measured.json").exists()


def test_a_session_that_waits_goes_on_where_the_sites_versions_lie_now(empty_site):
    waiting(empty_site, empty_site.data / "models" / "mine")  # begun where an earlier build kept them
    assert Session.read(empty_site.folder.session).model_dir == str(own_models(empty_site.data))


def test_what_a_table_sends_by_default_changes_nothing(empty_site):
    before = waiting(empty_site, steps=40, seed=3, keep="pull")
    assert resume_with(empty_site.data, TrainOptions()) == before
    assert resume_with(empty_site.data, TrainOptions(steps=40, seed=3)) == before


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"seed": 4}, "goes on with seed 3, as it began; 4 was asked for. Leave seed out, or begin another session: go_on false"),
        ({"learning_rate": 0.001}, "goes on with learning_rate as usual, as it began; 0.001 was asked for"),
        ({"scratch": True}, "goes on with scratch false, as it began; true was asked for"),
    ],
)
def test_another_option_is_refused_and_not_passed_over(empty_site, asked, said):
    waiting(empty_site, steps=40, seed=3)
    with pytest.raises(RequestError, match=said):
        resume_with(empty_site.data, TrainOptions(**asked))


def test_without_a_session_there_is_nothing_to_go_on_with(empty_site):
    with pytest.raises(InputError, match="holds no session of training"):
        resume_with(empty_site.data, TrainOptions())


def test_a_network_learns_on_to_the_new_end_and_fewer_steps_than_it_made_are_refused(empty_site, phantoms):
    waiting(empty_site, steps=40)
    PLAN.write(empty_site.folder.session)
    recipe = Recipe("tiny", steps=4, batch=2, widths=(4, 8), shuffle=4)
    place = empty_site.folder.session / "member0"
    slices = Slices.of([(phantoms[0].t1w, phantoms[0].disease_region)], recipe.multiple)
    fit(recipe, 0, slices, place, every=2)
    assert read_curve(place)[-1].step == 4
    fit(replace(recipe, steps=6), 0, slices, place, every=2, any_length=True)
    assert [point.step for point in read_curve(place)] == [2, 4, 6]
    with pytest.raises(RequestError, match="5 steps in all were asked for, and a network of the session that waits has made 6"):
        resume_with(empty_site.data, TrainOptions(steps=5))
