"""Stratified cuts: each part gets its share of sequences, of frames and of every category's sequences."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from imitation.data.splits import cut, folds
from imitation.data.stratified import deal

SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
_drives = st.lists(
    st.tuples(st.integers(1, 30), st.frozensets(st.sampled_from(["car", "bike", "tram"]))),
    min_size=3,
    max_size=25,
)


def made(drives: list[tuple[int, frozenset[str]]]) -> tuple[list[str], list[str], dict[str, frozenset[str]]]:
    """Frames, their drives, and what they hold: everything of a drive in its first frame."""
    ids = [f"{d:02d}-{i:02d}" for d, (frames, _) in enumerate(drives) for i in range(frames)]
    contents = {f"{d:02d}-00": held for d, (_, held) in enumerate(drives)}
    return ids, [name[:2] for name in ids], contents


def holding(part: list[str], contents: dict[str, frozenset[str]]) -> Counter[str]:
    """Drives that hold each category, and all of them under "drives"."""
    names = {name[:2] for name in part}
    found = Counter(name for drive in names for name in contents[f"{drive}-00"])
    return found + Counter(drives=len(names))


@settings(deadline=None, max_examples=60)
@given(drives=_drives, seed=st.integers(0, 1000), data=st.data())
def test_it_is_a_partition_of_whole_sequences_and_no_order_changes_it(drives, seed, data) -> None:
    ids, sequences, contents = made(drives)
    parts = cut(ids, sequences, SHARES, seed, contents)
    assert sorted(i for part in parts.values() for i in part) == ids
    assert all(parts.values())
    homes = {i[:2]: name for name, part in parts.items() for i in part}
    assert all(homes[i[:2]] == name for name, part in parts.items() for i in part)
    order = data.draw(st.permutations(range(len(ids))))
    again = cut([ids[k] for k in order], [sequences[k] for k in order], SHARES, seed, contents)
    assert {k: set(v) for k, v in again.items()} == {k: set(v) for k, v in parts.items()}


@settings(deadline=None, max_examples=60)
@given(drives=_drives, seed=st.integers(0, 1000))
def test_what_there_is_enough_of_is_nowhere_missing(drives, seed) -> None:
    """With one category there is nothing to weigh against it."""
    drives = [(frames, held & {"bike"}) for frames, held in drives]
    ids, sequences, contents = made(drives)
    enough = sum("bike" in held for _, held in drives) >= 3
    assume(enough)
    for part in folds(ids, sequences, 3, seed, contents):
        assert holding(part, contents)["bike"] >= 1


def kitti_like(seed: int) -> list[tuple[int, frozenset[str]]]:
    """45 drives of very different length, cyclists in few of them; the first two are long."""
    rng = np.random.default_rng(seed)
    chances = {"car": 0.85, "pedestrian": 0.45, "cyclist": 0.3, "truck": 0.3}
    frames = [64, 51, *(1 + rng.geometric(0.12, 43))]
    return [(int(n), frozenset(name for name, p in chances.items() if rng.random() < p)) for n in frames]


@pytest.mark.parametrize("seed", range(8))
def test_every_part_has_its_share_of_what_counts(seed) -> None:
    drives = kitti_like(seed)
    ids, sequences, contents = made(drives)
    parts = cut(ids, sequences, SHARES, seed, contents)
    total = holding(ids, contents)
    for name, part in parts.items():
        share = SHARES[name]
        found = holding(part, contents)
        for what, count in total.items():
            assert abs(found[what] - share * count) <= 1.5, f"{what} in {name}: {found} of {total}"
        assert len(part) == pytest.approx(share * len(ids), abs=0.06 * len(ids))
        longest = max(Counter(i[:2] for i in part).values())
        assert longest <= 0.42 * len(part), "no long drive is most of a part"
    seeds = {
        tuple(sorted({i[:2] for i in cut(ids, sequences, SHARES, s, contents)["test"]})) for s in range(6)
    }
    assert len(seeds) >= 5, "another seed is another cut"


def test_by_frames_alone_it_is_often_otherwise() -> None:
    """What is stratified against: of the same drives one part in a few lacks cyclists, or is one drive."""
    worst = 0
    for seed in range(8):
        ids, sequences, contents = made(kitti_like(seed))
        plain = cut(ids, sequences, SHARES, seed)
        for name, part in plain.items():
            off = abs(holding(part, contents)["cyclist"] - SHARES[name] * holding(ids, contents)["cyclist"])
            worst = max(worst, off)
    assert worst > 2


def test_single_frames_are_dealt_out_by_category() -> None:
    names = [f"{i:04d}" for i in range(600)]
    contents = {name: {"rare"} for name in names[:9]} | {name: {"car"} for name in names[9:]}
    parts = deal([[name] for name in names], contents, np.array([1.0, 1.0, 1.0]), 0)
    assert [len(part) for part in parts] == [200, 200, 200]
    assert [sum(name < "0009" for name in part) for part in parts] == [3, 3, 3]


def test_a_cut_without_contents_is_what_it_always_was() -> None:
    """By hand from the first version's rule: random order, to whichever part lacks most."""
    ids, sequences, _ = made([(5, frozenset()), (3, frozenset()), (2, frozenset()), (2, frozenset())])
    parts = cut(ids, sequences, SHARES, 0)
    order = np.random.default_rng(0).permutation(4)
    lacking = np.array([0.6, 0.2, 0.2]) * 12
    expected: list[set[str]] = [set(), set(), set()]
    sizes = [5, 3, 2, 2]
    for left, drive in zip((4, 3, 2, 1), order):
        empty = [k for k in range(3) if not expected[k]]
        to = max(empty if left <= len(empty) else range(3), key=lambda k: lacking[k])
        expected[to].add(f"{drive:02d}")
        lacking[to] -= sizes[drive]
    assert [{i[:2] for i in part} for part in parts.values()] == expected
