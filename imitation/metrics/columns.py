"""What stays of many frames: columns that grow by plain bytes, and the rank of frames by their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


class Columns:
    """Columns that grow together, each of one NumPy type: a score takes its four bytes and no object."""

    def __init__(self, **kinds: str) -> None:
        """`kinds`: name -> NumPy type ("f4", "u2", ...)."""
        self._kinds = {name: np.dtype(kind) for name, kind in kinds.items()}
        self._data = {name: bytearray() for name in kinds}

    def extend(self, **values: Any) -> None:
        """As many new items of every column."""
        for name, kind in self._kinds.items():
            self._data[name] += np.asarray(values[name], dtype=kind).tobytes()

    def arrays(self) -> dict[str, np.ndarray]:
        """Each column so far; copies, so that they may go on growing."""
        return {name: np.frombuffer(bytes(self._data[name]), kind) for name, kind in self._kinds.items()}


def ranks(names: Sequence[str]) -> np.ndarray:
    """The place of each name among all in sorted order, uint32: how equal scores of several frames rank."""
    result = np.empty(len(names), dtype=np.uint32)
    result[sorted(range(len(names)), key=names.__getitem__)] = np.arange(len(names), dtype=np.uint32)
    return result
