"""Which grid cells an object covers: the training targets of the grid detector."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

# A grid of stride s takes the objects whose size, sqrt(width * height), lies in [2 s, 6 s): cells
# then lie 2 to 6 to a side. The ranges overlap, so an object at a border is learnt by both grids.
# The finest grid has no lower end, the coarsest no upper one.
SMALLEST, LARGEST = 2.0, 6.0


@dataclass(frozen=True)
class Cells:
    """All cells of all grids of one input size: centres (N, 2) px, grid numbers (N,), strides (N,) px,
    and the size range of objects, px, that each cell's grid takes (N, 2)."""

    centres: Tensor
    grids: Tensor
    strides: Tensor
    ranges: Tensor


@dataclass(frozen=True)
class CellTargets:
    """For each of N cells: the object it covers (index, -1: none), and whether its coverage counts
    (False inside ignored regions)."""

    objects: Tensor
    counts: Tensor


def make_cells(shapes: list[tuple[int, int]], strides: tuple[int, ...], device: torch.device) -> Cells:
    """The cells of grids of these (rows, columns), in the order grid, row, column."""
    centres, grids, cell_strides, ranges = [], [], [], []
    for number, ((rows, columns), stride) in enumerate(zip(shapes, strides)):
        y = (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) * stride
        x = (torch.arange(columns, device=device, dtype=torch.float32) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centres.append(torch.stack([grid_x, grid_y], dim=-1).reshape(-1, 2))
        low = 0.0 if stride == strides[0] else SMALLEST * stride
        high = float("inf") if stride == strides[-1] else LARGEST * stride
        count = rows * columns
        grids.append(torch.full((count,), number, device=device))
        cell_strides.append(torch.full((count,), float(stride), device=device))
        ranges.append(torch.tensor([[low, high]], device=device).expand(count, 2))
    return Cells(torch.cat(centres), torch.cat(grids), torch.cat(cell_strides), torch.cat(ranges))


def assign(cells: Cells, boxes: Tensor, ignore: Tensor, shrink: float) -> CellTargets:
    """The target of each cell.

    `boxes` (M, 4) px, `ignore` (M,) bool. An object covers the cells of its size's grids whose
    centre lies in the middle part of its box (`shrink` of each side), and always those that hold
    its centre, so that no object is too thin to be learnt. Of several, the smallest object wins.
    """
    count = len(cells.strides)
    objects = torch.full((count,), -1, dtype=torch.long, device=cells.strides.device)
    counts = torch.ones(count, dtype=torch.bool, device=cells.strides.device)
    if len(boxes) == 0:
        return CellTargets(objects, counts)
    x, y = cells.centres[:, :1], cells.centres[:, 1:]  # (N, 1)
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2  # (M, 2)
    size = (boxes[:, 2:] - boxes[:, :2]).clamp(min=0)
    reach = size * shrink / 2
    # a cell is "the cell of the centre" when the centre is less than half a stride away
    half = cells.strides[:, None] / 2
    inside = ((x - centre[:, 0]).abs() <= reach[:, 0].maximum(half)) & (
        (y - centre[:, 1]).abs() <= reach[:, 1].maximum(half)
    )
    scale = size.prod(dim=1).sqrt()
    fits = (scale >= cells.ranges[:, :1]) & (scale < cells.ranges[:, 1:])
    covered = inside & fits & ~ignore
    area = torch.where(covered, size.prod(dim=1), torch.inf)
    smallest, index = area.min(dim=1)
    objects = torch.where(smallest < torch.inf, index, objects)
    in_box = (x >= boxes[:, 0]) & (x <= boxes[:, 2]) & (y >= boxes[:, 1]) & (y <= boxes[:, 3])
    in_ignored = (in_box & ignore).any(dim=1)
    return CellTargets(objects, ~in_ignored | (objects >= 0))
