"""What there is to say of a run, a comparison or a sweep: what it is at, why it ended, its table so far."""

from __future__ import annotations

from typing import Any

from cluster.inventory.entries import RESULTS, STATES_MEAN, Entry
from imitation.common import storage
from imitation.common.text_table import Table, format_table
from imitation.common.wording import counted
from imitation.report.table import points
from imitation.report.words import BASELINE, MAP50, WRONG, measure_name

WORK = {
    "data": "rendering the stand-in",
    "simulate": "rendering",
    "train": "training",
    "evaluate": "evaluating",
}


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
