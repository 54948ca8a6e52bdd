"""What `imitate runs` prints."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from cluster.inventory.cleaning import WHYS, Removable
from cluster.inventory.entries import RESULTS, STATES_MEAN, Entry
from cluster.inventory.rerender import Rerendered
from cluster.inventory.sizes import size_text
from imitation.common import storage
from imitation.common.text_table import Table, fitted, format_table, terminal_width, wrapped
from imitation.common.wording import counted
from imitation.report.table import DASH, points
from imitation.report.words import BASELINE, MAP50, WRONG, measure_name

WORK = {
    "data": "rendering the stand-in",
    "simulate": "rendering",
    "train": "training",
    "evaluate": "evaluating",
}


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


def told_of(entry: Entry) -> str:
    """What there is to say of one beyond its row: what it is at, why it ended, what it found."""
    parts = []
    if entry.state == "running" and entry.kind == "run":
        parts.append("; ".join(doing(work) for work in entry.work) or "between two stages")
    elif entry.state in ("killed", "stopped", "failed", "unfinished") and entry.kind == "run":
        at = f" while {doing(entry.work[0])}" if entry.work else ""
        parts.append(f"{entry.state}{at} after {_cycles(entry)}")
    if entry.reason:
        parts.append(entry.reason)
    if entry.trials:
        parts.append(
            ", ".join(f"{count} {state}" for state, count in sorted(entry.trials.items())) + " trials"
        )
    if entry.headline:
        parts.append(entry.headline)
    return "; ".join(parts)


def doing(work: Any) -> str:
    """ "training main of cycle 1, 60 of 150"."""
    what = WORK.get(work["stage"], work["stage"])
    detector = f" {work['detector']}" if work.get("detector") else ""
    cycle = "" if work.get("cycle") is None else f" of cycle {work['cycle']}"
    done = f", {work['done']:.0f}" + (f" of {work['total']:.0f}" if work.get("total") else "")
    return f"{what}{detector}{cycle}{done}"


def _cycles(entry: Entry) -> str:
    return counted(len(entry.cycles), "evaluated cycle") if entry.cycles else "no evaluated cycle"


def table_of(entry: Entry) -> str:
    """The table of a run, a comparison or a sweep, as its command printed it; of one that is not finished
    what there is so far."""
    if not _has_results(entry):
        return format_table(partial_table(entry))
    uri = storage.join(entry.uri, RESULTS[entry.kind])
    if entry.kind == "run":
        from imitation.report.run.record import read_summary
        from imitation.report.run.table import build_table

        return format_table(build_table(read_summary(uri)))
    if entry.kind == "comparison":
        from imitation.report.comparison.record import read_comparison
        from imitation.report.comparison.text import as_text

        return "\n".join(as_text(read_comparison(uri)))
    from imitation.report.sweep.record import SweepResults
    from imitation.report.sweep.record import build_table as sweep_table

    return format_table(sweep_table(SweepResults.model_validate(storage.read_json(uri))))


def told_json(entry: Entry) -> Any:
    """The same for programs: summary.json, comparison.json or results.json as they are; of one that is not
    finished what is known of it."""
    if not _has_results(entry):
        return entry.to_json()
    return storage.read_json(storage.join(entry.uri, RESULTS[entry.kind]))


def _has_results(entry: Entry) -> bool:
    return storage.exists(storage.join(entry.uri, RESULTS[entry.kind]))


def partial_table(entry: Entry) -> Table:
    """A run that is not finished, a row a cycle; a comparison or sweep, a row a state of its trials."""
    heading = (f"{entry.name}, {entry.data}: {entry.state}. {STATES_MEAN[entry.state].capitalize()}.",)
    if entry.kind != "run":
        rows = tuple((state, str(count)) for state, count in sorted(entry.trials.items()))
        return Table(heading, (), ("trials", "count"), rows, -1, (told_of(entry),))
    best = entry.best
    return Table(
        heading=heading,
        groups=(("", 1), ("test", 2), ("val", 1), ("frames and steps", 3)),
        columns=("", MAP50, WRONG, measure_name(entry.metric), "real", "synthetic", "steps"),
        rows=tuple(
            (
                BASELINE if row.cycle == 0 else f"cycle {row.cycle}",
                points(row.test),
                points(row.wrong),
                points(row.val),
                f"{row.real_frames}",
                f"{row.synthetic_frames}",
                f"{row.steps}",
            )
            for row in entry.cycles
        ),
        best=-1 if best is None else best.cycle,
        notes=(
            f"{told_of(entry)}.",
            f"The mark is the best on val so far; {entry.planned} cycles are asked for.",
        ),
    )


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
