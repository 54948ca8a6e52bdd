"""From finished runs to the table: every row of it, and what stands beside them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cluster.experiments.compare.execute import State
from cluster.experiments.compare.finished import REAL, Finished, Picked, detector_name
from cluster.experiments.compare.plan import Plan
from cluster.experiments.compare.results.caveats import caveats, versions
from cluster.experiments.compare.results.contrasts import contrasts
from cluster.experiments.compare.results.cost_per_arm import arm_costs, seconds_to
from cluster.experiments.compare.results.endpoint import own_metric, primary_endpoint
from cluster.experiments.compare.results.measure import Gains, MeanOfFolds, PooledFolds, Terms, value_of
from cluster.experiments.compare.results.reached import reached
from cluster.experiments.compare.results.rows import Spec, asked_spec, chosen_key, rival_specs, specs
from imitation.common import storage
from imitation.metrics.statistics.bootstrap import NEITHER
from imitation.metrics.statistics.seed_comparison import LOSS, Judged, SliceGain, explored, slice_gains
from imitation.report.comparison.record import Cell, Comparison, Gain, Row, SliceRow, TrialState


def collect(
    plan: Plan,
    states: Mapping[str, State],
    run_json: Mapping[str, Any],
    synthetic: Mapping[str, str] | None,
    seconds: float,
    command: str,
    done: Finished | None = None,
) -> Comparison:
    """Everything that the finished trials say. `run_json` is that of the comparison; `synthetic` goes from a
    detector's name (`detector_name`) to its evaluation on the synthetic test set (None: there is none).
    `done`: the finished trials, where they are not what lies in the plan's folder."""
    done = done or Finished(plan, states)
    config, compare = plan.config, plan.config.compare
    rows = specs(done)
    rivals = rival_specs(done)
    rng = np.random.default_rng([compare.seed, 1])
    categories = next((s.categories for s in done.summaries.values()), [])
    terms = Terms(done.folds, plan.seeds, categories, compare.resamples, rng, own_metric(config))
    test = PooledFolds([*rows, *asked_spec(done), *rivals], done.judged, terms)
    free = None
    if synthetic:
        names = synthetic

        def source(picked: Picked) -> Judged:
            return done.judged_synthetic(picked, names[detector_name(picked)])

        free = MeanOfFolds(rows, source, terms)
    gains = Gains(test, free, rows)
    slices = _slices(test, compare.primary.arm, rng)
    family = gains.family() | {
        f"slice|{s.attribute}|{s.value}": s.difference for s in slices if s.difference.p is not None
    }
    verdicts = explored(family, [name for name in family if name.endswith(f"|{LOSS}")])
    primary = primary_endpoint(plan, len(done.folds), test, rivals)
    table = [_row(done, row, test, gains, verdicts, free) for row in rows]
    objects = 0 if test.bench is None else test.bench.objects(LOSS)
    return Comparison(
        schema=1,
        name=compare.name,
        title=_title(plan),
        command=command,
        stand_in=config.data.is_stand_in,
        data_kind=config.data.kind,
        root=None if config.data.root is None else storage.name_of(config.data.root.rstrip("/")),
        started=run_json["started"],
        commit=run_json["commit"],
        machine=run_json["machine"],
        packages=run_json["packages"],
        seconds_total=round(seconds, 1),
        seeds=list(plan.seeds),
        folds=compare.folds,
        used_folds=[fold for fold in done.folds if fold is not None],
        splits={
            "all" if fold is None else f"fold {fold}": {
                "train": size.train,
                "val": size.val,
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
        contrasts=contrasts(plan, test, primary.measure),
        budgets=list(compare.budgets or []),
        reached=reached(plan, test, table, primary.measure, rng),
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
        costs=arm_costs(done, table, primary.measure),
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
        warnings=[*caveats(done, test), *versions(run_json)],
    )


def _cells(
    row: Spec, split: str, side: PooledFolds | MeanOfFolds | None, gains: Gains, verdicts: Mapping[str, str]
) -> dict[str, Cell]:
    if side is None or side.bench is None or row.key not in side.measured:
        return {}
    cells = {}
    for measure in side.bench.measures:
        name = f"{row.key}|{split}|{measure}"
        interval = gains.intervals.get(name)
        verdict = verdicts.get(gains.first(name), NEITHER)
        gain = None if interval is None else Gain.of(interval, verdict)
        cells[measure] = Cell(value=value_of(side.bench, side.measured[row.key], measure), gain=gain)
    return cells


def _row(
    done: Finished,
    row: Spec,
    test: PooledFolds,
    gains: Gains,
    verdicts: Mapping[str, str],
    free: MeanOfFolds | None,
) -> Row:
    measured = test.measured.get(row.key)
    seeds = [] if measured is None else list(measured.seeds)
    # its counts are those of the detectors that were scored, where any were
    scored = [p for cell, p in row.picks.items() if cell.seed in seeds and cell.fold in done.folds]
    picks = scored or list(row.picks.values())
    cycles = [done.summaries[p.trial.name].cycles[p.cycle] for p in picks]
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
        budget=row.budget,
        seeds=seeds,
        real_frames=mean([c.real_frames for c in cycles]),
        synthetic_frames=mean([c.synthetic_frames for c in cycles]),
        repeated_frames=mean([c.repeated_frames for c in cycles]),
        steps=mean([c.steps for c in cycles]),
        images_seen=mean([c.images_seen for c in cycles]),
        candidates=mean([
            len(done.summaries[p.trial.name].cycles) if row.cycle is None else 1 for p in picks
        ]),
        seconds=mean([seconds_to(done, p, whole=row.cycle is None) for p in picks]),
        test=_cells(row, "test", test, gains, verdicts),
        synthetic=synthetic,
    )  # fmt: skip


def _slices(test: PooledFolds, arm: str, rng: np.random.Generator) -> list[SliceGain]:
    key = chosen_key(arm)
    if test.bench is None or REAL not in test.measured or key not in test.measured:
        return []
    return slice_gains(test.bench, test.outcomes(REAL), test.outcomes(key), rng)


def _title(plan: Plan) -> str:
    config = plan.config
    if config.data.is_stand_in:
        what = "the embedded stand-in world"
    else:
        what = f"{config.data.dataset.name} folder {storage.name_of((config.data.root or '').rstrip('/'))}"
    return f"Did it help? {len(plan.arms)} arms on {what}"
