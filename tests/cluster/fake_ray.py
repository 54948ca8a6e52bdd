"""A Ray that is simulated in virtual time, for the pool: actors that crash, hang, freeze, and nodes that
come and go. Nothing here sleeps."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from ray.exceptions import ActorDiedError, OutOfMemoryError

from cluster.simulation import autoscaling, crew, slot
from cluster.simulation import pool as pool_module
from sim_actors.simulators.worker import Answer, Started

SCENE_S = 1.0
START_S = 0.5


class FakeRef:
    def __init__(self) -> None:
        self.value = self.finished = None
        self.seen = False


class FakeCall:
    def __init__(self, name, args, now):
        self.ref, self.name, self.args, self.submitted = FakeRef(), name, args, now
        self.end, self.deed = None, "ok"


class Method:
    def __init__(self, actor, name):
        self.actor, self.name = actor, name

    def remote(self, *args):
        return self.actor.submit(self.name, args)


class FakeActor:
    """Handles `lanes` calls at a time, in order. `scripts` of the world give what each attempt at a scene
    does: "ok", "raise", "hang", "freeze" (its whole process hangs), "crash", "crash!" (at once, so that
    an answer before it dies with the process), "oom" (Ray kills it, short of memory), "lost" (its node
    goes away), or "changes" (rendered twice, it is labelled differently)."""

    def __init__(self, world, lanes, label=""):
        self.world, self.lanes, self.label, self.calls, self.last = world, lanes, label, [], None
        self.free_at, self.dead, self.rendered, self.node = world.now, False, 0, None
        for name in ("ping", "start", "render", "close"):
            setattr(self, name, Method(self, name))

    def submit(self, name, args):
        call = FakeCall(name, args, self.world.now)
        if self.dead:
            call.ref.finished, call.ref.value = self.world.now, ActorDiedError()
        else:
            self.calls.append(call)
        return call.ref

    def next_end(self):
        """When the next call ends; begins those that can begin."""
        if self.dead or not self.calls:
            return math.inf
        if self.node is None:
            self.node = self.world.place(self)
        if self.node is None or self.node in self.world.gone:
            return math.inf
        for call in self.calls[: self.lanes]:
            if call.end is None:
                self.begin(call, max(self.free_at, call.submitted))
        return min(call.end for call in self.calls[: self.lanes])

    def begin(self, call, now):
        if call.name != "render":
            call.end = now + START_S
            return
        if call.args[0].scene.scene_id in self.world.refused.get(self.label, ()):
            call.deed, call.end = "refuse", now
            return
        self.rendered += 1
        self.world.begun += 1
        if call.args[0].twice:
            self.world.twice.append(call.args[0].scene.scene_id)
        call.deed = self.world.attempt(call.args[0].scene.scene_id)
        call.end = {"hang": math.inf, "freeze": math.inf, "crash!": now}.get(
            call.deed, now + self.world.seconds.get(self.label, SCENE_S)
        )
        if any(other.deed == "freeze" for other in self.calls[: self.lanes]):
            for other in self.calls[: self.lanes]:
                other.end = math.inf

    def end_next(self):
        call = min(self.calls[: self.lanes], key=lambda call: math.inf if call.end is None else call.end)
        self.calls.remove(call)
        self.free_at = call.end
        if call.deed == "lost":
            self.world.go(self.node)
        if call.deed == "oom":
            call.ref.finished, call.ref.value = call.end, OutOfMemoryError("Memory on the node was low")
            self.die()
            return
        if call.deed.startswith("crash") or call.deed == "lost":
            unsent = self.last if call.deed == "crash!" and self.last and not self.last.seen else None
            self.die([call.ref, *([unsent] if unsent else [])])
            return
        call.ref.finished = call.end
        if call.name == "render":
            self.last = call.ref
            payload = b"frame" if call.deed == "ok" else None
            refused = ("no llamas",) if call.deed == "refuse" else ()
            error = None if payload or refused else "raised"
            scene_id = call.args[0].scene.scene_id
            hopeless = call.deed == "changes"
            took = self.world.seconds.get(self.label, SCENE_S)
            call.ref.value = Answer(scene_id, payload, took, took, 10.0, error, refused, hopeless)
        else:
            call.ref.value = Started("host", 1, self.node, "toy", "1")

    def die(self, refs=()):
        self.dead = True
        for ref in [*refs, *(call.ref for call in self.calls)]:
            ref.finished, ref.value = self.world.now, ActorDiedError()
        self.calls.clear()


class FakeRay:
    """`cpus` of each node by its name, an actor taking one; None: nodes as many as needed, with
    `per_node` actors on each. `events` are changes (time in s, what is called). Of several simulators
    `refused` are the scenes that each cannot stage, and `seconds` what one takes, by label."""

    def __init__(self, scripts=None, cpus=None, per_node=1, events=(), refused=None, seconds=None):
        self.refused, self.seconds = refused or {}, seconds or {}
        self.scripts = {scene_id: list(script) for scene_id, script in (scripts or {}).items()}
        self.cpus, self.per_node, self.events = cpus, per_node, sorted(events, key=lambda item: item[0])
        self.now, self.actors, self.attempts, self.gone, self.begun = 0.0, [], Counter(), set(), 0
        self.looks = 0
        self.twice = []  # scenes whose rendering began with the order to render them twice

    def attempt(self, scene_id):
        self.attempts[scene_id] += 1
        script = self.scripts.get(scene_id, ["ok"])
        return script.pop(0) if len(script) > 1 else script[0]

    def on(self, node):
        return [actor for actor in self.actors if actor.node == node and not actor.dead]

    def place(self, actor):
        """The node for a new actor; None: no room now."""
        if self.cpus is None:
            number = len({other.node for other in self.actors if other.node})
            for node in (f"n{max(0, number - 1)}", f"n{number}"):
                if node not in self.gone and len(self.on(node)) < self.per_node:
                    return node
            raise AssertionError("unreachable")
        for node, cpus in self.cpus.items():
            if node not in self.gone and len(self.on(node)) < cpus:
                return node
        return None

    def go(self, node):
        """The node goes away. What ran there is silent; what was only being placed, Ray places anew."""
        self.gone.add(node)
        for actor in self.on(node):
            if actor.calls and actor.calls[0].name == "ping":
                actor.node = actor.calls[0].end = None

    def leave(self, node):
        """The node goes away, and the first connection to an actor there breaks."""
        self.go(node)
        for actor in self.on(node)[:1]:
            actor.die()

    # What the pool calls.

    def start_worker(self, spec, *args, scenes=1, **options):
        self.actors.append(FakeActor(self, scenes, spec.label))
        return self.actors[-1]

    def wait(self, refs, num_returns=1, timeout=None):
        until = self.now + timeout
        while not any(ref.finished is not None for ref in refs):
            actor = min(self.actors, key=FakeActor.next_end)
            end = actor.next_end()
            if self.events and self.events[0][0] <= min(end, until):
                time, change = self.events.pop(0)
                self.now = max(self.now, time)
                change(self)
                continue
            if end > until:
                assert until < math.inf, "the pool would wait for ever"
                self.now = until
                break
            self.now = max(self.now, end)
            actor.end_next()
            # What follows at the same moment happens before anybody can look.
            while actor.next_end() <= self.now:
                actor.end_next()
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
        self.looks += 1
        names = self.cpus or {actor.node: self.per_node for actor in self.actors if actor.node}
        return [
            {"NodeID": node, "Alive": node not in self.gone, "Resources": {"CPU": float(cpus)}}
            for node, cpus in names.items()
        ]

    def cluster_resources(self):
        return {"CPU": sum(cpus for node, cpus in (self.cpus or {}).items() if node not in self.gone)}

    available_resources = cluster_resources

    @contextmanager
    def in_place(self) -> Iterator[Callable[[], float]]:
        """The pool's modules use this Ray and its time."""
        with pytest.MonkeyPatch.context() as patch:
            for module in (pool_module, crew, slot, autoscaling):
                patch.setattr(module, "ray", self)
            patch.setattr(crew, "start_worker", self.start_worker)
            patch.setattr(autoscaling, "_answers", lambda node: True)
            patch.setattr(pool_module.time, "monotonic", lambda: self.now)
            yield lambda: self.now
