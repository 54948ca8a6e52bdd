"""The two ways of going through pairs agree with the plain words: each in turn takes what is still free."""

import numpy as np
import pytest

from imitation.evaluation import greedy


def in_turn(
    choosers: np.ndarray, wanted: np.ndarray, able: np.ndarray, free: np.ndarray, bits: int
) -> list[tuple[int, int]]:
    """(pair, bit) of every match, bit by bit and pair by pair."""
    found = []
    for bit in range(bits):
        done: set[int] = set()
        gone = {i for i in range(len(free)) if not int(free[i]) >> bit & 1}
        for pair, (of, at, may) in enumerate(zip(choosers.tolist(), wanted.tolist(), able.tolist())):
            if may >> bit & 1 and of not in done and at not in gone:
                done.add(of)
                gone.add(at)
                found.append((pair, bit))
    return sorted(found)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.uint64])
def test_each_takes_the_first_that_is_left(seed: int, kind: type) -> None:
    rng = np.random.default_rng(seed)
    bits = np.iinfo(kind).bits
    pairs = []
    for group in range(1 + seed % 5):
        for chooser in range(int(rng.integers(1, 9))):
            liked = rng.permutation(7)[: int(rng.integers(0, 7))]
            pairs += [(group * 10 + chooser, group * 7 + int(item), group) for item in liked]
    choosers, wanted, groups = (np.array(column, dtype=np.int64) for column in zip(*pairs))
    able = rng.integers(0, np.iinfo(kind).max, len(pairs), dtype=kind, endpoint=True)
    free = rng.integers(0, np.iinfo(kind).max, 7 * (1 + seed % 5), dtype=kind, endpoint=True)
    expected = in_turn(choosers, wanted, able, free, bits)
    for way in (greedy._one_by_one, greedy._in_rounds):
        left = free.copy()
        chosen = way(choosers, wanted, groups, able, left)
        assert [(p, b) for p in range(len(pairs)) for b in range(bits) if int(chosen[p]) >> b & 1] == expected
        taken = np.zeros_like(free)
        np.bitwise_or.at(taken, wanted, chosen)
        assert (left == free & ~taken).all()
