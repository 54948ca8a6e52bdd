"""A policy is asked what the loop will ask of it."""

import re

import numpy as np
import pytest

from imitation.common.contracts import carried_out
from imitation.evaluation.failures import KINDS
from imitation.policies import PolicySettings
from imitation.policies.baselines import free_requests
from imitation.policies.contract import policy_contract, toy_failures
from imitation.policies.registry import POLICIES
from imitation.requests import Request

HERE = "tests.imitation.policies.test_contract"


class Own:
    name = "own"

    def __init__(self, settings: PolicySettings) -> None:
        pass

    def request(self, mined, *, cycle, budget, rng):
        return free_requests(min(budget, 2), cycle, self.name, rng)


class Greedy(Own):
    def request(self, mined, *, cycle, budget, rng):
        return free_requests(budget + 1, cycle, self.name, rng)


class NeedsFailures(Own):
    def request(self, mined, *, cycle, budget, rng):
        worst = max(mined.failures, key=lambda failure: failure.height_px)
        return [Request("a", worst.frame_id, (), (), (), 1, 1, self.name)]


class Elsewhere(Own):
    def request(self, mined, *, cycle, budget, rng):
        return free_requests(1, cycle, self.name, np.random.default_rng())


class Positional(Own):
    def request(self, mined, cycle, budget):
        return []


def findings(name: str):
    return list(carried_out("policy", policy_contract(PolicySettings(name=name), ("car", "person"), 0)))


@pytest.mark.parametrize("name", [*POLICIES, f"{HERE}:Own"])
def test_policies_that_do_what_is_asked(name):
    assert {finding.status for finding in findings(name)} == {"ok"}


@pytest.mark.parametrize(
    ("name", "tried", "said"),
    [
        ("Greedy", "a request about", "asked for 13 frames, over its budget of 12"),
        ("NeedsFailures", "nothing failed", r"about 0 failures failed: ValueError: .*test_contract.py:\d+"),
        ("Positional", "building", "`request` cannot be called as it will be: .*'rng'"),
    ],
)
def test_what_the_loop_would_refuse_is_refused_now(name, tried, said):
    *before, last = findings(f"{HERE}:{name}")
    assert (last.status, {finding.status for finding in before} - {"ok"}) == ("problem", set())
    assert tried in last.tried
    assert re.search(said, last.text), last.text


def test_draws_from_elsewhere_are_remarked():
    (note,) = [finding for finding in findings(f"{HERE}:Elsewhere") if finding.status == "note"]
    assert "a run cannot be repeated" in note.text


def test_toy_failures_are_of_every_kind_and_unlike_each_other():
    failures = toy_failures(("car", "person"))
    assert {failure.kind for failure in failures} == set(KINDS)
    assert len({failure.failure_id for failure in failures}) == len(failures)
