"""The pool against a simulated Ray in virtual time: any mixture of crashes, hangs and errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.config.simulate import SimulateSettings
from cluster.simulation import autoscaling
from cluster.simulation.blame import GIVE_UP_AFTER, LOST_LIMIT
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.work_queue import Backlog, SetAside
from imitation.common.settings import UserError
from sim_actors.simulators.registry import SimulatorSpec
from tests.cluster.fake_ray import FakeRay
from tests.sim_actors.simulators.toy_simulators import make_jobs


def make_pool(**options):
    chosen = {"scene_timeout_s": 20, "startup_timeout_s": 30} | options
    return SimulatorPool(SimulatorSpec("toy:x"), SimulateSettings(**chosen))


def run(scripts, count, actors, per_node=1, **options):
    """(outcomes, fake ray, pool) of rendering `count` jobs with the given misdeeds."""
    fake = FakeRay(scripts, per_node=per_node)
    with fake.in_place():
        pool = make_pool(actors=actors, **options)
        outcomes = list(pool.render(make_jobs(count)))
        pool.close()
    return outcomes, fake, pool


def test_one_scene_is_rendered_twice_and_another_where_that_one_is_set_aside():
    scripts = {"s000": ["crash"], "s001": ["ok"], "s004": ["raise", "ok"]}
    outcomes, fake, pool = run(scripts, 12, 1, max_in_flight=1)
    assert len(outcomes) == 12
    assert pool.proved
    proof = [scene for scene in fake.twice if scene != "s000"]
    assert fake.twice.count("s000") == 2  # twice the order, twice the crash
    assert len(proof) == 1
    with fake.in_place():
        again = list(pool.render(make_jobs(4)))
    assert len(again) == 4
    assert [scene for scene in fake.twice if scene != "s000"] == proof  # it is known now


def test_workers_that_started_before_there_were_scenes_render_them():
    fake = FakeRay({}, per_node=1)
    with fake.in_place(), make_pool(actors=3) as pool:
        pool.warm_up()
        assert len(fake.actors) == 3
        fake.now += 60.0  # others work
        assert len(list(pool.render(make_jobs(12)))) == 12
        assert len(fake.actors) == 3, "no other was started"


def test_a_simulator_whose_labels_change_ends_the_stage_and_loses_nothing_finished():
    fake = FakeRay({"s000": ["changes"]}, per_node=1)
    seen = []
    with fake.in_place():
        pool = make_pool(actors=1)
        with pytest.raises(UserError, match="raised"):
            seen.extend(pool.render(make_jobs(9)))
    assert fake.attempts["s000"] == 1  # not tried again
    assert not pool.proved


deeds = st.lists(st.sampled_from(["ok", "raise", "crash", "crash!", "hang"]), min_size=1, max_size=4)
deeds_side_by_side = st.lists(
    st.sampled_from(["ok", "raise", "crash", "crash!", "hang", "freeze", "lost"]), min_size=1, max_size=4
)


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(1, 19), deeds, max_size=5),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(1, 9),
)
def test_every_scene_comes_out_once_and_the_innocent_are_never_set_aside(
    misdeeds, actors, in_flight, attempts, recycle
):
    scripts = {f"s{i:03d}": script for i, script in misdeeds.items()}
    outcomes, fake, pool = run(
        scripts, 20, actors, max_in_flight=in_flight, max_attempts=attempts, recycle_after=recycle
    )
    assert sorted(outcome.scene_id for outcome in outcomes) == [f"s{i:03d}" for i in range(20)]
    for outcome in outcomes:
        script = scripts.get(outcome.scene_id, ["ok"])
        if set(script) == {"ok"}:
            assert not isinstance(outcome, SetAside)
        if "ok" not in script:
            assert isinstance(outcome, SetAside)
            assert attempts <= fake.attempts[outcome.scene_id] <= attempts + 1
        if isinstance(outcome, SetAside):
            assert sum(deed != "ok" for deed in script) > 0
    assert pool.counts.rendered + pool.counts.set_aside == 20
    assert all(actor.dead and actor.rendered <= recycle for actor in fake.actors)


@settings(deadline=None)
@given(
    st.dictionaries(st.integers(1, 29), deeds_side_by_side, max_size=5),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(2, 5),
    st.integers(1, 3),
    st.integers(1, 12),
)
def test_side_by_side_too_every_scene_comes_out_once_and_the_innocent_are_never_set_aside(
    misdeeds, actors, per_node, scenes, attempts, recycle
):
    scripts = {f"s{i:03d}": script for i, script in misdeeds.items()}
    outcomes, fake, pool = run(
        scripts, 30, actors, per_node, scenes_per_actor=scenes, max_attempts=attempts, recycle_after=recycle
    )
    assert sorted(outcome.scene_id for outcome in outcomes) == [f"s{i:03d}" for i in range(30)]
    for outcome in outcomes:
        script = scripts.get(outcome.scene_id, ["ok"])
        if set(script) <= {"ok", "lost"} and isinstance(outcome, SetAside):
            assert outcome.kind == "lost"  # with whoever took the node down, again and again
            assert any("lost" in script for script in scripts.values())
        if "ok" not in script:
            assert isinstance(outcome, SetAside)
    assert pool.counts.rendered + pool.counts.set_aside == 30
    assert all(actor.dead and actor.rendered <= recycle for actor in fake.actors)


def test_of_scenes_side_by_side_in_a_process_that_died_none_is_blamed_before_it_is_tried_alone():
    outcomes, fake, pool = run({"s002": ["crash"]}, 8, actors=1, scenes_per_actor=4, max_attempts=1)
    (aside,) = [outcome for outcome in outcomes if isinstance(outcome, SetAside)]
    assert (aside.scene_id, aside.kind, aside.attempts) == ("s002", "crashed", 1)
    # Once among four and once alone; the others of the four once more, and nobody else.
    assert fake.attempts["s002"] == 2
    assert pool.counts.crashes == 2
    assert [fake.attempts[f"s{i:03d}"] for i in range(4, 8)] == [1, 1, 1, 1]


def test_a_scene_that_freezes_its_process_is_found_though_others_are_overdue_with_it():
    outcomes, fake, _ = run({"s003": ["freeze"]}, 8, actors=1, scenes_per_actor=4, max_attempts=1)
    (aside,) = [outcome for outcome in outcomes if isinstance(outcome, SetAside)]
    assert (aside.scene_id, aside.kind) == ("s003", "hung")
    assert fake.attempts["s003"] == 2


def test_a_crash_lets_only_one_actor_run_empty():
    """While a suspect waits for an actor of its own, the other actors stay full."""
    fake = FakeRay({"s000": ["crash", "ok"]})
    idle_s = []
    with fake.in_place():
        pool = make_pool(actors=6, max_in_flight=2)
        for _ in pool.render(make_jobs(200)):
            ready = [slot for slot in pool.slots if slot.state == "ready"]
            idle_s.append(sum(len(slot.scenes) < 2 for slot in ready))
    assert len(idle_s) == 200
    assert max(idle_s[:150]) <= 2 + 1  # of two suspects, and one that has just finished


def test_a_scene_queued_behind_a_crash_is_not_blamed():
    outcomes, fake, pool = run({"s003": ["crash"]}, 8, actors=1)
    (aside,) = [outcome for outcome in outcomes if isinstance(outcome, SetAside)]
    assert (aside.scene_id, aside.kind, aside.attempts) == ("s003", "crashed", 2)
    assert pool.counts.crashes == 2
    assert pool.counts.retries == 1
    assert fake.attempts["s004"] == 1


def test_the_answer_that_dies_with_the_next_scene_costs_a_retry_and_not_the_scene():
    # s001 has finished, but s002 kills the process before that answer is out; with one attempt only,
    # blame on suspicion would set s001 aside.
    outcomes, fake, _ = run({"s002": ["crash!"]}, 6, actors=1, max_attempts=1)
    kinds = {outcome.scene_id: type(outcome).__name__ for outcome in outcomes}
    assert kinds.pop("s002") == "SetAside"
    assert set(kinds.values()) == {"Rendered"}
    assert fake.attempts["s001"] == 2


def test_a_node_that_goes_away_is_nobodys_fault():
    outcomes, _, pool = run({"s003": ["lost", "lost", "lost", "ok"]}, 8, actors=2, max_attempts=1)
    assert len(outcomes) == pool.counts.rendered == 8
    assert pool.counts.lost >= 3
    assert pool.counts.crashes == pool.counts.retries == 0


def test_what_ray_kills_for_want_of_memory_is_a_crash_in_rays_words():
    outcomes, _, pool = run({"s003": ["oom"], "s006": ["oom", "ok"]}, 9, actors=2)
    (aside,) = [outcome for outcome in outcomes if isinstance(outcome, SetAside)]
    assert (aside.scene_id, aside.kind, aside.reason) == ("s003", "crashed", "Memory on the node was low")
    assert pool.counts.rendered == 8


def test_with_a_node_all_its_actors_are_given_up_though_only_one_connection_broke():
    outcomes, fake, pool = run({"s005": ["lost", "ok"]}, 30, actors=4, per_node=2)
    assert len(outcomes) == pool.counts.rendered == 30
    assert 2 < pool.counts.lost <= 2 * pool.settings.max_in_flight
    assert pool.counts.hangs == pool.counts.crashes == 0
    assert fake.now < pool.settings.scene_timeout_s  # nobody waited for the silent one


def test_a_scene_whose_nodes_go_away_whenever_it_renders_is_set_aside_in_the_end():
    outcomes, fake, _ = run({"s003": ["lost"]}, 8, actors=2)
    (aside,) = [outcome for outcome in outcomes if isinstance(outcome, SetAside)]
    assert (aside.scene_id, aside.kind) == ("s003", "lost")
    assert "its node went away each time" in aside.reason
    assert fake.attempts["s003"] == LOST_LIMIT + 1


def test_the_pool_grows_with_the_cluster_and_shrinks_with_it():
    sizes, counts = {}, {}
    events = [
        (20, lambda ray: ray.cpus.update(c=4)),
        (40, lambda ray: ray.leave("b")),
        (60, lambda ray: ray.leave("c")),
    ]
    fake = FakeRay(cpus={"a": 2, "b": 2}, events=events)
    with fake.in_place():
        pool = make_pool(actors="auto")
        for _ in pool.render(make_jobs(400)):
            sizes[int(fake.now)] = len(pool.pids())
            # Those that wait for a place are not alive anywhere: after a while nobody waits in vain.
            counts[int(fake.now)] = sum(not actor.dead for actor in fake.actors)
        looks = fake.looks
    moments = (19, 39, 59, 79)
    assert [sizes[second] for second in moments] == [counts[second] for second in moments] == [3, 7, 5, 2]
    assert pool.counts.rendered == 400
    assert pool.counts.lost >= 2
    assert pool.counts.crashes == pool.counts.hangs == 0
    assert looks <= fake.now / autoscaling.LOOK_S + 10  # now and then, not at each step


@pytest.mark.parametrize(("most", "sizes"), [(None, [2, 6, 14]), (5, [2, 5, 5])])
def test_on_a_cluster_that_autoscales_waiting_scenes_ask_for_more_nodes(most, sizes, monkeypatch):
    """Actors without a place are what an autoscaler starts nodes for: none in the first half minute, then as
    many as the nodes hold already (3, then 7), and none once no scene waits."""
    monkeypatch.setattr(autoscaling, "autoscales", lambda: True)
    fake = FakeRay(cpus={"a": 3}, events=[(60, lambda ray: ray.cpus.update(b=4))])
    alive, homeless = {}, 0
    with fake.in_place():
        pool = make_pool(actors="auto", max_actors=most)
        for _ in pool.render(make_jobs(500)):
            alive[int(fake.now)] = sum(not actor.dead for actor in fake.actors)
            homeless = sum(not actor.dead and actor.node is None for actor in fake.actors)
    assert [alive[second] for second in (29, 59, 79)] == sizes
    assert homeless == 0
    assert pool.counts.rendered == 500


def test_all_nodes_may_go_for_a_while():
    def back(ray):
        ray.cpus.update(d=3)

    fake = FakeRay(cpus={"a": 3}, events=[(10, lambda ray: ray.leave("a")), (200, back)])
    with fake.in_place():
        pool = make_pool(actors="auto", placement_timeout_s=300)
        assert len(list(pool.render(make_jobs(60)))) == 60
    assert fake.now > 200
    assert pool.counts.rendered == 60
    assert pool.counts.crashes == pool.counts.hangs == 0


def test_a_cluster_that_stays_empty_is_said():
    fake = FakeRay(cpus={"a": 3}, events=[(10, lambda ray: ray.leave("a"))])
    with fake.in_place():
        pool = make_pool(actors="auto", placement_timeout_s=300)
        seen = []
        with pytest.raises(UserError, match="found no place for a simulator within 300 s"):
            seen.extend(pool.render(make_jobs(60)))
    assert fake.now > 300


@pytest.mark.parametrize("scenes", [1, 8])
def test_a_slow_consumer_is_not_taken_for_a_hang(scenes):
    fake = FakeRay()
    with fake.in_place():
        pool = make_pool(actors=2, scenes_per_actor=scenes)
        for _ in pool.render(make_jobs(40)):
            fake.now += 1000  # far beyond every deadline
            for actor in fake.actors:
                while actor.next_end() <= fake.now:
                    actor.end_next()
    assert pool.counts.hangs == 0
    assert pool.counts.rendered == 40


@pytest.mark.parametrize(("actors", "scenes", "in_flight"), [(2, 1, 2), (3, 8, 2), (64, 4, 2)])
def test_while_the_caller_is_busy_no_more_is_begun_than_may_be_in_flight(actors, scenes, in_flight):
    pulled = []

    def jobs():
        for job in make_jobs(1000):
            pulled.append(job)
            yield job

    fake = FakeRay()
    with fake.in_place():
        pool = make_pool(actors=actors, scenes_per_actor=scenes, max_in_flight=in_flight)
        room = actors * pool.settings.scenes_at_actor
        for done, _ in enumerate(pool.render(jobs()), 1):
            # The caller takes its time: all that the pool has begun ends meanwhile.
            fake.now += 10
            for actor in fake.actors:
                while actor.next_end() <= fake.now:
                    actor.end_next()
            # What rendered, and what came out with this outcome and is not taken yet.
            assert fake.begun <= done + room + actors * scenes
            # And one looked at for each actor.
            assert len(pulled) <= done + room + actors * scenes + actors * scenes + 1
    assert len(pulled) == fake.begun == 1000


def test_the_pool_gives_up_when_nothing_ever_finishes():
    scripts = {f"s{i:03d}": ["crash"] for i in range(40)}
    with pytest.raises(UserError, match=f"failed {GIVE_UP_AFTER} times and finished no scene at all"):
        run(scripts, 40, actors=2)


def test_a_few_bad_scenes_at_the_start_are_no_reason_to_give_up():
    outcomes, _, _ = run({f"s{i:03d}": ["crash"] for i in range(5)}, 9, actors=2)
    assert len(outcomes) == 9


def test_a_scene_id_that_comes_twice_is_refused():
    jobs = make_jobs(2)
    backlog = Backlog([*jobs, jobs[0]])
    with pytest.raises(UserError, match="scene 's000' is asked for twice"):
        backlog.fresh(3)


@settings(deadline=None)
@given(
    st.integers(0, 20), st.lists(st.sampled_from(["take", "take_suspect", "suspect", "back"]), max_size=60)
)
def test_a_backlog_hands_out_each_job_once_and_suspects_apart(count, steps):
    backlog, out = Backlog(make_jobs(count)), []
    for step in steps:
        if step in ("suspect", "back") and out:
            getattr(backlog, step)(out.pop())
        elif step in ("take", "take_suspect"):
            task = getattr(backlog, step)()
            if task is not None:
                assert task.alone == (step == "take_suspect")
                out.append(task)
    while (task := backlog.take() or backlog.take_suspect()) is not None:
        out.append(task)
    assert not backlog.waiting()
    assert len({task.scene_id for task in out}) == len(out) == count
