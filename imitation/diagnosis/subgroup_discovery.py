"""Subgroup discovery: attributes' words with which objects or detections fail more often than without.

Sequential covering by greatest weighted relative accuracy (Lavrac, Kavsek, Flach, Todorovski: *Subgroup
Discovery with CN2-SD*, JMLR 2004): the next subgroup is the one with the most failures in excess of what
the failure rate of all that are left lets expect; then what it covers is taken out.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from pydantic import Field

from imitation.common.settings import Settings
from imitation.evaluation.attributes import CONDITION, UNKNOWN

Item = tuple[str, str]
"""An attribute and a word of it."""

PARSIMONY = 0.9  # each word after the first must earn its place: it multiplies the excess by this
MAX_VALUES = 24  # a condition of more values (an id, a time stamp) names no subgroup
MAX_CELLS = 200_000


class ModeSettings(Settings):
    """How failure modes are found."""

    max_words: int = Field(2, ge=1, le=3, description="attributes in a failure mode's name, at most")
    min_failures: int = Field(
        10, ge=1, description="failing objects (or false detections) that a failure mode has at least"
    )
    deviations: float = Field(
        3.0,
        ge=0.0,
        description="standard deviations (binomial) by which they exceed what the rest lets expect, at least",
    )
    max_modes: int = Field(
        6, ge=0, description="failure modes of one category, at most; what is left over comes on top"
    )


class _Cell(NamedTuple):
    on_nothing: bool
    words: tuple[Item, ...]


@dataclass(frozen=True, eq=False)
class Group:
    """The cells of one category, of objects or (`on_nothing`) of detections that found none: the words of
    each (attribute -> word), how many of them it holds (`members`, (K,)), how many are `failing` (K,)."""

    category: str
    on_nothing: bool
    words: Sequence[Mapping[str, str]]
    members: np.ndarray
    failing: np.ndarray


class Cells:
    """Counts of all and of failing items by all their words; grows with their combinations alone.

    A condition of more than `MAX_VALUES` values is dropped; and while there are more than `MAX_CELLS`
    cells, the condition of most values.
    """

    def __init__(self) -> None:
        self._counts: dict[_Cell, list[int]] = {}
        self._values: defaultdict[str, set[str]] = defaultdict(set)  # of conditions
        self._dropped: set[str] = set()

    def add(
        self,
        words: Sequence[Mapping[str, str]],
        on_nothing: bool,
        counted: np.ndarray,
        failing: Collection[int],
    ) -> None:
        """Adds N objects, or detections, by their words; `counted` bool (N,) leaves the others out, `failing`
        holds the places of those that fail."""
        for i in np.flatnonzero(counted).tolist():
            for name, value in words[i].items():
                if name.startswith(CONDITION) and name not in self._dropped:
                    self._values[name].add(value)
            self._put(_Cell(on_nothing, tuple(words[i].items())), 1, int(i in failing))
        self._shrink()

    def _put(self, cell: _Cell, members: int, failing: int) -> None:
        kept = tuple(item for item in cell.words if item[0] not in self._dropped)
        counts = self._counts.setdefault(_Cell(cell.on_nothing, kept), [0, 0])
        counts[0] += members
        counts[1] += failing

    def _shrink(self) -> None:
        many = [name for name, values in self._values.items() if len(values) > MAX_VALUES]
        if len(self._counts) > MAX_CELLS and not many and self._values:
            many = [max(sorted(self._values), key=lambda name: len(self._values[name]))]
        if many:
            self._dropped.update(many)
            for name in many:
                del self._values[name]
            before, self._counts = self._counts, {}
            for cell, (members, failing) in before.items():
                self._put(cell, members, failing)

    def groups(self) -> list[Group]:
        """The cells by category and side, in an order that does not depend on that of `add`."""
        groups: defaultdict[tuple[str, bool], list[tuple[dict[str, str], list[int]]]] = defaultdict(list)
        for cell in sorted(self._counts):
            words = dict(cell.words)
            groups[words.pop("category"), cell.on_nothing].append((words, self._counts[cell]))
        result = []
        for (category, on_nothing), cells in sorted(groups.items()):
            members, failing = np.array([counts for _, counts in cells]).T
            result.append(Group(category, on_nothing, [words for words, _ in cells], members, failing))
        return result


def find_subgroups(group: Group, settings: ModeSettings) -> Iterator[tuple[Item, ...]]:
    """Subgroups of one group, one after the other, each among what the earlier ones left."""
    items = sorted({item for words in group.words for item in words.items() if item[1] != UNKNOWN})
    masks = {
        item: np.array([words.get(item[0]) == item[1] for words in group.words], dtype=bool) for item in items
    }
    members, failing = group.members.copy(), group.failing.copy()
    for _ in range(settings.max_modes):
        where = _best(masks, members, failing, settings)
        if where is None:
            return
        yield where
        inside = np.logical_and.reduce([masks[item] for item in where])
        members[inside] = failing[inside] = 0


def _best(
    masks: Mapping[Item, np.ndarray], members: np.ndarray, failing: np.ndarray, settings: ModeSettings
) -> tuple[Item, ...] | None:
    """The words with the greatest excess of failures; None if it is nowhere large enough.

    Breadth first, so that of equals the fewest words win; what could not exceed the best even if it kept
    nothing but its failures is not looked into further.
    """
    total = int(members.sum())
    rate = int(failing.sum()) / total if total else 0.0
    best, best_score = None, 0.0
    frontier: list[tuple[tuple[Item, ...], np.ndarray]] = [((), members > 0)]
    for count in range(settings.max_words):
        longer = []
        for where, mask in frontier:
            for item, fits in masks.items():
                if where and item[0] <= where[-1][0]:
                    continue  # one word of an attribute, and every set of words once
                inside = mask & fits
                fails, worth = int(failing[inside].sum()), PARSIMONY**count
                if fails < settings.min_failures or fails * (1 - rate) * worth <= best_score:
                    continue
                number = int(members[inside].sum())
                excess, noise = fails - number * rate, math.sqrt(number * rate * (1 - rate))
                if excess * worth > best_score and excess >= settings.deviations * noise:
                    best, best_score = (*where, item), excess * worth
                longer.append(((*where, item), inside))
        frontier = longer
    return best
