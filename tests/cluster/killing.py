"""Finding and killing real processes of this test's own Ray."""

import os
import signal

from cluster.observability.memory import descendants


def processes(title: str, root: int | None = None) -> list[int]:
    """The Ray workers below a process (this one) that carry a title such as "ray::MapWorker"."""
    found = descendants(root or os.getpid())
    return sorted(pid for pid, command in found.items() if command.startswith("ray::") and title in command)


class Killer:
    """Progress that kills a worker of that title when a step is reached: each of `steps` once, each time
    another process."""

    def __init__(self, title: str, steps: list[int]) -> None:
        self.title, self.steps = title, list(steps)
        self.seen: list[int] = []
        self.killed: list[int] = []

    def __call__(self, event: dict) -> None:
        self.seen.append(event["step"])
        if self.steps and event["step"] >= self.steps[0]:
            for pid in set(processes(self.title)) - set(self.killed):
                os.kill(pid, signal.SIGKILL)
                self.killed.append(pid)
                self.steps.pop(0)
                return

    @property
    def done_again(self) -> int:
        return len(self.seen) - len(set(self.seen))
