"""What `evaluate` and `mine` found, as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from imitation.common.text_table import Table, format_table, table_lines, wrapped
from imitation.common.wording import counted
from imitation.evaluation.failures import KINDS
from imitation.report.table import points
from imitation.report.words import (
    AP,
    AP50,
    KINDS_MEAN,
    MAP,
    MAP50,
    WRONG,
    WRONG_MEANS,
    kind_name,
    mode_name,
)

MODES = 10  # failure modes told one by one
NAMED = 5  # problems told one by one
ELSEWHERE = "all of them: --json"


def evaluation_lines(checkpoint: str, result: Mapping[str, Any]) -> Iterator[str]:
    """The lines of an evaluation; `result` is what `--json` prints."""
    yield from wrapped(
        f"{checkpoint} on {result['split']}: {counted(result['frames'], 'frame')}, "
        f"{counted(result['objects'], 'object')}"
    )
    yield ""
    yield from table_lines(_precision(result))
    yield from wrapped(
        f"{MAP50}, {MAP}: mean average precision over categories at IoU 0.5, and over IoU 0.5 to 0.95 "
        f"({AP50}, {AP}: of one category), in points (0 to 100).",
        indent="  ",
    )
    yield ""
    yield from wrapped(
        f"At the operating threshold {result['threshold']:.3f} (chosen on {result['threshold_chosen_on']}): "
        f"F1 {points(result['f1'])}, precision {points(result['precision'])}, "
        f"recall {points(result['recall'])}; {points(result['zero_one_loss'])} % {WRONG}, "
        f"the {WRONG_MEANS} (the method's 0-1 loss).",
        indent="  ",
    )
    yield ""
    yield from table_lines(_kinds(result["failures"], result["error_types"]["lost"]))
    yield from _kinds_note(lost=True)
    yield from _modes(result["modes"])
    yield from _protocols(result)
    for problem in result["errors_listed"][:NAMED]:
        yield from wrapped(f"not evaluated: {problem}", indent="  ")
    if len(result["errors_listed"]) > NAMED:
        yield f"and {len(result['errors_listed']) - NAMED} more; {ELSEWHERE}"
    yield from wrapped("Slices, calibration and all else: --json.", indent="  ")


def mined_lines(place: str, result: Mapping[str, Any]) -> Iterator[str]:
    """The lines of what was mined from results at `place`; `result` is what `--json` prints."""
    left = f", {counted(result['left_out'], 'frame')} without results left out" if result["left_out"] else ""
    yield from wrapped(
        f"{place}: {counted(result['frames'], 'frame')} judged{left}; operating threshold "
        f"{result['threshold']:.3f} ({_chosen_on(result['threshold_chosen_on'])})",
        indent="  ",
    )
    yield ""
    table = Table(
        heading=(),
        groups=(),
        columns=("", AP50),
        rows=(
            (f"all, {MAP50}", points(result["map50"])),
            *((name, points(value)) for name, value in result["ap50"].items()),
        ),
        best=-1,
        notes=(),
    )
    yield from table_lines(table)
    yield ""
    yield from table_lines(_kinds(result["failures"], None))
    yield from _kinds_note(lost=False)
    yield from _modes(result["modes"])
    for reason, count in result["out_of_reach"].items():
        yield from wrapped(f"out of the simulator's reach: {count:,} x {reason}", indent="  ")
    for problem in result["problems"][:NAMED]:
        yield from wrapped(f"left out: {problem}", indent="  ")
    if len(result["problems"]) > NAMED:
        yield f"and {len(result['problems']) - NAMED} more; {ELSEWHERE}"
    yield from wrapped(
        f"{counted(result['requests'], 'request')} for {counted(result['frames_asked'], 'frame')}: "
        f"{result['requests_file']}",
        indent="  ",
    )
    yield f"next: imitate render --requests {result['requests_file']} --out frames"


def _chosen_on(where: str) -> str:
    return "as given" if where == "given" else f"of greatest F1 on {where} itself"


def _precision(result: Mapping[str, Any]) -> Table:
    return Table(
        heading=(),
        groups=(),
        columns=("", AP50, AP),
        rows=(
            (f"all: {MAP50}, {MAP}", points(result["map50"]), points(result["map"])),
            *((name, points(result["ap50"][name]), points(result["ap"][name])) for name in result["ap50"]),
        ),
        best=-1,
        notes=(),
    )


def _kinds(failures: Mapping[str, int], lost: Mapping[str, float] | None) -> Table:
    """Failures by kind, and what they cost where that is known."""
    rows = [
        (
            kind_name(kind),
            *([] if lost is None else [points(lost[kind])]),
            f"{failures.get(kind, 0):,}",
            KINDS_MEAN[kind],
        )
        for kind in KINDS
    ]
    columns = ("failures by kind", *([] if lost is None else [f"{MAP50} lost"]), "count", "meaning")
    return Table((), (), columns, tuple(rows), -1, (), (0, len(columns) - 1))


def _kinds_note(lost: bool) -> Iterator[str]:
    if lost:
        yield from wrapped(
            f"{MAP50} lost: what {MAP50} would gain if failures of this kind alone were mended, below the "
            "threshold too (TIDE); the kinds do not add up.",
            indent="  ",
        )


def _modes(modes: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    shown = [mode for mode in modes if mode["failures"]]
    if not shown:
        return
    rows = tuple(
        (mode_name(m["mode"]), points(m["lost_ap"]), f"{m['failures']:,}", f"{m['objects']:,}")
        for m in shown[:MODES]
    )
    left = len(shown) - MODES
    note = (
        f"Where failures gather: each is in one mode. of: objects in the mode, found ones too (on nothing: "
        f"detections).{f' {left} more modes: --json.' if left > 0 else ''}"
    )
    yield ""
    columns = ("failure mode", f"{MAP50} lost", "failures", "of")
    yield from format_table(Table((), (), columns, rows, -1, (note,))).splitlines()
    yield ""


def _protocols(result: Mapping[str, Any]) -> Iterator[str]:
    """AP as KITTI and Waymo count it."""
    if "kitti" in result:
        levels = ("easy", "moderate", "hard")
        rows = [
            (name, *(points(values[level]["ap_r40"]) for level in levels))
            for name, values in result["kitti"].items()
            if values is not None
        ]
        yield from _counted_by("KITTI's own counting, AP over 40 recall points", levels, rows)
    if "waymo" in result:
        rows = [
            (name, points(values["level_1"]), points(values["level_2"]))
            for name, values in result["waymo"].items()
        ]
        yield from _counted_by("Waymo's counting, emulated", ("level 1", "level 2"), rows)


def _counted_by(title: str, columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    if rows:
        yield from format_table(Table((title,), (), ("", *columns), tuple(rows), -1, ())).splitlines()
        yield ""
