"""Two launchers of the one train function, `cluster.training.train_loop.train_loop_per_worker`.

- `LocalLauncher`: one long-lived trainer process that runs it through Ray Train's local mode, for one worker
  on a CPU or GPU. Starting it and its imports is paid once, not for each training of a loop, and where
  something else works before the first, beside that.
- `TorchLauncher`: Ray Train's TorchTrainer, for several workers; each takes its slice of every batch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.fs as pafs
import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from cluster.runtime.openmp import wait_passively
from cluster.runtime.placement import wait_for_room
from cluster.runtime.ray_errors import cause, in_short, wrapped
from cluster.training.train_loop import Launcher, Progress, TrainSpec, train_loop_per_worker
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.wording import times
from imitation.training.settings import TrainSettings

log = logging.getLogger(__name__)

POLL_S = 0.3
PLACEMENT_TIMEOUT_S = 600.0
# What Ray raises where a process or its node is gone
DEATHS = (
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.NodeDiedError,
    ray.exceptions.OutOfMemoryError,
    ray.exceptions.ObjectLostError,
)


def make_launcher(settings: TrainSettings, placement_timeout_s: float = PLACEMENT_TIMEOUT_S) -> Launcher:
    """The launcher for these settings: `LocalLauncher` for one worker, `TorchLauncher` for several."""
    use_gpu = has_gpu() if settings.use_gpu == "auto" else settings.use_gpu
    if settings.num_workers == 1:
        return LocalLauncher(use_gpu, placement_timeout_s)
    return TorchLauncher(settings.num_workers, use_gpu, placement_timeout_s)


def has_gpu() -> bool:
    """Whether the Ray cluster has a GPU."""
    return ray.cluster_resources().get("GPU", 0) >= 1


# Inside a Tune trial, what a run starts must not wait for a place in the trial's placement group.
ANYWHERE: Any = PlacementGroupSchedulingStrategy(placement_group=None)  # type: ignore[arg-type]


class _Mailbox:
    """Holds progress events from workers until the driver takes them."""

    def __init__(self) -> None:
        self._events: list[dict[str, Any]] = []

    def put(self, event: dict[str, Any]) -> None:
        self._events.append(event)

    def take(self) -> list[dict[str, Any]]:
        events, self._events = self._events, []
        return events


class _LocalTrainer:
    """Runs the train function in its own process through Ray Train's local mode, again and again."""

    def warm_up(self) -> None:
        """Imports what takes long, while others still work."""
        wait_passively()
        import ray.train.torch  # noqa: F401
        import torch
        import torchvision  # noqa: F401

        import imitation.detectors.registry
        import imitation.training.batches
        import imitation.training.loop
        import imitation.training.samples  # noqa: F401

        torch.zeros(1)

    def run(self, config: dict[str, Any]) -> None:
        wait_passively()
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        TorchTrainer(
            train_loop_per_worker,
            train_loop_config=config,
            scaling_config=ScalingConfig(num_workers=0),
            run_config=RunConfig(name="local"),
        ).fit()


def make_mailbox(name: str | None = None) -> Any:
    """A mailbox on the driver's own node, so that progress survives the loss of any other node. Other
    processes find it by its name, if it has one."""
    here: Any = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    return ray.remote(num_cpus=0, scheduling_strategy=here)(_Mailbox).options(name=name).remote()


LocalTrainer: Any = ray.remote(num_cpus=0, scheduling_strategy=ANYWHERE)(_LocalTrainer)


class Restarts:
    """How often a training may start again: as often as its checkpoint advances, else `limit` times."""

    def __init__(self, config: dict[str, Any]) -> None:
        spec: TrainSpec = config["spec"]
        self.output, self.limit = spec.output, spec.train.max_restarts
        self.start = -1  # the step of the latest checkpoint that workers began from
        self.stuck = 0

    def listen(self, progress: Progress) -> Progress:
        """`progress`, with the events of workers' starts noted here and not passed on."""

        def heard(event: dict[str, Any]) -> None:
            if "start" not in event:
                progress(event)
            elif event["start"] > self.start:
                self.start, self.stuck = event["start"], 0

        return heard

    def after(self, error: BaseException, limit: int | None = None) -> None:
        """Returns where the training may start again; raises UserError where it may not."""
        self.stuck += 1
        why = in_short(error, 500)
        reached = f"since the checkpoint of step {self.start}" if self.start > 0 else "before a checkpoint"
        if self.stuck > (self.limit if limit is None else limit):
            raise UserError(
                f"{self.output}: the training's workers died {times(self.stuck)} {reached}: {why}. If it was "
                "memory: lower train.batch_size or train.cache_mb. train.max_restarts is how often it starts "
                "again; the same command continues from the checkpoint"
            ) from error
        log.warning("training %s: workers died (%s); starting again", self.output, why)


class LocalLauncher:
    """The trainer process: started at the first training, replaced when it dies, kept until `close`.

    It asks for no CPU and, if `use_gpu`, for half a GPU: it idles while detectors are evaluated on it.
    """

    def __init__(self, use_gpu: bool = False, placement_timeout_s: float = PLACEMENT_TIMEOUT_S) -> None:
        self._use_gpu = use_gpu
        self._placement_timeout_s = placement_timeout_s
        self._trainer: Any = None
        self._mailbox: Any = None

    def run(self, config: dict[str, Any], progress: Progress) -> None:
        restarts = Restarts(config)
        while True:
            try:
                return self._run(config, restarts.listen(progress))
            except DEATHS as error:
                self.close()
                restarts.after(error)

    def warm_up(self) -> None:
        """Starts the process while others work, where it waits for nothing."""
        if self._trainer is None and not self._use_gpu:
            self._start().warm_up.remote()

    def _start(self) -> Any:
        gpus = 0.5 * self._use_gpu
        wait_for_room([{"GPU": gpus}], "training (train.use_gpu)", self._placement_timeout_s)
        self._mailbox = make_mailbox()
        self._trainer = LocalTrainer.options(num_gpus=gpus).remote()
        return self._trainer

    def _run(self, config: dict[str, Any], progress: Progress) -> None:
        if self._trainer is None:
            self._start()
        task = self._trainer.run.remote(config | {"use_gpu": self._use_gpu, "mailbox": self._mailbox})
        _follow(lambda: bool(ray.wait([task], timeout=POLL_S)[0]), self._mailbox, progress)
        try:
            ray.get(task)
        except ray.exceptions.RayTaskError as error:
            raise cause(error) from error

    def close(self) -> None:
        for process in (self._trainer, self._mailbox):
            if process is not None:
                ray.kill(process)
        self._trainer = self._mailbox = None


class TorchLauncher:
    """Ray Train's TorchTrainer with `num_workers` workers of one CPU (and one GPU if `use_gpu`) each.

    When a worker dies, all are started again, and training continues from its last checkpoint.
    """

    def __init__(
        self, num_workers: int, use_gpu: bool = False, placement_timeout_s: float = PLACEMENT_TIMEOUT_S
    ) -> None:
        self._num_workers = num_workers
        self._use_gpu = use_gpu
        self._placement_timeout_s = placement_timeout_s

    def run(self, config: dict[str, Any], progress: Progress) -> None:
        restarts = Restarts(config)
        worker = {"CPU": 1.0, "GPU": 1.0 * self._use_gpu}
        while True:
            wait_for_room(
                [worker] * self._num_workers, "training (train.num_workers)", self._placement_timeout_s
            )
            # Train's own FailureConfig would also repeat what a person has to mend
            error = self._fit(config, restarts.listen(progress))
            if error is None:
                return
            if isinstance(cause(error), UserError):
                raise cause(error) from error
            # where one dies, the others fail at their next exchange, and may be the first to say so
            restarts.after(error, None if _died(error) else min(1, restarts.limit))

    def _fit(self, config: dict[str, Any], progress: Progress) -> BaseException | None:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.torch import TorchTrainer

        mailbox = make_mailbox()
        with _scratch(config["spec"].output) as (filesystem, folder):
            trainer = TorchTrainer(
                train_loop_per_worker,
                train_loop_config=config | {"use_gpu": self._use_gpu, "mailbox": mailbox},
                scaling_config=ScalingConfig(num_workers=self._num_workers, use_gpu=self._use_gpu),
                run_config=RunConfig(name="train", storage_path=folder, storage_filesystem=filesystem),
            )
            # not in the main thread: there `fit` would take over Ctrl-C, and nobody could read the mailbox
            errors: list[BaseException] = []
            thread = threading.Thread(target=_collect, args=(trainer.fit, errors), daemon=True)
            thread.start()
            try:
                _follow(lambda: _ended(thread), mailbox, progress)
            finally:
                ray.kill(mailbox)
        return errors[0] if errors else None

    def warm_up(self) -> None:
        """Nothing can be started before its training is known."""

    def close(self) -> None:
        """Nothing is kept between trainings."""


@contextmanager
def _scratch(output: str) -> Iterator[tuple[pafs.FileSystem, str]]:
    """A folder for Train's own files, beside the checkpoint: workers on any node reach it. Nothing in it is
    ours (checkpoints are `cluster.training.train_loop`'s), so what a killed training left there is thrown
    away."""
    folder = storage.suffixed(output, ".ray")
    storage.delete(folder)
    try:
        yield storage.resolve(folder)
    finally:
        storage.delete(folder)


def _follow(ended: Callable[[], bool], mailbox: Any, progress: Progress) -> None:
    """Hands progress on until the training has ended, and what is left then."""
    while not ended():
        for event in ray.get(mailbox.take.remote()):
            progress(event)
    for event in ray.get(mailbox.take.remote()):
        progress(event)


def _ended(thread: threading.Thread) -> bool:
    thread.join(POLL_S)
    return not thread.is_alive()


def _collect(call: Callable[[], object], errors: list[BaseException]) -> None:
    try:
        call()
    except BaseException as error:
        errors.append(error)


def _died(error: BaseException) -> bool:
    """Whether a process's death is among what is wrapped in Ray's errors."""
    return any(isinstance(inner, DEATHS) for inner in wrapped(error))
