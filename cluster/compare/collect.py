"""From finished runs to the table: which detectors make up a row, and what they are measured on."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from cluster.analysis import MAIN, TWIN
from cluster.arms import Arm
from cluster.compare.execute import State
from cluster.compare.plan import Cell, Plan, Trial, rivals
from cluster.compare.synthetic import SPLIT as SYNTHETIC
from cluster.config import Config
from cluster.stages import cycle_folder
from cluster.summary import SUMMARY
from cluster.workspace import Workspace
from imitation import storage
from imitation.metrics.bootstrap import NEITHER, Interval
from imitation.metrics.outcomes import Outcomes
from imitation.policies import build_policy, looks_at_failures
from imitation.report.comparison import (
    Against,
    ArmCost,
    Comparison,
    Gain,
    Primary,
    Row,
    SliceRow,
    TrialState,
    Value,
    answer,
    rival_name,
)
from imitation.report.comparison import (
    Cell as TableCell,
)
from imitation.report.summary import Summary, read_summary
from imitation.seeds import (
    LOSS,
    Bench,
    Judged,
    Measured,
    Sources,
    explored,
    read_outcomes,
    shared_frames,
    slice_gains,
)

CHOSEN = "chosen"
REAL = "real"
MEASURE_NAMES = {"map50": "mAP50", "map": "mAP"}


@dataclass(frozen=True)
class Picked:
    """A detector: a trial's cycle."""

    trial: Trial
    cycle: int


@dataclass(frozen=True)
class Spec:
    """A row before it is measured: its detector in each cell that has one."""

    key: str
    arm: str
    label: str
    cycle: int | None
    picks: dict[Cell, Picked]


@dataclass
class Finished:
    """The finished trials of a plan, and what their folders say."""

    plan: Plan
    states: Mapping[str, State]
    summaries: dict[str, Summary] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for trial in self.plan.trials:
            if self.states[trial.name].status == "finished":
                self.summaries[trial.name] = read_summary(self.workspace(trial).path(SUMMARY))

    def workspace(self, trial: Trial) -> Workspace:
        return self.plan.workspace(trial)

    def trial(self, arm: str, cell: Cell) -> Trial | None:
        """An arm's trial in a cell, if it is finished."""
        for trial in self.plan.trials:
            if trial.arm.name == arm and trial.cell == cell and trial.name in self.summaries:
                return trial
        return None

    def cells(self, arm: str) -> list[Cell]:
        return [cell for cell in self.plan.cells if self.trial(arm, cell)]

    @cached_property
    def folds(self) -> tuple[int | None, ...]:
        """The folds that the table is of: those in which `real` and every arm of the primary endpoint that
        has finished anywhere has finished some seed, else those in which `real` has."""
        against = {arm for group in rivals(self.plan.config) for arm in group}
        asked = {REAL, self.plan.config.compare.primary.arm} | against
        arms = [arm.name for arm in self.plan.arms if arm.name in asked and self.cells(arm.name)]
        by_arm = {arm: {cell.fold for cell in self.cells(arm)} for arm in arms}
        common = set.intersection(*by_arm.values()) if by_arm else set()
        chosen = common or by_arm.get(REAL, set())
        return tuple(fold for fold in self.plan.folds if fold in chosen)

    def stop(self, picked: Picked) -> float:
        stop = self.summaries[picked.trial.name].cycles[picked.cycle].metrics.stop
        return getattr(stop, self.plan.config.loop.metric) or 0.0

    def chosen(self, trial: Trial) -> Picked:
        """The detector that stop chose."""
        return Picked(trial, self.summaries[trial.name].best_cycle)

    def product(self, picked: Picked) -> str:
        return self.workspace(picked.trial).path(cycle_folder(picked.cycle), "detector", MAIN)

    def judged(self, picked: Picked) -> Judged:
        """Its detections on real test."""
        uri = self.workspace(picked.trial).path(
            cycle_folder(picked.cycle), "evaluation", "detections.parquet"
        )
        return Judged(uri, "test", MAIN, self._threshold(picked))

    def _threshold(self, picked: Picked) -> float:
        return self.summaries[picked.trial.name].cycles[picked.cycle].metrics.stop.threshold

    def judged_synthetic(self, picked: Picked, uri: str) -> Judged:
        """Its detections on the synthetic test set."""
        return Judged(uri, SYNTHETIC, detector_name(picked), self._threshold(picked))


def detector_name(picked: Picked) -> str:
    """A detector's name in the evaluation of the synthetic test set; that of a shared baseline is one."""
    if picked.cycle == 0 and picked.trial.arm.shares_baseline:
        return f"baseline-{picked.trial.cell.name}"
    return f"{picked.trial.name}-{cycle_folder(picked.cycle)}"


def specs(done: Finished) -> list[Spec]:
    """The rows in the paper's order, each arm's cycles and then what stop chose of them."""
    order = [REAL, "longer", "oversample", "sim", "random"]
    arms = sorted(done.plan.arms, key=lambda arm: order.index(arm.name) if arm.name in order else 9)
    stand_in = done.plan.config.data.kind == "world"
    rows: list[Spec] = []
    for arm in arms:
        words = arm.trained_on.replace("real", "stand-in", 1) if stand_in else arm.trained_on
        trials = {cell: trial for cell in done.cells(arm.name) if (trial := done.trial(arm.name, cell))}
        if not trials:
            continue
        counts = {cell: len(done.summaries[trial.name].cycles) for cell, trial in trials.items()}
        if arm.name == REAL:
            rows.append(Spec(REAL, REAL, words, 0, {c: Picked(t, 0) for c, t in trials.items()}))
            continue
        for cycle in range(1 if arm.shares_baseline else 0, max(counts.values())):
            picks = {c: Picked(t, cycle) for c, t in trials.items() if counts[c] > cycle}
            label = words if max(counts.values()) == 1 else f"{words}, cycle {cycle}"
            rows.append(Spec(f"{arm.name}, cycle {cycle}", arm.name, label, cycle, picks))
        if max(counts.values()) > 1:
            picks = {c: done.chosen(t) for c, t in trials.items()}
            rows.append(Spec(chosen_key(arm.name), arm.name, f"{words}, chosen on stop", None, picks))
    return rows


def chosen_key(arm: str) -> str:
    return f"{arm}, {CHOSEN}"


class _Bench:
    """One set of frames with every row measured on it."""

    def __init__(
        self,
        rows: Sequence[Spec],
        folds: Sequence[int | None],
        seeds: Sequence[int],
        source: Callable[[Picked], Judged],
        categories: Sequence[str],
        resamples: int,
        rng: np.random.Generator,
        at50: bool = False,
    ) -> None:
        self._known: dict[Sources, Outcomes] = {}
        self._thresholds = (0.5,) if at50 else None
        self._categories = categories
        by_row: dict[str, dict[int, Sources]] = {}
        for row in rows:
            by_row[row.key] = {
                seed: tuple(source(row.picks[Cell(seed, fold)]) for fold in folds)
                for seed in seeds
                if folds and all(Cell(seed, fold) in row.picks for fold in folds)
            }
        self.sources = by_row
        for known in by_row.values():
            for sources in known.values():
                self._read(sources)
        frames = shared_frames(self._known.values())
        self._known = {sources: found.only(frames) for sources, found in self._known.items()}
        self.frames = frames
        self.bench: Bench | None = None
        self.measured: dict[str, Measured] = {}
        if frames:
            truth = next(iter(self._known.values()))
            self.bench = Bench(truth, resamples, rng, at50)
            for key in by_row:
                if outcomes := self.outcomes(key):
                    self.measured[key] = self.bench.measure(outcomes)

    def _read(self, sources: Sources) -> None:
        if sources not in self._known:
            extra = {} if self._thresholds is None else {"thresholds": self._thresholds}
            self._known[sources] = read_outcomes(sources, self._categories, **extra)

    def outcomes(self, key: str) -> dict[int, Outcomes]:
        return {seed: self._known[sources] for seed, sources in self.sources[key].items()}


def collect(
    plan: Plan,
    states: Mapping[str, State],
    told: Mapping[str, Any],
    synthetic: Mapping[str, str] | None,
    seconds: float,
    command: str,
) -> Comparison:
    """Everything that the finished trials say. `told` is the comparison's `run.json`; `synthetic` goes from
    a detector's name (`detector_name`) to its evaluation on the synthetic test set (None: there is none)."""
    done = Finished(plan, states)
    config, compare = plan.config, plan.config.compare
    rows = specs(done)
    rows += _rival_specs(done)
    rng = np.random.default_rng([compare.seed, 1])
    categories = next((s.categories for s in done.summaries.values()), [])
    seeds = plan.seeds
    test = _Bench(rows, done.folds, seeds, done.judged, categories, compare.resamples, rng)
    free = None
    if synthetic:
        names = synthetic

        def source(picked: Picked) -> Judged:
            return done.judged_synthetic(picked, names[detector_name(picked)])

        shown = [row for row in rows if not row.key.startswith(RIVAL)]
        free = _PerFold(shown, done.folds, seeds, source, categories, compare.resamples, rng)
    gains = _Gains(test, free, [row for row in rows if not row.key.startswith(RIVAL)])
    slices = _slices(test, compare.primary.arm, rng)
    family = gains.family() | {
        f"slice|{s.attribute}|{s.value}": s.difference for s in slices if s.difference.p is not None
    }
    verdicts = explored(family, [name for name in family if name.endswith(f"|{LOSS}")])
    primary = _primary(done, test)
    table = [_row(done, row, test, gains, verdicts, free) for row in rows if not row.key.startswith(RIVAL)]
    objects = 0 if test.bench is None else test.bench.objects(LOSS)
    return Comparison(
        schema=1,
        name=compare.name,
        title=_title(plan),
        command=command,
        stand_in=config.data.kind == "world",
        data_kind=config.data.kind,
        root=None if config.data.root is None else storage.name_of(config.data.root.rstrip("/")),
        started=told["started"],
        commit=told["commit"],
        machine=told["machine"],
        packages=told["packages"],
        seconds_total=round(seconds, 1),
        seeds=list(seeds),
        folds=compare.folds,
        used_folds=[fold for fold in done.folds if fold is not None],
        splits={
            "all" if fold is None else f"fold {fold}": {
                "train": size.train,
                "stop": size.stop,
                "test": size.test,
            }
            for fold, size in plan.sizes.items()
        },
        warm_start=config.train.warm_start,
        steps=config.train.steps,
        batch_size=config.train.batch_size,
        categories=list(categories),
        metric=config.loop.metric,
        frames=len(test.frames),
        objects=objects,
        unit="frames" if test.bench is None else test.bench.resampling.unit,
        clusters=0 if test.bench is None else test.bench.resampling.clusters,
        synthetic_frames=0 if free is None else free.frames,
        resamples=compare.resamples,
        explored=len(verdicts),
        primary=primary,
        rows=table,
        slices=[
            SliceRow(
                attribute=s.attribute,
                value=s.value,
                objects=s.objects,
                real=s.base,
                arm=s.way,
                gain=Gain.of(s.difference, verdicts.get(f"slice|{s.attribute}|{s.value}", NEITHER)),
            )
            for s in slices
        ],
        costs=_costs(done, table, primary.measure),
        trials=[
            TrialState(
                name=t.name,
                arm=t.arm.name,
                seed=t.cell.seed,
                fold=t.cell.fold,
                status=states[t.name].status,
                reason=states[t.name].reason,
            )
            for t in plan.trials
        ],
        warnings=_warnings(done, test),
    )


# -- measured


class _PerFold:
    """The synthetic test set: the same frames judged by the detector of every fold, so that a row's value is
    the mean over its folds, seed by seed."""

    def __init__(
        self,
        rows: Sequence[Spec],
        folds: Sequence[int | None],
        seeds: Sequence[int],
        source: Callable[[Picked], Judged],
        categories: Sequence[str],
        resamples: int,
        rng: np.random.Generator,
    ) -> None:
        parts = []
        start = rng.bit_generator.state
        for fold in folds:
            rng.bit_generator.state = start  # the same resamples of the same frames in every fold
            own = [
                Spec(r.key, r.arm, r.label, r.cycle, {c: p for c, p in r.picks.items() if c.fold == fold})
                for r in rows
            ]
            parts.append(_Bench(own, [fold], seeds, source, categories, resamples, rng, at50=True))
        benches = [part.bench for part in parts]
        self.bench = benches[0] if benches and all(benches) else None
        self.frames = min((len(part.frames) for part in parts), default=0)
        self.measured: dict[str, Measured] = {}
        if self.bench is None or any(part.frames != parts[0].frames for part in parts):
            self.bench = None
            return
        for row in rows:
            found = [part.measured.get(row.key) for part in parts]
            whole = [m for m in found if m is not None]
            if len(whole) < len(parts):
                continue
            shared = [seed for seed in whole[0].seeds if all(seed in m.seeds for m in whole)]
            if shared:
                picked = [[m.seeds.index(seed) for seed in shared] for m in whole]
                self.measured[row.key] = Measured(
                    tuple(shared),
                    np.mean([m.estimates[i] for m, i in zip(whole, picked)], axis=0),
                    np.mean([m.samples[i] for m, i in zip(whole, picked)], axis=0),
                )


class _Gains:
    """Every row's difference to `real`, by split and measure."""

    def __init__(self, test: _Bench, free: _PerFold | None, rows: Sequence[Spec]) -> None:
        self.intervals: dict[str, Interval] = {}
        self._first: dict[str, str] = {}  # of rows of the very same detectors the first
        for row in rows:
            alike = (r.key for r in rows if test.sources[r.key] == test.sources[row.key])
            self._first[row.key] = next(alike)
        for split, side in (("test", test), ("synthetic", free)):
            if side is None or side.bench is None or REAL not in side.measured:
                continue
            for row in rows:
                if row.key == REAL or row.key not in side.measured:
                    continue
                for measure in side.bench.measures:
                    interval = side.bench.difference(side.measured[REAL], side.measured[row.key], measure)
                    self.intervals[f"{row.key}|{split}|{measure}"] = interval

    def family(self) -> dict[str, Interval]:
        """The differences that are tested: each once, where there is an interval."""
        return {name: i for name, i in self.intervals.items() if i.p is not None and self.first(name) == name}

    def first(self, name: str) -> str:
        """The name under which a difference is in the family: a chosen row repeats one of the cycles'."""
        row, _, rest = name.partition("|")
        return f"{self._first[row]}|{rest}"


def _value(bench: Bench, measured: Measured, measure: str) -> Value:
    interval = bench.mean(measured, measure)
    column = bench.measures.index(measure)
    each = [None if np.isnan(v) else float(v) for v in measured.estimates[:, column]]
    low, high = interval.low, interval.high
    return Value(
        mean=interval.estimate,
        low=None if low is None else max(0.0, low),
        high=None if high is None else min(1.0, high),
        per_seed=each,
    )


def _cells(
    row: Spec, split: str, side: _Bench | _PerFold | None, gains: _Gains, verdicts: Mapping[str, str]
) -> dict[str, TableCell]:
    if side is None or side.bench is None or row.key not in side.measured:
        return {}
    cells = {}
    for measure in side.bench.measures:
        name = f"{row.key}|{split}|{measure}"
        interval = gains.intervals.get(name)
        verdict = verdicts.get(gains.first(name), NEITHER)
        gain = None if interval is None else Gain.of(interval, verdict)
        cells[measure] = TableCell(value=_value(side.bench, side.measured[row.key], measure), gain=gain)
    return cells


def _row(
    done: Finished, row: Spec, test: _Bench, gains: _Gains, verdicts: Mapping[str, str], free: _PerFold | None
) -> Row:
    cycles = [done.summaries[p.trial.name].cycles[p.cycle] for p in row.picks.values()]
    measured = test.measured.get(row.key)
    seeds = [] if measured is None else list(measured.seeds)
    synthetic = _cells(row, "synthetic", free, gains, verdicts)
    if synthetic and free is not None and list(free.measured[row.key].seeds) != seeds:
        synthetic = {}

    def mean(values: Sequence[float]) -> float:
        return round(statistics.fmean(values), 2)

    return Row(
        key=row.key,
        arm=row.arm,
        label=row.label,
        cycle=row.cycle,
        seeds=seeds,
        real_frames=mean([c.real_frames for c in cycles]),
        synthetic_frames=mean([c.synthetic_frames for c in cycles]),
        repeated_frames=mean([c.repeated_frames for c in cycles]),
        steps=mean([c.steps for c in cycles]),
        images_seen=mean([c.images_seen for c in cycles]),
        candidates=mean([
            len(done.summaries[p.trial.name].cycles) if row.cycle is None else 1 for p in row.picks.values()
        ]),
        seconds=mean([_seconds(done, p, whole=row.cycle is None) for p in row.picks.values()]),
        test=_cells(row, "test", test, gains, verdicts),
        synthetic=synthetic,
    )  # fmt: skip


def _seconds(done: Finished, picked: Picked, whole: bool) -> float:
    cycles = done.summaries[picked.trial.name].cycles
    if picked.trial.arm.name == REAL:
        own = ("train-main", "evaluate", "analyse")
        return sum(value for name, value in cycles[0].seconds.items() if name in own)
    arm, config = picked.trial.arm, done.plan.config
    return sum(
        value
        for c in (cycles if whole else cycles[: picked.cycle + 1])
        for name, value in c.seconds.items()
        if name != f"train-{TWIN}" and (not name.startswith("train-fold-") or looks(arm, config))
    )


# -- the primary endpoint

RIVAL = "rival "
ASKED = f"{RIVAL}of all"


def _rival_specs(done: Finished) -> list[Spec]:
    """The primary arm's detector chosen on stop, be it the baseline; and for each comparison of the primary
    endpoint the rival in each cell: the best on stop of the group, by its detector chosen on stop; where not
    all of the group are finished there is none."""
    asked = done.plan.config.compare.primary.arm
    own = {c: done.chosen(trial) for c in done.cells(asked) if (trial := done.trial(asked, c))}
    found = [Spec(ASKED, "", asked, None, own)] if own else []
    for number, group in enumerate(rivals(done.plan.config)):
        picks = {}
        for cell in done.plan.cells:
            trials = [done.trial(arm, cell) for arm in group]
            there = [trial for trial in trials if trial is not None]
            if len(there) == len(group):
                picks[cell] = max(
                    (done.chosen(trial) for trial in there), key=done.stop
                )  # of equals the first
        found.append(Spec(f"{RIVAL}{number}", "", rival_name(group), None, picks))
    return found


def _primary(done: Finished, test: _Bench) -> Primary:
    wanted = done.plan.config.compare.primary
    measure = MEASURE_NAMES.get(wanted.measure, wanted.measure)
    key = ASKED
    bench = test.bench
    if bench is None or key not in test.measured or measure not in bench.measures:
        return Primary(arm=wanted.arm, measure=measure, value=None, against=[], answer=answer(wanted.arm, []))
    against = []
    specs_by_key = {spec.key: spec for spec in _rival_specs(done)}
    for number, group in enumerate(rivals(done.plan.config)):
        rival = f"{RIVAL}{number}"
        if rival not in test.measured:
            continue
        interval = bench.difference(test.measured[rival], test.measured[key], measure)
        picks = specs_by_key[rival].picks
        against.append(
            Against(
                arms=group,
                chosen={cell.name: picked.trial.arm.name for cell, picked in picks.items()},
                value=_value(bench, test.measured[rival], measure),
                gain=Gain.of(interval, interval.verdict()),
            )
        )
    verdicts = [(rival_name(a.arms), a.gain.verdict) for a in against]
    whole = len(against) == len(rivals(done.plan.config))
    seeds = min((a.gain.seeds for a in against), default=0)
    said = answer(wanted.arm, list(verdicts) if whole else [], seeds)
    return Primary(
        arm=wanted.arm,
        measure=measure,
        value=_value(bench, test.measured[key], measure),
        against=against,
        answer=said,
    )


def _slices(test: _Bench, arm: str, rng: np.random.Generator) -> list[Any]:
    key = chosen_key(arm)
    if test.bench is None or REAL not in test.measured or key not in test.measured:
        return []
    return slice_gains(test.bench, test.outcomes(REAL), test.outcomes(key), rng)


# -- cost and caveats


def _costs(done: Finished, table: Sequence[Row], measure: str) -> list[ArmCost]:
    costs = []
    for arm in done.plan.arms:
        cells = done.cells(arm.name)
        row = next((r for r in table if r.key == chosen_key(arm.name)), None)
        row = row or next((r for r in table if r.arm == arm.name), None)
        if arm.name == REAL or not cells or row is None:
            continue
        mines = looks(arm, done.plan.config)
        spent = [
            _spent(done.summaries[trial.name], arm, mines)
            for c in cells
            if (trial := done.trial(arm.name, c))
        ]
        gain = row.test[measure].gain if measure in row.test else None
        costs.append(
            ArmCost(
                arm=arm.name,
                rendered=statistics.fmean(s["rendered"] for s in spent),
                seconds={
                    name: round(statistics.fmean(s[name] for s in spent), 1)
                    for name in ("training", "rendering", "evaluating", "rest")
                },
                gain=None if gain is None else gain.difference,
                verdict="not distinguishable" if gain is None else gain.verdict,
            )
        )
    return costs


def looks(arm: Arm, config: Config) -> bool:
    """Whether an arm needs the failures of the baseline, which every arm's folder has."""
    return looks_at_failures(build_policy(config.policy.model_copy(update={"name": arm.policy})))


def _spent(summary: Summary, arm: Arm, mines: bool) -> dict[str, float]:
    """Beyond `real`: later cycles, and for arms that mine the folds of the baseline."""
    spent = dict.fromkeys(("training", "rendering", "evaluating", "rest", "rendered"), 0.0)
    for cycle in summary.cycles:
        for name, seconds in cycle.seconds.items():
            shared = cycle.cycle == 0 and arm.shares_baseline
            if shared and not (mines and name.startswith("train-fold-") and len(summary.cycles) > 1):
                continue
            spent[_kind(name)] += seconds
        if cycle.simulated is not None:
            spent["rendered"] += cycle.simulated.rendered
    return spent


def _kind(stage: str) -> str:
    if stage.startswith("train-"):
        return "training"
    return {"simulate": "rendering", "evaluate": "evaluating", "analyse": "evaluating"}.get(stage, "rest")


def _title(plan: Plan) -> str:
    config = plan.config
    if config.data.kind == "world":
        what = "the embedded stand-in world"
    else:
        kind = {"kitti": "KITTI", "coco": "COCO", "yolo": "YOLO", "waymo": "Waymo"}.get(
            config.data.kind, "data"
        )
        what = f"{kind} folder {storage.name_of((config.data.root or '').rstrip('/'))}"
    return f"Did it help? {len(plan.arms)} arms on {what}"


def _warnings(done: Finished, test: _Bench) -> list[str]:
    plan, summaries = done.plan, list(done.summaries.values())
    warnings = []
    if plan.config.data.kind == "world":
        warnings.append(
            "The data is an embedded stand-in world, rendered, not real: nothing here holds for reality."
        )
    compared = [len(m.seeds) for key, m in test.measured.items() if key != REAL and not key.startswith(RIVAL)]
    if max(compared, default=len(plan.seeds)) == 1:  # of those planned, or of those that are finished
        said = (
            "One seed: the intervals hold the choice of test frames alone. Trained again from another "
            "seed every "
            "detector would differ, and that is in none of them."
        )
        churn = [
            abs(other - first)
            for s in summaries
            if s.churn is not None
            and (other := s.churn.mAP.get("test")) is not None
            and (first := s.cycles[0].metrics.test.map50) is not None
        ]
        if churn:
            said += (
                f" Another seed of the baseline moved its mAP50 on test by {100 * min(churn):.1f}"
                + (f" to {100 * max(churn):.1f}" if max(churn) - min(churn) > 5e-4 else "")
                + " points here."
            )
        warnings.append(said)
    missing = [name for name, state in done.states.items() if state.status != "finished"]
    if missing:
        warnings.append(
            f"{len(missing)} of {len(done.states)} runs are not finished ({', '.join(missing[:6])}"
            f"{', ...' if len(missing) > 6 else ''}): the table is of the rest."
        )
    if len(done.folds) < len(plan.folds):
        used = ", ".join(str(fold) for fold in done.folds) or "none"
        warnings.append(f"Of the folds {', '.join(map(str, plan.folds))} the figures are of {used}.")
    if plan.config.compare.use_folds is not None:
        warnings.append(
            f"Test frames are those of folds {', '.join(map(str, plan.folds))} of "
            f"{plan.config.compare.folds} "
            "alone. Settings that were chosen on a fold must be reported on others."
        )
    if len(plan.folds) > 1:
        warnings.append(
            "Detectors of different folds share most of their training frames: intervals do not know "
            "that, and "
            "are rather too narrow."
        )
    if test.bench is not None and test.bench.resampling.unit == "frames" and plan.config.data.kind != "world":
        warnings.append(
            "The sequences of the frames are not known: frames of one drive count as independent, and the "
            "intervals are rather too narrow."
        )
    if 0 < len(test.frames) < 100:
        warnings.append(f"{len(test.frames)} test frames are few: only large differences can be seen.")
    return warnings
