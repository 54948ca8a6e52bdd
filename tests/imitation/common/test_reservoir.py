"""A sample of a stream."""

import numpy as np

from imitation.common.reservoir import reservoir


def test_few_items_are_all_kept_in_their_order() -> None:
    assert reservoir(iter(range(3)), 3, np.random.default_rng(0)) == [0, 1, 2]
    assert reservoir(iter(()), 3, np.random.default_rng(0)) == []


def test_every_item_of_many_is_as_likely() -> None:
    rng = np.random.default_rng(0)
    counts = np.bincount([i for _ in range(4000) for i in reservoir(iter(range(8)), 2, rng)], minlength=8)
    assert counts.sum() == 2 * 4000
    assert np.all(np.abs(counts - 1000) < 5 * np.sqrt(1000 * 0.75))
