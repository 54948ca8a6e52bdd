"""What the report's tables of findings show, chosen and put into words; the template only lays it out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from imitation.diagnosis.failure_modes import ModeCounts
from imitation.evaluation.attributes import CONDITION
from imitation.evaluation.failures import KINDS
from imitation.metrics.statistics.slices import Slice
from imitation.report.run.findings import Followed, Protocols, Statuses
from imitation.report.run.record import Cycle, Summary
from imitation.report.table import DASH, points
from imitation.report.words import kind_name, mode_name

T = TypeVar("T")
SPLITS = ("test", "val", "mine")  # which is shown where there are several
MAX_ROWS = 16
KITTI_LEVELS = ("easy", "moderate", "hard")


@dataclass(frozen=True)
class ModeRow:
    """A failure mode: (failures, lost AP in points) in each cycle shown, None where it did not occur;
    `width` of its bar, %."""

    name: str
    kinds: str
    objects: int
    cells: tuple[tuple[int, str] | None, ...]
    width: float


@dataclass(frozen=True)
class SliceRow:
    """A slice: `ap` and `recall` as text with their intervals, `low`, `high`, `middle` and the baseline's
    `before` in points, to be drawn; None where there is none."""

    attribute: str
    first: bool
    value: str
    frames: int
    objects: int
    ap: str
    recall: str
    low: float | None
    high: float | None
    middle: float | None
    before: float | None
    few: bool


@dataclass(frozen=True)
class FollowedRow:
    """Failures by status from one detector to another; `chance` for two seeds of the same data."""

    label: str
    split: str
    counts: Statuses
    chance: bool

    @property
    def broken(self) -> int:
        return self.counts.new + self.counts.regressed


def shown_split(by_split: Mapping[str, T] | None) -> tuple[str, T] | None:
    """The split that is shown: test where it is there, else val, else what there is."""
    if not by_split:
        return None
    split = next((name for name in SPLITS if name in by_split), next(iter(by_split)))
    return split, by_split[split]


def compared(summary: Summary) -> list[Cycle]:
    """The baseline and the best cycle; the last one where the baseline itself is the best."""
    other = summary.best_cycle or len(summary.cycles) - 1
    return [summary.cycles[0]] + ([summary.cycles[other]] if other else [])


def cycle_name(cycle: Cycle) -> str:
    return "baseline" if cycle.cycle == 0 else f"cycle {cycle.cycle}"


def build_findings(summary: Summary) -> dict[str, Any]:
    """The template's values for what was found of failures; a part that the summary lacks is None."""
    return {
        "protocol_tables": _protocol_tables(summary),
        "mode_table": _mode_table(summary),
        "slice_table": _slice_table(summary),
        "followed_rows": followed_rows(summary),
        "followed_modes": _followed_modes(summary),
        "followed_reasons": _followed_reasons(summary),
        "chance": chance(summary),
        "suspects": summary.suspected_label_errors,
    }


def _protocol_tables(summary: Summary) -> list[dict[str, Any]]:
    """Tables of AP as KITTI and Waymo count it: a row a category, the columns of each compared cycle."""
    per_cycle = [(cycle, shown) for cycle in compared(summary) if (shown := shown_split(cycle.protocols))]
    tables: list[dict[str, Any]] = []
    for counting, columns, of in (
        ("KITTI's own counting, AP over 40 recall points", KITTI_LEVELS, _kitti),
        ("Waymo's counting, emulated", ("level 1", "level 2"), _waymo),
    ):
        known = [(cycle, split, cells) for cycle, (split, got) in per_cycle if (cells := of(got)) is not None]
        if known:
            names = dict.fromkeys(name for _, _, cells in known for name in cells)
            none = [DASH] * len(columns)
            rows = [
                (name, [text for _, _, cells in known for text in cells.get(name, none)]) for name in names
            ]
            rows = [(name, cells) for name, cells in rows if set(cells) != {DASH}]  # never detected
            cycles, split = [cycle_name(cycle) for cycle, _, _ in known], known[-1][1]
            if rows:
                title = f"{counting}, on {split}"
                tables.append({"title": title, "cycles": cycles, "columns": columns, "rows": rows})
    return tables


def _kitti(protocols: Protocols) -> dict[str, list[str]] | None:
    if protocols.kitti is None:
        return None
    return {
        name: [points(levels[level].ap_r40 if levels and level in levels else None) for level in KITTI_LEVELS]
        for name, levels in protocols.kitti.items()
    }


def _waymo(protocols: Protocols) -> dict[str, list[str]] | None:
    if protocols.waymo is None:
        return None
    return {name: [points(ap.level_1), points(ap.level_2)] for name, ap in protocols.waymo.items()}


def _mode_table(summary: Summary) -> dict[str, Any] | None:
    per_cycle = [(cycle, shown) for cycle in compared(summary) if (shown := shown_split(cycle.modes))]
    if not per_cycle:
        return None
    by_name = [{mode.mode: mode for mode in modes} for _, (_, modes) in per_cycle]
    latest = by_name[-1]
    names = list(dict.fromkeys(name for modes in reversed(by_name) for name in modes))
    names.sort(key=lambda name: -latest[name].lost_ap if name in latest else 0.0)  # stable: else as ranked
    most = max((mode.lost_ap for mode in latest.values()), default=0.0)
    rows = [_mode_row(name, [modes.get(name) for modes in by_name], most) for name in names[:MAX_ROWS]]
    return {
        "split": per_cycle[-1][1][0],
        "cycles": [cycle_name(cycle) for cycle, _ in per_cycle],
        "rows": rows,
        "left": len(names) - len(rows),
    }


def _mode_row(name: str, modes: Sequence[ModeCounts | None], most: float) -> ModeRow:
    known = [mode for mode in modes if mode is not None]
    latest = known[-1]
    return ModeRow(
        name=mode_name(name),
        kinds=", ".join(
            f"{latest.kinds[kind]} {kind_name(kind)}" for kind in KINDS if latest.kinds.get(kind)
        ),
        objects=latest.objects,
        cells=tuple(None if mode is None else (mode.failures, points(mode.lost_ap)) for mode in modes),
        width=round(100 * modes[-1].lost_ap / most, 1) if modes[-1] is not None and most else 0.0,
    )


def _slice_table(summary: Summary) -> dict[str, Any] | None:
    per_cycle = [(cycle, shown) for cycle in compared(summary) if (shown := shown_split(cycle.slices))]
    if not per_cycle:
        return None
    cycle, (split, slices) = per_cycle[-1]
    before = (
        {(part.attribute, part.value): part.ap50 for part in per_cycle[0][1][1]}
        if per_cycle[0][0] is not cycle
        else {}
    )
    return {
        "split": split,
        "cycle": cycle_name(cycle),
        "baseline": bool(before),
        "rows": [
            _slice_row(part, i == 0 or slices[i - 1].attribute != part.attribute, before)
            for i, part in enumerate(slices)
        ],
    }


def _slice_row(part: Slice, first: bool, before: Mapping[tuple[str, str], float | None]) -> SliceRow:
    def scaled(value: float | None) -> float | None:
        return None if value is None else round(100 * value, 2)

    return SliceRow(
        attribute=part.attribute.removeprefix(CONDITION).replace("_", " "),
        first=first,
        value=part.value,
        frames=part.frames,
        objects=part.objects,
        ap=_interval(part.ap50, part.ap50_low, part.ap50_high),
        recall=_interval(part.recall, part.recall_low, part.recall_high),
        low=scaled(part.ap50_low),
        high=scaled(part.ap50_high),
        middle=scaled(part.ap50),
        before=scaled(before.get((part.attribute, part.value))),
        few=part.few,
    )


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return points(value)
    return f"{points(value)} ({points(low)} to {points(high)})"


def followed_rows(summary: Summary) -> list[FollowedRow]:
    """Every step between cycles on every split, then chance, the shown split first."""
    steps: list[tuple[str, Mapping[str, Followed] | None, bool]] = [
        (f"{cycle_name(before)} to {cycle_name(after)}", after.followed, False)
        for before, after in zip(summary.cycles, summary.cycles[1:])
    ]
    if summary.churn is not None:
        steps.append(
            (f"chance: seed {summary.run.seed} to {summary.churn.seed}", summary.churn.followed, True)
        )
    splits = dict.fromkeys(split for _, by_split, _ in steps for split in by_split or ())
    order = sorted(splits, key=lambda name: SPLITS.index(name) if name in SPLITS else len(SPLITS))
    return [
        FollowedRow(label, split, by_split[split], is_chance)
        for split in order
        for label, by_split, is_chance in steps
        if by_split and split in by_split
    ]


def _followed_modes(summary: Summary) -> dict[str, Any] | None:
    """Of the last step: modes by how much became of them, beside what chance does to the same modes."""
    per_cycle = [(cycle, shown) for cycle in summary.cycles if (shown := shown_split(cycle.followed))]
    if not per_cycle:
        return None
    cycle, (split, followed) = per_cycle[-1]
    chances = summary.churn.followed.get(split) if summary.churn is not None else None

    def size(name: str) -> int:
        counts = followed.by_mode[name]
        return counts.fixed + counts.persistent + counts.new + counts.regressed

    names = sorted(followed.by_mode, key=lambda name: (-size(name), name))
    return {
        "step": f"{cycle_name(summary.cycles[cycle.cycle - 1])} to {cycle_name(cycle)}",
        "split": split,
        "chance": chances is not None,
        "rows": [
            (mode_name(name), followed.by_mode[name], chances.by_mode.get(name) if chances else None)
            for name in names[:MAX_ROWS]
        ],
        "left": max(0, len(names) - MAX_ROWS),
    }


def _followed_reasons(summary: Summary) -> dict[str, Any] | None:
    """Why failures persist, of the last step of which it is told."""
    for cycle in reversed(summary.cycles):
        by_split = sorted(
            (cycle.followed or {}).items(), key=lambda item: item[0] != "mine"
        )  # the one answered
        for split, followed in by_split:
            if followed.reasons:
                total = sum(followed.reasons.values())
                rows = [(reason, count, count / total) for reason, count in followed.reasons.items()]
                return {"split": split, "cycle": cycle_name(cycle), "rows": rows, "total": total}
    return None


def chance(summary: Summary) -> str | None:
    """By how many points mAP on test differs between two seeds of the baseline; None if unknown."""
    if summary.churn is None:
        return None
    one, other = summary.cycles[0].metrics.test.map50, summary.churn.mAP.get("test")
    return None if one is None or other is None else points(abs(one - other))
