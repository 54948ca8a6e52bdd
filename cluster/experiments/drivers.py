"""The driver of one run among many: a process that takes no CPU. What it starts is placed as for any run.
A driver that dies is replaced once; its run continues from the last committed stage."""

from __future__ import annotations

import io
import queue
import threading
import uuid
from collections.abc import Callable
from typing import Any, TextIO, cast

import ray

from cluster.observability.console import Reporter
from cluster.runtime.ray_errors import cause, short_of_memory
from cluster.training.launchers import ANYWHERE, make_mailbox
from imitation.common.settings import UserError

ATTEMPTS = 2

Event = dict[str, Any]
Tell = Callable[[Event], None]
Work = Callable[..., Any]
"""Called in the driver with its job's arguments, a `Reporter` and a `Tell`; what it returns or raises is the
job's end."""


class _Lines(io.TextIOBase):
    """Sends whole lines to a mailbox, each with the job's label before it."""

    def __init__(self, mailbox: str | None, label: str) -> None:
        self._label = label
        self._rest = ""
        self._mailbox: Any = None if mailbox is None else ray.get_actor(mailbox)

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            if line.strip() and self._mailbox is not None:
                self._mailbox.put.remote({"line": f"[{self._label}] {line}"})
        return len(text)


class Mailbox:
    """Passes lines that drivers print to the reporter of the process that started them."""

    def __init__(self, reporter: Reporter) -> None:
        self.name = f"imitate-{uuid.uuid4().hex[:8]}"
        self._mailbox = make_mailbox(self.name)
        self._reporter = reporter

    def pass_on(self) -> None:
        """Says all lines that have arrived."""
        for event in ray.get(self._mailbox.take.remote()):
            self._reporter.say(event["line"])

    def close(self) -> None:
        ray.kill(self._mailbox)


class _Driver:
    """`run` works in one thread, and after each event waits for `go_on`, so that a run can be ended between
    two cycles; `next_event` and `go_on` come in another."""

    def __init__(self) -> None:
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._go_on = threading.Semaphore(0)

    def run(self, work: Work, arguments: tuple[Any, ...], mailbox: str | None, label: str) -> Any:
        try:
            return work(*arguments, Reporter(cast(TextIO, _Lines(mailbox, label))), self._tell)
        finally:
            self._events.put(None)

    def _tell(self, event: Event) -> None:
        self._events.put(event)
        self._go_on.acquire()

    def next_event(self) -> Event | None:
        """Waits for the next event; None when the run has ended, well or not."""
        return self._events.get()

    def go_on(self) -> None:
        self._go_on.release()


_DRIVER: Any = ray.remote(_Driver)


class Driver:
    """A job begun in a driver process. Its lines go to the mailbox of that name, after its `label`; `task` is
    Ray's reference to the job's result."""

    def __init__(self, work: Work, arguments: tuple[Any, ...], mailbox: str | None, label: str) -> None:
        self._call = (work, arguments, mailbox, label)
        self._attempt = 0
        self._start()

    def _start(self) -> None:
        self._attempt += 1
        options = {"num_cpus": 0, "max_concurrency": 3, "scheduling_strategy": ANYWHERE}
        self._process = _DRIVER.options(**options).remote()
        self.task = self._process.run.remote(*self._call)

    def replaced(self) -> bool:
        """Starts the job again in a new process; False where that was the last attempt."""
        self.end()
        if self._attempt == ATTEMPTS:
            return False
        self._start()
        return True

    def next_event(self) -> Event | None:
        """Waits for the next event, and lets the driver go on after the one before; None: it has ended."""
        return cast("Event | None", ray.get(self._process.next_event.remote()))

    def go_on(self) -> None:
        self._process.go_on.remote()

    def result(self) -> Any:
        """What the job returned. Raises RayActorError where its process died, else what the job raised,
        itself: the words of Ray's own error are a whole traceback."""
        try:
            return ray.get(self.task)
        except ray.exceptions.RayTaskError as error:
            inner = getattr(error, "cause", None)
            raise cause(inner if isinstance(inner, BaseException) else error) from error

    def end(self) -> None:
        ray.kill(self._process)


def drive(work: Work, arguments: tuple[Any, ...], mailbox: str | None, label: str, report: Tell) -> None:
    """Does a job to its end, handing each of its cycles on to `report` once, in order. Raises as
    `Driver.result`."""
    reported = -1
    driver = Driver(work, arguments, mailbox, label)
    try:
        while True:
            try:
                while (event := driver.next_event()) is not None:
                    if event["cycle"] > reported:  # a replaced driver repeats the events of committed cycles
                        reported = event["cycle"]
                        report(event)
                    driver.go_on()
                driver.result()
                return
            except ray.exceptions.RayActorError:
                if not driver.replaced():
                    raise
    finally:
        driver.end()


def reason(error: BaseException) -> str:
    """Why a job failed, in a line: the sentence for people that is in Ray's errors, or what kind of error it
    was and its last line."""
    if memory := short_of_memory(error):
        return memory
    error = cause(error)
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if isinstance(error, UserError):
        return " ".join(lines)
    if not lines:
        return type(error).__name__
    if not isinstance(error, ray.exceptions.RayError):
        return f"{type(error).__name__}: {lines[-1]}"
    module = f"{UserError.__module__}."  # Ray's text ends with the line of a traceback
    return lines[-1].removeprefix(f"{module}UserError: ").removeprefix(f"{module}DataError: ")
