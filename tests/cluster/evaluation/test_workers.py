"""How row groups become batches, and what a worker's death costs, on workers that are made up."""

import random

import pytest
import ray
from hypothesis import given
from hypothesis import strategies as st
from ray.exceptions import ActorDiedError

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation import workers as module
from cluster.evaluation.one_pass import cut
from cluster.evaluation.worker import Batch, Judged
from cluster.evaluation.workers import DetectorWorkers
from imitation.common.settings import UserError


@given(st.lists(st.integers(0, 40), max_size=12), st.integers(1, 20))
def test_each_row_is_in_one_batch_in_its_place_and_no_batch_is_larger_than_asked(sizes, rows):
    found = []
    for groups, start, stop in cut(sizes, rows):
        assert 0 < stop - start <= rows
        through = [(group, row) for group in groups for row in range(sizes[group])]
        found += through[start:stop]
    assert found == [(group, row) for group, size in enumerate(sizes) for row in range(size)]


class Ref:
    """The end of a call: what it gave, or how its process died."""

    def __init__(self, value):
        self.value = value


class Method:
    def __init__(self, call):
        self.remote = call


class Made:
    """A worker in this process: `deadly` rows kill it, and so does loading while `bad_starts` are left."""

    def __init__(self, world):
        self.world, self.dead = world, False
        world.started += 1
        self.load, self.judge = Method(self._load), Method(self._judge)
        self.release = Method(lambda: world.released.append(self))

    def _load(self, task):
        if self.world.bad_starts:
            self.world.bad_starts -= 1
            self.dead = True
        return Ref(ActorDiedError() if self.dead else self.world.problem)

    def _judge(self, batch):
        if batch.given_up is None and set(range(batch.start, batch.stop)) & self.world.deadly:
            self.dead = True
        if self.dead:
            return Ref(ActorDiedError())
        self.world.judged.append((batch.start, batch.stop))
        return Ref(Judged((batch.start, batch.stop, batch.given_up), 0.0, None))


class World:
    def __init__(self):
        self.started, self.bad_starts, self.problem = 0, 0, None
        self.deadly, self.judged, self.released, self.killed = set(), [], [], []


@pytest.fixture
def world(monkeypatch):
    """Ray's calls in this process; which of them are seen to have ended is drawn."""
    world, rng = World(), random.Random(0)

    def get(ref):
        if isinstance(ref.value, Exception):
            raise ref.value
        return ref.value

    class Remote:
        def __init__(self, kind):
            pass

        def options(self, **options):
            world.options = options
            return self

        def remote(self):
            return Made(world)

    monkeypatch.setattr(ray, "put", lambda value: value)
    monkeypatch.setattr(ray, "get", get)
    monkeypatch.setattr(ray, "wait", lambda refs, **_: ([ref for ref in refs if rng.random() < 0.3], []))
    monkeypatch.setattr(ray, "remote", Remote)
    monkeypatch.setattr(ray, "kill", world.killed.append)
    monkeypatch.setattr(module, "gpus", lambda settings: 0.0)
    monkeypatch.setattr(module, "memory_is_short", lambda: False)
    return world


def batches(count, rows=4):
    return [Batch(0, "x", (0,), start, start + rows) for start in range(0, count, rows)]


def rows_of(judged):
    return [row for each in judged for row in range(*each.rows[:2])]


@pytest.mark.parametrize("actors", [1, 3])
def test_batches_come_out_in_order_each_once_whoever_ends_first(world, actors):
    crew = DetectorWorkers(EvaluateSettings(actors=actors))
    assert rows_of(crew.judge(None, batches(80))) == list(range(80))
    assert world.started == actors
    assert rows_of(crew.judge(None, batches(40))) == list(range(40)), "the same ones, once more"
    assert world.started == actors
    assert len(world.released) == 2 * actors, "they keep no detector in between"
    assert world.options["num_cpus"] == 1.0


def test_a_death_costs_its_batch_alone_and_a_deadly_row_itself_alone(world):
    world.deadly = {9}
    crew = DetectorWorkers(EvaluateSettings(actors=2, max_attempts=3))
    judged = list(crew.judge(None, batches(24)))
    assert rows_of(judged) == list(range(24))
    given_up = {each.rows[0]: each.rows[2] for each in judged if each.rows[2]}
    assert given_up == {9: "the detector's process died 3 times when it judged it"}
    assert len(world.judged) == len({start for start, _ in world.judged}), (
        "nothing that came out is done again"
    )
    assert world.started == 2 + 1 + 3, "one died with the batch, three with the row"


def test_workers_that_die_while_they_load_are_replaced_a_few_times(world):
    world.bad_starts = 2
    crew = DetectorWorkers(EvaluateSettings())
    assert rows_of(crew.judge(None, batches(8))) == list(range(8))
    crew.close()
    world.bad_starts = 99
    with pytest.raises(UserError, match="died 3 times while it loaded the detectors"):
        list(DetectorWorkers(EvaluateSettings()).judge(None, batches(8)))


def test_a_detector_that_cannot_be_loaded_is_told_in_its_words(world):
    world.problem = "no such checkpoint"
    with pytest.raises(UserError, match="no such checkpoint"):
        list(DetectorWorkers(EvaluateSettings()).judge(None, batches(8)))


def test_those_that_stay_hold_no_cpu_and_go_where_memory_is_short(world, monkeypatch):
    crew = DetectorWorkers(EvaluateSettings(cpus_per_actor=2), stays=True)
    list(crew.judge(None, batches(8)))
    assert world.options["num_cpus"] == 0
    assert crew.alive
    monkeypatch.setattr(module, "memory_is_short", lambda: True)
    list(crew.judge(None, batches(8)))
    assert not crew.alive
    assert rows_of(crew.judge(None, batches(8))) == list(range(8)), "others are started"


def test_nothing_starts_in_one_that_was_closed(world):
    crew = DetectorWorkers(EvaluateSettings())
    stream = crew.judge(None, batches(80))
    next(stream)
    crew.close()
    assert len(world.killed) == 1
    assert len(list(stream)) < 20
    assert world.started == 1
