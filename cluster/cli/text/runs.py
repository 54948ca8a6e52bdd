"""What `imitate runs` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence

from cluster.inventory.cleaning import WHYS, Removable
from cluster.inventory.entries import Entry
from cluster.inventory.rerender import Rerendered
from cluster.inventory.sizes import size_text
from cluster.inventory.told import told_of
from imitation.common import storage
from imitation.common.text_table import Table, fitted, format_table, terminal_width, wrapped
from imitation.common.wording import counted
from imitation.report.table import DASH, points
from imitation.report.words import MAP50, measure_name


def listing(entries: Sequence[Entry], place: str) -> str:
    """The table of a storage, the last begun first, with a word on what is not simply finished."""
    if not entries:
        return f"{storage.without_secrets(place)}: no run, comparison or sweep yet"
    newest = sorted(entries, key=lambda entry: entry.started or "", reverse=True)
    table = Table(
        heading=(),
        groups=(("", 4), ("best so far", 2), ("", 3)),
        columns=("name", "what", "data", "state", "on val", "on test", "frames", "size", "begun (UTC)"),
        rows=tuple(_row(entry) for entry in newest),
        best=-1,
        notes=(
            *(f"{entry.name}: {told}" for entry in newest if (told := told_of(entry))),
            f"on val: the score that decides ({_measures(entries)}); on test: {MAP50} of the same detector. "
            "In points. Frames: real + synthetic.",
        ),
        left=(0, 1, 2, 3),
    )
    total = sum(entry.bytes or 0 for entry in entries)
    return f"{format_table(table)}\n{counted(len(entries), 'folder')}, {size_text(total)}."


def _measures(entries: Sequence[Entry]) -> str:
    return ", ".join(dict.fromkeys(measure_name(entry.metric) for entry in entries))


def _row(entry: Entry) -> tuple[str, ...]:
    best = entry.best
    scores = (DASH, DASH, DASH)
    if best is not None:
        added = max(row.synthetic_frames for row in entry.cycles)
        scores = (points(best.val), points(best.test), f"{best.real_frames:,} + {added:,}")
    size = DASH if entry.bytes is None else size_text(entry.bytes)
    begun = time.strptime(entry.started, "%Y-%m-%dT%H:%M:%SZ") if entry.started else None
    at = DASH if begun is None else time.strftime("%d %b %H:%M", begun)
    return (entry.name, entry.kind, entry.data, entry.state, *scores, size, at)


def rerendered_lines(result: Rerendered) -> Iterator[str]:
    """Whether a frame came again, and if not what is not as it was."""
    origin, image = result.stored.origin, result.stored.image
    assert origin is not None
    who = f"{origin.simulator} {origin.simulator_version}"
    if result.same:
        yield from wrapped(
            f"{result.stored.frame_id}: the same, {len(image or b''):,} bytes and all labels, by {who}."
        )
    else:
        yield from wrapped(f"{result.stored.frame_id}: not the same, by {who}.")
        yield from wrapped(f"pixels: {result.pixels or 'the same'}", indent="  ")
        yield from wrapped(f"labels: {result.labels or 'the same'}", indent="  ")
    if result.same:
        return
    for line in result.differs:
        yield from wrapped(f"not as it was: {line}", indent="  ")
    if not result.differs:
        yield from wrapped(
            "Simulator, versions and machine are the same: the graphics driver is another (it is not written "
            "down), or the simulator is not deterministic (imitate check simulator)."
        )


def cleaning_lines(items: Sequence[Removable], entries: Sequence[Entry], unfinished: bool) -> Iterator[str]:
    """What may go, by run, and how to let it go."""
    running = [entry.name for entry in entries if entry.state == "running"]
    if not items:
        yield "nothing may go"
    else:
        table = Table(
            heading=(),
            groups=(),
            columns=("run", "what", "why it may go", "size"),
            rows=tuple((i.run, i.what or "all of it", i.why, size_text(i.bytes)) for i in items),
            best=-1,
            notes=tuple(f"{why}: {WHYS[why]}." for why in dict.fromkeys(item.why for item in items)),
            left=(0, 1, 2),
        )
        yield from format_table(table).splitlines()
        total = size_text(sum(item.bytes for item in items))
        yield from wrapped(f"{total} in all. Nothing is deleted yet: the same command with --yes does it.")
    if running:
        yield from wrapped(f"left alone, for a driver holds them: {', '.join(running)}")
    kept = [e.name for e in entries if e.kind == "run" and e.state not in ("running", "finished")]
    if kept and not unfinished:
        yield fitted(
            f"kept, for the same command continues them (--unfinished names them too): {', '.join(kept)}",
            terminal_width(),
        )
