from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from imitation.common.settings import UserError
from imitation.data.records import Box
from imitation.diagnosis.feasibility import out_of_reach
from imitation.evaluation.failures import KINDS
from imitation.policies import (
    Mined,
    PolicySettings,
    StrengthSettings,
    build_policy,
    looks_at_failures,
    requested_frames,
    stratum_of,
    what_it_adds,
)
from imitation.policies.oversample import repeats_of
from tests.imitation.policies.made_up import failure

failures = st.lists(
    st.builds(
        failure,
        frame=st.sampled_from([f"f{i}" for i in range(12)]),
        kind=st.sampled_from(KINDS),
        category=st.sampled_from(["car", "truck", "boat"]),
        index=st.integers(0, 5),
        truncation=st.none() | st.floats(0, 1),
        occlusion=st.none() | st.floats(0, 1),
    ),
    max_size=30,
    unique_by=lambda f: f.failure_id,
)
COUNTS = {"car": 90, "truck": 9, "boat": 1}
CATALOG = frozenset({"car", "truck"})


def ask(found, name="imitation", budget=20, seed=0, **settings):
    mined = Mined(found, COUNTS, CATALOG)
    policy = build_policy(PolicySettings(name=name, **settings))
    return policy.request(mined, cycle=1, budget=budget, rng=np.random.default_rng(seed))


@given(failures, st.integers(0, 40), st.integers(1, 4), st.integers(0, 99))
def test_the_budget_holds_and_requests_name_what_asked_for_them(found, budget, variations, seed):
    requests = ask(found, budget=budget, variations=variations, seed=seed)
    assert requested_frames(requests) <= budget
    assert len({r.request_id for r in requests}) == len(requests)
    by_id = {f.failure_id: f for f in found}
    for request in requests:
        assert request.failures
        assert {by_id[i].frame_id for i in request.failures} == {request.parent}
        objects = {by_id[i].object_index for i in request.failures} - {None}
        assert set(request.focus) == objects
        assert all(by_id[i].category != "boat" for i in request.failures), "nothing stages a boat"


@given(failures, st.integers(1, 40), st.integers(0, 99))
def test_all_of_the_budget_is_used_when_anything_is_within_reach(found, budget, seed):
    reachable = [f for f in found if f.category != "boat"]
    assert requested_frames(ask(found, budget=budget, seed=seed)) == (budget if reachable else 0)


@given(failures, st.integers(0, 99), st.randoms(use_true_random=False))
def test_the_same_failures_in_any_order_and_seed_give_the_same_requests(found, seed, shuffler):
    shuffled = list(found)
    shuffler.shuffle(shuffled)
    one, other = ask(found, seed=seed), ask(shuffled, seed=seed)
    assert [(r.parent, r.seed, r.variations, r.focus) for r in one] == [
        (r.parent, r.seed, r.variations, r.focus) for r in other
    ]


def test_rare_categories_and_modes_get_more_than_their_share():
    found = [failure(f"car{i}", index=i) for i in range(90)]
    found += [failure(f"truck{i}", category="truck", index=i) for i in range(10)]
    asked: Counter[str] = Counter()
    for seed in range(30):
        asked.update(r.parent.rstrip("0123456789") for r in ask(found, budget=10, variations=1, seed=seed))
    assert asked["truck"] / asked.total() > 0.25, "10 % of the failures, but a rare category"


def test_a_kind_of_weight_zero_is_left_alone():
    found = [failure("a", "duplicate"), failure("b", "missed")]
    requests = ask(found, kind_weights={"duplicate": 0.0})
    assert {r.parent for r in requests} == {"b"}


def test_background_becomes_clutter_where_the_false_detection_fell():
    (request,) = ask([failure("a", "background")], budget=2)
    assert request.clutter == (Box(5, 5, 20, 30),)
    assert request.focus == ()


def test_modes_read_like_sentences():
    assert stratum_of(failure(truncation=0.6)) == ("car", "missed", "truncated")
    assert stratum_of(failure(occlusion=0.6)) == ("car", "missed", "occluded")
    assert stratum_of(failure(conditions={"time_of_day": "night"})) == ("car", "missed", "night")
    assert stratum_of(failure(height_px=12.0)) == ("car", "missed", "small")
    assert stratum_of(failure("a", "background")) == ("car", "background", "plain")


def test_random_is_blind_to_failures():
    one = ask([], "random", budget=7, seed=3)
    other = ask([failure("a"), failure("b")], "random", budget=7, seed=3)
    assert one == other
    assert requested_frames(one) == 7
    assert all(r.parent is None and not r.failures for r in one)


def test_unknown_policies_are_refused_by_name():
    with pytest.raises(ValidationError, match="no policy 'imitaton'; did you mean 'imitation'"):
        PolicySettings(name="imitaton")
    with pytest.raises(
        ValidationError, match="known are imitation, adaptive, untargeted, random, oversample, none"
    ):
        PolicySettings(name="qqq")
    with pytest.raises(UserError, match="cannot be imported"):
        build_policy(PolicySettings(name="no.such:Thing"))
    with pytest.raises(UserError, match=r"os:getcwd.*is called with \(settings\)"):
        build_policy(PolicySettings(name="os:getcwd"))


def test_a_users_own_policy_is_taken_by_import_path():
    policy = build_policy(PolicySettings(name="imitation.policies:RandomPolicy"))
    assert policy.name == "random"


class Named:
    """A user's policy with no more than it needs, and what may be wrong with one."""

    def __init__(self, settings):
        self.name = "mine"

    def request(self, mined, *, cycle, budget, rng):
        return []


class Nameless:
    def __init__(self, settings):
        pass


class Odd(Named):
    adds = "snow"


def test_a_users_own_policy_mines_and_adds_synthetic_frames_unless_it_says_otherwise():
    mine = build_policy(PolicySettings(name=f"{__name__}:Named"))
    assert (looks_at_failures(mine), what_it_adds(mine)) == (True, "synthetic")
    random, none = (build_policy(PolicySettings(name=name)) for name in ("random", "none"))
    assert not looks_at_failures(random)
    assert what_it_adds(none) == "nothing"
    assert what_it_adds(build_policy(PolicySettings(name="oversample"))) == "repeated"


def test_what_is_no_policy_is_refused_in_a_sentence():
    with pytest.raises(UserError, match=r"gave Nameless, which has no `name`.*a policy has a `name`"):
        build_policy(PolicySettings(name=f"{__name__}:Nameless"))
    with pytest.raises(UserError, match="its `adds` is 'snow'"):
        build_policy(PolicySettings(name=f"{__name__}:Odd"))


def test_none_asks_for_nothing():
    assert ask([failure("a")], "none") == []


def test_oversample_asks_as_imitation_does_but_nothing_is_out_of_its_reach():
    found = [failure(f"f{i}", index=i) for i in range(30)]
    one, other = ask(found, "imitation", budget=12), ask(found, "oversample", budget=12)
    assert [(r.parent, r.variations, r.failures) for r in one] == [
        (r.parent, r.variations, r.failures) for r in other
    ]
    assert repeats_of(other) == {r.parent: r.variations for r in one}
    assert repeats_of(other).total() == 12
    boats = [failure("b", category="boat")]
    assert ask(boats, "imitation") == []
    assert repeats_of(ask(boats, "oversample", budget=5)) == {"b": 5}


def test_a_free_scene_cannot_be_repeated():
    with pytest.raises(ValueError, match="names no frame"):
        repeats_of(ask([], "random", budget=1))


def test_strength_goes_in_a_line_and_stays():
    ramp = StrengthSettings(first=0.2, last=1.0, cycles=5)
    assert [ramp.at(c) for c in range(1, 8)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0])
    assert [StrengthSettings().at(c) for c in (1, 9)] == [1.0, 1.0]
    down = StrengthSettings(first=1.0, last=0.5, cycles=2)
    assert [down.at(c) for c in (1, 2, 3)] == [1.0, 0.5, 0.5]
    with pytest.raises(ValueError, match=r"goes from 0\.2 to 1 in no time"):
        StrengthSettings(first=0.2, cycles=1)
    assert StrengthSettings(first=0.2).at(2) == 1.0


def test_a_weight_for_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="no kind of failure"):
        PolicySettings(kind_weights={"mised": 1.0})


def test_reach_and_rarity_go_by_the_datasets_own_categories() -> None:
    """A detector's "car" may be TYPE_VEHICLE to the dataset: that is what counts and what is staged."""
    vehicle = failure(category="car", source_category="TYPE_VEHICLE")
    assert out_of_reach(vehicle, frozenset({"type_vehicle"})) is None
    assert "TYPE_VEHICLE" in (out_of_reach(vehicle, frozenset({"car"})) or "")

    common = [failure(frame=f"c{i}", category="car", source_category="Car") for i in range(10)]
    rare = [failure(frame=f"r{i}", category="car", source_category="Van") for i in range(10)]
    counts = {"Car": 9_900, "Van": 100}
    drawn: Counter[str] = Counter()
    for seed in range(40):
        mined = Mined([*common, *rare], counts, frozenset({"car", "van"}))
        policy = build_policy(PolicySettings(variations=1, rarity=1.0))
        for request in policy.request(mined, cycle=1, budget=2, rng=np.random.default_rng(seed)):
            drawn[request.parent[0]] += 1
    assert drawn["r"] > 4 * drawn["c"]
