"""`comparison.json`: what a comparison of arms found, as records that are checked when written and when read.

Values and differences are fractions, 0 to 1 (the table and the report show points). docs/comparing.md says
how to read them.
"""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import Field, model_validator

from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.formats.record import Count, Fraction, Record, Seconds
from imitation.metrics.statistics.bootstrap import BETTER, NEITHER, WORSE, Interval
from imitation.report.table import points, span
from imitation.report.words import arm_name, detector_name, measure_name

SCHEMA: Literal[1] = 1
Verdict = Literal["better", "worse", "not distinguishable"]


class Value(Record):
    """A measure of one row: the mean over seeds with its 95 % interval."""

    mean: Fraction | None = Field(description="mean over seeds; null where there is nothing to find")
    low: float | None = Field(description="null where there is no interval")
    high: float | None
    per_seed: list[Fraction | None] = Field(description="in the order of the row's seeds")


class Gain(Record):
    """A difference, paired by seed and frame, with its 95 % interval and what it says."""

    difference: float | None
    low: float | None
    high: float | None
    p: float | None = Field(description="two-sided, of the difference being 0; not corrected")
    seeds: Count = Field(description="seeds that both sides have")
    verdict: Verdict = Field(description="exploratory ones after Holm's correction over all of them")
    reason: str | None = Field(description="why there is no interval")

    @classmethod
    def of(cls, interval: Interval, verdict: str) -> Gain:
        return cls(
            difference=interval.estimate,
            low=interval.low,
            high=interval.high,
            p=interval.p,
            seeds=interval.seeds if interval.estimate is not None else 0,
            verdict=cast("Verdict", verdict),
            reason=interval.reason,
        )


class Cell(Record):
    """A value and its difference to the row `real` (null for that row itself)."""

    value: Value
    gain: Gain | None


class Row(Record):
    """One row of the table. Counts are means over seeds and folds."""

    key: str = Field(description='"real", "imitation, cycle 1", "imitation, chosen", ...')
    arm: str
    label: str = Field(description="what it was trained on, in words")
    cycle: int | None = Field(description="null: in each seed and fold the cycle that was best on val")
    budget: float | None = Field(
        None, description="added frames per real one, of a point of a curve below the greatest budget"
    )
    seeds: list[int] = Field(description="seeds of which every fold is there")
    real_frames: float = Field(ge=0)
    synthetic_frames: float = Field(ge=0)
    repeated_frames: float = Field(ge=0, description="real frames trained on once more")
    steps: float = Field(ge=0, description="optimizer steps from the first weights on")
    images_seen: float = Field(ge=0)
    candidates: float = Field(ge=0, description="detectors among which val chose (1: there was no choice)")
    seconds: Seconds = Field(description="wall time of all it took, baseline, mining and rendering included")
    test: dict[str, Cell] = Field(description="measure -> value on real test; empty without a whole seed")
    synthetic: dict[str, Cell] = Field(description="the same on the synthetic test set; empty without one")


class Against(Record):
    """One comparison of the primary endpoint."""

    arms: list[str] = Field(description="of several the better on val, in each seed and fold")
    chosen: dict[str, str] = Field(description="seed and fold -> that arm")
    value: Value
    gain: Gain


class Primary(Record):
    """The one question, named in the configuration before anything ran."""

    arm: str
    measure: str
    value: Value | None = Field(description="null where nothing was finished that answers it")
    against: list[Against]
    answer: str = Field(description="in a sentence")


class Contrast(Record):
    """What an arm brings over the one that lacks a single thing of it (`imitation` over `untargeted`:
    targeting), by their detectors of one cycle, the last that both have."""

    brings: str = Field(description='"targeting", "re-staging", "a simulator", ...')
    arm: str
    over: str = Field(description="the arm that it is compared with")
    cycle: Count
    measure: str
    gain: Gain = Field(description="its verdict is after Holm's correction over the contrasts")


class Reached(Record):
    """How many added frames an arm needs for what another one reaches with `budget`."""

    arm: str
    other: str
    measure: str
    budget: float = Field(gt=0, description="the other arm's added frames per real one")
    other_frames: float = Field(
        ge=0, description="the same as a number of frames, a mean over seeds and folds"
    )
    value: Fraction | None = Field(description="what the other arm reaches with them")
    most: float = Field(ge=0, description="frames of the arm's greatest budget")
    frames: float | None = Field(description="frames that the arm needs; null: more than its greatest budget")
    low: float | None = Field(description="of the 95 % interval; null: none, or beyond the greatest budget")
    high: float | None = Field(description="the same")
    reason: str | None = Field(description="why there is no interval")


class SliceRow(Record):
    """AP50 of a slice of test: `real`, the primary arm's chosen detector, and the gain (exploratory)."""

    attribute: str
    value: str
    objects: Count
    real: float
    arm: float
    gain: Gain


class ArmCost(Record):
    """What an arm cost beyond `real`, a mean over seeds and folds, and for what."""

    arm: str
    rendered: float = Field(ge=0, description="frames rendered")
    seconds: dict[str, Seconds] = Field(description='"training", "rendering", "evaluating", "rest"')
    gain: float | None = Field(description="of its chosen detector over real, by the primary measure")
    verdict: Verdict


class TrialState(Record):
    """One arm at one seed and fold."""

    name: str
    arm: str
    seed: int
    fold: int | None
    status: Literal["finished", "failed", "unfinished", "not started"]
    reason: str | None


class Comparison(Record):
    """A whole comparison."""

    schema_: Literal[1] = Field(alias="schema")
    name: str
    title: str
    command: str = Field(description="what was typed, or would have to be")
    stand_in: bool
    data_kind: str
    root: str | None = Field(description="the dataset's folder, its name alone")
    started: str
    commit: str | None
    machine: str
    packages: dict[str, str | None]
    seconds_total: Seconds = Field(description="wall time of all starts together")
    seeds: list[int]
    folds: int | None
    used_folds: list[int] = Field(description="folds that the figures are of; empty without folds")
    splits: dict[str, dict[str, Count]] = Field(description='fold ("all" without folds) -> frames by split')
    warm_start: bool
    steps: Count = Field(description="optimizer steps of one training")
    batch_size: Count
    categories: list[str]
    metric: str = Field(description="the val score that chooses")
    frames: Count = Field(description="real test frames that every detector judged")
    objects: Count = Field(description="objects to find in them")
    unit: str = Field(description='what the bootstrap draws: "frames" or "sequences"')
    clusters: Count = Field(description="how many of these there are")
    synthetic_frames: Count = Field(description="frames of the synthetic test set")
    resamples: Count
    explored: Count = Field(description="exploratory differences that Holm's correction is over")
    primary: Primary
    rows: list[Row]
    contrasts: list[Contrast] = Field([], description="what targeting, re-staging, a simulator bring")
    budgets: list[float] = Field([], description="added frames per real one, where arms have a curve")
    reached: list[Reached] = Field([], description="frames to reach what another arm reaches")
    slices: list[SliceRow]
    costs: list[ArmCost]
    trials: list[TrialState]
    warnings: list[str] = Field(description="what a reader must know, the gravest first")

    @model_validator(mode="after")
    def _agrees(self) -> Comparison:
        keys = [row.key for row in self.rows]
        if len(set(keys)) < len(keys):
            raise ValueError("a row stands there twice")
        for row in self.rows:
            for cell in (*row.test.values(), *row.synthetic.values()):
                if len(cell.value.per_seed) != len(row.seeds):
                    raise ValueError(f"row {row.key}: values of other seeds than {row.seeds}")
        return self

    def row(self, key: str) -> Row | None:
        return next((row for row in self.rows if row.key == key), None)


def read_comparison(uri: str) -> Comparison:
    """Reads `comparison.json`. Raises UserError for a file that is none."""
    return Comparison.from_dict(old_names.read_json(uri), uri)


def write_comparison(comparison: Comparison, uri: str) -> None:
    storage.write_json(uri, comparison.to_dict())


# -- in words


def against_sentence(primary: Primary, against: Against) -> str:
    """One comparison of the primary endpoint in words."""
    gain = against.gain
    who = rival_name(against.arms)
    if primary.value is None or gain.difference is None:
        why = gain.reason or "no seed of both is whole"
        return f"{arm_name(primary.arm)} against {who}: nothing to compare ({why})."
    interval = span(gain.low, gain.high, sign=True)
    certainty = f"95 % interval {interval}" if interval else f"no interval: {gain.reason}"
    return (
        f"{arm_name(primary.arm)} against {who}, {measure_name(primary.measure)}: "
        f"{points(primary.value.mean)} against {points(against.value.mean)}, "
        f"{points(gain.difference, True)} points ({certainty}): {gain.verdict}."
    )


def contrast_sentence(contrast: Contrast) -> str:
    """A contrast in words."""
    gain = contrast.gain
    pair = f"{arm_name(contrast.arm)} minus {arm_name(contrast.over)}"
    who = f"{contrast.brings} ({pair}, cycle {contrast.cycle})"
    if gain.difference is None:
        return f"{who}: nothing to compare ({gain.reason})."
    interval = span(gain.low, gain.high, sign=True)
    certainty = f"95 % interval {interval}" if interval else f"no interval: {gain.reason}"
    return f"{who}: {points(gain.difference, True)} points ({certainty}): {gain.verdict}."


def contrasts_head(contrasts: list[Contrast]) -> str:
    """What the list of contrasts is, for above it."""
    return f"What brings how much {measure_name(contrasts[0].measure)}, one thing at a time:"


def reached_sentence(reached: Reached) -> str:
    """Frames to reach in words: against the same score of the other arm."""
    who, other = arm_name(reached.arm), arm_name(reached.other)
    if reached.value is None:
        return f"{who} against {other}: nothing to compare."
    certainty = f"no interval: {reached.reason}"
    if reached.reason is None:
        certainty = f"95 % interval {frames_span(reached)}"
    return (
        f"{who} needs {_frames(reached.frames, reached.most)} frames ({certainty}) for what {other} reaches "
        f"with {reached.other_frames:,.0f}: {points(reached.value)}."
    )


def frames_span(reached: Reached) -> str:
    """The interval of the frames that are needed."""
    ends = [_frames(end, reached.most) for end in (reached.low, reached.high)]
    return ends[0] if ends[0] == ends[1] and reached.low is None else f"{ends[0]} to {ends[1]}"


def _frames(count: float | None, most: float) -> str:
    return f"over {most:,.0f}" if count is None else f"{count:,.0f}"


def shown_reached(comparison: Comparison) -> list[Reached]:
    """Of all pairs and budgets those that are told: the primary arm for what others reach with most."""
    if not comparison.budgets:
        return []
    most = comparison.budgets[-1]
    return [r for r in comparison.reached if r.arm == comparison.primary.arm and r.budget == most]


def rival_name(arms: list[str]) -> str:
    names = [arm_name(arm) for arm in arms]
    return names[0] if len(names) == 1 else f"the better on val of {', '.join(names)}"


def answer(arm: str, verdicts: list[tuple[str, str]], seeds: int = 0, cells: tuple[int, int] = (1, 1)) -> str:
    """The conclusion from the verdict against each rival, and a caveat where it is of one seed. Both must be
    beaten, so no correction is due (an intersection-union test: Berger, Technometrics 24, 1982). `cells`: of
    how many of the planned seeds and folds it is; of fewer it is provisional, as who looks early and stops
    when the verdict pleases finds gains where there are none."""
    if not verdicts:
        return f"No answer: what {arm} is to be compared with is not finished."
    done, planned = cells
    early = f"Provisional ({done} of {planned} seeds and folds). " if done < planned else ""
    return early + _conclusion(arm, verdicts, seeds)


def _conclusion(arm: str, verdicts: list[tuple[str, str]], seeds: int) -> str:
    beaten = [who for who, verdict in verdicts if verdict == BETTER]
    lost = [who for who, verdict in verdicts if verdict == WORSE]
    once = " Of one seed: trained again it may come out otherwise." if seeds == 1 else ""
    if len(beaten) == len(verdicts):
        return f"Yes: {arm} is better than {' and than '.join(beaten)}.{once}"
    if lost:
        return f"No: {arm} is worse than {' and than '.join(lost)}.{once}"
    open_ones = " or from ".join(who for who, verdict in verdicts if verdict == NEITHER)
    said = f"Not shown: {arm} cannot be distinguished from {open_ones}"
    return said + (f", though it is better than {' and than '.join(beaten)}." if beaten else ".")


def flat_rows(comparison: Comparison) -> tuple[list[str], list[list[Any]]]:
    """The table for `table.csv`: the names of its columns, and its rows, fractions as they are."""
    measures = [("test", m) for m in _measures(comparison, "test")] + [
        ("synthetic", m) for m in _measures(comparison, "synthetic")
    ]
    head = ["row", "arm", "cycle", "seeds", "real_frames", "synthetic_frames", "repeated_frames", "steps",
            "images_seen", "candidates", "seconds"]  # fmt: skip
    for split, measure in measures:
        name = f"{split} {measure}"
        head += [name, f"{name} low", f"{name} high", f"{name} - real", f"{name} - real low",
                 f"{name} - real high", f"{name} verdict"]  # fmt: skip
    lines = []
    for row in comparison.rows:
        line: list[Any] = [
            detector_name(row.key), row.arm, "chosen on val" if row.cycle is None else row.cycle,
            " ".join(map(str, row.seeds)), row.real_frames, row.synthetic_frames, row.repeated_frames,
            row.steps, row.images_seen, row.candidates, row.seconds,
        ]  # fmt: skip
        for split, measure in measures:
            cell = getattr(row, split).get(measure)
            if cell is None:
                line += [None] * 7
                continue
            value, gain = cell.value, cell.gain
            line += [value.mean, value.low, value.high]
            line += [None] * 4 if gain is None else [gain.difference, gain.low, gain.high, gain.verdict]
        lines.append(line)
    return head, lines


def _measures(comparison: Comparison, split: str) -> list[str]:
    return list(dict.fromkeys(name for row in comparison.rows for name in getattr(row, split)))
