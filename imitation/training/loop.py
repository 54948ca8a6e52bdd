"""One plain training loop, from initial weights to final ones."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from imitation.common.settings import UserError
from imitation.detectors.convention import check_losses
from imitation.detectors.precision import autocast
from imitation.training.batches import Batch
from imitation.training.distributed import Distributed
from imitation.training.on_device import on_device
from imitation.training.settings import TrainSettings

ALONE = Distributed()
Progress = Callable[[dict[str, Any]], None]


@dataclass
class TrainState:
    """Where a training stands after `step` steps; `as_dict` is what a checkpoint holds."""

    model: nn.Module
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    history: list[dict[str, float]] = field(default_factory=list)
    average: dict[str, Tensor] | None = None

    def as_dict(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "history": self.history,
            "average": self.average,
        }

    def load(self, saved: dict[str, Any]) -> None:
        self.model.load_state_dict(saved["model"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.step, self.seconds = saved["step"], saved["seconds"]
        self.history, self.average = saved["history"], saved["average"]

    def checkpoint_weights(self) -> dict[str, Tensor]:
        """The weights to keep: the moving average where there is one."""
        return self.model.state_dict() if self.average is None else self.average


def start(model: nn.Module, settings: TrainSettings) -> TrainState:
    """The state before the first step."""
    average = None
    if settings.ema_decay:
        average = {name: value.detach().clone() for name, value in model.state_dict().items()}
    return TrainState(model, make_optimizer(model, settings), average=average)


def train(
    state: TrainState,
    batches: Iterable[Batch],
    settings: TrainSettings,
    device: torch.device,
    *,
    distributed: Distributed = ALONE,
    freeze_batch_norm: bool = False,
    progress: Progress | None = None,
    checkpoint: Callable[[TrainState], None] | None = None,
) -> TrainState:
    """Trains from `state.step` to `settings.steps`, one step a batch, and returns the same state.

    The model (on `device`) follows torchvision's convention; the sum of its losses is minimised. A model
    with an attribute `mean_over_ranks` (see GridDetector) gets it set, so that its losses are normalised
    over the global batch. `progress` gets a dict every `report_every` steps on rank 0; `checkpoint` is
    called every `checkpoint_every` steps on rank 0. Raises UserError when the loss is no longer finite.
    """
    model = state.model
    if hasattr(model, "mean_over_ranks"):
        reducing: Any = model
        reducing.mean_over_ranks = distributed.mean
    replica = distributed.wrap(model, device)
    model.train()
    if freeze_batch_norm:
        freeze_norms(model)
    precision = distributed.agreed(settings.precision, device, model)
    since, images_since = time.perf_counter(), 0
    began = since - state.seconds

    for batch in on_device(batches, device):
        set_learning_rates(state.optimizer, settings, batch.step)
        with autocast(precision, device, model):
            losses = replica(list(batch.images.unbind(0)), batch.targets)
        check_losses(losses, f"the detector ({type(model).__name__})")
        total = torch.stack(list(losses.values())).sum()
        state.optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(model.parameters(), settings.clip_norm)
        state.optimizer.step()
        update_average(state, settings)

        state.step = batch.step + 1
        state.seconds = time.perf_counter() - began
        images_since += len(batch.images) * distributed.world_size
        names, values = list(losses), distributed.mean(torch.stack([v.detach() for v in losses.values()]))
        report = dict(zip(names, values.tolist())) | {"loss": float(values.sum())}
        if not math.isfinite(report["loss"]):
            raise UserError(
                f"training: the loss is {report['loss']} at step {state.step} ({report}); lower "
                f"train.learning_rate ({settings.learning_rate})"
            )
        state.history.append(report)
        if distributed.rank == 0:
            last = state.step == settings.steps
            if progress and (state.step % settings.report_every == 0 or last):
                now = time.perf_counter()
                rate = images_since / max(now - since, 1e-9)
                since, images_since = now, 0
                event = {"step": state.step, "steps": settings.steps, "images_per_second": rate}
                progress(event | {"learning_rate": learning_rate(settings, batch.step)} | report)
            if (
                checkpoint
                and settings.checkpoint_every
                and state.step % settings.checkpoint_every == 0
                and not last
            ):
                checkpoint(state)
    distributed.broadcast_buffers(model)
    return state


def make_optimizer(model: nn.Module, settings: TrainSettings) -> torch.optim.Optimizer:
    """AdamW or SGD over four groups: backbone or not, decayed or not (norms and biases)."""
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            key = ("backbone" in name.split("."), parameter.ndim > 1)
            groups.setdefault(key, []).append(parameter)
    options = [
        {
            "params": members,
            "factor": settings.backbone_rate if in_backbone else 1.0,
            "weight_decay": settings.weight_decay if decayed else 0.0,
        }
        for (in_backbone, decayed), members in groups.items()
    ]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(options, lr=settings.learning_rate, momentum=0.9)
    return torch.optim.AdamW(options, lr=settings.learning_rate)


def learning_rate(settings: TrainSettings, step: int) -> float:
    """Linear warm-up, then a cosine to zero (Loshchilov and Hutter, SGDR, ICLR 2017)."""
    warmup = min(settings.warmup, settings.steps // 3)
    if step < warmup:
        return settings.learning_rate * (step + 1) / warmup
    done = (step - warmup) / max(settings.steps - warmup, 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def set_learning_rates(optimizer: torch.optim.Optimizer, settings: TrainSettings, step: int) -> None:
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(settings, step) * group["factor"]


def freeze_norms(model: nn.Module) -> None:
    """Batch norms keep their statistics: with few images a batch, the trained ones are better."""
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            module.eval()


@torch.no_grad()
def update_average(state: TrainState, settings: TrainSettings) -> None:
    """Moves the moving average towards the weights; it is young, so it follows them faster, at first."""
    if state.average is None:
        return
    decay = min(settings.ema_decay, (1 + state.step) / (10 + state.step))
    for name, value in state.model.state_dict().items():
        if value.is_floating_point():
            state.average[name].lerp_(value, 1 - decay)
        else:
            state.average[name].copy_(value)
