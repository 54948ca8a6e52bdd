"""The pool against a simulated Ray in virtual time: any mixture of crashes, hangs and errors."""

import math
from collections import Counter, deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.exceptions import ActorDiedError

import cluster.pool as pool_module
from cluster.backlog import Backlog, SetAside
from cluster.pool import GIVE_UP_AFTER, SimulatorPool
from cluster.simulate_settings import SimulateSettings
from imitation.settings import UserError
from sim_actors.actor import Answer, Started
from sim_actors.factory import SimulatorSpec
from tests.sim_actors.toy_simulators import make_jobs

SCENE_S = 1.0


class FakeRef:
    def __init__(self) -> None:
        self.value = self.finished = None


class Call:
    def __init__(self, actor, name):
        self.actor, self.name = actor, name

    def remote(self, *args):
        return self.actor.submit(self.name, args)


class FakeActor:
    """Handles its calls in order. `scripts` gives what each attempt at a scene does: "ok", "raise",
    "hang", "crash", "crash!" (at once, so that the answer before it dies with the process), or "lost"
    (its node goes away)."""

    def __init__(self, world):
        self.world, self.calls, self.last = world, deque(), None
        self.free_at, self.dead, self.rendered = world.now, False, 0
        for name in ("ping", "start", "render", "close"):
            setattr(self, name, Call(self, name))

    def submit(self, name, args):
        ref = FakeRef()
        if self.dead:
            ref.finished, ref.value = self.world.now, ActorDiedError()
        else:
            self.calls.append([ref, name, args, self.world.now, None])
        return ref

    def next_end(self):
        """When the head call ends; begins it if it has not begun."""
        if self.dead or not self.calls:
            return math.inf
        call = self.calls[0]
        _, name, args, submitted, begun = call
        if begun is None:
            begin = max(self.free_at, submitted)
            if name != "render":
                call[4] = (begin + 0.5, "ok")
            else:
                self.rendered += 1
                deed = self.world.attempt(args[0].scene.scene_id)
                call[4] = {
                    "hang": (math.inf, deed), "crash!": (begin, deed)
                }.get(deed, (begin + SCENE_S, deed))  # fmt: skip
        return call[4][0]

    def end_head(self):
        ref, name, args, _, (end, deed) = self.calls.popleft()
        self.free_at = end
        if deed == "lost":
            self.world.gone.add(id(self))
        if deed.startswith("crash") or deed == "lost":
            unsent = self.last if deed == "crash!" and self.last and not self.last.seen else None
            self.die([ref, *([unsent] if unsent else [])])
            return
        ref.finished, ref.seen = end, False
        if name == "render":
            self.last = ref
            scene_id = args[0].scene.scene_id
            payload = b"frame" if deed == "ok" else None
            ref.value = Answer(scene_id, payload, SCENE_S, SCENE_S, 10.0, None if payload else "raised")
        else:
            ref.value = Started("host", 1, str(id(self)), "toy", "1")

    def die(self, refs=()):
        self.dead = True
        for ref in [*refs, *(call[0] for call in self.calls)]:
            ref.finished, ref.value = self.world.now, ActorDiedError()
        self.calls.clear()


class FakeRay:
    def __init__(self, scripts):
        self.scripts = {scene_id: list(script) for scene_id, script in scripts.items()}
        self.now, self.actors, self.attempts, self.gone = 0.0, [], Counter(), set()

    def attempt(self, scene_id):
        self.attempts[scene_id] += 1
        script = self.scripts.get(scene_id, ["ok"])
        return script.pop(0) if len(script) > 1 else script[0]

    def start_actor(self, *args, **options):
        self.actors.append(FakeActor(self))
        return self.actors[-1]

    def wait(self, refs, num_returns=1, timeout=None):
        until = self.now + timeout
        while not any(ref.finished is not None for ref in refs):
            actor = min(self.actors, key=FakeActor.next_end)
            end = actor.next_end()
            if end > until:
                self.now = until
                break
            self.now = max(self.now, end)
            actor.end_head()
            # What follows at the same moment happens before anybody can look.
            while actor.next_end() <= self.now:
                actor.end_head()
        ready = [ref for ref in refs if ref.finished is not None]
        return ready[:num_returns], [ref for ref in refs if ref not in ready[:num_returns]]

    def get(self, ref):
        ref.seen = True
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value

    def kill(self, actor):
        if not actor.dead:
            actor.die()

    def nodes(self):
        return [{"NodeID": str(id(actor)), "Alive": id(actor) not in self.gone} for actor in self.actors]


def run(scripts, count, actors, **options):
    """(outcomes, fake ray, pool) of rendering `count` jobs with the given misdeeds."""
    fake = FakeRay(scripts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "ray", fake)
        patch.setattr(pool_module, "start_actor", fake.start_actor)
        patch.setattr(pool_module.time, "monotonic", lambda: fake.now)
        chosen = SimulateSettings(actors=actors, scene_timeout_s=20, startup_timeout_s=30, **options)
        pool = SimulatorPool(SimulatorSpec("toy:x"), chosen)
        outcomes = list(pool.render(make_jobs(count)))
        pool.close()
    return outcomes, fake, pool


deeds = st.lists(st.sampled_from(["ok", "raise", "crash", "crash!", "hang"]), min_size=1, max_size=4)


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


def test_a_slow_consumer_is_not_taken_for_a_hang():
    fake = FakeRay({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "ray", fake)
        patch.setattr(pool_module, "start_actor", fake.start_actor)
        patch.setattr(pool_module.time, "monotonic", lambda: fake.now)
        pool = SimulatorPool(SimulatorSpec("toy:x"), SimulateSettings(actors=2, scene_timeout_s=20))
        for _ in pool.render(make_jobs(10)):
            fake.now += 1000  # far beyond every deadline
            for actor in fake.actors:
                while actor.next_end() <= fake.now:
                    actor.end_head()
    assert pool.counts.hangs == 0
    assert pool.counts.rendered == 10


def test_jobs_are_pulled_only_as_actors_have_room():
    pulled = []

    def jobs():
        for job in make_jobs(50):
            pulled.append(job)
            yield job

    fake = FakeRay({})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool_module, "ray", fake)
        patch.setattr(pool_module, "start_actor", fake.start_actor)
        patch.setattr(pool_module.time, "monotonic", lambda: fake.now)
        pool = SimulatorPool(SimulatorSpec("toy:x"), SimulateSettings(actors=2, max_in_flight=2))
        for done, _ in enumerate(pool.render(jobs()), 1):
            # In flight, finished but not yet taken, and one looked at for each actor.
            assert len(pulled) <= done + 2 * 2 + 2 + 2
    assert len(pulled) == 50


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
        backlog.waiting(3)


@settings(deadline=None)
@given(st.integers(0, 20), st.lists(st.sampled_from(["take", "idle", "again"]), max_size=60))
def test_a_backlog_hands_out_each_job_once_and_retries_only_to_the_idle(count, steps):
    backlog, out, done = Backlog(make_jobs(count)), [], []
    for step in steps:
        if step == "again" and out:
            backlog.again(out.pop())
        elif step != "again":
            retry = any(task.alone for task in backlog._again)
            task = backlog.take(idle=step == "idle")
            if task is not None:
                assert task.alone == retry
                assert not (task.alone and step == "take")
                out.append(task)
    while (task := backlog.take(idle=True)) is not None:
        done.append(task)
    assert len({id(task) for task in out + done}) == len(out + done) == count
