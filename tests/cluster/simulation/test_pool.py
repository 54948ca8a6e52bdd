"""The pool on a real Ray, with simulators that really crash, hang, leak and get killed."""

import os
import signal
import time
from pathlib import Path

import pytest
import ray

from cluster.config.simulate import SimulateSettings
from cluster.simulation.autoscaling import actor_count
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.work_queue import Rendered, SetAside
from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, SimulatorHost, decode_frame
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs, renders

pytestmark = pytest.mark.usefixtures("ray_session")


def make_pool(options: dict | None = None, proved: bool = True, **settings) -> SimulatorPool:
    defaults = {"actors": 2, "cpus_per_actor": 0.5, "scene_timeout_s": 30, "startup_timeout_s": 60}
    return SimulatorPool(
        SimulatorSpec(PATH, options or {}), SimulateSettings(**(defaults | settings)), proved
    )


def outcomes_of(pool: SimulatorPool, count: int) -> dict[str, Rendered | SetAside]:
    outcomes = list(pool.render(make_jobs(count)))
    found = {outcome.scene_id: outcome for outcome in outcomes}
    assert len(found) == len(outcomes) == count
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_for_actors(pool: SimulatorPool, count: int) -> None:
    """Renders until so many actors are up: on a busy machine the first may have done all the work
    before the second has started."""
    for _ in range(600):
        if len(pool.pids()) >= count:
            return
        for _ in pool.render(make_jobs(10)):
            pass
    raise AssertionError(f"fewer than {count} actors after 600 rounds")


def test_frames_are_the_same_whichever_actor_renders(tmp_path):
    log = tmp_path / "log"
    with make_pool({"log": str(log), "delay_s": 0.02}) as pool:
        wait_for_actors(pool, 2)
        log.unlink()
        outcomes = outcomes_of(pool, 20)
        pids = pool.pids()
    assert len(set(pids)) == 2
    assert os.getpid() not in pids
    host = SimulatorHost(SimulatorSpec(PATH))
    host.start()
    for job in make_jobs(20):
        assert outcomes[job.scene.scene_id].payload == host.render(job).payload
    assert sorted(renders(log)) == sorted(outcomes)
    assert {int(line.split()[1]) for line in log.read_text().splitlines()} == set(pids)
    assert not any(alive(pid) for pid in settled(pids))


def settled(pids: list[int]) -> list[int]:
    """The same pids, after giving killed processes a while to be gone."""
    for _ in range(200):
        if not any(alive(pid) for pid in pids):
            break
        time.sleep(0.05)
    return pids


def test_bad_scenes_are_set_aside_with_their_reasons_and_the_rest_is_rendered(tmp_path):
    options = {
        "log": str(tmp_path / "log"),
        "markers": str(tmp_path),
        "crash": ("s002",),
        "crash_once": ("s004",),
        "raises": ("s010",),
        "unsupported": ("s011",),
    }
    with make_pool(options) as pool:
        outcomes = outcomes_of(pool, 24)
        counts = pool.counts
    aside = {key: value for key, value in outcomes.items() if isinstance(value, SetAside)}
    kinds = {key: value.kind for key, value in aside.items()}
    assert kinds == {"s002": "crashed", "s010": "raised", "s011": "unsupported"}
    assert "died" in aside["s002"].reason
    assert "the wheel fell off" in aside["s010"].reason
    assert aside["s011"].reason == "no llamas here"
    assert outcomes["s004"].frame.frame_id == "s004"
    assert (counts.rendered, counts.set_aside, counts.hangs, counts.errors) == (21, 3, 0, 2)
    # Two of s002, one of s004, and one more of each if its blame first fell on the scene before it.
    assert 3 <= counts.crashes <= 5
    begun = renders(tmp_path / "log")
    assert begun.count("s010") == 2
    assert begun.count("s002") in (2, 3)


@pytest.mark.slow
def test_scenes_that_hang_are_killed_and_set_aside(tmp_path):
    options = {"log": str(tmp_path / "log"), "hang": ("s004",), "stop": ("s006",)}
    with make_pool(options, scene_timeout_s=5, startup_timeout_s=10) as pool:
        outcomes = outcomes_of(pool, 16)
        counts = pool.counts
        pids = [int(line.split()[1]) for line in (tmp_path / "log").read_text().splitlines()]
    aside = {key: value for key, value in outcomes.items() if isinstance(value, SetAside)}
    assert {key: value.kind for key, value in aside.items()} == {"s004": "hung", "s006": "hung"}
    for value in aside.values():  # the second time perhaps as the first scene of a process
        held = (
            "10 s (simulate.startup_timeout_s;"
            if "startup" in value.reason
            else "5 s (simulate.scene_timeout_s)"
        )
        assert value.reason.startswith(f"no answer within {held}")
    assert (counts.rendered, counts.hangs, counts.crashes) == (14, 4, 0)
    begun = renders(tmp_path / "log")
    assert (begun.count("s004"), begun.count("s006"), len(begun)) == (2, 2, 18)
    assert not any(alive(pid) for pid in settled(pids))  # even a stopped process is gone


@pytest.mark.slow
def test_killing_actors_from_outside_loses_and_doubles_nothing(tmp_path):
    log = tmp_path / "log"
    with make_pool({"log": str(log), "delay_s": 0.05}, max_attempts=4) as pool:
        seen, killed = [], []
        for outcome in pool.render(make_jobs(40)):
            assert isinstance(outcome, Rendered)
            seen.append(outcome.scene_id)
            if len(seen) in (5, 15, 25):
                killed.append(pool.pids()[0])
                os.kill(killed[-1], signal.SIGKILL)
        counts = pool.counts
    assert sorted(seen) == [f"s{i:03d}" for i in range(40)]
    assert len(set(killed)) == 3
    assert counts.crashes == 3
    assert counts.actors_started >= 4
    # Only what was in flight at a killed actor may have begun twice.
    assert len(renders(log)) <= 40 + 3 * pool.settings.max_in_flight


@pytest.mark.slow
def test_a_leaking_actor_is_replaced():
    limit = 400
    with make_pool({"leak_mb": 100}, actors=1, max_rss_mb=limit) as pool:
        outcomes_of(pool, 12)
        assert pool.counts.recycled >= 2
        assert pool.counts.rendered == 12
        assert pool.counts.crashes == 0


@pytest.mark.slow
def test_an_actor_is_replaced_after_its_share_of_scenes(tmp_path):
    log = tmp_path / "log"
    with make_pool({"log": str(log)}, actors=1, recycle_after=4) as pool:
        outcomes_of(pool, 10)
        assert pool.counts.recycled == 2
    per_process = [line.split()[1] for line in log.read_text().splitlines()]
    assert sorted(per_process.count(pid) for pid in set(per_process)) == [2, 4, 4]


def test_one_scene_of_a_simulator_is_rendered_twice(tmp_path):
    log = tmp_path / "log"
    with make_pool({"log": str(log)}, proved=False, actors=1) as pool:
        outcomes = outcomes_of(pool, 5)
        assert renders(log) == ["s000", "s000", "s001", "s002", "s003", "s004"]
        assert "twice" not in repr(outcomes["s000"].frame.origin)
        outcomes_of(pool, 2)
    assert len(renders(log)) == 8


def test_a_simulator_whose_labels_change_is_refused():
    spec = SimulatorSpec("tests.sim_actors.simulators.test_contract:Drifting", {"labels": True})
    with (
        SimulatorPool(spec, SimulateSettings(actors=1, cpus_per_actor=0.5)) as pool,
        pytest.raises(UserError, match="rendered scene 's000' twice and labelled it differently: the box of"),
    ):
        list(pool.render(make_jobs(3)))


def test_a_pool_renders_again_with_the_same_actors():
    with make_pool(actors=1) as pool:
        outcomes_of(pool, 3)
        before = pool.pids()
        outcomes_of(pool, 3)
        assert pool.pids() == before
        assert pool.counts.rendered == 3


def test_no_work_starts_no_actor():
    with make_pool() as pool:
        assert list(pool.render([])) == []
        assert pool.pids() == []


@pytest.mark.slow
def test_leaving_off_midway_kills_what_renders():
    with make_pool({"delay_s": 0.2}) as pool:
        outcomes = pool.render(make_jobs(30))
        next(outcomes)
        pids = pool.pids()
        outcomes.close()
        assert not any(alive(pid) for pid in settled(pids))
        assert len(outcomes_of(pool, 4)) == 4


@pytest.mark.parametrize(
    ("start", "cause", "tried"),
    [
        ("user_error", r"libEGL\.so\.1 is missing", "once"),
        pytest.param("raise", "RuntimeError: no such driver", "3 times", marks=pytest.mark.slow),
        pytest.param("exit", "its process died", "3 times", marks=pytest.mark.slow),
        pytest.param(
            "hang", r"not ready after 1 s \(simulate\.startup_timeout_s\)", "3 times", marks=pytest.mark.slow
        ),
    ],
)
def test_a_simulator_that_never_starts_aborts_with_the_cause(start, cause, tried):
    with (
        make_pool({"start": start}, actors=1, startup_timeout_s=1) as pool,
        pytest.raises(UserError, match=f"(?s)does not start .tried {tried}.*{cause}"),
    ):
        list(pool.render(make_jobs(5)))


def test_no_room_on_the_cluster_is_said_with_what_is_asked_and_free():
    with (
        make_pool(gpus_per_actor=0.5, actors=1, placement_timeout_s=1) as pool,
        pytest.raises(UserError, match=r"asks for 0\.5 CPUs and 0\.5 GPUs, free are .* 0 GPUs"),
    ):
        list(pool.render(make_jobs(2)))


def test_auto_counts_a_real_ray():
    cpus = int(ray.cluster_resources()["CPU"])
    assert actor_count(SimulateSettings()) == cpus - 1
    assert actor_count(SimulateSettings(cpus_per_actor=0.5)) == 2 * (cpus - 1)
    assert actor_count(SimulateSettings(cpus_per_actor=64)) == 1


def test_several_scenes_render_at_once_in_one_actor(tmp_path):
    log = tmp_path / "log"
    with make_pool({"log": str(log), "together": 4}, actors=1, scenes_per_actor=4) as pool:
        outcomes = outcomes_of(pool, 12)  # each waits for three others at the same time
        assert len(pool.pids()) == 1
    assert all(isinstance(outcome, Rendered) for outcome in outcomes.values())
    assert len(renders(log)) == 12


def test_of_scenes_at_once_in_an_actor_only_the_bad_one_is_set_aside(tmp_path):
    options = {"log": str(tmp_path / "log"), "crash": ("s005",), "delay_s": 0.05}
    with make_pool(options, actors=1, scenes_per_actor=4) as pool:
        outcomes = outcomes_of(pool, 16)
        counts = pool.counts
    aside = {key: value for key, value in outcomes.items() if isinstance(value, SetAside)}
    assert {key: (value.kind, value.attempts) for key, value in aside.items()} == {"s005": ("crashed", 2)}
    # Once among others, when nobody could be blamed for certain, and twice alone.
    assert (counts.rendered, counts.crashes, counts.retries) == (15, 3, 1)
    assert renders(tmp_path / "log").count("s005") == 3


@pytest.mark.parametrize(("scenes", "in_flight"), [(1, 2), (4, 2)])
def test_while_the_disk_is_slow_no_more_is_rendered_than_may_be_in_flight(tmp_path, scenes, in_flight):
    log = tmp_path / "log"
    with make_pool({"log": str(log)}, scenes_per_actor=scenes, max_in_flight=in_flight) as pool:
        wait_for_actors(pool, 2)
        log.unlink()
        at_once = 2 * pool.settings.scenes_at_actor
        most = 0
        for done, _ in enumerate(pool.render(make_jobs(40)), 1):
            time.sleep(0.1 if done <= 10 else 0)  # scenes take milliseconds
            begun = len(renders(log))
            most = max(most, begun - done)
            assert begun <= done + at_once + 2 * scenes
        assert len(renders(log)) == 40
    assert most >= at_once - 1  # and they did go on meanwhile


@pytest.mark.slow
def test_actors_leave_the_placement_group_of_who_runs_the_pool():
    """A Tune trial holds its group's CPUs; nested in it, actors that stay inside would wait for ever."""
    from ray.util.placement_group import placement_group, remove_placement_group
    from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

    @ray.remote(num_cpus=1)
    def trial() -> int:
        with make_pool(actors=1, cpus_per_actor=1, placement_timeout_s=60) as pool:
            return len(outcomes_of(pool, 2))

    group = placement_group([{"CPU": 1}])
    strategy = PlacementGroupSchedulingStrategy(group, placement_group_capture_child_tasks=True)
    try:
        assert ray.get(trial.options(scheduling_strategy=strategy).remote(), timeout=120) == 2
    finally:
        remove_placement_group(group)


@pytest.mark.slow
def test_the_embedded_renderer_gives_the_same_bytes_in_any_actor_and_order():
    camera = Camera(90.0, 90.0, 80.0, 44.0, height=1.65, pitch=0.0)
    cars = [Actor("Car", Cuboid(x, 1.65, 14.0 + x, 4.2, 1.8, 1.5, 0.3 * x)) for x in (-4.0, 0.0, 3.0)]
    jobs = [
        SceneJob(Scene(f"s{i}", 160, 96, camera, tuple(cars[: 1 + i % 3]), seed=i), seed=i) for i in range(10)
    ]
    settings = SimulateSettings(actors=2, cpus_per_actor=1)
    with SimulatorPool(SimulatorSpec("opengl"), settings) as pool:
        wait_for_actors(pool, 2)
        there = {item.scene_id: item.payload for item in pool.render(jobs)}
        back = {item.scene_id: item.payload for item in pool.render(reversed(jobs))}
        assert len(set(pool.pids())) == 2
    assert there == back
    assert len(there) == 10
    frame = decode_frame(there["s2"])
    assert [obj.category for obj in frame.objects] == ["Car"] * 3
    assert (frame.width, frame.height, frame.origin.simulator) == (160, 96, "opengl")


def test_a_simulator_that_cannot_be_meant_is_refused_by_the_settings():
    with pytest.raises(ValueError, match="did you mean 'opengl'"):
        SimulateSettings(simulator="opengel")
