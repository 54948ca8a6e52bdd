"""The verdict of `imitate gate`, for a terminal and for a pull request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cluster.cli.text.pair import left_out, percent, row_name, source_lines
from imitation.common.storage.errors import without_secrets
from imitation.common.text_table import Table, table_lines, wrapped
from imitation.metrics.statistics.bootstrap import WORSE
from imitation.metrics.statistics.gate import TOLERATED, TOO_FEW, Answer, Gate
from imitation.metrics.statistics.paired_comparison import Row
from imitation.metrics.statistics.power import POWER
from imitation.report.comparison.markdown import escaped, markdown_table
from imitation.report.words import AP50

MARK = "<!-- imitate gate -->"
"""The first line of the Markdown: by it a pipeline finds its own comment to renew."""

NAMED = 6
"""Slices that nobody asked for and that are named all the same, at most."""


def lines(gate: Gate, seed: int, taken_candidate: str = "", taken_baseline: str = "") -> Iterator[str]:
    """As wide as the terminal (a path may be longer)."""
    yield from source_lines("Candidate", gate.comparison.b, taken_candidate)
    yield from source_lines("Baseline", gate.comparison.a, taken_baseline)
    for sentence in frames(gate, seed):
        yield from wrapped(sentence)
    yield ""
    yield from table_lines(table(gate))
    yield ""
    for sentence in (*notes(gate), f"{headline(gate)} {why(gate)}"):
        yield from wrapped(sentence, indent="  ")


def markdown(gate: Gate, seed: int, command: str, taken_candidate: str = "", taken_baseline: str = "") -> str:
    """A comment for a pull request: the verdict in words, what it rests on, how to run it again."""
    told = table(gate)
    wrong = {i for i, answer in enumerate(gate.answers) if answer.verdict == WORSE}
    rows = tuple(
        (row[0], f"**{row[1]}**", *row[2:]) if i in wrong else row for i, row in enumerate(told.rows)
    )
    sides = [
        f"{name} `{without_secrets(side.place)}`{f' ({escaped(taken)})' if taken else ''}"
        for name, side, taken in (
            ("Candidate", gate.comparison.b, taken_candidate),
            ("baseline", gate.comparison.a, taken_baseline),
        )
    ]
    parts = (
        MARK,
        f"**Detector gate: {escaped(headline(gate))}** {escaped(why(gate))}",
        "\n".join(markdown_table(replace(told, rows=rows))),
        f"{', '.join(sides)}. " + " ".join(map(escaped, frames(gate, seed))),
        "<details><summary>How to read this, and how to run it again</summary>",
        "\n".join(f"- {escaped(note)}" for note in notes(gate)),
        f"```\n{without_secrets(command)}\n```",
        "</details>",
    )
    return "\n\n".join(parts) + "\n"


# -- what both say


def headline(gate: Gate) -> str:
    if not gate.passed:
        return "Failed."
    return "Passed." if gate.enough else "Passed, but the data are too few."


def why(gate: Gate) -> str:
    """The reason in words: what is worse and by how much, and what could not have been seen."""
    said = []
    if worse := gate.having(WORSE):
        said.append(f"The candidate is worse beyond chance: {'; '.join(map(_by, worse))}.")
    else:
        said.append(
            "The candidate is nowhere worse by more than is tolerated."
            if gate.having(TOLERATED)
            else "The candidate is not worse beyond chance."
        )
    if small := gate.having(TOLERATED):
        said.append(
            f"Worse, but by less than {_points(gate.max_loss)} for sure: {'; '.join(map(_by, small))}."
        )
    said += _unseen(gate)
    if gate.elsewhere:
        worst = sorted(gate.elsewhere, key=lambda row: row.p_holm or 0.0)[:NAMED]
        more = len(gate.elsewhere) - len(worst)
        named = ", ".join(_name(row) for row in worst) + (f" and {more} more" if more else "")
        said.append(f"Not asked, and fails nothing, but worse by the table of all slices (Holm): {named}.")
    return " ".join(said)


def _by(answer: Answer) -> str:
    loss, low, high = answer.loss
    ends = "" if low is None or high is None else f" (95 % interval {100 * low:.1f} to {100 * high:.1f})"
    return f"{_name(answer.row)} by {percent(loss)} points{ends}"


def _unseen(gate: Gate) -> Iterator[str]:
    """What could not have been seen, how often it would have been, and what it takes."""
    told, unit = gate.having(TOO_FEW), gate.comparison.unit
    if weak := [answer for answer in told if answer.power is not None]:
        named = [f"{_name(a.row)} ({_share(a.power)}, {_needed(a)})" for a in weak]
        yield (
            f"Too few data to see a loss of {_points(gate.max_loss)} in {_share(POWER)} of such comparisons "
            f"(in brackets: in how many, and how many {unit} like these {gate.comparison.clusters:,} it "
            f"takes): {'; '.join(named)}."
        )
    for answer in told:
        if answer.power is None:
            reason = answer.row.difference.reason or "no interval"
            yield f"Nothing can be said of {_name(answer.row)}: {reason}."


def _needed(answer: Answer) -> str:
    return "no realistic number" if answer.needed is None else f"about {answer.needed:,}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def table(gate: Gate) -> Table:
    columns = ("", "candidate is", "baseline", "candidate", "change", "95 %", f"sees {_short(gate.max_loss)}")
    rows = tuple(map(_cells, gate.answers))
    return Table((), (("", len(columns)),), columns, rows, -1, (), (0, 1))


def _cells(answer: Answer) -> tuple[str, ...]:
    row = answer.row
    d = row.difference
    ends = "none" if d.low is None or d.high is None else f"{100 * d.low:+.1f} to {100 * d.high:+.1f}"
    values = percent(row.a), percent(row.b), percent(d.estimate, "+")
    return (_name(row), answer.verdict, *values, ends, _share(answer.power))


def frames(gate: Gate, seed: int) -> Iterator[str]:
    told = gate.comparison
    of_sequences = f" of {told.clusters:,} sequences" if told.unit == "sequences" else ""
    yield (
        f"Split {told.split}: {told.frames.both:,} frames{of_sequences} in both evaluations, "
        f"{told.objects:,} objects to find; paired bootstrap over {told.unit}, {told.resamples:,} "
        f"resamples, seed {seed}."
    )
    if out := left_out(told.frames, "the baseline", "the candidate"):
        yield f"Frames left out: {', '.join(out)}."
    if not of_sequences:
        yield (
            "No sequence of a frame is known, so each counts as independent; frames of one drive are not, "
            "and would fail more often by chance than they should."
        )


def notes(gate: Gate) -> Iterator[str]:
    asked = len(gate.answers)
    corrected = f", corrected for the {asked} things asked (Holm)" if asked > 1 else ""
    short, points = _short(gate.max_loss), _points(gate.max_loss)
    yield (
        f"Values in percent, change (candidate - baseline) in points. It fails only where a loss is "
        f"beyond chance{corrected} and may exceed {points}; an equal detector does so in about 2.5 of 100 "
        f'cases. "Sees {short}": how often a true loss of {points} would be called with such data. Slices '
        f"are judged by {AP50}."
    )
    yield (
        "Intervals hold the choice of frames alone: it is about these two detectors, not about two ways of "
        "training, of which each seed gives another detector."
    )


def _name(row: Row) -> str:
    return f"{AP50} of {row.value}" if row.group == "category" else row_name(row)


def _points(share: float) -> str:
    return f"{_short(share)} point{'' if _short(share) == '1' else 's'}"


def _short(share: float) -> str:
    return f"{100 * share:g}"
