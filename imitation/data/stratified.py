"""Sequences dealt out to the parts of a cut so that each part gets its share of everything.

What is independent is a sequence, so a part is worth as much as it has sequences, and of a rare category as
much as it has sequences that hold it. Iterative stratification (Sechidis, Tsoumakas and Vlahavas, *On the
Stratification of Multi-Label Data*, ECML 2011) deals out the rarest first; then sequences are moved and
exchanged as long as that makes the cut better.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

LARGEST = 1 / 3
"""The share of a part's frames that one sequence should not go beyond."""
AT_MOST = 400
"""Groups up to which they are moved and exchanged: every pair is looked at."""
_OVERSIZE = 10.0
_NONE_OF_IT = 4.0


def deal(
    groups: Sequence[Sequence[str]],
    contents: Mapping[str, Collection[str]],
    shares: np.ndarray,
    seed: int,
) -> list[set[str]]:
    """Whole groups of frames, dealt out to parts of about these shares (P,); no part stays empty.

    `contents` says which categories a frame holds (nothing of a frame that is not in it). Each part gets
    about its share of the groups, of the frames, and, of each category, of the groups that hold it; at least
    one where there are as many as parts. A group larger than a third of what a part should have goes to
    another one, if any is large enough. There must be at least as many groups as parts.
    """
    table = _Table(groups, contents, shares / shares.sum())
    rng = np.random.default_rng(seed)
    home = _dealt(table, rng)
    if len(groups) <= AT_MOST:
        _improve(table, home, rng)
    parts: list[set[str]] = [set() for _ in shares]
    for group, part in zip(groups, home):
        parts[part].update(group)
    return parts


class _Table:
    """What groups hold, and how far a cut is from what it should be.

    `counts` (G, K): frames in units of the mean group, 1 for the group itself, and 1 for each category that
    it holds. `wanted` (P, K): what the parts should have of it. `oversize` (G, P): the price of a group that
    is too large for a part.
    """

    def __init__(
        self, groups: Sequence[Sequence[str]], contents: Mapping[str, Collection[str]], shares: np.ndarray
    ) -> None:
        held = [{name for frame in group for name in contents.get(frame, ())} for group in groups]
        names = sorted(set().union(*held))
        frames = np.array([len(group) for group in groups], dtype=np.float64)
        columns = [frames / frames.mean(), np.ones(len(groups))]
        columns += [np.array([name in group for group in held], dtype=np.float64) for name in names]
        self.counts = np.column_stack(columns)
        self.parts = len(shares)
        totals = self.counts.sum(axis=0)
        self.wanted = shares[:, None] * totals
        room = np.maximum(LARGEST * shares * frames.sum(), frames.mean())  # few groups: none is too large
        over = np.maximum(0.0, frames[:, None] - room) / room
        self.oversize = _OVERSIZE * (over - over.min(axis=1, keepdims=True))
        self.needed = (totals >= self.parts).astype(np.float64)
        self.needed[:2] = 0.0

    def price(self, have: np.ndarray) -> float:
        """How far parts that have this much (..., P, K) are from what they should have: (...)."""
        off = (have - self.wanted) ** 2 / self.wanted
        none = (have < 0.5) * self.needed
        return (off + _NONE_OF_IT * none).sum(axis=(-2, -1))


def _dealt(table: _Table, rng: np.random.Generator) -> np.ndarray:
    """A part for each group, the groups with the rarest category first, of these the largest."""
    groups = len(table.counts)
    order = rng.permutation(groups)
    totals = table.counts.sum(axis=0)
    rarest = np.where(table.counts[:, 2:] > 0, totals[2:], np.inf).min(axis=1, initial=np.inf)
    order = order[np.lexsort((-table.counts[order, 0], rarest[order]))]
    home = np.full(groups, -1)
    have = np.zeros_like(table.wanted)
    for left, group in zip(range(groups, 0, -1), order):
        empty = [p for p in range(table.parts) if have[p, 1] == 0]
        candidates = empty if left <= len(empty) else list(range(table.parts))
        more = np.repeat(have[None], len(candidates), axis=0)
        more[np.arange(len(candidates)), candidates] += table.counts[group]
        prices = table.price(more) + table.oversize[group, candidates]
        best = np.flatnonzero(prices <= prices.min() + 1e-9)
        part = candidates[int(rng.choice(best))]
        home[group] = part
        have[part] += table.counts[group]
    return home


def _improve(table: _Table, home: np.ndarray, rng: np.random.Generator) -> None:
    """Moves groups, and exchanges pairs of them, while the price falls; `home` is changed."""
    have = np.zeros_like(table.wanted)
    np.add.at(have, home, table.counts)
    better = True
    while better:
        better = False
        for group in rng.permutation(len(home)):
            here = home[group]
            for there in range(table.parts):
                if there != here and have[here, 1] > 1:
                    better |= _try(table, home, have, [(group, there)])
                    here = home[group]
            others = np.flatnonzero(home != home[group])
            gains = _exchanges(table, home, have, group, others)
            if len(gains) and gains.max() > 1e-9:
                other = int(others[int(gains.argmax())])
                better |= _try(table, home, have, [(group, home[other]), (other, home[group])])


def _exchanges(
    table: _Table, home: np.ndarray, have: np.ndarray, group: int, others: np.ndarray
) -> np.ndarray:
    """By how much the price falls if a group changes places with each of the others, (N,)."""
    after = np.repeat(have[None], len(others), axis=0)
    moved = table.counts[others] - table.counts[group]
    rows = np.arange(len(others))
    after[rows, home[group]] += moved
    after[rows, home[others]] -= moved
    size = table.oversize
    before = size[group, home[group]] + size[others, home[others]]
    now = size[group, home[others]] + size[others, home[group]]
    return np.asarray(table.price(have) - table.price(after) + before - now)


def _try(table: _Table, home: np.ndarray, have: np.ndarray, moves: list[tuple[int, int]]) -> bool:
    """Carries moves out if the price falls by them."""
    after, change = have.copy(), 0.0
    for group, there in moves:
        after[home[group]] -= table.counts[group]
        after[there] += table.counts[group]
        change += table.oversize[group, there] - table.oversize[group, home[group]]
    if table.price(after) + change >= table.price(have) - 1e-9:
        return False
    have[:] = after
    for group, there in moves:
        home[group] = there
    return True
