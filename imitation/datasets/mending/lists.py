"""Lists of names, a line each: without those that must not stand there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imitation.datasets.mending.mender import LEAK

if TYPE_CHECKING:
    from imitation.datasets.mending.mender import Mender

TWICE = "names that stand twice in a list taken away"


def mended_list(mender: Mender, uri: str, text: str, why: Callable[[str], str | None]) -> None:
    """Puts a list without the lines whose first word must not stand there. `why` says it, in words that can
    be counted: "" it stays, None: it goes, and that has been told."""
    kept, seen, unknown = [], set(), 0
    lines = text.splitlines(keepends=True)
    for number, line in enumerate(lines, start=1):
        if not (words := line.split()):
            kept.append(line)
            continue
        what = TWICE if words[0] in seen else why(words[0])
        seen.add(words[0])
        if what == "":
            kept.append(line)
        elif what is not None:
            unknown += what not in (TWICE, LEAK)
            mender.changes.add(mender.name(uri), number, what, line.strip())
    if unknown >= max(2, len(seen)):
        mender.refuse(
            f"none of the {len(seen):,} names in {mender.name(uri)} is one of a frame "
            f"({lines[0].strip()[:80]}, ...); without them the list would be empty"
        )
    if len(kept) < len(lines):
        mender.put(uri, "".join(kept).encode())
