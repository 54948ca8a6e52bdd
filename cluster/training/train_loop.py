"""Training on Ray: one train function, whoever launches it (see `cluster.training.launchers`).

A training that was killed continues from its own last training state (`checkpoint.pt` in `<output>.partial`).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from cluster.runtime.openmp import wait_passively
from cluster.workspace.processor import processor
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.formats.safe_loading import load_tensors
from imitation.common.settings import UserError
from imitation.common.storage import retry
from imitation.common.wording import counted
from imitation.data.categories import CategoryMap
from imitation.detectors.checkpoint import is_checkpoint, load_weights, read_info, save_checkpoint
from imitation.detectors.settings import DetectorSettings
from imitation.training.settings import TrainSettings

Progress = Callable[[dict[str, Any]], None]
STATE_FILE = "checkpoint.pt"


@dataclass(frozen=True)
class TrainSpec:
    """One training, as plain data that any worker can read.

    `real`, `synthetic`: Parquet files or folders of frames (paths that every worker reaches); `include` and
    `exclude` select frames by id (out-of-fold training). `repeats` maps ids of real frames to how many more
    times they are trained on: they take the place of synthetic ones in everything but their labels.
    `weights` maps frame ids to how often they are drawn relative to 1. `initial` is a checkpoint whose
    weights training starts from (warm start). `seed` decides initial weights, order and augmentation. The
    checkpoint is written to `output`; `purpose` is noted in it. `skip_bad`: unreadable images are listed and
    replaced instead of an error.
    """

    output: str
    categories: CategoryMap
    detector: DetectorSettings
    train: TrainSettings
    real: tuple[str, ...] = ()
    synthetic: tuple[str, ...] = ()
    seed: int = 0
    include: frozenset[str] | None = None
    exclude: frozenset[str] = frozenset()
    repeats: dict[str, int] = field(default_factory=dict)
    weights: dict[str, float] = field(default_factory=dict)
    initial: str | None = None
    purpose: str = ""
    skip_bad: bool = False


@dataclass(frozen=True)
class TrainResult:
    """A finished training: the checkpoint's folder; optimizer steps and images seen, those of a warm start
    included; frames it was trained on, repetitions of real ones apart; seconds in steps; losses of the last
    tenth of the steps; unreadable frames that were skipped, with the reason; the processor (or GPU) and
    threads that computed it, for they decide the last digits."""

    folder: str
    steps: int
    images_seen: int
    real_frames: int
    synthetic_frames: int
    repeated_frames: int
    seconds: float
    losses: dict[str, float]
    skipped: dict[str, str]
    computed_on: str = ""


class Launcher(Protocol):
    """Runs `train_loop_per_worker` with a config somewhere, and keeps what can be kept for the next time.

    Where workers die it runs again from the last training state (`train.max_restarts`)."""

    def run(self, config: dict[str, Any], progress: Progress) -> None: ...

    def warm_up(self) -> None: ...

    def close(self) -> None: ...


def train_detector(spec: TrainSpec, launcher: Launcher, progress: Progress | None = None) -> TrainResult:
    """Trains, writes the checkpoint to `spec.output`, and says how it went.

    `progress` gets, in the caller's thread, dicts with `step`, `steps`, `images_per_second`,
    `learning_rate`, `loss` and each loss by name. A finished checkpoint in `output` is left as it is if it is
    this spec's, else replaced. Raises what went wrong in the worker (UserError for bad settings or data).
    """
    if not (
        is_checkpoint(spec.output) and read_info(spec.output).trained_on.get("spec") == _fingerprint(spec)
    ):
        launcher.run({"spec": spec}, progress or (lambda event: None))
    storage.delete(
        storage.suffixed(spec.output, ".partial")
    )  # a worker killed right after the checkpoint was finished left it
    return _result(spec.output)


# --- the worker's side ---------------------------------------------------------------------------


def train_loop_per_worker(config: dict[str, Any]) -> None:
    """The train function: `config` has `spec` (TrainSpec), `use_gpu` and `mailbox` (of `make_mailbox`)."""
    wait_passively()
    import numpy as np
    import torch

    from imitation.detectors.registry import build_detector
    from imitation.training.batches import Batches, SamplePlan
    from imitation.training.distributed import Distributed, pick_device
    from imitation.training.loop import TrainState, start, train
    from imitation.training.samples import CachedSource, FrameSource

    spec: TrainSpec = config["spec"]
    retry.remember_folders()
    rank, world_size, on_node = _place()
    distributed = Distributed(rank, world_size)
    device = pick_device(config["use_gpu"])
    settings = spec.train
    # Ray sets one OpenMP thread for a worker that asks for no more than one CPU
    torch.set_num_threads(settings.threads or max(1, (os.cpu_count() or 1) // on_node))

    frames = FrameSource(
        spec.real,
        spec.synthetic,
        spec.categories,
        spec.include,
        spec.exclude,
        settings.cache_mb,
        repeats=spec.repeats,
        synthetic_boxes=settings.synthetic_boxes,
    )
    detector = spec.detector.sized(*frames.size)
    assert detector.width is not None
    assert detector.height is not None
    torch.manual_seed(spec.seed)
    model = build_detector(detector, len(spec.categories.categories))
    precision = distributed.agreed(settings.precision, device, model)
    settings = settings.model_copy(update={"precision": precision})
    weighed = settings.synthetic_weight != 1
    if weighed and not getattr(model, "weighs_images", False):
        raise UserError(
            f"train.synthetic_weight is {settings.synthetic_weight:g}, but detector {detector.name!r} gives "
            "one loss for a whole batch; one that heeds `weight` in its targets says `weighs_images = True`"
        )
    if spec.initial is not None:
        model.load_state_dict(_initial_weights(spec))
    state = start(model.to(device), settings)
    partial = storage.join(storage.suffixed(spec.output, ".partial"), STATE_FILE)
    saved = _read_state(partial, spec)
    if saved is not None:
        state.load(saved)
    if distributed.rank == 0:
        config["mailbox"].put.remote({"start": state.step})

    def save_state(state: TrainState) -> None:
        with storage.open_atomic(partial) as file:
            torch.save({"spec": _fingerprint(spec), "state": state.as_dict()}, file)

    def report(event: dict[str, Any]) -> None:
        config["mailbox"].put.remote(event)

    plan = SamplePlan(
        frames.added,
        settings.batch_size,
        spec.seed,
        settings.synthetic_share,
        [spec.weights.get(frame_id, 1.0) for frame_id in frames.frame_ids] if spec.weights else None,
        settings.pretrain_steps(),
        settings.mixed_steps(),
    )
    frozen = settings.freeze_batch_norm
    if frozen is None:
        frozen = detector.weights is not None or spec.initial is not None
    with Batches(
        CachedSource(frames, settings.cache_mb),
        plan,
        detector.width,
        detector.height,
        settings.augment,
        start=state.step,
        stop=settings.steps,
        rank=distributed.rank,
        world_size=distributed.world_size,
        threads=settings.decode_threads,
        skip_bad=spec.skip_bad,
        weights=np.where(frames.added, settings.synthetic_weight, 1.0) if weighed else None,
        warp="device" if device.type == "cuda" else "host",
    ) as batches:
        train(
            state,
            batches,
            settings,
            device,
            distributed=distributed,
            freeze_batch_norm=frozen,
            progress=report,
            checkpoint=save_state,
        )
    disagreement = distributed.disagreement(model)
    ids = frames.frame_ids if batches.skipped else []
    skipped = distributed.gathered({ids[index]: why for index, why in sorted(batches.skipped.items())})
    if distributed.rank == 0:
        before = read_info(spec.initial).trained_on if spec.initial else {"steps": 0, "images_seen": 0}
        tail = state.history[-max(1, settings.steps // 10) :]
        trained_on = {
            "spec": _fingerprint(spec),
            "purpose": spec.purpose,
            "real": list(spec.real),
            "synthetic": list(spec.synthetic),
            "real_frames": int((~frames.added).sum()),
            "synthetic_frames": int(frames.synthetic.sum()),
            "repeated_frames": int((frames.added & ~frames.synthetic).sum()),
            "initial": spec.initial,
            "seed": spec.seed,
            "category_map": spec.categories.to_json(),
            "settings": spec.train.model_dump(mode="json"),
            "steps": before["steps"] + settings.steps,
            "images_seen": before["images_seen"] + settings.steps * settings.batch_size,
            "seconds": state.seconds,
            "device": str(device),
            "computed_on": _computed_on(device, precision),
            "workers": distributed.world_size,
            "rank_disagreement": disagreement,
            "losses": {name: sum(row[name] for row in tail) / len(tail) for name in tail[-1]},
            "skipped": skipped,
        }
        save_checkpoint(
            spec.output, state.checkpoint_weights(), detector, spec.categories.categories, trained_on
        )


def _place() -> tuple[int, int, int]:
    """This process's rank among those of Ray Train, their number, and how many of them share its machine."""
    import ray.train

    context = ray.train.get_context()
    return context.get_world_rank(), context.get_world_size(), context.get_local_world_size()


def _initial_weights(spec: TrainSpec) -> dict[str, Any]:
    assert spec.initial is not None
    info = read_info(spec.initial)
    same = ("name", "backbone", "strides", "features")
    for key in same:
        if getattr(info.detector, key) != getattr(spec.detector, key):
            raise UserError(
                f"detector.{key}: {getattr(spec.detector, key)!r} cannot start from the weights in "
                f"{spec.initial}, which are for {getattr(info.detector, key)!r}"
            )
    if info.categories != spec.categories.categories:
        raise UserError(
            f"{spec.initial}: its categories are {', '.join(info.categories)}; training is for "
            f"{', '.join(spec.categories.categories)}; train from scratch instead"
        )
    return load_weights(spec.initial)


def _read_state(path: str, spec: TrainSpec) -> dict[str, Any] | None:
    """The state that a killed training of the same spec left, if any."""
    if not storage.exists(path):
        return None
    saved = load_tensors(
        storage.read_bytes(path), path, "delete it, and the training starts from its beginning"
    )
    return saved["state"] if saved["spec"] == _fingerprint(spec) else None


_CARRIED_OUT = {
    *(
        "decode_threads",
        "cache_mb",
        "checkpoint_every",
        "report_every",
        "use_gpu",
        "max_restarts",
        "precision",
    )
}
"""Settings of training that say how it is carried out."""


def _fingerprint(spec: TrainSpec) -> str:
    """What tells trainings apart: everything but how they are carried out."""
    import hashlib
    import json

    values = asdict(spec) | {
        "categories": spec.categories.to_json(),
        "detector": old_names.section_before("detector", spec.detector.model_dump(mode="json")),
        "train": old_names.section_before("train", spec.train.model_dump(mode="json", exclude=_CARRIED_OUT)),
        "include": None if spec.include is None else sorted(spec.include),
        "exclude": sorted(spec.exclude),
    }
    # Paths count from the output: a run whose folder was moved is still the same run.
    for name in ("real", "synthetic"):
        values[name] = [storage.relative(uri, spec.output) for uri in values[name]]
    if spec.initial is not None:
        values["initial"] = storage.relative(spec.initial, spec.output)
    del values["output"]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def _result(folder: str) -> TrainResult:
    trained_on = read_info(folder).trained_on
    names = (
        *("steps", "images_seen", "real_frames", "synthetic_frames", "repeated_frames"),
        *("seconds", "losses", "skipped"),
    )
    known = {name: trained_on[name] for name in names}
    return TrainResult(folder=folder, computed_on=trained_on.get("computed_on", ""), **known)


def _computed_on(device: Any, precision: str) -> str:
    import torch

    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {precision}"
    threads = torch.get_num_threads()
    return f"{processor()}, {counted(threads, 'thread')}, {precision}"
