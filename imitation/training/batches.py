"""Which samples each optimizer step sees, and preparing them ahead of time.

Everything follows from (seed, step, position in the global batch): neither the number of workers nor
of threads nor a restart in the middle changes what a step sees.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from imitation.common.settings import DataError, UserError
from imitation.training.augment import Changes, draw_changes
from imitation.training.device_warp import Unwarped
from imitation.training.samples import SampleSource, Targets
from imitation.training.settings import AugmentSettings

AHEAD = 3  # batches in preparation while a step runs: bounds the memory they take

# what a generator is drawn for: no two of them may share a stream
_EPOCH, _ORDER, _SAMPLE = range(3)


Warp = Literal["host", "device"]
"""Where pictures are resampled and coloured: in threads that decode them, or on the device that trains."""

Sample = tuple[np.ndarray, Changes | None, Targets, np.float32 | None]
"""An image, the changes still to be made to it, its targets, and the weight of its losses (None: images are
not weighed)."""


@dataclass(frozen=True)
class Batch:
    """images uint8 (B, 3, H, W) in channels_last format, or those that the device has still to warp, and
    torchvision targets of each: `boxes` (M, 4) px, `labels` (M,) 1-based, `ignore` (M,) bool, `occlusion`
    (M,) in [0, 1], NaN where unknown; and where images are weighed, `weight` () of the image's losses."""

    step: int
    images: Tensor | Unwarped
    targets: list[dict[str, Tensor]]

    def pixels(self, device: torch.device) -> Tensor:
        """The images on the device, float32 (B, 3, H, W) in [0, 1], channels_last."""
        if isinstance(self.images, Unwarped):
            return self.images.to(device).warped()
        return self.images.to(device, non_blocking=True).float().div_(255)


class SamplePlan:
    """The samples of every step: epochs of seeded permutations of the real and of the synthetic part.

    `synthetic` (N,) bool marks the synthetic part. `share` is the synthetic share of a batch (rounded so
    that it holds over time); None shuffles both parts as one, so that all images come equally often.
    `pretrain` > 0: so many steps see the synthetic part alone, all later ones the real part alone. `mixed`:
    steps after which the real part is seen alone; before them shares are as without it.
    Where there is one part only (a loop's baseline has no synthetic images yet) every step sees that.
    `weights` (N,), > 0, makes an epoch draw each image in proportion to its weight within its part.
    """

    def __init__(
        self,
        synthetic: Sequence[bool] | np.ndarray,
        batch_size: int,
        seed: int,
        share: float | None = None,
        weights: Sequence[float] | np.ndarray | None = None,
        pretrain: int = 0,
        mixed: int | None = None,
    ) -> None:
        flags = np.asarray(synthetic, dtype=bool)
        if len(flags) == 0:
            raise UserError("training: the dataset has no frame to train on")
        self._epochs: dict[tuple[int, int], np.ndarray] = {}
        self.batch_size = batch_size
        self.seed = seed
        self._weights = np.ones(len(flags)) if weights is None else np.asarray(weights, dtype=float)
        if self._weights.shape != flags.shape or not (self._weights > 0).all():
            raise ValueError("weights: one number above 0 for each sample is needed")
        real, fake = np.flatnonzero(~flags), np.flatnonzero(flags)
        if share is None and mixed is not None:
            share = len(fake) / len(flags)
        self._pretrain, self._share, self._mixed = pretrain, share or 0.0, mixed
        if (share is None and not pretrain) or len(real) == 0 or len(fake) == 0:
            self._parts, self._share, self._pretrain = [np.arange(len(flags))], 0.0, 0
        else:
            self._parts = [real, fake]

    def indices(self, step: int) -> np.ndarray:
        """The sample numbers of the global batch of a step, (batch_size,)."""
        before = [self._drawn(step, part) for part in range(len(self._parts))]
        after = [self._drawn(step + 1, part) for part in range(len(self._parts))]
        drawn = [self._slice(part, *span) for part, span in enumerate(zip(before, after))]
        return self._rng(_ORDER, step).permutation(np.concatenate(drawn))

    def sample_rng(self, step: int, position: int) -> np.random.Generator:
        """The generator of the augmentation of the sample at a position of the global batch."""
        return self._rng(_SAMPLE, step, position)

    def _drawn(self, step: int, part: int) -> int:
        """Samples taken from a part before a step."""
        total = step * self.batch_size
        if self._pretrain:
            synthetic = min(total, self._pretrain * self.batch_size)
        else:
            mixed = total if self._mixed is None else min(total, self._mixed * self.batch_size)
            synthetic = round(mixed * self._share)
        return synthetic if part == 1 else total - synthetic

    def _slice(self, part: int, start: int, stop: int) -> np.ndarray:
        """Samples number start to stop of a part's endless stream of epochs."""
        size = len(self._parts[part])
        pieces = []
        while start < stop:
            epoch, offset = divmod(start, size)
            piece = self._epoch(part, epoch)[offset : offset + stop - start]
            pieces.append(piece)
            start += len(piece)
        return np.concatenate(pieces) if pieces else np.empty(0, dtype=np.int64)

    def _epoch(self, part: int, epoch: int) -> np.ndarray:
        """An epoch's order of a part. The last ones are kept: to make one takes a while where there are many,
        and a batch may need two."""
        if (part, epoch) not in self._epochs:
            kept = [*self._epochs.items()][1 - 2 * len(self._parts) :]
            self._epochs = dict([*kept, ((part, epoch), self._shuffled(part, epoch))])
        return self._epochs[part, epoch]

    def _shuffled(self, part: int, epoch: int) -> np.ndarray:
        members = self._parts[part]
        rng = self._rng(_EPOCH, part, epoch)
        first = rng.random()
        if np.ptp(self._weights[members]) == 0:
            return members[rng.permutation(len(members))]
        # systematic resampling: each image comes floor or ceil of its expected number of times
        edges = np.cumsum(self._weights[members])
        points = (np.arange(len(members)) + first) * (edges[-1] / len(members))
        chosen = np.minimum(np.searchsorted(edges, points, side="right"), len(members) - 1)
        return members[rng.permutation(chosen)]

    def _rng(self, *key: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, *key])


class Batches:
    """Prepares one rank's slice of the steps' batches in threads, a few ahead of the one in use.

    Iterating gives a `Batch` a step from `start` to `stop`; leaving the `with` block stops the threads.
    Raises the source's DataError for a bad sample when its step comes; with `skip_bad` the next sample that
    can be read takes its place, and `skipped` has the sample's number and what was wrong with it.
    `weights` (N,) > 0, if given, are those of the samples' losses. `warp` "device" leaves pixels to
    `Batch.pixels`: a thread then only decodes. Boxes are the same, pixels within rounding
    (`imitation.training.device_warp`).
    """

    def __init__(
        self,
        source: SampleSource,
        plan: SamplePlan,
        width: int,
        height: int,
        settings: AugmentSettings,
        *,
        start: int,
        stop: int,
        rank: int = 0,
        world_size: int = 1,
        threads: int = 2,
        skip_bad: bool = False,
        weights: Sequence[float] | np.ndarray | None = None,
        warp: Warp = "host",
    ) -> None:
        if plan.batch_size % world_size:
            raise UserError(
                f"train.batch_size: {plan.batch_size} is not a multiple of the {world_size} workers"
            )
        self._source, self._plan, self._settings = source, plan, settings
        self._size = (width, height)
        self._steps = range(start, stop)
        share = plan.batch_size // world_size
        self._positions = range(rank * share, (rank + 1) * share)
        self._skip_bad = skip_bad
        self._weights = None if weights is None else np.asarray(weights, dtype=np.float32)
        self.skipped: dict[int, str] = {}
        self._warp = warp
        # collating waits for samples, and copies what a device has still to warp: not the training's time
        self._collator = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="samples")

    def __enter__(self) -> Batches:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._collator.shutdown(wait=True, cancel_futures=True)

    def __iter__(self) -> Iterator[Batch]:
        waiting: deque[Future[Batch]] = deque()
        upcoming = iter(self._steps)
        while True:
            while len(waiting) < AHEAD and (step := next(upcoming, None)) is not None:
                samples = self._submit(step)
                waiting.append(self._collator.submit(self._collated, step, samples))
            if not waiting:
                return
            yield waiting.popleft().result()

    def _submit(self, step: int) -> list[Future[Sample]]:
        indices = self._plan.indices(step)
        return [self._pool.submit(self._sample, step, at, int(indices[at])) for at in self._positions]

    def _sample(self, step: int, position: int, index: int) -> Sample:
        rng = self._plan.sample_rng(step, position)
        image, index = self._readable(index)
        weight = None if self._weights is None else self._weights[index]
        changes = draw_changes(image, *self._size, self._settings, rng)
        targets = changes.targets(self._source.targets(index), self._settings.min_visible)
        if self._warp == "device":
            return image, changes, targets, weight
        return changes.image(image), None, targets, weight

    def _collated(self, step: int, samples: list[Future[Sample]]) -> Batch:
        return _collate(step, [sample.result() for sample in samples])

    def _readable(self, wanted: int) -> tuple[np.ndarray, int]:
        """The image wanted, or the next that can be read, and its number."""
        count = len(self._source)
        for index in (number % count for number in range(wanted, wanted + count)):
            if index in self.skipped:
                continue
            try:
                return self._source.image(index), index
            except DataError as error:
                if not self._skip_bad:
                    raise
                self.skipped[index] = str(error)
        raise UserError(f"training: none of the {count} images can be read, such as {self.skipped[wanted]}")


def _collate(step: int, samples: list[Sample]) -> Batch:
    pictures = [image for image, _, _, _ in samples]
    changes = [wanted for _, wanted, _, _ in samples if wanted is not None]
    images: Tensor | Unwarped
    if changes:
        images = Unwarped.of(pictures, changes)
    else:
        images = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    names = ("boxes", "labels", "ignore", "occlusion")
    targets = [
        {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in zip(names, target)}
        | ({} if weight is None else {"weight": torch.tensor(weight)})
        for _, _, target, weight in samples
    ]
    return Batch(step, images, targets)
