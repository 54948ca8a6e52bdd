"""The changes of `imitation.training.augment` made to a whole batch on the device that trains.

A GPU that trains 1,500 images a second cannot wait for processors that resample each of them: they decode
alone, and the device does in one go what `Window.image` and `Colour.image` do one by one. It resamples by the
same filter (a triangle as wide as an output pixel where it shrinks, so antialiased; Pillow's BILINEAR), a row
and then a column at a time, for a window is mirrored, scaled and moved, never turned. Colours are a matrix of
3x4 an image.

Where the picture ends inside the input, its edge lies where the window says, to a fraction of a pixel;
`Window.image` puts it on a whole one. All else is within rounding. No value depends on the other images of
the batch, so ranks and batch sizes change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from imitation.training.augment import BORDER, GREY, Changes

CHUNK = 16  # images at a time: bounds the float copies, 20 MB an image of 1248x384 px
LUMA = tuple(round(float(weight) * 1000) for weight in GREY)  # in whole numbers, whose sum is exact


@dataclass(frozen=True)
class Unwarped:
    """Decoded images and what is to be made of them.

    `sources` uint8 (B, H, W, 3), each in the upper left corner; `sizes` (B, 2) int64, its height and width,
    px; `windows` (B, 4) float64 x, y, width, height, px of the source; `flips` (B,) bool; `colours` (B, 5)
    float64: saturation, contrast and the channels' three gains, or None; `size` the (height, width) wanted;
    `reach` how many pixels of a source a pixel of the input sees at most, down and across."""

    sources: Tensor
    sizes: Tensor
    windows: Tensor
    flips: Tensor
    colours: Tensor | None
    size: tuple[int, int]
    reach: tuple[int, int]

    @classmethod
    def of(cls, images: Sequence[np.ndarray], changes: Sequence[Changes]) -> Unwarped:
        """RGB uint8 (H, W, 3) images of any size, and the changes of each, all to one size and all or none
        with colours."""
        sizes = np.array([image.shape[:2] for image in images])
        height, width = sizes.max(axis=0).tolist()
        # pinned, so that copying it to the device does not hold up whoever asks for it
        pinned = torch.cuda.is_available()
        sources = torch.empty((len(images), height, width, 3), dtype=torch.uint8, pin_memory=pinned)
        for place, image in zip(sources.numpy(), images):
            place[: image.shape[0], : image.shape[1]] = image
        windows = [change.window for change in changes]
        colours = [change.colour for change in changes if change.colour is not None]
        size = (windows[0].out_height, windows[0].out_width)
        down, across = (max(w.height for w in windows) / size[0], max(w.width for w in windows) / size[1])

        def tensor(values: list[list[float]] | list[bool], kind: torch.dtype) -> Tensor:
            return torch.tensor(values, dtype=kind, pin_memory=pinned)

        return cls(
            sources,
            tensor(sizes.tolist(), torch.int64),
            tensor([[w.x, w.y, w.width, w.height] for w in windows], torch.float64),
            tensor([w.flip for w in windows], torch.bool),
            tensor([[c.saturation, c.contrast, *c.gains] for c in colours], torch.float64)
            if colours
            else None,
            size,
            (_reach(down), _reach(across)),
        )

    def __len__(self) -> int:
        return len(self.sources)

    def to(self, device: torch.device) -> Unwarped:
        """The same on a device."""

        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return replace(
            self,
            sources=moved(self.sources),
            sizes=moved(self.sizes),
            windows=moved(self.windows),
            flips=moved(self.flips),
            colours=None if self.colours is None else moved(self.colours),
        )

    def warped(self) -> Tensor:
        """The inputs, float32 (B, 3, height, width) in [0, 1], channels_last; whole levels of 255."""
        height, width = self.size
        down, across = self.reach
        parts = []
        for start in range(0, len(self), CHUNK):
            some = slice(start, start + CHUNK)
            windows, sizes = self.windows[some], self.sizes[some]
            columns = _taps(windows[:, 0], windows[:, 2], sizes[:, 1], width, across, self.flips[some])
            rows = _taps(windows[:, 1], windows[:, 3], sizes[:, 0], height, down, None)
            pixels = _resampled(self.sources[some], columns, 2)
            pixels = _resampled(pixels, rows, 1)
            shown = rows.shown[:, :, None, None] * columns.shown[:, None, :, None]
            pixels = _rounded(pixels.float().sub_(BORDER).mul_(shown).add_(BORDER))
            if self.colours is not None:
                pixels = _coloured(pixels, self.colours[some])
            parts.append(pixels.float().div_(255))
        return torch.cat(parts).permute(0, 3, 1, 2)


@dataclass(frozen=True)
class _Taps:
    """For each pixel of a row or column of the input: which pixels of the source it is made of, (B, K, N)
    int64, their weights (B, K, N) float32, and its share (B, N) that the source covers."""

    places: Tensor
    weights: Tensor
    shown: Tensor


def _reach(scale: float) -> int:
    return math.ceil(2 * max(scale, 1.0))


def _taps(start: Tensor, length: Tensor, size: Tensor, count: int, reach: int, flips: Tensor | None) -> _Taps:
    """Pillow's coefficients (precompute_coeffs in its Resample.c) for `count` pixels over [start, start +
    length] of a source of `size` px; each (B,)."""
    at = torch.arange(count, dtype=torch.float64, device=start.device).expand(len(start), count)
    if flips is not None:
        at = torch.where(flips[:, None], at.flip(1), at)
    scale = (length / count)[:, None]
    support = scale.clamp(min=1.0)
    centre = start[:, None] + (at + 0.5) * scale
    first = (centre - support + 0.5).floor().clamp(min=0.0)
    last = torch.minimum((centre + support + 0.5).floor(), size[:, None].double())
    places = first[:, None] + torch.arange(reach, dtype=torch.float64, device=start.device)[:, None]
    weights = (1 - ((places + 0.5 - centre[:, None]) / support[:, None]).abs()).clamp(min=0.0)
    weights = torch.where(places < last[:, None], weights, 0.0)
    weights = weights / weights.sum(dim=1, keepdim=True).clamp(min=1e-9)
    # the input's pixels that the source spans, and how much of each
    begin, end = -start[:, None] / scale, (size[:, None] - start[:, None]) / scale
    shown = (torch.minimum(at + 1, end) - torch.maximum(at, begin)).clamp(0.0, 1.0)
    inside = torch.minimum(places, size[:, None, None].double() - 1).clamp(min=0.0).long()
    return _Taps(inside, weights.float(), shown.float())


def _resampled(images: Tensor, taps: _Taps, dim: int) -> Tensor:
    """uint8 (B, H, W, 3) with rows (dim 1) or columns (dim 2) resampled, rounded as Pillow does between."""
    shape = list(images.shape)
    shape[dim] = taps.shown.shape[1]
    view = (len(images), -1, 1, 1) if dim == 1 else (len(images), 1, -1, 1)
    total = torch.zeros(shape, device=images.device)
    for k in range(taps.weights.shape[1]):
        seen = images.gather(dim, taps.places[:, k].view(view).expand(shape))
        total += seen * taps.weights[:, k].view(view)
    return _rounded(total)


def _rounded(values: Tensor) -> Tensor:
    return values.add_(0.5).clamp_(0, 255).to(torch.uint8)


def _coloured(images: Tensor, colours: Tensor) -> Tensor:
    """`Colour.image` of uint8 (B, H, W, 3): a 3x4 matrix an image."""
    luma = torch.tensor(LUMA, device=images.device)
    # whole numbers: the same sum in whatever order
    total = (images.sum(dim=(1, 2), dtype=torch.int64) * luma).sum(dim=1)
    middle = total / (1000 * images.shape[1] * images.shape[2])
    saturation, contrast, gains = colours[:, 0], colours[:, 1], colours[:, 2:]
    grey = (luma / 1000).double().expand(3, 3)
    own = torch.eye(3, dtype=torch.float64, device=images.device)
    matrix = saturation[:, None, None] * own + (1 - saturation)[:, None, None] * grey
    matrix = (gains * contrast[:, None])[:, :, None] * matrix
    offset = gains * (middle * (1 - contrast))[:, None]
    planes = images.float().unbind(-1)
    made = []
    for channel in range(3):
        weights = matrix[:, channel].float()[:, :, None, None]
        value = planes[0] * weights[:, 0]
        for source in (1, 2):
            value += planes[source] * weights[:, source]
        made.append(_rounded(value.add_(offset[:, channel].float()[:, None, None])))
    return torch.stack(made, dim=-1)
