import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.aggregation import (
    AggregationSettings,
    Dataset,
    Part,
    check_budgets,
    planned_budgets,
)
from imitation.common.settings import UserError


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


def test_repeated_frames_count_under_the_cap_but_are_not_synthetic():
    dataset = (
        Dataset(Part("real", 40), AggregationSettings())
        .aggregate(Part("s1", 4, 1))
        .aggregate(Part("again", 6, 2, repeated=True))
    )
    assert (dataset.synthetic_frames, dataset.added_frames, dataset.added_ratio) == (4, 10, 0.25)
    assert dataset.left_under_cap() == 10
    assert dataset.uris == ("real", "s1")
    assert [part.uri for part in dataset.repeated] == ["again"]


def test_budgets_of_another_run_take_the_place_of_the_share():
    dataset = Dataset(Part("real", 40), AggregationSettings(budgets=[3, 30, 5]))
    rooms = []
    for cycle in range(4):
        rooms.append(dataset.room_for_synthetic())
        dataset = dataset.aggregate(Part("s", rooms[-1], cycle))
    assert rooms == [3, 17, 0, 0], "never over the cap"


def test_planned_budgets_are_what_a_run_may_ask_for():
    assert planned_budgets(AggregationSettings(), 58, 3) == [15, 14, 0]
    assert planned_budgets(AggregationSettings(budgets=[3, 4]), 58, 3) == [3, 4, 0]


def test_budgets_over_the_cap_are_refused():
    check_budgets([10, 10], AggregationSettings(), 40)
    with pytest.raises(UserError, match="are 21 frames, over the cap of 20 for 40 real ones"):
        check_budgets([10, 11], AggregationSettings(), 40)
    with pytest.raises(ValueError, match="budgets"):
        AggregationSettings(budgets=[-1])
