"""Untargeted re-staging: as imitation, but of frames drawn blindly."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imitation.policies import (
    Mined,
    PolicySettings,
    build_policy,
    looks_at_failures,
    requested_frames,
    sees_frames,
    stages_frames,
)
from imitation.requests import Likeness, check_requests
from tests.imitation.policies.made_up import failure

COUNTS = {"car": 90, "boat": 10}
CATALOG = frozenset({"car"})
FRAMES = {f"f{i:02d}": {0: "car", 2: "Car", 3: "boat"} for i in range(20)} | {
    f"sea{i}": {0: "boat"} for i in range(5)
}  # and object 1 is ignored


def ask(budget=20, seed=0, frames=FRAMES, failures=(), catalog=CATALOG, **settings):
    policy = build_policy(PolicySettings(name="untargeted", **settings))
    mined = Mined(failures, COUNTS, catalog, frames=frames)
    return policy.request(mined, cycle=1, budget=budget, rng=np.random.default_rng(seed))


def test_it_sees_frames_and_no_failures():
    policy = build_policy(PolicySettings(name="untargeted"))
    assert sees_frames(policy)
    assert not looks_at_failures(policy)
    assert stages_frames("untargeted")
    assert not sees_frames(build_policy(PolicySettings(name="imitation")))
    assert ask(failures=[failure("f00"), failure("f03")]) == ask()


@given(st.integers(0, 90), st.integers(1, 4), st.integers(0, 99))
def test_the_whole_budget_goes_to_frames_with_something_that_can_be_staged(budget, variations, seed):
    requests = ask(budget, seed, variations=variations)
    assert check_requests(requests, budget, FRAMES, "untargeted") == budget
    assert len({r.parent for r in requests}) == len(requests)
    assert len(requests) == min(20, -(-budget // variations))
    for request in requests:
        assert request.parent is not None
        assert request.parent.startswith("f"), "nothing stages a boat"
        assert request.focus
        assert set(request.focus) <= {0, 2}, "neither the boat nor what is ignored"
        assert not request.failures
        assert not request.clutter


def test_every_frame_and_every_number_of_objects_is_as_likely_as_any_other():
    parents, counts = Counter(), Counter()
    for seed in range(600):
        for request in ask(4, seed):
            parents[request.parent] += 1
            counts[len(request.focus)] += 1
    assert stats.chisquare([parents[f"f{i:02d}"] for i in range(20)]).pvalue > 1e-3
    assert stats.chisquare([counts[1], counts[2]]).pvalue > 1e-3


def test_elsewhere_is_like_any_object_in_any_photo():
    requests = ask(40, elsewhere=1.0, elsewhere_actors=2)
    assert check_requests(requests, 40, FRAMES, "untargeted") == 40
    assert Counter(r.parent for r in requests).keys() == FRAMES.keys(), "photos without a car have room, too"
    drawn = Counter(like.category for r in requests for like in r.likenesses)
    assert set(drawn) == {"car", "Car"}, "nothing stages a boat"
    assert stats.chisquare(list(drawn.values())).pvalue > 1e-3
    assert {len(r.likenesses) for r in requests} == {2}


def test_elsewhere_things_are_as_far_as_some_object_is():
    """What is known of the objects is as much as `imitation` knows of those that failed."""
    known = {"f03": {0: Likeness("car", distance_m=9.0, across=0.2)}}
    mined = Mined((), COUNTS, CATALOG, frames={"f03": {0: "car"}, "f04": {}}, likenesses=known)
    policy = build_policy(PolicySettings(name="untargeted", elsewhere=1.0))
    requests = policy.request(mined, cycle=1, budget=4, rng=np.random.default_rng(0))
    assert {like for r in requests for like in r.likenesses} == {known["f03"][0]}
    assert {r.parent for r in requests} == {"f03", "f04"}


def test_a_smaller_budget_asks_for_the_first_frames_of_a_larger_one():
    large = [r.parent for r in ask(40, 7)]
    for budget in (2, 6, 20):
        assert [r.parent for r in ask(budget, 7)] == large[: budget // 2]


def test_the_order_of_frames_changes_nothing():
    assert ask(frames=dict(reversed(FRAMES.items()))) == ask()


@pytest.mark.parametrize("frames", [{}, {"sea": {0: "boat"}}, {"empty": {}}])
def test_where_nothing_can_be_staged_it_asks_for_nothing(frames):
    assert ask(frames=frames) == []


def test_a_simulator_that_does_not_say_what_it_can_stage_is_asked_for_anything():
    requests = ask(60, catalog=None)
    assert {r.parent for r in requests} == set(FRAMES)
    assert requested_frames(requests) == 60
