"""Words that messages are made of: counted nouns, spans of time, the name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def counted(count: int, noun: str) -> str:
    """ "1 frame", "2 frames", "1,203 categories"."""
    if count == 1:
        return f"1 {noun}"
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{count:,} {noun[:-1]}ies"
    return f"{count:,} {noun}{'es' if noun.endswith(('x', 's', 'ch')) else 's'}"


def times(count: int) -> str:
    """ "once", "2 times"."""
    return "once" if count == 1 else f"{count} times"


def duration(seconds: float, padded: bool = False) -> str:
    """A span of time with its two leading units: "42 s", "6 min 5 s", "3 h 20 min"; `padded`: always both,
    the second with two digits ("6 min 05 s", "3 h 00 min"), for what is written over itself."""
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    big, small = ("min", "s") if seconds < 3600 else ("h", "min")
    first, rest = divmod(seconds if small == "s" else seconds // 60, 60)
    if padded:
        return f"{first} {big} {rest:02d} {small}"
    return f"{first} {big} {rest} {small}" if rest else f"{first} {big}"


def nearest(name: str, known: Iterable[str], most: int = 1, cutoff: float = 0.6) -> list[str]:
    """The names most like this one, whatever their case, the nearest first; none that is less like it than
    `cutoff` (1 is the same)."""
    folded: dict[str, str] = {}
    for each in known:
        folded.setdefault(each.casefold(), each)
    return [folded[near] for near in difflib.get_close_matches(name.casefold(), folded, most, cutoff)]


def did_you_mean(
    name: str,
    known: Iterable[str],
    otherwise: str | None = None,
    *,
    said: str = "did you mean {!r}?",
    cutoff: float = 0.6,
) -> str:
    """The nearest of the names that there are, as `said`; where none is near, `otherwise`, or all of them."""
    known = list(known)
    if near := nearest(name, known, cutoff=cutoff):
        return said.format(near[0])
    return f"known are {', '.join(known)}" if otherwise is None else otherwise


NEAREST = "the nearest is {!r}"
"""What `did_you_mean` says of settings."""
