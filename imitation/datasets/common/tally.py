"""What a format cannot hold, counted while frames are written, and told in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from imitation.common.wording import counted
from imitation.data.records import Frame, Object

# How a field that is lost is called.
PHRASES = {
    "visible_box": "visible boxes of",
    "amodal_box": "amodal boxes of",
    "truncation": "truncations of",
    "occlusion": "occlusion shares of",
    "occlusion_level": "occlusion levels of",
    "cuboid": "cuboids of",
    "alpha": "observation angles of",
    "difficulty": "difficulty levels of",
    "sequence": "sequences of",
    "camera": "cameras of",
    "conditions": "conditions of",
    "origin": "lineage of",
}


@dataclass
class Tally:
    """Counts of what is `dropped` and of what is written in another way (`changed`), each by what it is
    and the noun that is counted: ("cuboids of", "object"), or ("", "ignore region")."""

    dropped: Counter[tuple[str, str]] = field(default_factory=Counter)
    changed: Counter[tuple[str, str]] = field(default_factory=Counter)

    def drop(self, what: str, noun: str) -> None:
        self.dropped[(what, noun)] += 1

    def change(self, what: str, noun: str) -> None:
        self.changed[(what, noun)] += 1

    def drop_fields(self, record: Frame | Object, names: Iterable[str] = PHRASES) -> None:
        """Counts each of the fields (all that can be lost) that the frame or the object knows."""
        noun = "frame" if isinstance(record, Frame) else "object"
        for name in names:
            if getattr(record, name, None) not in (None, {}):
                self.drop(PHRASES[name], noun)


def listed(counts: Counter[tuple[str, str]]) -> str:
    """ "12 ignore regions, cuboids of 40 objects"."""
    return ", ".join(f"{what} {counted(count, noun)}".strip() for (what, noun), count in counts.items())
