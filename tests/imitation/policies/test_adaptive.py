"""The bandit: where frames go, by what earlier ones have mended."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.policies import (
    AdaptivePolicy,
    AdaptiveSettings,
    Feedback,
    Learning,
    Mined,
    PolicySettings,
    Tally,
    build_policy,
    requested_frames,
    stratum_name,
)
from imitation.policies.adaptive import probability_of_rise
from tests.imitation.policies.made_up import failure

COUNTS = {"car": 100}
TRAITS = {  # stratum -> what makes a failure one of it
    "car, missed, truncated": {"truncation": 0.6},
    "car, missed, occluded": {"occlusion": 0.6},
    "car, missed, small": {"height_px": 12.0},
    "car, missed, plain": {},
}
TRUNCATED, OCCLUDED, SMALL, PLAIN = TRAITS


def ask(found, history=(), *, name="adaptive", budget=20, cycle=2, seed=0, chance=None, **more):
    policy = build_policy(PolicySettings(name=name, variations=1, **more))
    mined = Mined(found, COUNTS, None, history, chance or {})
    return policy.request(mined, cycle=cycle, budget=budget, rng=np.random.default_rng(seed))


def some(stratum, count, start=0):
    return [failure(f"{stratum}-{i}", index=i, **TRAITS[stratum]) for i in range(start, start + count)]


def asked_by_stratum(requests, found):
    stratum = {f.failure_id: stratum_name(f) for f in found}
    return Counter(stratum[i] for request in requests for i in request.failures)


class World:
    """Failures of each stratum, new frames in every cycle. A failure is fixed by chance, and more often if it
    was fed and its stratum is within reach."""

    def __init__(self, policy, rise, chance=0.2, each=60, seed=0):
        self.policy, self.rise, self.chance, self.each = policy, rise, chance, each
        self.rng = np.random.default_rng([seed, 7])
        self.history, self.spent, self.empty = [], Counter(), 0

    def cycle(self, number, budget=40):
        found = [f for stratum in self.rise for f in some(stratum, self.each, 1000 * number)]
        requests = ask(found, self.history, name=self.policy, budget=budget, cycle=number, seed=number)
        self.empty += not requests
        fed = {i for request in requests for i in request.failures}
        self.spent += asked_by_stratum(requests, found)
        for stratum in self.rise:
            counts = Counter()
            for f in found:
                if stratum_name(f) == stratum:
                    group = "fed" if f.failure_id in fed else "unfed"
                    p = self.chance + self.rise[stratum] * (group == "fed")
                    counts[group] += 1
                    counts[f"{group}_fixed"] += self.rng.random() < p
            self.history.append(Feedback(number, stratum, **counts))


RISE = {TRUNCATED: 0.5, OCCLUDED: 0.0, SMALL: 0.0, PLAIN: 0.3}


def test_in_a_world_of_which_half_is_out_of_reach_it_spends_where_failures_get_fixed():
    shares = {}
    for policy in ("imitation", "adaptive"):
        worlds = [World(policy, RISE, seed=seed) for seed in range(8)]
        for world in worlds:
            for number in range(1, 7):
                world.cycle(number)
        shares[policy] = [(w.spent[TRUNCATED] + w.spent[PLAIN]) / w.spent.total() for w in worlds]
    assert max(shares["imitation"]) < 0.6
    assert min(shares["adaptive"]) > 0.65, "every seed spends more within reach"
    assert np.mean(shares["adaptive"]) > np.mean(shares["imitation"]) + 0.2
    # the gain: fixes beyond chance, for the same budget
    fixes = {p: 0.5 * np.mean(shares[p]) for p in shares}
    assert fixes["adaptive"] > 1.3 * fixes["imitation"]


def test_strata_out_of_reach_are_given_up_and_those_within_never():
    given_up, late = Counter(), Counter()
    for seed in range(6):
        world = World("adaptive", {TRUNCATED: 0.5, SMALL: 0.0}, each=300, seed=seed)
        for number in range(1, 9):
            mined = Mined([*some(TRUNCATED, 1), *some(SMALL, 1)], COUNTS, None, list(world.history))
            learned = AdaptivePolicy(PolicySettings()).learned(mined, cycle=number)
            before = Counter(world.spent)
            world.cycle(number, budget=100)
            for known in learned:
                spent = world.spent[known.stratum] - before[known.stratum]
                assert not (known.given_up and spent)
                given_up[known.stratum] += known.given_up
                late[known.stratum] += spent * (number > 4)
    assert given_up[SMALL] >= 6
    assert given_up[TRUNCATED] == 0
    assert late[TRUNCATED] + late[SMALL] == 6 * 4 * 100, "what it gives up goes to the others"
    assert late[SMALL] < 0.15 * late.total()


def test_what_was_given_up_is_tried_again_when_the_evidence_is_old():
    history = [Feedback(1, SMALL, 200, 40, 200, 40)]
    policy = AdaptivePolicy(PolicySettings())
    mined = Mined(some(SMALL, 5), COUNTS, None, history)
    given_up = [policy.learned(mined, cycle=cycle)[0].given_up for cycle in (2, 3, 30)]
    assert given_up == [True, True, False]


def test_where_nothing_is_in_reach_it_asks_for_nothing():
    history = [Feedback(1, stratum, 200, 38, 200, 40) for stratum in TRAITS]
    found = [f for stratum in TRAITS for f in some(stratum, 20)]
    assert ask(found, history) == []
    assert requested_frames(ask(found, history, adaptive=AdaptiveSettings(give_up=0.0))) == 20


def test_easy_failures_that_chance_mends_are_no_reason_to_feed():
    """A stratum of which 80 % is fixed anyway is not better than one where feeding turns 10 % into 50 %."""
    history = [Feedback(1, PLAIN, 60, 48, 60, 48), Feedback(1, TRUNCATED, 60, 30, 60, 6)]
    found = [*some(PLAIN, 60), *some(TRUNCATED, 60)]
    spent = asked_by_stratum(ask(found, history, budget=50), found)
    assert spent[TRUNCATED] > 3 * spent[PLAIN]


def test_two_seeds_of_the_baseline_are_the_better_measure_of_chance():
    """Frames of a stratum help its other failures as well: beside those, feeding looks useless."""
    history = [Feedback(1, TRUNCATED, 80, 48, 80, 48), Feedback(1, SMALL, 80, 16, 80, 16)]
    found = [*some(TRUNCATED, 60), *some(SMALL, 60)]
    policy = AdaptivePolicy(PolicySettings())
    chance = {TRUNCATED: Tally(100, 20), SMALL: Tally(100, 20)}
    blind = {a.stratum: a for a in policy.learned(Mined(found, COUNTS, None, history), cycle=2)}
    told = {a.stratum: a for a in policy.learned(Mined(found, COUNTS, None, history, chance), cycle=2)}
    assert blind[TRUNCATED].rise == pytest.approx(0, abs=0.02)
    assert told[TRUNCATED].rise == pytest.approx(0.4, abs=0.05)
    spent = asked_by_stratum(ask(found, history, chance=chance, budget=50), found)
    assert spent[TRUNCATED] > 3 * spent[SMALL]


def test_the_first_cycle_is_imitations():
    found = [f for stratum in TRAITS for f in some(stratum, 20)]
    one = ask(found, name="imitation", cycle=1)
    other = ask(found, chance={PLAIN: Tally(10, 2)}, cycle=1)
    assert [replace(r, policy="") for r in one] == [replace(r, policy="") for r in other]


def test_a_share_of_the_budget_explores_whatever_was_learnt():
    history = [Feedback(1, TRUNCATED, 500, 450, 100, 10), Feedback(1, PLAIN, 500, 150, 100, 10)]
    found = [*some(TRUNCATED, 300), *some(PLAIN, 300)]
    greedy = asked_by_stratum(ask(found, history, budget=200, adaptive=AdaptiveSettings(explore=0.0)), found)
    assert greedy[PLAIN] == 0, "300 of them would do, and they are better"
    curious = asked_by_stratum(ask(found, history, budget=200, adaptive=AdaptiveSettings(explore=0.5)), found)
    assert 30 < curious[PLAIN] < 70


def test_no_failures_one_stratum_and_no_budget():
    history = [Feedback(1, SMALL, 10, 2, 10, 2)]
    assert ask([], history) == []
    assert ask(some(PLAIN, 3), history, budget=0) == []
    assert requested_frames(ask(some(PLAIN, 3), history, budget=7)) == 7
    learned = AdaptivePolicy(PolicySettings()).learned(Mined([], COUNTS, None, history), cycle=2)
    assert [(known.stratum, known.failures) for known in learned] == [(SMALL, 0)], "what was fed is told of"


def test_it_says_what_it_learns_and_imitation_does_not():
    assert isinstance(build_policy(PolicySettings(name="adaptive")), Learning)
    assert not isinstance(build_policy(PolicySettings(name="imitation")), Learning)


counts = st.integers(0, 40)
histories = st.lists(
    st.builds(
        lambda cycle, stratum, a, b, c, d: Feedback(cycle, stratum, a + b, b, c + d, d),
        st.integers(1, 3),
        st.sampled_from(list(TRAITS)),
        *[counts] * 4,
    ),
    max_size=8,
    unique_by=lambda row: (row.cycle, row.stratum),
)
found_lists = st.lists(
    st.builds(
        lambda stratum, i: failure(f"f{i % 9}", index=i, **TRAITS[stratum]),
        st.sampled_from(list(TRAITS)),
        st.integers(0, 40),
    ),
    max_size=25,
    unique_by=lambda f: f.failure_id,
)


@settings(deadline=None)
@given(found_lists, histories, st.integers(0, 30), st.integers(0, 50), st.randoms(use_true_random=False))
def test_budget_order_and_seed(found, history, budget, seed, shuffler):
    requests = ask(found, history, budget=budget, cycle=4, seed=seed)
    learned = AdaptivePolicy(PolicySettings()).learned(Mined(found, COUNTS, None, history), cycle=4)
    given_up = {known.stratum for known in learned if known.given_up}
    left = [f for f in found if stratum_name(f) not in given_up]
    assert requested_frames(requests) == (budget if left else 0)
    assert {i for r in requests for i in r.failures} <= {f.failure_id for f in left}
    shuffled, rows = list(found), list(history)
    shuffler.shuffle(shuffled)
    shuffler.shuffle(rows)
    assert {r.request_id: r for r in ask(shuffled, rows, budget=budget, cycle=4, seed=seed)} == {
        r.request_id: r for r in requests
    }
    assert all(0 <= known.hope <= 1 and -1 <= known.rise <= 1 for known in learned)


def test_the_present_cycle_and_later_ones_teach_nothing():
    found = [*some(TRUNCATED, 30), *some(SMALL, 30)]
    future = [Feedback(2, SMALL, 50, 50, 0, 0), Feedback(3, SMALL, 50, 50, 0, 0)]
    assert ask(found, future, cycle=2) == ask(found, (), cycle=2)


@pytest.mark.parametrize(("fed", "chance", "least"), [((9, 5), (4, 8), 0.05), ((30, 70), (25, 75), 0.1)])
def test_the_probability_of_a_rise_is_that_of_many_draws(fed, chance, least):
    rng = np.random.default_rng(0)
    drawn = (rng.beta(*fed, 200_000) - rng.beta(*chance, 200_000) > least).mean()
    assert probability_of_rise(fed, chance, least) == pytest.approx(drawn, abs=0.005)
