"""A suite and its results in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from imitation.common.text_table import Table, table_lines, wrapped
from imitation.common.wording import counted
from imitation.report.words import mode_name
from imitation.suites.record import Suite
from imitation.suites.result import PLANES, Place, SuiteChange, SuiteResult, by_case

NAMED = 12  # cases named, or regressions


def suite_lines(suite: Suite, results: Mapping[str, SuiteResult]) -> Iterator[str]:
    """What is in a suite, and how the detectors that were tried did."""
    yield from wrapped(
        f"{suite.name}: {counted(len(suite.cases), 'case')}, {counted(len(suite.scenes), 'scene')}, "
        f"rendered by {suite.simulator}; digest {suite.digest}."
    )
    per_case = {case.case: 0 for case in suite.cases}
    for scene in suite.scenes:
        per_case[scene.case] += 1
    cells = tuple(
        (case.case, mode_name(case.mode), case.why, str(per_case[case.case]), _left(case.left_out))
        for case in suite.cases
    )
    yield ""
    yield from table_lines(_table(("case", "failure mode", "why", "scenes", "left out"), cells, (0, 1, 2, 4)))
    if results:
        yield ""
        told = tuple(
            (name, f"{r.passed} of {r.scenes}", f"{r.cases_passed} of {r.cases}", f"{r.threshold:.2f}")
            for name, r in results.items()
        )
        yield from table_lines(_table(("result", "scenes pass", "cases pass", "threshold"), told, (0,)))


def _left(left: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {why}" for why, count in left.items())


def _table(columns: tuple[str, ...], rows: tuple[tuple[str, ...], ...], left: tuple[int, ...]) -> Table:
    return Table((), (("", len(columns)),), columns, rows, -1, (), left)


def result_lines(suite: Suite, result: SuiteResult, change: SuiteChange | None) -> Iterator[str]:
    """How a detector does: heat maps in figures, the cases that fail most, and what changed."""
    for sentence in head(result):
        yield from wrapped(sentence, indent="  ")
    for plane, places in result.maps.items():
        if places:
            yield ""
            yield f"passes by {plane}"
            yield from table_lines(plane_table(plane, places))
    worst = sorted(by_case(suite, result), key=lambda row: (row[1] / row[2], -row[2]))
    failing = [row for row in worst if row[1] < row[2]]
    if failing:
        yield ""
        modes = {case.case: mode_name(case.mode) for case in suite.cases}
        rows = tuple((case, modes[case], f"{hits} of {of}") for case, hits, of in failing[:NAMED])
        yield from table_lines(_table(("case", "failure mode", "pass"), rows, (0, 1)))
    if change is not None:
        yield ""
        for sentence in change_lines(change):
            yield from wrapped(sentence, indent="  ")


def head(result: SuiteResult) -> Iterator[str]:
    """What was tried on what, and how it did."""
    yield (
        f"{result.detector} on {result.suite}: {result.passed} of {counted(result.scenes, 'scene')} pass "
        f"({100 * result.passed / result.scenes:.0f} %), {result.cases_passed} of "
        f"{counted(result.cases, 'case')} in every scene."
    )
    chosen = {
        "val": "the checkpoint's own",
        "given": "given",
        "the suite": "of greatest F1 on the suite itself",
    }
    yield f"Detections count from a score of {result.threshold:.3f} ({chosen[result.threshold_chosen_on]})."
    if result.left_out:
        yield f"Nothing is said of {counted(result.left_out, 'scene')}."


def plane_table(plane: str, places: list[Place]) -> Table:
    """Passes of scenes: a row a step of the first axis, a column one of the second."""
    x, y = PLANES[plane]  # type: ignore[index]
    across = list(dict.fromkeys(place.y for place in places))
    found = {(place.x, place.y): f"{place.passed}/{place.scenes}" for place in places}
    rows = tuple(
        (step(x, down), *(found.get((down, to), "") for to in across))
        for down in dict.fromkeys(place.x for place in places)
    )
    return Table((), (("", 1), (y, len(across))), ("", *(step(y, to) for to in across)), rows, -1, ())


def step(axis: str, value: float | str) -> str:
    """A step of an axis in words: "1.5 x", "30 % hidden", "22 h", "rain"."""
    if isinstance(value, str):
        return value
    if axis == "distance":
        return f"{value:g} x distance"
    if axis == "occlusion":
        return f"{100 * value:.0f} % hidden"
    return f"{int(value):02d}:{round(60 * (value % 1)):02d}"


def change_lines(change: SuiteChange) -> Iterator[str]:
    """What changed since an earlier result."""
    said = f"Against {change.before}, on {counted(change.scenes, 'scene')} that both judged: "
    said += f"{len(change.regressed)} regressed, {len(change.fixed)} fixed"
    if change.difference is not None:
        said += f"; {100 * change.difference:+.1f} points".replace("-", "−")
        if change.low is not None and change.high is not None:
            ends = f"{100 * change.low:+.1f} to {100 * change.high:+.1f}".replace("-", "−")
            said += f" (95 %, over cases: {ends})"
    yield f"{said}."
    for case, count in sorted(change.cases_regressed.items(), key=lambda item: -item[1])[:NAMED]:
        names = [scene.removeprefix(f"{case}-") for scene in change.regressed if scene.startswith(f"{case}-")]
        yield f"regressed: {case}: {count} ({', '.join(names)})"
    if (more := len(change.cases_regressed) - NAMED) > 0:
        yield f"and {counted(more, 'case')} more (--json names all)."
