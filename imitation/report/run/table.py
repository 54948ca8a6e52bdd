"""A run's table: a row a cycle, with what it was trained on and how it does."""

from __future__ import annotations

import math
from dataclasses import dataclass

from imitation.common.text_table import MARK, Table
from imitation.common.wording import counted
from imitation.report.run.record import Cycle, Summary
from imitation.report.table import (
    DASH,
    MAX_CATEGORIES,
    STAND_IN,
    points,
)
from imitation.report.words import (
    AP50,
    CHOSEN,
    MAP50,
    VAL_MEANS,
    WRONG,
    WRONG_MEANS,
    arms_mean,
    detector_name,
)

TIME_PARTS = ("training", "rendering", "evaluation", "analysis", "orchestration")


def real_word(summary: Summary) -> str:
    """What frames that are not synthetic are called: a stand-in is never called real."""
    return "stand-in" if summary.run.stand_in else "real"


def build_table(summary: Summary) -> Table:
    """The table of a run."""
    categories = summary.categories if len(summary.categories) <= MAX_CATEGORIES else []
    test, own = summary.best.metrics.test, summary.best.metrics.val.own
    return Table(
        heading=(summary.run.title, *([STAND_IN] if summary.run.stand_in else [])),
        groups=(
            ("", 1),
            (f"{test.split}, {AP50} of each" if categories else test.split, 2 + len(categories)),
            ("val", 1 + len(own)),
            ("frames and steps", 3),
        ),
        columns=(
            "",
            MAP50,
            *categories,
            WRONG,
            MAP50,
            *map(_short, own),
            real_word(summary),
            "synthetic",
            "steps",
        ),
        rows=tuple(_row(entry, categories, list(own)) for entry in summary.cycles),
        best=-1 if summary.finds_nothing else summary.best_cycle,
        notes=_notes(summary, bool(categories)),
    )


def _row(entry: Cycle, categories: list[str], own: list[str]) -> tuple[str, ...]:
    return (
        detector_name(entry.label),
        points(entry.mAP),
        *(points(entry.AP[name]) for name in categories),
        points(entry.zero_one_loss),
        points(entry.metrics.val.map50),
        *(points(entry.metrics.val.own.get(name)) for name in own),
        f"{entry.real_frames}",
        f"{entry.synthetic_frames}",
        f"{entry.steps}",
    )


def _short(metric: str) -> str:
    """A metric of one's own as a column: the name of its function; a note below says where it is from."""
    return metric.rpartition(":")[2]


def _notes(summary: Summary, with_categories: bool) -> tuple[str, ...]:
    val, test = summary.best.metrics.val, summary.best.metrics.test
    val_is = f"({_frames(val.frames)}, {counted(val.objects, 'object')})"
    notes = [
        f"No detector finds anything on val {val_is}: {MAP50} 0.0. No choice was made, and nothing "
        "in this table tells what the synthetic frames did."
        if summary.finds_nothing
        else f"{MARK} {CHOSEN}: the detector that does best on val. {VAL_MEANS} {val_is}.",
        f"{MAP50}: mean average precision over categories at IoU 0.5 ({AP50}: of one category), in points "
        f"(0 to 100); on test ({_frames(test.frames)}, {counted(test.objects, 'object')}), which decided "
        "nothing.",
        f"{WRONG}: {WRONG_MEANS} (the method's 0-1 loss).",
        arms_mean([entry.label for entry in summary.cycles], real_word(summary)),
        *staging_notes(summary),
        noise_note(summary),
        *seed_notes(summary),
        *processor_notes(summary),
        *time_notes(summary),
        *simulator_notes(summary),
    ]
    if summary.baseline_finds_nothing and not summary.finds_nothing:
        notes.insert(
            1,
            f"The baseline finds nothing on val ({MAP50} 0.0): what was mined from it, and a gain on it, "
            "tells nothing.",
        )
    for name, value in val.own.items():
        notes.insert(
            1,
            f"Val was judged by {name} (loop.metric): {points(value)} at best, {points(test.own[name])} by "
            "the same detector on test.",
        )
    if val.thresholds:
        own = ", ".join(f"{name} {value:.2f}" for name, value in val.thresholds.items())
        notes.insert(1, f"Operating thresholds by category: {own}; any other {val.threshold:.2f}.")
    if not with_categories:
        notes.insert(
            3, f"{len(summary.categories)} categories: their {AP50} is in report.html and summary.json."
        )
    if any(value is None for entry in summary.cycles for value in entry.AP.values()):
        notes.append(f"{DASH} no object of this category on test.")
    return tuple(notes)


def noise_note(summary: Summary) -> str:
    """How much the figures can be trusted: one seed, so many frames, and the sampling error of the
    recall (binomial, objects taken as independent: the true one is larger)."""
    test = summary.best.metrics.test
    frames = _frames(test.frames)
    note = f"One seed, {frames} to test on: differences of a few points mean nothing by themselves."
    if test.objects:
        error = 100 * math.sqrt(test.recall * (1 - test.recall) / test.objects)
        if error > 0:
            note += (
                f" The recall of {points(test.recall)} on {counted(test.objects, 'object')} alone has a "
                f"standard error of {error:.1f} points, and another seed would change the detector as well."
            )
    return note


def seed_notes(summary: Summary) -> list[str]:
    """What another seed makes of the baseline, where one was trained."""
    if summary.churn is None:
        return []
    first = summary.cycles[0].metrics
    parts = [
        f"{points(other)} instead of {points(value)} on {split}"
        for split, value in (("test", first.test.map50), ("val", first.val.map50))
        if (other := summary.churn.mAP.get(split)) is not None
    ]
    if not parts:
        return []
    return [
        f"Chance: trained again on the same data, from seed {summary.churn.seed}, the baseline has a {MAP50} "
        f"of {' and '.join(parts)}. Gains of that size mean nothing."
    ]


def staging_notes(summary: Summary) -> list[str]:
    """Which classes the synthetic frames could not help, where there are any."""
    if summary.staging is None or not summary.staging.not_staged:
        return []
    lacking = ", ".join(
        f"{name} ({counted(count, 'object')} in train)" for name, count in summary.staging.not_staged.items()
    )
    return [
        f"Not staged, for the simulator cannot: {lacking}. Nothing was rendered for their failures; "
        f"bodies of "
        "your own (renderer.bodies) or data.mapping would change that."
    ]


def processor_notes(summary: Summary) -> list[str]:
    """What the figures were computed on."""
    if not summary.run.computed_on:
        return []
    return [
        f"Trained on {'; '.join(summary.run.computed_on)}. Another processor model or number of threads "
        "trains other weights from the same seed, and the figures differ by some points."
    ]


def time_notes(summary: Summary) -> list[str]:
    """How much of the cycles' time was no stage's own work, where that is known of all of them."""
    times = [entry.time for entry in summary.cycles]
    known = [time for time in times if time is not None]
    wall = sum(time.wall for time in known)
    if len(known) < len(times) or not wall:
        return []
    shares = [(name, sum(getattr(time, name) for time in known) / wall) for name in TIME_PARTS]
    spent = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares)
    return [f"Of {wall:.0f} s in all cycles: {spent}."]


@dataclass(frozen=True)
class SimulatorRow:
    """What one of several simulators did in all cycles. `seconds` are of a scene that it finished, None where
    none is known."""

    label: str
    weight: float
    frames: int
    set_aside: int
    refused: int
    seconds: float | None
    cpu_seconds: float | None


def simulator_rows(summary: Summary) -> list[SimulatorRow]:
    """Each of several simulators, as they were named; none where there was one."""
    cycles = [entry.simulated.by_simulator or {} for entry in summary.cycles if entry.simulated]
    rows = []
    for label in dict.fromkeys(label for shares in cycles for label in shares):
        own = [shares[label] for shares in cycles if label in shares]
        rendered = sum(share.rendered for share in own)
        rows.append(
            SimulatorRow(
                label,
                own[-1].weight,
                sum(share.frames for share in own),
                sum(share.set_aside for share in own),
                sum(share.refused for share in own),
                sum(share.seconds for share in own) / rendered if rendered else None,
                sum(share.cpu_seconds for share in own) / rendered if rendered else None,
            )
        )
    return rows


def simulator_notes(summary: Summary) -> list[str]:
    """Who rendered the synthetic frames, where several did."""
    rows = simulator_rows(summary)
    if not rows:
        return []
    parts = []
    for row in rows:
        more = [f"{100 * row.weight:.0f} % by weight"]
        if row.seconds is not None:
            more.append(f"{row.seconds:.2g} s each")
        if row.refused:
            more.append(f"{counted(row.refused, 'scene')} refused")
        if row.set_aside:
            more.append(f"{row.set_aside} set aside")
        parts.append(f"{row.label} {counted(row.frames, 'frame')} ({', '.join(more)})")
    return [f"Rendered by {'; '.join(parts)}. What one refuses goes to the next."]


def _frames(number: int) -> str:
    return counted(number, "frame")
