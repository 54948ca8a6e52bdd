"""Simulators in a process: jobs in, finished rows or the reason why not out.

`SimulatorHost` holds one simulator, `SeveralHosts` several side by side in threads, for simulators that
only wait. Both know no Ray and can be used as they are; `start_worker` makes a Ray actor of one.
The simulator is created in `start`, not in the constructor, so that whoever waits can tell an
actor that is not placed yet from a simulator that does not start.
"""

from __future__ import annotations

import os
import queue
import resource
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from imitation.common.formats.arrow import keep_pandas_out
from imitation.common.settings import UserError
from imitation.data.records import Frame, Origin, frames_from_table, frames_to_table
from sim_actors.scene.records import Scene
from sim_actors.simulators.contract import (
    ContractError,
    checked_frame,
    checked_reasons,
    pixels_changed,
    truth_changed,
)
from sim_actors.simulators.protocol import Simulator
from sim_actors.simulators.protocol import unsupported as reasons_against
from sim_actors.simulators.registry import SimulatorSpec, build_simulator


@dataclass(frozen=True, slots=True)
class SceneJob:
    """A scene to render and where it comes from; the rest of `Origin` is known to the simulator.

    `seed` is the request's; `parent` the re-staged frame's id, `failures` those that asked for it. The
    photo of a scene with a backdrop travels in the job, as bytes; the frame's lineage only names it.
    `twice`: rendered two times and compared, once for a simulator, which has to be deterministic.
    """

    scene: Scene
    cycle: int = 0
    parent: str | None = None
    failures: tuple[str, ...] = ()
    policy: str = ""
    seed: int = 0
    twice: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """What `start` and `ping` answer. `error` is why the simulator does not start (None: it runs);
    `user_error`: the cause is a mistake that a person can mend."""

    host: str
    pid: int
    node_id: str
    simulator: str = ""
    version: str = ""
    error: str | None = None
    user_error: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a job: `payload` is a one-row Arrow IPC stream of `imitation.data.records.SCHEMA`,
    or None with `error` (traceback text, or a sentence) or `unsupported` (sentences) saying why.
    `hopeless`: the error is the whole simulator's, and no other scene will fare better. `remark`: what a
    person should hear of the simulator, though the frame is good.

    `seconds` of wall time and `cpu_seconds` of this process (of its thread, where others render beside
    it) went into it; `rss_mb` is the process's private memory (MiB) afterwards.
    """

    scene_id: str
    payload: bytes | None
    seconds: float
    cpu_seconds: float
    rss_mb: float
    error: str | None = None
    unsupported: tuple[str, ...] = ()
    hopeless: bool = False
    remark: str | None = None


class SimulatorHost:
    """Holds one simulator and renders one job at a time, always in the thread that started it.

    `threads` are the rasterizer's; `cpu_clock` tells the CPU seconds spent so far.
    """

    def __init__(
        self, spec: SimulatorSpec, threads: int = 1, cpu_clock: Callable[[], float] = time.process_time
    ) -> None:
        self._spec = spec
        self._threads = threads
        self._cpu_clock = cpu_clock
        self._simulator: Simulator | None = None
        self._thread = 0

    def ping(self) -> Started:
        """Where this process runs; answers before `start` too."""
        simulator = self._simulator
        name, version = (simulator.name, simulator.version) if simulator else ("", "")
        return Started(socket.gethostname(), os.getpid(), _node_id(), name, version)

    def start(self) -> Started:
        """Creates the simulator, if there is none yet. An error comes back as a value, so that its text is
        never lost."""
        if self._simulator is not None:
            return self.ping()
        # Mesa's software rasterizer takes every core it sees; actors side by side must share them.
        os.environ.setdefault("LP_NUM_THREADS", str(self._threads))
        self._thread = threading.get_ident()
        try:
            self._simulator = build_simulator(self._spec)
            keep_pandas_out()
            # What Arrow prepares with its first row is not on a scene's time.
            encode_frame(Frame("warm-up", 1, 1, image=b"-"))
        except UserError as error:
            return replace(self.ping(), error=str(error), user_error=True)
        except Exception:  # a user's simulator may raise anything; the pool is told
            return replace(self.ping(), error=traceback.format_exc())
        return self.ping()

    def render(self, job: SceneJob) -> Answer:
        """Renders a job. An exception of the simulator is an answer, not a crash."""
        wall, cpu = time.perf_counter(), self._cpu_clock()
        payload: bytes | None = None
        error: str | None = None
        remark: str | None = None
        unsupported: tuple[str, ...] = ()
        hopeless = False
        try:
            simulator = self._running()
            unsupported = checked_reasons(reasons_against(simulator, job.scene), simulator.name)
            if not unsupported:
                frame = checked_frame(simulator.render(job.scene), job.scene, simulator.name)
                remark = _compared(frame, job, simulator) if job.twice else None
                payload = encode_frame(_with_lineage(frame, job, simulator, self._spec.label))
        except UserError as problem:
            error, hopeless = str(problem), isinstance(problem, Undetermined)
        except Exception:  # a user's simulator may raise anything; the pool is told
            error = traceback.format_exc()
        return Answer(
            job.scene.scene_id,
            payload,
            time.perf_counter() - wall,
            self._cpu_clock() - cpu,
            private_memory_mb(),
            error,
            unsupported,
            hopeless,
            remark,
        )

    def close(self) -> None:
        """Releases the simulator. Safe to call twice."""
        simulator, self._simulator = self._simulator, None
        if simulator is not None:
            simulator.close()

    def _running(self) -> Simulator:
        if self._simulator is None:
            raise RuntimeError("start() comes before render()")
        if threading.get_ident() != self._thread:
            raise RuntimeError("a simulator renders in the thread that started it, and in no other")
        return self._simulator


class SeveralHosts:
    """Simulators side by side in one process, each in a thread of its own: `render` may be called from
    as many threads at once. For simulators that wait (for a server elsewhere), not for those that
    compute: Python runs one thread at a time."""

    def __init__(self, spec: SimulatorSpec, threads: int, scenes: int) -> None:
        # One worker each: a simulator is used from the thread that made it.
        hosts = [SimulatorHost(spec, threads, time.thread_time) for _ in range(scenes)]
        self._all = [(host, ThreadPoolExecutor(1)) for host in hosts]
        self._idle: queue.SimpleQueue[tuple[SimulatorHost, ThreadPoolExecutor]] = queue.SimpleQueue()
        for pair in self._all:
            self._idle.put(pair)

    def ping(self) -> Started:
        """As `SimulatorHost.ping`."""
        return self._all[0][0].ping()

    def start(self) -> Started:
        """Creates the simulators; the first error, if any does not start."""
        started = [thread.submit(host.start) for host, thread in self._all]
        answers = [future.result() for future in started]
        return next((answer for answer in answers if answer.error is not None), answers[0])

    def render(self, job: SceneJob) -> Answer:
        """As `SimulatorHost.render`, by a simulator that is idle, or the next to be."""
        host, thread = self._idle.get()
        try:
            return thread.submit(host.render, job).result()
        finally:
            self._idle.put((host, thread))

    def close(self) -> None:
        """Releases the simulators. Safe to call twice."""
        for future in [thread.submit(host.close) for host, thread in self._all]:
            future.result()


def start_worker(spec: SimulatorSpec, threads: int = 1, scenes: int = 1, **options: Any) -> Any:
    """A new Ray actor that renders `scenes` jobs at once, its handle; `options` are Ray's (num_cpus, ...).

    Ray never restarts it nor repeats a call: that is for the pool to decide.
    """
    import ray

    options |= {"max_restarts": 0, "max_task_retries": 0}
    if scenes == 1:
        # Ray runs a plain actor's calls in order, one at a time, in its process's main thread.
        return ray.remote(SimulatorHost).options(**options).remote(spec, threads)
    # One call more than there are simulators, so that the last one is never refused its thread.
    several = ray.remote(SeveralHosts).options(max_concurrency=scenes + 1, **options)
    return several.remote(spec, threads, scenes)


def encode_frame(frame: Frame) -> bytes:
    """A frame as an Arrow IPC stream with one row; raises for values that the schema does not take."""
    sink = pa.BufferOutputStream()
    table = frames_to_table([frame])
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def decode_table(payload: bytes) -> pa.Table:
    """The inverse of `encode_frame`, as a table of one row."""
    with pa.ipc.open_stream(payload) as reader:
        return reader.read_all()


def decode_frame(payload: bytes) -> Frame:
    """The inverse of `encode_frame`."""
    (frame,) = frames_from_table(decode_table(payload))
    return frame


def private_memory_mb() -> float:
    """This process's private resident memory, MiB, without shared pages (Ray's object store)."""
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, but bytes on macOS
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)


class Undetermined(ContractError):
    """A simulator whose labels change from render to render: none of them can be trusted."""


def _compared(frame: Frame, job: SceneJob, simulator: Simulator) -> str | None:
    """Renders the job's scene once more: what is to be said of other pixels, None for the same bytes.

    Raises Undetermined where the labels change.
    """
    again = checked_frame(simulator.render(job.scene), job.scene, simulator.name)
    who = f"simulator {simulator.name!r} rendered scene {job.scene.scene_id!r} twice"
    if changed := truth_changed(frame, again):
        raise Undetermined(
            f"{who} and labelled it differently: {changed}. The same scene must give the same labels, or no "
            "frame can be trusted: draw what is left to chance from scene.seed"
        )
    if changed := pixels_changed(frame, again):
        return (
            f"{who}: {changed}, the labels do not. Frames are used as they are, but cannot be rendered again "
            "to the same bytes from their lineage: draw noise from scene.seed"
        )
    return None


def _with_lineage(frame: Frame, job: SceneJob, simulator: Simulator, label: str) -> Frame:
    """The frame with where it comes from."""
    origin = Origin(
        cycle=job.cycle,
        parent=job.parent,
        failures=tuple(job.failures),
        policy=job.policy,
        scene=job.scene.to_json(),
        simulator=simulator.name,
        simulator_version=simulator.version,
        seed=job.seed,
        simulator_label=label or None,
    )
    return replace(frame, origin=origin)


def _node_id() -> str:
    ray = sys.modules.get("ray")
    if ray is None or not ray.is_initialized():
        return ""
    return str(ray.get_runtime_context().get_node_id())
