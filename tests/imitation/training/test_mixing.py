"""How real and synthetic frames are mixed: shares, schedules, weights, boxes, repetitions."""

from dataclasses import replace
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.images import encode_png
from imitation.data.records import Box, Frame, Object
from imitation.datasets.parquet.files import write_frames
from imitation.training.batches import Batches, SamplePlan
from imitation.training.samples import ArraySource, FrameSource
from imitation.training.settings import AugmentSettings, TrainSettings

MAP = CategoryMap.identity(("car",))
FLAGS = np.array([False] * 20 + [True] * 12)


def plan(steps: int = 30, batch: int = 4, **changes: object) -> SamplePlan:
    mixing = TrainSettings(steps=steps, batch_size=batch, schedule="pretrain", **changes)
    return SamplePlan(FLAGS, batch, 5, mixing.synthetic_share, pretrain=mixing.pretrain_steps())


@settings(deadline=None, max_examples=50)
@given(steps=st.integers(2, 60), batch=st.integers(1, 9), share=st.floats(0.01, 0.99))
def test_pretraining_sees_synthetic_images_alone_and_then_real_ones_alone(
    steps: int, batch: int, share: float
) -> None:
    made = plan(steps, batch, pretrain_share=share)
    counts = [int(FLAGS[made.indices(step)].sum()) for step in range(steps)]
    switch = counts.index(0)
    assert counts == [batch] * switch + [0] * (steps - switch)
    assert 1 <= switch <= steps - 1
    assert abs(switch - share * steps) <= 1
    assert all(len(made.indices(step)) == batch for step in range(steps)), "equal compute"


def test_both_phases_go_through_their_images_evenly() -> None:
    made = plan(30, 4, pretrain_share=0.5)
    times = np.bincount(np.concatenate([made.indices(step) for step in range(30)]), minlength=len(FLAGS))
    assert (times[FLAGS] == 15 * 4 / 12).all()
    assert (times[~FLAGS] == 15 * 4 / 20).all()


@settings(deadline=None, max_examples=50)
@given(steps=st.integers(2, 60), last=st.floats(0.05, 0.9), share=st.none() | st.floats(0.1, 0.9))
def test_the_last_steps_see_real_images_alone_and_the_others_what_they_would(
    steps: int, last: float, share: float | None
) -> None:
    mixing = TrainSettings(steps=steps, batch_size=5, real_last=last, synthetic_share=share)
    until = mixing.mixed_steps()
    assert until == steps - round(last * steps)
    made = SamplePlan(FLAGS, 5, 5, share, mixed=until)
    counts = [int(FLAGS[made.indices(step)].sum()) for step in range(steps)]
    assert not any(counts[until:])
    expected = share if share is not None else FLAGS.mean()
    assert abs(sum(counts) - expected * 5 * until) <= 1
    assert all(len(made.indices(step)) == 5 for step in range(steps)), "equal compute"
    if share is not None:
        before = SamplePlan(FLAGS, 5, 5, share)
        assert all((made.indices(s) == before.indices(s)).all() for s in range(until))


def test_no_last_steps_by_default_and_none_beside_pretraining() -> None:
    assert TrainSettings().mixed_steps() is None
    with pytest.raises(ValueError, match="pretrain ends on real images alone anyway"):
        TrainSettings(schedule="pretrain", real_last=0.2)
    with pytest.raises(ValueError, match="warm_steps is 5, but warm_start is false"):
        TrainSettings(warm_steps=5)
    alone = SamplePlan([False] * 8, 4, 0, mixed=1)
    assert (np.bincount(np.concatenate([alone.indices(s) for s in (0, 1)]), minlength=8) == 1).all()


def test_without_synthetic_images_every_step_sees_real_ones() -> None:
    made = SamplePlan([False] * 8, 4, 0, pretrain=10)
    assert (np.bincount(np.concatenate([made.indices(s) for s in (0, 1)]), minlength=8) == 1).all()


def numbered(count: int) -> ArraySource:
    empty = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, np.float32))
    return ArraySource([np.full((32, 32, 3), i, dtype=np.uint8) for i in range(count)], [empty] * count)


def stream(start: int = 0, rank: int = 0, world: int = 1) -> list[tuple[list[int], list[float]]]:
    """The images' numbers and weights of every step of one rank."""
    place = {"start": start, "stop": 30, "rank": rank, "world_size": world}
    weights = np.where(FLAGS, 0.5, 1.0)
    with Batches(
        numbered(32), plan(), 32, 32, AugmentSettings(enabled=False), **place, weights=weights
    ) as all_:
        return [(b.images[:, 0, 0, 0].tolist(), [float(t["weight"]) for t in b.targets]) for b in all_]


def test_neither_a_restart_in_either_phase_nor_ranks_change_the_schedule() -> None:
    whole = stream()
    for start in (7, 15, 22):  # before, at and after the switch
        assert stream(start) == whole[start:]
    halves = [stream(rank=rank, world=2) for rank in (0, 1)]
    assert [(a[0] + b[0], a[1] + b[1]) for a, b in zip(*halves)] == whole
    assert {(FLAGS[i], w) for images, weights in whole for i, w in zip(images, weights)} == {
        (False, 1.0),
        (True, 0.5),
    }


def test_images_are_not_weighed_unless_it_is_asked_for() -> None:
    with Batches(numbered(3), SamplePlan([0, 0, 0], 3, 0), 32, 32, AugmentSettings(), start=0, stop=1) as b:
        assert all("weight" not in t for t in next(iter(b)).targets)


def test_a_share_of_a_batch_and_pretraining_exclude_each_other() -> None:
    with pytest.raises(ValueError, match="no batch is shared"):
        TrainSettings(schedule="pretrain", synthetic_share=0.5)
    assert TrainSettings(schedule="pretrain", steps=1).pretrain_steps() == 0, (
        "the one step is for real images"
    )


def frame(name: str, *objects: Object) -> Frame:
    return Frame(name, 64, 32, objects, image=encode_png(np.zeros((32, 64, 3), np.uint8)))


SEEN = Object("car", Box(1, 1, 9, 9), visible_box=Box(2, 2, 6, 6), amodal_box=Box(-8, 0, 12, 40))
BARE = Object("car", Box(20, 1, 30, 9))


@pytest.fixture
def data(tmp_path: Path) -> tuple[list[str], list[str]]:
    paths = [str(tmp_path / f"{name}.parquet") for name in ("real", "synthetic")]
    write_frames([frame(f"r{i}", SEEN) for i in range(4)], paths[0])
    write_frames([frame(f"s{i}", SEEN, BARE) for i in range(2)], paths[1])
    return paths[:1], paths[1:]


@pytest.mark.parametrize(
    ("boxes", "first"),
    [("convention", [1, 1, 9, 9]), ("visible", [2, 2, 6, 6]), ("amodal", [0, 0, 12, 32])],
)
def test_boxes_of_synthetic_objects_are_chosen_where_they_carry_them(
    data: tuple[list[str], list[str]], boxes: str, first: list[float]
) -> None:
    source = FrameSource(*data, MAP, synthetic_boxes=boxes)
    by_id = {name: source.targets(i)[0].tolist() for i, name in enumerate(source.frame_ids)}
    assert by_id["s0"] == by_id["s1"] == [first, [20, 1, 30, 9]]
    assert by_id["r0"] == [[1, 1, 9, 9]], "real labels are what they are"


def test_repeated_frames_take_the_place_of_synthetic_ones(data: tuple[list[str], list[str]]) -> None:
    real, _ = data
    source = FrameSource(real, [], MAP, repeats={"r1": 2, "r3": 1})
    assert source.frame_ids == ["r0", "r1", "r2", "r3", "r1", "r1", "r3"]
    assert source.added.tolist() == [False] * 4 + [True] * 3
    assert not source.synthetic.any()
    assert source.targets(5)[0].tolist() == source.targets(1)[0].tolist()
    assert (source.image(6) == source.image(3)).all()
    half = SamplePlan(source.added, 4, 0, share=0.5)
    assert [int(source.added[half.indices(step)].sum()) for step in range(6)] == [2] * 6


def test_what_is_held_out_is_not_repeated_either(data: tuple[list[str], list[str]]) -> None:
    source = FrameSource(*data, MAP, exclude={"r1"}, repeats={"r1": 5, "r0": 1})
    assert source.frame_ids == ["r0", "r2", "r3", "s0", "s1", "r0"]
    assert source.added.tolist() == [False] * 3 + [True] * 3
    with pytest.raises(UserError, match="'s0'"):
        FrameSource(*data, MAP, repeats={"s0": 1})


def test_a_box_without_area_is_ignored(tmp_path: Path) -> None:
    outside = replace(SEEN, amodal_box=Box(70, 0, 90, 9))
    path = str(tmp_path / "synthetic.parquet")
    write_frames([frame("s0", outside)], path)
    _, _, ignore, _ = FrameSource([], [path], MAP, synthetic_boxes="amodal").targets(0)
    assert ignore.tolist() == [True]
