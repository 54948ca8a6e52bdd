"""How often a piece of work was begun but not finished, counted outside of the process that it may crash.

A picture that crashes its process (in a decoder or a network) would be retried in new processes without end.
So a worker reports what it begins, and asks how often that was begun before.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class _Attempts:
    """The counts, held by a process of its own."""

    def __init__(self) -> None:
        self._begun: dict[Hashable, int] = {}

    def begin(self, key: Hashable) -> int:
        """Counts, and returns how often it was begun before without being finished."""
        before = self._begun.get(key, 0)
        self._begun[key] = before + 1
        return before

    def finish(self, key: Hashable) -> None:
        self._begun.pop(key, None)


class Attempts:
    """A handle that can be sent to workers. Close it in the process that made it."""

    def __init__(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        options: dict[str, Any] = {"num_cpus": 0, "scheduling_strategy": here}
        options |= {"max_restarts": -1, "max_task_retries": -1}
        self._counts: Any = ray.remote(**options)(_Attempts).remote()

    def begin(self, key: Hashable) -> int:
        """How often this was begun before without being finished."""
        import ray

        return int(ray.get(self._counts.begin.remote(key)))

    def finish(self, key: Hashable) -> None:
        self._counts.finish.remote(key)

    def close(self) -> None:
        import ray

        ray.kill(self._counts)
