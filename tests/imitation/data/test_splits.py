"""Cuts keep sequences whole, are exact in size where they can be, and overlaps are refused."""

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imitation.common.settings import UserError
from imitation.data.splits import SplitSettings, check_disjoint, cut, folds, sequence_note

_sequences = st.lists(st.none() | st.sampled_from("abcdefgh"), min_size=3, max_size=60)
_shares = st.fixed_dictionaries({name: st.floats(0.05, 1) for name in ("train", "val", "test")})


def _ids(sequences: list[str | None]) -> list[str]:
    return [f"{i:03d}" for i in range(len(sequences))]


def _independent(sequences: list[str | None]) -> int:
    return len({s for s in sequences if s is not None}) + sequences.count(None)


@settings(deadline=None)
@given(sequences=_sequences, fractions=_shares, seed=st.integers(0, 1000))
def test_cut_is_a_partition_that_keeps_sequences_whole(
    sequences: list[str | None], fractions: dict[str, float], seed: int
) -> None:
    assume(_independent(sequences) >= 3)
    ids = _ids(sequences)
    parts = cut(ids, sequences, fractions, seed)
    assert list(parts) == list(fractions)
    assert sorted(i for part in parts.values() for i in part) == ids
    assert all(part == sorted(part) and part for part in parts.values())
    sequence = dict(zip(ids, sequences))
    check_disjoint({name: [(i, sequence[i]) for i in part] for name, part in parts.items()})


@settings(deadline=None)
@given(sequences=_sequences, seed=st.integers(0, 1000), data=st.data())
def test_cut_does_not_depend_on_the_order(
    sequences: list[str | None], seed: int, data: st.DataObject
) -> None:
    assume(_independent(sequences) >= 2)
    pairs = list(zip(_ids(sequences), sequences))
    shuffled = data.draw(st.permutations(pairs))
    halves = {"a": 0.5, "b": 0.5}
    first = cut([p[0] for p in pairs], [p[1] for p in pairs], halves, seed)
    second = cut([p[0] for p in shuffled], [p[1] for p in shuffled], halves, seed)
    assert {k: set(v) for k, v in first.items()} == {k: set(v) for k, v in second.items()}


@settings(deadline=None)
@given(count=st.integers(20, 200), fractions=_shares, seed=st.integers(0, 1000))
def test_single_frames_are_cut_to_size(count: int, fractions: dict[str, float], seed: int) -> None:
    ids = _ids([None] * count)
    parts = cut(ids, None, fractions, seed)
    for name, share in fractions.items():
        assert abs(len(parts[name]) - count * share / sum(fractions.values())) <= 1


def test_seeds_differ_and_repeat() -> None:
    ids = _ids([None] * 43)
    halves = {"val": 0.5, "test": 0.5}
    assert cut(ids, None, halves, 0) == cut(ids, None, halves, 0)
    assert cut(ids, None, halves, 0) != cut(ids, None, halves, 1)


def test_cuts_that_cannot_be_made() -> None:
    with pytest.raises(UserError, match="4 frames in 1 independent groups"):
        cut(["a", "b", "c", "d"], ["s"] * 4, {"val": 1, "test": 1}, 0)
    with pytest.raises(UserError, match="0 frames in 0 independent groups"):
        cut([], [], {"val": 1}, 0)
    with pytest.raises(UserError, match="must be above 0"):
        cut(["a", "b"], None, {"val": 1, "test": 0}, 0)
    with pytest.raises(UserError, match="stands twice"):
        cut(["a", "a"], None, {"val": 1}, 0)


@settings(deadline=None)
@given(sequences=_sequences, k=st.integers(1, 5), seed=st.integers(0, 100))
def test_folds_are_a_partition(sequences: list[str | None], k: int, seed: int) -> None:
    assume(_independent(sequences) >= k)
    ids = _ids(sequences)
    parts = folds(ids, sequences, k, seed)
    assert len(parts) == k
    assert all(parts)
    assert sorted(i for part in parts for i in part) == ids
    by_sequence: dict[str, set[int]] = {}
    for number, part in enumerate(parts):
        for i in part:
            if (name := sequences[int(i)]) is not None:
                by_sequence.setdefault(name, set()).add(number)
    assert all(len(numbers) == 1 for numbers in by_sequence.values())


def test_folds_of_single_frames_are_equal() -> None:
    assert sorted(len(part) for part in folds(_ids([None] * 58), None, 3, 0)) == [19, 19, 20]
    with pytest.raises(UserError, match="cannot make 5 folds"):
        folds(["a", "b"], None, 5, 0)
    with pytest.raises(UserError, match="at least 1"):
        folds(["a", "b"], None, 0, 0)


def test_the_note_says_what_is_known() -> None:
    assert "none of the 3 frames is known" in sequence_note([None] * 3)
    assert "of 2 of 3 frames is known (1 sequences)" in sequence_note(["a", "a", None])
    assert "none of the 2 sequences of 3 frames is divided" in sequence_note(["a", "a", "b"])


def _split(*ids: str, sequence: str | None = None) -> list[tuple[str, str | None]]:
    return [(i, sequence) for i in ids]


def test_overlaps_are_refused() -> None:
    train, val, test = _split("a", "b"), _split("c"), _split("d", "e")
    check_disjoint({"train": train, "mine": train, "val": val, "test": test})
    cases = {
        r"'train' and 'val' share 1 frames \(b\)": {"train": train, "val": _split("c", "b"), "test": test},
        r"'mine' and 'test' share 2 frames \(e, d\)": {
            "mine": _split("e", "d", "x"),
            "val": val,
            "test": test,
        },
        r"'val' and 'test' share 4 frames \(1, 2, 3, \.\.\.\)": {
            "val": _split(*"1234"),
            "test": _split(*"1234"),
        },
        r"'train' and 'test' share 1 sequences \(s\)": {
            "train": _split("a", "b", sequence="s"),
            "val": val,
            "test": _split("d", sequence="s"),
        },
        "'val' is empty": {"train": train, "val": [], "test": test},
    }
    for message, splits in cases.items():
        with pytest.raises(UserError, match=message):
            check_disjoint(splits)


def test_overlaps_are_found_in_generators_too() -> None:
    with pytest.raises(UserError, match="share 1 frames"):
        check_disjoint({name: (pair for pair in _split("a")) for name in ("val", "test")})


def test_settings_refuse_an_empty_share() -> None:
    assert SplitSettings().val == SplitSettings().test
    with pytest.raises(ValueError, match="greater than 0"):
        SplitSettings(val=0)
