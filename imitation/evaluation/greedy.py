"""Greedy matching, once: each in its turn takes what it likes best of what is still free.

In COCO, TIDE and Waymo detections choose objects, best score first, at IoU thresholds; in KITTI objects
choose detections, in file order, at score thresholds. All thresholds are matched together: each is one bit.
"""

from __future__ import annotations

import numpy as np

FEW = 64
"""Pairs up to which a plain loop is faster than NumPy's rounds: those of one frame."""


def choose(
    choosers: np.ndarray, wanted: np.ndarray, groups: np.ndarray, able: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """The thresholds at which each pair is matched: bits, (P,) of the type of `able`.

    A pair is a chooser (`choosers`, int64 (P,), never falling) and something it wants (`wanted`, int64
    (P,)). Choosers choose in that order; the pairs of each stand by falling preference. `groups` int64
    (P,), never falling: choosers of different groups want nothing in common. `able` unsigned (P,): the
    bits at which a pair may match at all; `free` unsigned, by what is wanted: the bits at which it is
    there, and afterwards those at which it is left over. Both of one type, of as many bits as thresholds.
    """
    return (_one_by_one if len(able) <= FEW else _in_rounds)(choosers, wanted, groups, able, free)


def _one_by_one(
    choosers: np.ndarray, wanted: np.ndarray, groups: np.ndarray, able: np.ndarray, free: np.ndarray
) -> np.ndarray:
    of, at = choosers.tolist(), wanted.tolist()
    there = dict(zip(at, free[wanted].tolist()))
    wants = dict.fromkeys(of, -1)  # every bit
    chosen = []
    for chooser, what, bits in zip(of, at, able.tolist()):
        takes = bits & there[what] & wants[chooser]
        chosen.append(takes)
        there[what] ^= takes
        wants[chooser] ^= takes
    free[wanted] = [there[what] for what in at]
    return np.array(chosen, dtype=able.dtype)


def _in_rounds(
    choosers: np.ndarray, wanted: np.ndarray, groups: np.ndarray, able: np.ndarray, free: np.ndarray
) -> np.ndarray:
    """Round r takes the r-th pair of every group, all at once. A chooser that shares nothing it wants with
    another depends on none: it is a group of its own."""
    contested = np.zeros(int(choosers[-1]) + 1, dtype=bool)
    contested[choosers[np.bincount(wanted)[wanted] > 1]] = True
    waits = contested[choosers]
    before = np.cumsum(waits) - waits
    rounds = np.where(
        waits,
        before - before[np.searchsorted(groups, groups)],
        np.arange(len(choosers)) - np.searchsorted(choosers, choosers),
    )
    order = np.argsort(rounds.astype(np.min_scalar_type(rounds.max())), kind="stable")
    of, at, may = choosers[order], wanted[order], able[order]
    wants = np.full(len(contested), np.iinfo(able.dtype).max, dtype=able.dtype)
    taken = np.zeros_like(may)
    high = 0
    for size in np.bincount(rounds).tolist():
        low, high = high, high + size
        now_of, now_at = of[low:high], at[low:high]
        takes = may[low:high] & free[now_at] & wants[now_of]
        taken[low:high] = takes
        free[now_at] ^= takes
        wants[now_of] ^= takes
    chosen = np.empty_like(taken)
    chosen[order] = taken
    return chosen
