"""The sample plan: who is seen when, whatever the number of workers, threads and restarts."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from imitation.common.settings import DataError, UserError
from imitation.training.batches import Batch, Batches, SamplePlan
from imitation.training.samples import ArraySource, CachedSource
from imitation.training.settings import AugmentSettings


def drawn(plan: SamplePlan, steps: int) -> np.ndarray:
    return np.concatenate([plan.indices(step) for step in range(steps)])


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), batch=st.integers(1, 16), seed=st.integers(0, 1000))
def test_an_epoch_sees_every_sample_once(count: int, batch: int, seed: int) -> None:
    # whole epochs and whole batches: a batch that ends one epoch and begins the next is shuffled as one
    plan = SamplePlan(np.zeros(count), batch, seed)
    assert (np.bincount(drawn(plan, count), minlength=count) == batch).all()


@settings(max_examples=60, deadline=None)
@given(
    real=st.integers(1, 30),
    synthetic=st.integers(1, 30),
    batch=st.integers(1, 16),
    share=st.floats(0, 1),
)
def test_the_synthetic_share_holds_over_time(real: int, synthetic: int, batch: int, share: float) -> None:
    flags = np.array([False] * real + [True] * synthetic)
    plan = SamplePlan(flags, batch, 0, share)
    steps = 20
    counts = [flags[plan.indices(step)].sum() for step in range(steps)]
    assert abs(sum(counts) - share * batch * steps) <= 0.5 + 1e-6
    assert max(counts) - min(counts) <= 1


def test_without_a_share_all_samples_come_equally_often() -> None:
    plan = SamplePlan([False] * 30 + [True] * 10, 8, 0)
    assert (np.bincount(drawn(plan, 10), minlength=40) == 2).all()


def test_weights_decide_how_often_a_sample_comes() -> None:
    weights = np.array([1.0, 1, 1, 5])
    plan = SamplePlan(np.zeros(4), 4, 0, weights=weights)
    times = np.bincount(drawn(plan, 200), minlength=4)
    np.testing.assert_allclose(times / times.sum(), weights / weights.sum(), atol=0.02)
    for wrong in ([1.0, 0, 1, 1], [1.0]):
        with pytest.raises(ValueError, match="weights"):
            SamplePlan(np.zeros(4), 4, 0, weights=wrong)


def test_seeds_differ_and_repeat() -> None:
    a, b, c = (drawn(SamplePlan(np.zeros(50), 10, seed), 5).tolist() for seed in (1, 1, 2))
    assert a == b != c


def test_an_empty_dataset_is_refused() -> None:
    with pytest.raises(UserError, match="no frame"):
        SamplePlan([], 4, 0)


@pytest.mark.parametrize("only", [False, True])
def test_a_share_needs_both_parts(only: bool) -> None:
    plan = SamplePlan([only] * 6, 3, 0, share=0.5)
    assert (np.bincount(drawn(plan, 2), minlength=6) == 1).all()


def numbered(count: int) -> ArraySource:
    """Images that tell their own number."""
    empty = (np.zeros((0, 4), np.float32), np.zeros(0, np.int64), np.zeros(0, bool), np.zeros(0, np.float32))
    return ArraySource([np.full((32, 32, 3), i, dtype=np.uint8) for i in range(count)], [empty] * count)


def batches(
    source: object, start: int = 0, rank: int = 0, world_size: int = 1, **more: object
) -> list[Batch]:
    plan = SamplePlan(np.zeros(len(source)), 8, seed=3)
    augment = more.pop("augment", AugmentSettings())
    place = {"rank": rank, "world_size": world_size}
    with Batches(source, plan, 32, 32, augment, start=start, stop=6, **place, **more) as all_:
        return list(all_)


def test_neither_threads_nor_restarts_nor_workers_change_what_a_step_sees() -> None:
    source = numbered(20)
    whole = batches(source)
    assert [batch.step for batch in whole] == list(range(6))
    assert whole[0].images.shape == (8, 3, 32, 32)
    for other in (batches(source, threads=5), batches(CachedSource(source, 1))):
        assert all((a.images == b.images).all() for a, b in zip(whole, other))
    later = batches(source, start=4)
    assert [batch.step for batch in later] == [4, 5]
    assert (later[0].images == whole[4].images).all()
    halves = [batches(source, rank=rank, world_size=2) for rank in range(2)]
    for step, batch in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([half[step].images for half in halves]), batch.images)
    with pytest.raises(UserError, match=r"batch_size: 8 is not a multiple of the 3 workers"):
        batches(source, world_size=3)


class Broken(ArraySource):
    def image(self, index: int) -> np.ndarray:
        if index == 7:
            raise DataError("frame-7", "cannot be read")
        return super().image(index)


def test_a_bad_sample_stops_its_step_or_is_replaced_by_the_next() -> None:
    source = Broken(*vars(numbered(20)).values())
    with pytest.raises(DataError, match="frame-7"):
        batches(source)
    plan = SamplePlan(np.zeros(20), 8, seed=3)
    quiet = AugmentSettings(enabled=False)
    with Batches(source, plan, 32, 32, quiet, start=0, stop=6, skip_bad=True) as all_:
        seen = np.concatenate([batch.images[:, 0, 0, 0].numpy() for batch in all_])
    wanted = drawn(plan, 6)
    np.testing.assert_array_equal(seen, np.where(wanted == 7, 8, wanted))
    assert list(all_.skipped) == [7]
    assert "frame-7" in all_.skipped[7]


def test_nothing_readable_is_an_error() -> None:
    class Nothing(ArraySource):
        def image(self, index: int) -> np.ndarray:
            raise DataError(f"frame-{index}", "cannot be read")

    with pytest.raises(UserError, match="none of the 3 images"):
        batches(Nothing(*vars(numbered(3)).values()), skip_bad=True)


def test_the_cache_keeps_to_its_size() -> None:
    calls: list[int] = []

    class Counting(ArraySource):
        def image(self, index: int) -> np.ndarray:
            calls.append(index)
            return np.zeros((500, 400, 3), dtype=np.uint8)  # 0.6 MB

    source = CachedSource(Counting(*vars(numbered(3)).values()), megabytes=1)
    for index in (0, 1, 0, 1):
        source.image(index)
    assert calls == [0, 1, 1]
