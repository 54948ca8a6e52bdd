"""Waiting for the CPUs and GPUs that a stage asks for, with a message and a time limit.

Ray itself waits without a message and without end for what a cluster does not have.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from typing import Any, TypeVar

from imitation.common.settings import UserError

T = TypeVar("T")
Bundle = Mapping[str, float]
"""Resources that one process asks for on one node, such as {"CPU": 1, "GPU": 0.5}."""

log = logging.getLogger(__name__)

SAY_AFTER_S = 10.0
SILENCE_S = 60.0  # without an item, before the cluster's resources are checked


def wait_for_room(bundles: Sequence[Bundle], what: str, timeout_s: float) -> None:
    """Returns when the cluster has placed all bundles at once; they are free again then. Meanwhile they are
    asked for, so that an autoscaling cluster grows.

    `what` begins the sentence that says, after a while, what is waited for. Raises UserError with what is
    asked for and what there is after `timeout_s`.
    """
    from ray.util.placement_group import placement_group, remove_placement_group

    asked = [kept for bundle in bundles if (kept := {k: v for k, v in bundle.items() if v})]
    if not asked:
        return
    began, said = time.monotonic(), False
    group = placement_group(asked)
    try:
        while not group.wait(min(SAY_AFTER_S, timeout_s)):
            if time.monotonic() - began >= timeout_s:
                raise UserError(_refusal(asked, what, timeout_s))
            if not said:
                log.warning("%s; waiting for it, up to %g s", state_of(asked, what), timeout_s)
                said = True
    finally:
        remove_placement_group(group)


def watched(
    stream: Callable[[], Generator[T]], bundles: Sequence[Bundle], what: str, timeout_s: float
) -> Generator[T]:
    """The items of a stream whose processes ask for `bundles`. Where none comes for a while, says what is
    asked for and what there is; raises UserError when no node could hold a bundle for `timeout_s` (it left
    the cluster, and nothing has taken its place)."""
    items: queue.Queue[tuple[str, Any]] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def put(kind: str, value: Any) -> bool:
        while not stopped.is_set():
            try:
                items.put((kind, value), timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def pull() -> None:
        try:
            with closing(stream()) as source:
                for item in source:
                    if not put("item", item):
                        return
            put("end", None)
        except BaseException as error:
            put("error", error)

    threading.Thread(target=pull, name="stream", daemon=True).start()
    try:
        yield from _taken(items, bundles, what, timeout_s)
    except BaseException:  # ended early: errors of the thread from here on are not reported
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        raise
    finally:
        stopped.set()


def _taken(
    items: queue.Queue[tuple[str, Any]], bundles: Sequence[Bundle], what: str, timeout_s: float
) -> Generator[Any]:
    silent_since, impossible_since, pause = time.monotonic(), None, SILENCE_S
    while True:
        try:
            kind, value = items.get(timeout=min(pause, timeout_s))
        except queue.Empty:
            now = time.monotonic()
            impossible_since = None if possible(bundles) else impossible_since or now
            if impossible_since and now - impossible_since >= timeout_s:
                raise UserError(_refusal(bundles, what, timeout_s)) from None
            log.warning("%s; nothing has come for %.0f s", state_of(bundles, what), now - silent_since)
            pause = min(2 * pause, 16 * SILENCE_S) if impossible_since is None else SILENCE_S
            continue
        if kind == "error":
            raise value
        if kind == "end":
            return
        yield value
        silent_since, impossible_since, pause = time.monotonic(), None, SILENCE_S


def possible(bundles: Sequence[Bundle]) -> bool:
    """Whether, for each bundle, a living node has as much in all."""
    import ray

    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return all(any(_fits(bundle, node) for node in nodes) for bundle in bundles)


def state_of(bundles: Sequence[Bundle], what: str) -> str:
    """A clause: what is asked for, and what the cluster has and has free."""
    import ray

    total, free = ray.cluster_resources(), ray.available_resources()
    names = sorted({name for bundle in bundles for name in bundle})
    has = ", ".join(f"{total.get(name, 0):g} {name} ({free.get(name, 0):g} free)" for name in names)
    short = "" if possible(bundles) else ", and no single node holds that much"
    return f"{what} asks for {shown(bundles)}; the cluster has {has}{short}"


def shown(bundles: Sequence[Bundle]) -> str:
    """Bundles in words: "2 x (1 CPU + 0.5 GPU)"."""
    counts = Counter(
        " + ".join(f"{value:g} {name}" for name, value in sorted(bundle.items()) if value)
        for bundle in bundles
    )
    return ", ".join(f"{count} x ({words})" for words, count in counts.items() if words)


def _fits(bundle: Bundle, node: Mapping[str, float]) -> bool:
    return all(node.get(name, 0) >= value - 1e-6 for name, value in bundle.items())


def _refusal(bundles: Sequence[Bundle], what: str, timeout_s: float) -> str:
    return (
        f"{state_of(bundles, what)}; after {timeout_s:g} s it still cannot be placed. Ask for less, end what "
        "else runs there, or add a node (ray.placement_timeout_s is how long to wait)"
    )
