"""A sample of what streams by, without holding the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

import numpy as np

T = TypeVar("T")


def reservoir(items: Iterable[T], limit: int, rng: np.random.Generator) -> list[T]:
    """All items if there are at most `limit`, else that many drawn uniformly while they stream by
    (Vitter's algorithm R, ACM TOMS 1985)."""
    kept: list[T] = []
    for count, item in enumerate(items):
        if count < limit:
            kept.append(item)
        elif (place := int(rng.integers(count + 1))) < limit:
            kept[place] = item
    return kept
