"""How often work was begun and not finished: counted outside of the process that it may kill.

A picture that makes a decoder or a network end its process would be handed to one fresh process after the
other for ever. So an actor says what it begins, and asks how often that was begun before.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any


class _Attempts:
    """Lives in an actor of its own."""

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
    """A handle that can be sent to actors. Close it in the process that made it."""

    def __init__(self) -> None:
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
        options: dict[str, Any] = {"num_cpus": 0, "scheduling_strategy": here}
        options |= {"max_restarts": -1, "max_task_retries": -1}
        self._actor: Any = ray.remote(**options)(_Attempts).remote()

    def begin(self, key: Hashable) -> int:
        """How often this was begun before without being finished."""
        import ray

        return int(ray.get(self._actor.begin.remote(key)))

    def finish(self, key: Hashable) -> None:
        self._actor.finish.remote(key)

    def close(self) -> None:
        import ray

        ray.kill(self._actor)
