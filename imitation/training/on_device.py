"""Batches on the device that trains, the next on its way while one is worked on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from imitation.training.batches import Batch


class Ready(NamedTuple):
    """A step's batch on the device: images float32 (B, 3, H, W) in [0, 1], and targets as `Batch`'s."""

    step: int
    images: Tensor
    targets: list[dict[str, Tensor]]


def on_device(batches: Iterable[Batch], device: torch.device) -> Iterator[Ready]:
    """Every batch, in order. On CUDA the next one is copied and warped on a stream of its own meanwhile."""
    if device.type != "cuda":
        for batch in batches:
            yield _moved(batch, device)
        return
    stream = torch.cuda.Stream(device)
    before: tuple[Ready, torch.cuda.Event] | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            moved = _moved(batch, device)
            arrived = torch.cuda.Event()
            arrived.record(stream)
        if before is not None:
            yield _arrived(*before)
        before = moved, arrived
    if before is not None:
        yield _arrived(*before)


def _moved(batch: Batch, device: torch.device) -> Ready:
    targets = [
        {name: value.to(device, non_blocking=True) for name, value in target.items()}
        for target in batch.targets
    ]
    return Ready(batch.step, batch.pixels(device), targets)


def _arrived(ready: Ready, arrived: torch.cuda.Event) -> Ready:
    """The same, for the stream that computes: it waits, and keeps the memory until it is done with it."""
    current = torch.cuda.current_stream(ready.images.device)
    current.wait_event(arrived)
    for tensor in (ready.images, *(value for target in ready.targets for value in target.values())):
        tensor.record_stream(current)
    return ready
