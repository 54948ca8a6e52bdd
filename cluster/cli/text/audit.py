"""Suspected label errors, for a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from imitation.audit.suspects import KINDS, Suspect
from imitation.common.text_table import Table, table_lines, wrapped

SHOWN = 20


def lines(suspects: Sequence[Suspect], split: str, detectors: Sequence[str]) -> Iterator[str]:
    """As wide as the terminal; the first of them, then how many there are of each kind."""
    if not suspects:
        yield f"No label of {split} looks wrong to these detectors."
        return
    yield from wrapped(
        f"The {len(suspects)} labels of {split} that are worth looking at first, by {', '.join(detectors)}:"
    )
    yield ""
    columns = ("frame", "what", "score", "agree", "sure", "stake")
    rows = tuple(tuple(_cells(suspect)) for suspect in suspects[:SHOWN])
    yield from table_lines(Table((), (), columns, rows, -1, (), (0, 1)))
    counts = Counter(suspect.kind for suspect in suspects)
    yield ""
    yield ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind]) + "."
    yield from wrapped(
        "Agree: of the other detectors that judged the frame. Sure: how likely it is a label error, roughly, "
        "and less where all detectors share a weakness. Stake: what mAP50 would gain, in points, if that one "
        "label were corrected. Look before you change anything: --out writes the pictures as tasks."
    )


def _cells(suspect: Suspect) -> Iterator[str]:
    yield suspect.frame_id
    seen = f"{suspect.labelled}, seen {suspect.category}" if suspect.kind == "category" else suspect.category
    yield f"{suspect.kind}: {seen}"
    yield "-" if suspect.score is None else f"{suspect.score:.2f}"
    yield f"{suspect.agree} of {suspect.others}"
    yield f"{100 * suspect.sure:.0f} %"
    yield f"{100 * suspect.at_stake:.2f}"
