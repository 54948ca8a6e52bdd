"""What failed appears elsewhere: likenesses in the photos of other frames."""

from collections import Counter

import numpy as np
import pytest

from imitation.policies import Mined, PolicySettings, build_policy, sees_frames
from imitation.requests import check_requests
from tests.imitation.policies.made_up import failure

COUNTS = {"car": 90, "boat": 1, "cyclist": 9}
CATALOG = frozenset({"car", "cyclist"})
FRAMES = {f"f{i:02d}": {0: "car"} for i in range(30)}
FOUND = [
    *(failure(f"f{i:02d}", index=i, distance_m=40.0, height_px=20.0) for i in range(9)),
    failure("f20", category="cyclist", index=3, distance_m=12.0, occlusion_level=2, source_category="Rider"),
    failure("f21", kind="background", index=4),
    failure("f22", category="boat", index=5),
]


def ask(name="imitation", budget=60, seed=0, found=FOUND, frames=FRAMES, **settings):
    policy = build_policy(PolicySettings(name=name, **settings))
    mined = Mined(found, COUNTS, CATALOG | {"rider"}, frames=frames)
    return policy.request(mined, cycle=1, budget=budget, rng=np.random.default_rng(seed))


def test_photos_are_any_frames_and_likenesses_what_failed():
    requests = ask(elsewhere=1.0, rarity=1.0)
    assert check_requests(requests, 60, FRAMES, "imitation") == 60
    assert set(Counter(r.parent for r in requests).values()) == {2}, "every photo, before any a third time"
    by_id = {f.failure_id: f for f in FOUND}
    for request in requests:
        assert len(request.likenesses) == 3
        assert request.focus == request.clutter == ()
        assert {by_id[name].object_index is not None for name in request.failures} == {True}
    likenesses = [like for r in requests for like in r.likenesses]
    rider = next(like for like in likenesses if like.category == "Rider")
    assert (rider.distance_m, rider.occlusion) == (12.0, 0.5)
    drawn = Counter(like.category for like in likenesses)
    assert set(drawn) == {"car", "Rider"}
    assert drawn["Rider"] > 0.3 * len(likenesses), "one failure in ten, but of a rare category"


def test_the_same_seed_asks_for_the_same_and_another_does_not():
    assert ask(elsewhere=0.5) == ask(elsewhere=0.5)
    assert ask(elsewhere=0.5) != ask(elsewhere=0.5, seed=1)


@pytest.mark.parametrize("name", ["imitation", "adaptive", "untargeted"])
def test_a_share_of_the_budget_evenly_mixed(name):
    requests = ask(name, budget=40, elsewhere=0.25, variations=1)
    where = [bool(r.likenesses) for r in requests for _ in range(r.variations)]
    assert len(where) == 40
    assert sum(where) == 10
    assert 2 <= sum(where[:20]) <= 8, "the first half has some of both"
    assert not any(r.likenesses for r in ask(name))


def test_oversampling_has_no_elsewhere():
    requests = ask("oversample", elsewhere=1.0)
    assert not sees_frames(build_policy(PolicySettings(name="oversample", elsewhere=1.0)))
    assert {r.parent for r in requests} == {f.frame_id for f in FOUND}
    assert not any(r.likenesses for r in requests)


def test_where_nothing_with_an_object_failed_frames_are_staged_anew():
    requests = ask(elsewhere=1.0, found=[failure("f03", kind="background")])
    assert sum(r.variations for r in requests) == 60
    assert {r.parent for r in requests} == {"f03"}
