import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.aggregation import AggregationSettings, Dataset, Part


@given(
    real=st.integers(1, 5000),
    ratio=st.floats(0, 3),
    share=st.floats(0.01, 2),
    takes=st.lists(st.floats(0, 1), max_size=20),
)
def test_the_cap_is_never_exceeded_and_room_is_always_accepted(real, ratio, share, takes):
    dataset = Dataset(
        Part("real", real), AggregationSettings(max_synthetic_ratio=ratio, synthetic_per_cycle=share)
    )
    for cycle, take in enumerate(takes, start=1):
        room = dataset.room_for_synthetic()
        dataset = dataset.aggregate(Part(f"s{cycle}", int(room * take), cycle))
        assert dataset.synthetic_frames <= ratio * real + 1e-6
    assert dataset.room_for_synthetic() >= 0


def test_asking_for_all_the_room_reaches_the_papers_cap():
    dataset = Dataset(Part("real", 58), AggregationSettings())
    while room := dataset.room_for_synthetic():
        dataset = dataset.aggregate(Part("s", room, 1))
    assert dataset.synthetic_frames == 29


def test_more_than_the_cap_is_refused():
    dataset = Dataset(Part("real", 10), AggregationSettings())
    with pytest.raises(ValueError, match="exceed the cap of 5"):
        dataset.aggregate(Part("s1", 6, 1))


def test_uris_leave_out_empty_parts():
    dataset = (
        Dataset(Part("real", 10), AggregationSettings())
        .aggregate(Part("s1", 0, 1))
        .aggregate(Part("s2", 2, 2))
    )
    assert dataset.uris == ("real", "s2")
