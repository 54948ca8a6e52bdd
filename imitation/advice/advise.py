"""From what a run has seen to a ranked list of what to do about its failures.

Rendering: the posteriors of `adaptive` (`imitation.policies.adaptive.Evidence`; whatever policy the run
had) say how much more often a failure is fixed if frames were rendered for it than by retraining alone; that
rise, of all failures in reach, is what rendering for them would mend. Photographing: `learning_curve`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from imitation.advice.learning_curve import Curve, real_estimate
from imitation.advice.record import (
    LABELS,
    NOT_KNOWN,
    NOTHING,
    PHOTOGRAPH,
    RENDER,
    Advice,
    AdviceRow,
    Costs,
    Estimate,
)
from imitation.metrics.statistics.bootstrap import CONFIDENCE, Resampling
from imitation.policies.adaptive import Evidence, Posterior
from imitation.policies.base import Mined
from imitation.policies.feedback import Feedback, Tally
from imitation.policies.settings import AdaptiveSettings

DRAWS = 4000
CURVES = "imitate advise --curves trains what would tell"
A_CYCLE = "a cycle that renders for it would tell"


@dataclass(frozen=True)
class Modes:
    """Failures by mode, mined last: all, out of the simulator's reach, suspected label errors."""

    failures: Mapping[str, int]
    out_of_reach: Mapping[str, int]
    suspects: Mapping[str, int]


@dataclass(frozen=True)
class Rendered:
    """Of the cycles so far: what was fixed, what chance fixes, frames rendered, and seconds of each."""

    history: Sequence[Feedback]
    chance: Mapping[str, Tally]
    frames: int
    seconds_per_frame: float | None
    settings: AdaptiveSettings


@dataclass(frozen=True)
class Photographed:
    """Trainings on different numbers of real frames: `sizes` and `groups` (K,), each mode's `counts` (K, F),
    as `Curve` has them; `resampling` draws the F frames."""

    sizes: np.ndarray
    groups: np.ndarray
    counts: Mapping[str, np.ndarray]
    resampling: Resampling
    train_frames: int
    objects_per_frame: float
    source: Literal["folds", "curves"]
    notes: tuple[str, ...] = ()


def advise(
    cycle: int,
    modes: Modes,
    rendered: Rendered,
    real: Photographed,
    more_frames: int,
    rng: np.random.Generator,
    *,
    training_seconds: float | None = None,
    out_of_reach: Mapping[str, int] | None = None,
    set_aside: Mapping[str, int] | None = None,
    costs: Costs | None = None,
) -> Advice:
    """The advice on every mode that fails now, ranked."""
    fed, fixed = _fed(rendered.history)
    per_failure = rendered.frames / fed.total() if rendered.frames and fed.total() else None
    last = max((row.cycle for row in rendered.history), default=0)
    mined = Mined((), {}, history=rendered.history, chance=rendered.chance)
    evidence = Evidence(mined, last + 1, rendered.settings)
    draws = {mode: _rises(evidence.posterior(mode), rng) for mode in sorted(modes.failures)}
    price = _Price(costs, rendered.seconds_per_frame, training_seconds, more_frames, real.objects_per_frame)
    rows = []
    for mode, count in sorted(modes.failures.items()):
        beyond = modes.out_of_reach.get(mode, 0)
        reach = count - beyond
        frames = None if per_failure is None else math.ceil(reach * per_failure)
        rows.append(
            _row(
                mode, count, beyond, modes.suspects.get(mode, 0), fed[mode], fixed[mode], frames,
                _synthetic(reach, beyond, fed[mode], draws[mode]),
                _real(real, real.counts.get(mode), count, more_frames),
                price,
            )
        )  # fmt: skip
    total = _total(rows, draws, modes, fed, fixed, per_failure, real, more_frames, price)
    known = [row for row in rows if row.synthetic.shows or row.real.shows]
    return Advice(
        cycle=cycle,
        train_frames=real.train_frames,
        more_frames=more_frames,
        objects_per_frame=round(real.objects_per_frame, 3),
        frames_per_failure=None if per_failure is None else round(per_failure, 3),
        render_seconds=rendered.seconds_per_frame,
        training_seconds=training_seconds,
        source=real.source,
        sizes=[int(size) for size in sorted(set(real.sizes.tolist()))],
        rows=sorted(rows, key=lambda row: _rank(row, costs is not None and costs.given)),
        total=total,
        out_of_reach=dict(out_of_reach or {}),
        set_aside=dict(set_aside or {}),
        costs=costs if costs is not None and costs.given else None,
        notes=[*real.notes, *_notes(rendered, bool(known))],
    )


def _fed(history: Sequence[Feedback]) -> tuple[Counter[str], Counter[str]]:
    fed, fixed = Counter[str](), Counter[str]()
    for row in history:
        fed[row.stratum] += row.fed
        fixed[row.stratum] += row.fed_fixed
    return fed, fixed


def _rises(posterior: Posterior, rng: np.random.Generator) -> np.ndarray:
    """Draws (DRAWS,) of how much more often a failure is fixed if frames were rendered for it."""
    return rng.beta(*posterior.fed, DRAWS) - rng.beta(*posterior.chance, DRAWS)


def _synthetic(reach: int, beyond: int, fed: int, rises: np.ndarray) -> Estimate:
    if reach == 0:
        return Estimate(reason="all of it is out of the simulator's reach" if beyond else "no failure")
    if fed == 0:
        return Estimate(reason=f"no frame was ever rendered for it; {A_CYCLE}")
    return _interval(reach * rises)


def _interval(draws: np.ndarray) -> Estimate:
    tail = (1 - CONFIDENCE) / 2
    low, high = (float(v) for v in np.quantile(draws, [tail, 1 - tail]))
    return Estimate(mended=float(draws.mean()), low=low, high=high)


def _real(real: Photographed, counts: np.ndarray | None, failures: int, more: int) -> Estimate:
    if counts is None:
        return Estimate(reason=f"no detector of the learning curve fails so; {CURVES}")
    tell = CURVES if real.source == "folds" else "more frames to judge on would tell"
    return real_estimate(
        Curve(real.sizes, counts, real.groups), real.resampling, real.train_frames, more, failures, tell
    )


def _total(
    rows: Sequence[AdviceRow],
    draws: Mapping[str, np.ndarray],
    modes: Modes,
    fed: Counter[str],
    fixed: Counter[str],
    per_failure: float | None,
    real: Photographed,
    more: int,
    price: _Price,
) -> AdviceRow:
    count, beyond = sum(modes.failures.values()), sum(modes.out_of_reach.values())
    told = [row for row in rows if row.synthetic.mended is not None]
    synthetic = Estimate(reason=f"no frame was ever rendered; {A_CYCLE}")
    if told:
        synthetic = _interval(
            sum(((r.failures - r.out_of_reach) * draws[r.mode] for r in told), np.zeros(DRAWS))
        )
    counts = sum(real.counts.values()) if real.counts else None
    reach = sum(row.failures - row.out_of_reach for row in told)
    frames = None if per_failure is None or not told else math.ceil(reach * per_failure)
    return _row(
        "all", count, beyond, sum(modes.suspects.values()), fed.total(), fixed.total(), frames, synthetic,
        _real(real, None if isinstance(counts, int) else counts, count, more), price,
    )  # fmt: skip


@dataclass(frozen=True)
class _Price:
    """What each way costs; None where no cost was given, or what it rests on is not known."""

    costs: Costs | None
    seconds_per_frame: float | None
    training_seconds: float | None
    more_frames: int
    objects_per_frame: float

    def synthetic(self, frames: int | None) -> float | None:
        if self.costs is None or not self.costs.given or frames is None or self.seconds_per_frame is None:
            return None
        seconds = frames * self.seconds_per_frame + (self.training_seconds or 0.0)
        return seconds / 3600 * self.costs.gpu_hour

    def real(self) -> float | None:
        if self.costs is None or not self.costs.given:
            return None
        each = self.costs.frame + self.objects_per_frame * self.costs.label
        return self.more_frames * each + (self.training_seconds or 0.0) / 3600 * self.costs.gpu_hour


def _row(
    mode: str,
    failures: int,
    out_of_reach: int,
    suspects: int,
    fed: int,
    fixed: int,
    frames: int | None,
    synthetic: Estimate,
    real: Estimate,
    price: _Price,
) -> AdviceRow:
    row = AdviceRow(
        mode=mode,
        failures=failures,
        out_of_reach=out_of_reach,
        suspects=suspects,
        fed=fed,
        fixed=fixed,
        synthetic_frames=frames,
        synthetic=synthetic,
        synthetic_cost=price.synthetic(frames),
        real=real,
        real_cost=price.real(),
        advice=NOT_KNOWN,
    )
    return row.model_copy(update={"advice": _advice(row)})


def _advice(row: AdviceRow) -> str:
    if row.failures and 2 * row.suspects >= row.failures:
        return LABELS
    ways = [(RENDER, row.synthetic, row.synthetic_cost), (PHOTOGRAPH, row.real, row.real_cost)]
    shown = [(name, *_worth(estimate, cost)) for name, estimate, cost in ways if estimate.shows]
    if shown:
        return max(shown, key=lambda way: way[1:])[0]
    if row.synthetic.mended is None and row.real.mended is None:
        return NOT_KNOWN
    return NOTHING if row.synthetic.mended is not None and row.real.mended is not None else NOT_KNOWN


def _worth(estimate: Estimate, cost: float | None) -> tuple[float, float]:
    """Failures mended for one unit of cost, then failures mended: what is free is best."""
    mended = estimate.mended or 0.0
    if cost is None:
        return (0.0, mended)
    return (mended / cost if cost > 0 else math.inf, mended)


def _rank(row: AdviceRow, by_cost: bool) -> tuple[Any, ...]:
    ways = [(row.synthetic, row.synthetic_cost), (row.real, row.real_cost)]
    shown = [_worth(e, cost if by_cost else None) for e, cost in ways if e.shows]
    best = max(shown, default=(-1.0, 0.0))
    return (-best[0], -best[1], -row.failures, row.mode)


def _notes(rendered: Rendered, any_known: bool) -> list[str]:
    notes = []
    if not rendered.history:
        notes.append("No cycle was mined after it had rendered: nothing is known of rendering.")
    elif not rendered.chance:
        notes.append(
            "No twin was trained (loop.twin=true): what retraining alone fixes is taken from failures "
            "without rendered frames, which may be others than those that were fed."
        )
    if not any_known:
        notes.append("Nothing here is beyond chance: more data, cycles or trainings are needed to tell.")
    return notes


def with_costs(advice: Advice, costs: Costs) -> Advice:
    """The same estimates at other costs, ranked anew."""
    price = _Price(
        costs, advice.render_seconds, advice.training_seconds, advice.more_frames, advice.objects_per_frame
    )

    def priced(row: AdviceRow) -> AdviceRow:
        again = row.model_copy(
            update={"synthetic_cost": price.synthetic(row.synthetic_frames), "real_cost": price.real()}
        )
        return again.model_copy(update={"advice": _advice(again)})

    rows = sorted(map(priced, advice.rows), key=lambda row: _rank(row, costs.given))
    return advice.model_copy(
        update={"rows": rows, "total": priced(advice.total), "costs": costs if costs.given else None}
    )
