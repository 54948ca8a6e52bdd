"""How many simulators a cluster has room for, now and as nodes come and go."""

from __future__ import annotations

import math
import socket
import time
from collections.abc import Container
from typing import Any

import ray

from cluster.config.simulate import MAX_ACTORS, SimulateSettings
from cluster.runtime.autoscaler import autoscales

LOOK_S = 3.0  # s between looks at the cluster: a question to Ray's head of about 1 ms
PROBE_S = 2.0  # patience with a node that does not answer
ASK_AFTER_S = 30.0  # a stage that is over sooner is not worth a new node, which takes minutes to come
GONE_S = 60.0  # s after which Ray itself knows whether a node is gone


class PoolSize:
    """The number of workers that the pool should have: as set, or what the cluster holds, looked at
    again every `LOOK_S`.

    On a cluster that autoscales it is up to twice as many after a while. Workers without a place are what
    makes the autoscaler start nodes; they are asked for only as long as scenes wait for them, and are gone
    with the pool, or with the driver if that is killed. (A request to the autoscaler itself would outlive a
    killed driver, and replace that of another run.)"""

    def __init__(self, settings: SimulateSettings, most: int | None = None) -> None:
        """`most`: how many simulators can run at once, wherever there is room; None: any number."""
        self._settings = settings
        self._most = MAX_ACTORS if most is None else max(1, most // settings.scenes_per_actor)
        self._actors = 0
        self._gone: dict[str, float] = {}  # node ids, and when each was found to be gone
        self._autoscales: bool | None = None  # not asked yet
        self._began: float | None = None
        self.next_look = -math.inf

    def workers(self) -> int:
        """The number, at least 1; cheap to ask at every step."""
        now = time.monotonic()
        if now >= self.next_look:
            gone = {node_id for node_id, when in self._gone.items() if now - when < GONE_S}
            self._actors = actor_count(self._settings, gone)
            self.next_look = math.inf
            if self._settings.actors == "auto":
                self._actors = self._asked_for(self._actors, now, gone)
                self.next_look = now + LOOK_S
        return min(self._actors, self._most)

    @property
    def room(self) -> int:
        """The number as of the last look, were there no limit to how many can run at once."""
        return self._actors

    @property
    def makes_nodes_start(self) -> bool:
        """Whether a worker without a place makes the cluster start a node, as far as was asked."""
        return bool(self._autoscales)

    def _asked_for(self, room: int, now: float, gone: Container[str]) -> int:
        """Twice what the nodes hold (the CPU kept free included), if the cluster can grow."""
        self._began = now if self._began is None else self._began
        if now - self._began < ASK_AFTER_S:
            return room
        if self._autoscales is None:
            self._autoscales = autoscales()
        if not self._autoscales:
            return room
        held = max(1, sum(_fitting(node, self._settings) for node in _nodes(gone)))
        return max(room, min(2 * held, self._settings.most_actors))

    def leave_out(self, node_id: str) -> None:
        """Stops counting a node that is gone; Ray may notice later."""
        self._gone[node_id] = time.monotonic()
        self.next_look = min(self.next_look, time.monotonic())


def actor_count(settings: SimulateSettings, without: Container[str] = ()) -> int:
    """How many simulators run side by side: as set, or what the CPUs (one of the cluster's kept free,
    or readers and trainers starve) and GPUs of each node hold, at least 1 and at most `max_actors`.

    Nodes whose ids are in `without` do not count. A worker does not span nodes, so two nodes of 1.5 CPUs
    hold two workers of one CPU each. What others reserved counts as room: their tasks end, and a worker
    that finds no place yet waits for it.
    """
    if settings.actors != "auto":
        return settings.actors
    nodes = _nodes(without)
    count = sum(_fitting(node, settings) for node in nodes)
    if settings.cpus_per_actor:
        cpus = sum(node.get("CPU", 0.0) for node in nodes)
        count = min(count, _whole((cpus - 1) / settings.cpus_per_actor))
    return max(1, min(count, settings.most_actors))


def _nodes(without: Container[str]) -> list[dict[str, float]]:
    """The resources of each living node."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in without]


def _fitting(node: dict[str, float], settings: SimulateSettings) -> int:
    """How many workers the resources of one node hold."""
    shares = []
    if settings.cpus_per_actor:
        shares.append(node.get("CPU", 0.0) / settings.cpus_per_actor)
    if settings.gpus_per_actor:
        shares.append(_on_gpus(node.get("GPU", 0.0), settings.gpus_per_actor))
    return _whole(min(shares, default=MAX_ACTORS))


def _on_gpus(gpus: float, share: float) -> float:
    """A fraction of a GPU lies on one GPU: two GPUs hold two workers of 0.6, not three."""
    return gpus / share if share >= 1 else gpus * _whole(1 / share)


def _whole(number: float) -> int:
    return math.floor(number + 1e-9)  # 3 * (1 / 3) is a whole one


def node_is_gone(node_id: str) -> bool:
    """Whether a node has left the cluster or does not answer any more.

    Ray declares a node dead ten seconds or more after it is gone, but the connections to its workers break
    at once, as if they had crashed. So the node itself is asked: does its raylet take connections?
    """
    for node in ray.nodes():
        if node["NodeID"] == node_id:
            return not (node["Alive"] and _answers(node))
    return False


def _answers(node: dict[str, Any]) -> bool:
    try:
        with socket.create_connection((node["NodeManagerAddress"], node["NodeManagerPort"]), PROBE_S):
            return True
    except OSError:
        return False
