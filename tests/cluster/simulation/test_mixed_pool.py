"""Several simulators in one pool, against a simulated Ray in virtual time."""

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config.simulate import SimulateSettings
from cluster.simulation.mixing.dealing import AHEAD, Deal
from cluster.simulation.mixing.sharing import portions
from cluster.simulation.mixing.tally import Tally
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.work_queue import Rendered, SetAside
from imitation.common.settings import UserError
from imitation.data.records import Origin
from sim_actors.simulators.mixture import Member, Mixture
from sim_actors.simulators.registry import SimulatorSpec
from tests.cluster.fake_ray import FakeRay
from tests.sim_actors.simulators.toy_simulators import make_jobs

HALF_AND_HALF = {"a": 1.0, "b": 1.0}


def mixture(weights):
    return Mixture(tuple(Member(SimulatorSpec("toy:x", label=label), w) for label, w in weights.items()))


def make_pool(weights, each=None, **options):
    chosen = {"scene_timeout_s": 20, "startup_timeout_s": 30} | options
    pool_settings = SimulateSettings(**chosen)
    own = {label: pool_settings.model_copy(update=changes) for label, changes in (each or {}).items()}
    apart = [label for label, changes in (each or {}).items() if "actors" in changes]
    return SimulatorPool(mixture(weights), pool_settings, each=own, apart=apart)


def run(weights, count, fake, each=None, **options):
    with fake.in_place():
        pool = make_pool(weights, each, **options)
        outcomes = list(pool.render(make_jobs(count)))
        pool.close()
    assert sorted(outcome.scene_id for outcome in outcomes) == [f"s{i:03d}" for i in range(count)]
    return {outcome.scene_id: outcome for outcome in outcomes}, pool


def first(weights, count):
    """scene id -> the labels in the order in which they are drawn."""
    return {job.scene.scene_id: mixture(weights).order(job.scene) for job in make_jobs(count)}


deeds = st.lists(st.sampled_from(["ok", "raise", "crash", "crash!", "hang"]), min_size=1, max_size=3)


@settings(max_examples=50)
@given(
    st.dictionaries(st.integers(0, 29), deeds, max_size=4),
    st.fixed_dictionaries({label: st.sets(st.integers(0, 29), max_size=12) for label in "abc"}),
    st.integers(1, 6),
    st.integers(1, 4),
    st.integers(1, 3),
)
def test_every_scene_comes_out_once_of_the_first_in_its_order_that_stages_it(
    misdeeds, refused, actors, per_node, attempts
):
    weights = {"a": 3.0, "b": 2.0, "c": 1.0}
    scripts = {f"s{i:03d}": script for i, script in misdeeds.items()}
    cannot = {label: {f"s{i:03d}" for i in scenes} for label, scenes in refused.items()}
    fake = FakeRay(scripts, per_node=per_node, refused=cannot)
    outcomes, pool = run(weights, 30, fake, actors=actors, max_attempts=attempts)
    for scene_id, order in first(weights, 30).items():
        outcome, able = outcomes[scene_id], [label for label in order if scene_id not in cannot[label]]
        if not able:
            assert (outcome.kind, outcome.simulator) == ("unsupported", "")
            assert all(f"{label}: no llamas" in outcome.reason for label in weights)
            assert set(outcome.refused_by) == set(weights)
            continue
        assert outcome.simulator == able[0]
        assert list(outcome.refused_by) == list(order[: order.index(able[0])])
        if set(scripts.get(scene_id, ["ok"])) == {"ok"}:
            assert isinstance(outcome, Rendered)
    assert pool.counts.rendered + pool.counts.set_aside == 30
    assert pool.counts.unsupported >= sum(len(outcome.refused_by) for outcome in outcomes.values())


def test_who_renders_a_scene_does_not_depend_on_how_many_workers_there_are_nor_on_their_pace():
    found = []
    for actors, seconds in ((1, {}), (7, {"a": 9.0}), (2, {"b": 0.1})):
        outcomes, _ = run(HALF_AND_HALF, 60, FakeRay(seconds=seconds), actors=actors)
        found.append({scene_id: outcome.simulator for scene_id, outcome in outcomes.items()})
    assert found[0] == found[1] == found[2]
    assert found[0] == {scene_id: order[0] for scene_id, order in first(HALF_AND_HALF, 60).items()}


def test_each_simulator_proves_itself_by_a_scene_that_it_stages():
    order = first(HALF_AND_HALF, 40)
    of_a = [scene_id for scene_id, labels in order.items() if labels[0] == "a"]
    fake = FakeRay(refused={"a": {of_a[0]}})
    with fake.in_place():
        pool = make_pool(HALF_AND_HALF, actors=1, max_in_flight=1)
        list(pool.render(make_jobs(40)))
    assert pool.proved == {"a", "b"}
    assert of_a[0] not in fake.twice or order[of_a[0]][1] == "b"
    assert len(fake.twice) == 2


def test_a_simulator_that_fails_at_everything_ends_the_stage_and_is_named():
    order = first(HALF_AND_HALF, 60)
    fake = FakeRay({scene_id: ["crash"] for scene_id, labels in order.items() if labels[0] == "b"})
    seen = []
    with fake.in_place(), pytest.raises(UserError, match="simulator 'b' failed 12 times and finished no"):
        seen += make_pool(HALF_AND_HALF, actors=2).render(make_jobs(60))


def test_on_one_cpu_the_simulators_take_turns():
    """A worker that has nothing left to do gives its place to the other's."""
    fake = FakeRay(cpus={"n1": 1}, seconds={"slow": 5.0})
    outcomes, pool = run({"quick": 9.0, "slow": 1.0}, 40, fake, actors="auto", placement_timeout_s=30)
    assert Counter(outcome.simulator for outcome in outcomes.values())["slow"] > 0
    assert all(isinstance(outcome, Rendered) for outcome in outcomes.values())
    assert pool.counts.recycled == 0, "giving a place away is no replacement"


def test_workers_follow_the_work_that_is_left():
    """With equal weights the slow one has most of the cluster once it is known to be slow."""
    fake = FakeRay(cpus={"n1": 9}, seconds={"slow": 8.0, "quick": 1.0})
    most = Counter()
    with fake.in_place():
        pool = make_pool({"slow": 1.0, "quick": 1.0}, actors="auto", placement_timeout_s=1000)
        for _ in pool.render(make_jobs(400)):
            alive = Counter(actor.label for actor in fake.actors if not actor.dead and actor.node)
            assert alive.total() <= 9
            for label, number in alive.items():
                most[label] = max(most[label], number)
        pool.close()
    assert most["slow"] >= 7
    alone = 400 / 2 * (8.0 + 1.0) / 8  # s, if eight workers were never idle
    assert fake.now < 1.3 * alone


def test_a_number_of_its_own_is_kept():
    fake = FakeRay(cpus={"n1": 20})
    most = Counter()
    with fake.in_place():
        pool = make_pool(HALF_AND_HALF, {"b": {"actors": 3}}, actors="auto")
        for _ in pool.render(make_jobs(200)):
            alive = Counter(actor.label for actor in fake.actors if not actor.dead and actor.node)
            for label, number in alive.items():
                most[label] = max(most[label], number)
        pool.close()
    assert most == {"a": 19, "b": 3}


def test_of_a_slow_simulator_only_so_many_jobs_wait():
    pulled = []
    jobs = (pulled.append(job) or job for job in make_jobs(5000))
    deal = Deal(mixture(HALF_AND_HALF), jobs)
    quick = list(deal.of("a"))  # until it is given none
    assert deal.waiting("b") == AHEAD
    assert len(pulled) == len(quick) + AHEAD
    slow = [job for _, job in zip(range(10), deal.of("b"), strict=False)]
    assert len(slow) == 10
    assert list(deal.of("a")), "and more when the other has taken some"


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0, 1e6), min_size=1),
    st.integers(1, 64),
)
def test_portions_fill_the_room_and_everybody_who_works_has_one(work, room):
    counts = portions(work, dict.fromkeys(work, (room, room)))
    busy = [label for label, seconds in work.items() if seconds > 0]
    assert all(count >= 1 for count in counts.values())
    taken = sum(counts[label] for label in busy)
    if busy and room >= len(busy):
        small = [label for label in busy if room * work[label] / sum(work.values()) < 1]
        assert taken <= room + len(small)
        assert taken >= room or len(busy) > 1
        assert taken >= room - 1


def test_a_tally_adds_up_over_a_restart():
    several = mixture({"a": 3.0, "b": 1.0})
    of_a = [job.scene for job in make_jobs(20) if several.order(job.scene)[0] == "a"]
    before = Tally(several)
    before.begin((), ())
    one = Rendered(of_a[0].scene_id, b"", 1, 2.0, 1.5, "a")
    two = Rendered(of_a[1].scene_id, b"", 1, 4.0, 3.0, "b", ("a",))
    lost = SetAside("s3", "crashed", "signal 11", 2, "b", ("a",))
    for outcome in (one, two):
        before.rendered(outcome)
    before.kept([one, two])
    before.given_up(lost)
    shares = before.shares()
    assert (shares["a"].weight, shares["b"].weight) == (0.75, 0.25)
    assert (shares["a"].frames, shares["a"].refused, shares["a"].seconds) == (1, 2, 2.0)
    assert (shares["b"].frames, shares["b"].set_aside, shares["b"].cpu_seconds) == (1, 1, 3.0)
    after = Tally(several)
    lineage = [
        Origin(1, None, (), "p", scene.to_json(), "toy", "1", 0, label)
        for scene, label in zip(of_a[:2], "ab", strict=True)
    ]
    after.begin(lineage, [SetAside.from_json(json.loads(json.dumps(lost.to_json())))])
    for label, share in after.shares().items():
        assert replace(share, rendered=1, seconds=shares[label].seconds,
                       cpu_seconds=shares[label].cpu_seconds) == shares[label]  # fmt: skip


def test_of_one_simulator_nothing_is_counted_and_nothing_more_is_written():
    alone = Tally(Mixture.one(SimulatorSpec("toy:x")))
    alone.rendered(Rendered("s1", b"", 1, 2.0, 1.5))
    assert alone.shares() == {}
    aside = SetAside("s1", "crashed", "signal 11", 2)
    assert aside.to_json() == {"scene_id": "s1", "kind": "crashed", "reason": "signal 11", "attempts": 2}
    assert SetAside.from_json(aside.to_json()) == aside


@given(
    st.dictionaries(st.sampled_from("abcd"), st.floats(0.01, 1e3), min_size=1),
    st.integers(4, 64),
    st.integers(1, 4),
)
def test_who_can_run_few_at_once_leaves_the_rest_to_others(work, room, few):
    rooms = {label: (room, few if label == "a" else room) for label in work}
    counts = portions(work, rooms)
    assert counts.get("a", 1) <= few
    others = [label for label in work if label != "a"]
    if "a" in work and others and work["a"] >= 50 * sum(work[label] for label in others):
        assert sum(counts[label] for label in others) >= room - few - len(others)
