"""Which cells an object covers."""

import hypothesis.strategies as st
import torch
from hypothesis import given, settings

from imitation.detectors.grid.assignment import assign, make_cells

STRIDES = (8, 16, 32)
CELLS = make_cells([(16, 24), (8, 12), (4, 6)], STRIDES, torch.device("cpu"))  # 192 x 128 px


def cover(boxes: list[list[float]], ignore: list[bool] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    flags = torch.tensor(ignore or [False] * len(boxes), dtype=torch.bool)
    found = assign(CELLS, torch.tensor(boxes).reshape(-1, 4), flags, 0.5)
    return found.objects, found.counts


def test_cells_lie_in_the_middle_of_their_square() -> None:
    assert CELLS.centres[0].tolist() == [4.0, 4.0]
    assert CELLS.centres[25].tolist() == [12.0, 12.0]  # second row and column of the first grid
    assert len(CELLS.centres) == 16 * 24 + 8 * 12 + 4 * 6


def test_an_object_goes_to_the_grid_of_its_size() -> None:
    for side, grids in ((10, {8}), (30, {8}), (40, {8, 16}), (60, {16}), (80, {16, 32}), (120, {32})):
        objects, _ = cover([[60 - side / 2, 60 - side / 2, 60 + side / 2, 60 + side / 2]])
        assert set(CELLS.strides[objects == 0].tolist()) == grids, side


def test_the_middle_half_of_each_side_is_covered() -> None:
    objects, _ = cover([[40.0, 40.0, 80.0, 80.0]])
    centres = CELLS.centres[(objects == 0) & (CELLS.strides == 8)]
    assert sorted({x for x, _ in centres.tolist()}) == [52.0, 60.0, 68.0]


def test_the_smaller_object_wins_a_cell() -> None:
    objects, _ = cover([[20.0, 20.0, 60.0, 60.0], [30.0, 30.0, 50.0, 50.0]])
    middle = ((CELLS.centres - 40).abs() < 5).all(dim=1) & (CELLS.strides == 8)
    assert middle.any()
    assert (objects[middle] == 1).all()


def test_nothing_is_asked_of_ignored_regions_but_objects_inside_count() -> None:
    objects, counts = cover([[0.0, 0.0, 96.0, 128.0], [30.0, 30.0, 50.0, 50.0]], [True, False])
    assert not (objects == 0).any()
    covered = objects == 1
    assert covered.any()
    assert counts[covered].all()
    left = CELLS.centres[:, 0] <= 96
    assert not counts[left & ~covered].any()
    assert counts[~left].all()


def test_no_objects_and_all_cells_count() -> None:
    objects, counts = cover([])
    assert (objects == -1).all()
    assert counts.all()


@settings(max_examples=200, deadline=None)
@given(x=st.floats(0, 190), y=st.floats(0, 126), width=st.floats(1, 190), height=st.floats(1, 126))
def test_every_object_inside_the_image_covers_a_cell(x: float, y: float, width: float, height: float) -> None:
    box = [x, y, min(x + width, 192.0), min(y + height, 128.0)]
    objects, _ = cover([box])
    assert (objects == 0).any()
    # and covered cells' centres are near the box: never further out than half their stride
    centres, half = CELLS.centres[objects == 0], CELLS.strides[objects == 0] / 2
    for corner, sign in ((box[:2], 1), (box[2:], -1)):
        assert (sign * (centres - torch.tensor(corner)) >= -half[:, None] - 1e-3).all()
