"""What a mended copy has otherwise than its source: each change, and all of them in sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from imitation.common.wording import counted

LONGEST = 300  # letters of a row that a change shows


class Change(NamedTuple):
    """One change: in which `file` (from the dataset's folder), `where` in it (a line, an id; "" of all of
    it), `what` was done, in words that can be counted, the row `before` and `after` (None: it is gone)."""

    file: str
    where: str
    what: str
    before: str | None = None
    after: str | None = None

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


@dataclass
class Changes:
    """All changes, in the order in which they were found."""

    made: list[Change] = field(default_factory=list)

    def add(self, file: str, where: object, what: str, before: Any = None, after: Any = None) -> None:
        self.made.append(Change(file, str(where), what, _short(before), _short(after)))

    def __len__(self) -> int:
        return len(self.made)

    def __iter__(self) -> Iterator[Change]:
        return iter(self.made)

    def sentences(self) -> list[str]:
        """What was done, how often and in how many files, the most frequent first."""
        times = Counter(change.what for change in self.made)
        files: dict[str, set[str]] = {}
        for change in self.made:
            files.setdefault(change.what, set()).add(change.file)
        return [
            f"{what}: {count:,} in {counted(len(files[what]), 'file')} ({_first(files[what])})"
            for what, count in times.most_common()
        ]


def _first(files: set[str]) -> str:
    first = min(files)
    return f"{first}, ..." if len(files) > 1 else first


def _short(row: Any) -> str | None:
    if row is None:
        return None
    text = str(row)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
