"""What a sweep found: `results.json` as checked records, the table for a terminal, and report.html.

Trials are compared on `val`. Nothing here holds a number of `test`: whoever sees it choose would choose
by it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from imitation.common.formats import old_names
from imitation.common.formats.record import Count, Fraction, Record, Seconds
from imitation.common.text_table import MARK, Table
from imitation.common.wording import counted
from imitation.metrics.own import metric_title
from imitation.report.table import DASH, STAND_IN, points
from imitation.report.words import CHOSEN, VAL_MEANS

Status = Literal["finished", "ended early", "failed"]


class TrialCycle(Record):
    """One evaluated cycle of a trial; 0 is its baseline."""

    cycle: int = Field(ge=0, description="0 for the baseline, then 1, 2, ...")
    val: Fraction = Field(description="the val score")
    synthetic_frames: Count = Field(description="synthetic frames trained on")
    synthetic_ratio: float = Field(ge=0, description="synthetic frames per real frame")
    steps: Count = Field(description="optimizer steps of the detector, from its first weights on")
    seconds: Seconds = Field(description="of the cycle's stages")


class Trial(Record):
    """One trial: a run with its own settings."""

    id: str = Field(description="its folder in trials/")
    settings: dict[str, Any] = Field(description="section.key -> value, of what the sweep varies")
    status: Status = Field(description='"finished", "ended early" (by the scheduler) or "failed"')
    reason: str | None = Field(description="why it failed; null if it did not")
    baseline: str = Field(description="the baseline it stands on, a folder in baselines/")
    cycles: list[TrialCycle] = Field(description="evaluated cycles, in order")
    best_val: Fraction | None = Field(description="the best val score of its cycles: the objective")
    best_cycle: int | None = Field(description="the cycle of that score; the earliest of equals")
    seconds: Seconds = Field(description="of its own cycles; the baseline's are counted with the baseline")

    @property
    def synthetic_frames(self) -> int | None:
        """Synthetic frames that the detector of the best cycle was trained on."""
        return None if self.best_cycle is None else self.cycles[self.best_cycle].synthetic_frames

    @model_validator(mode="after")
    def _agrees(self) -> Trial:
        if [cycle.cycle for cycle in self.cycles] != list(range(len(self.cycles))):
            raise ValueError(f"trial {self.id}: its cycles are not 0, 1, ...")
        best = max((cycle.val for cycle in self.cycles), default=None)
        if self.best_val != best or (self.best_cycle is None) != (best is None):
            raise ValueError(f"trial {self.id}: best_val is {self.best_val}, but its cycles say {best}")
        if (self.status == "failed") != (self.reason is not None):
            raise ValueError(f"trial {self.id}: {self.status}, but its reason is {self.reason!r}")
        return self


class Baseline(Record):
    """Data and cycle 0, shared by trials."""

    key: str = Field(description="its folder in baselines/")
    trials: Count = Field(description="trials that stand on it")
    val: Fraction = Field(description="its val score")
    twin_val: Fraction | None = Field(description="that of the same training from another seed; null: none")
    seconds: Seconds = Field(description="of its stages")


class SweepResults(Record):
    """A whole sweep."""

    schema_: Literal[1] = Field(alias="schema", description="version of this schema")
    name: str = Field(description="the sweep's folder in run.storage")
    stand_in: bool = Field(description="true if the data is an embedded world instead of real data")
    data_kind: str = Field(description='"world", "kitti", ...')
    metric: str = Field(description="the val score that trials are compared by")
    seed: int = Field(description="seed of every trial's run")
    settings: list[str] = Field(min_length=1, description="what varies")
    search: str = Field(description="how settings were picked")
    scheduler: str = Field(description="what ends trials early")
    grace: int = Field(description="cycles before which it ends none")
    cycles: int = Field(ge=0, description="imitation cycles of a trial, at most")
    trials: list[Trial] = Field(description="in the order in which they were picked")
    best: str | None = Field(description="the id of the best trial; null if there is none")
    baselines: list[Baseline] = Field(description="in the order of the trials that need them")

    @property
    def chosen(self) -> Trial | None:
        """The best trial."""
        return next((trial for trial in self.trials if trial.id == self.best), None)

    @property
    def ranked(self) -> list[Trial]:
        """Trials that have a score, the best first."""
        scored = [trial for trial in self.trials if trial.best_val is not None]
        return sorted(scored, key=lambda t: (t.id != self.best, -(t.best_val or 0.0)))

    @property
    def noise(self) -> float | None:
        """The largest difference on val between a baseline and its twin of another seed."""
        twins = [abs(b.val - b.twin_val) for b in self.baselines if b.twin_val is not None]
        return max(twins, default=None)

    @model_validator(mode="after")
    def _agrees(self) -> SweepResults:
        ids = [trial.id for trial in self.trials]
        if len(set(ids)) != len(ids):
            raise ValueError("a trial stands there twice")
        if self.best is not None and self.best not in ids:
            raise ValueError(f"best is {self.best!r}, which is no trial")
        for trial in self.trials:
            if set(trial.settings) != set(self.settings):
                raise ValueError(f"trial {trial.id}: its settings are not those that vary")
        return self


def read_sweep(uri: str) -> SweepResults:
    """A sweep's results.json. Raises UserError if it cannot be read, or is none."""
    return SweepResults.from_dict(old_names.read_json(uri), uri)


# --- in words --------------------------------------------------------------------------------------


def short_names(keys: list[str]) -> dict[str, str]:
    """Settings by their last names, as far as those tell them apart: "name" alone says nothing."""
    last = Counter(key.rsplit(".", 1)[-1] for key in keys)
    last["name"] += 1
    return {key: leaf if last[leaf := key.rsplit(".", 1)[-1]] == 1 else key for key in keys}


def value_text(value: Any) -> str:
    """A setting's value as YAML has it, floats with at most four digits that count."""
    if isinstance(value, float):
        return f"{value:.4g}"
    return value if isinstance(value, str) else json.dumps(value)


def settings_text(settings: Mapping[str, Any]) -> str:
    """A trial's settings in a few words."""
    names = short_names(list(settings))
    return ", ".join(f"{names[key]} {value_text(value)}" for key, value in settings.items())


def build_table(results: SweepResults) -> Table:
    """The sweep as a table, a row a trial, the best first."""
    names = short_names(results.settings)
    scored = results.ranked
    rest = [trial for trial in results.trials if trial.best_val is None]
    return Table(
        heading=(
            f"Sweep {results.name}: {counted(len(results.trials), 'trial')}, {metric_title(results.metric)}",
            *([STAND_IN] if results.stand_in else []),
        ),
        groups=(("", 1), ("best cycle, on val", 3), ("settings", len(names)), ("", 2)),
        columns=(
            "trial",
            metric_title(results.metric),
            "cycle",
            "synthetic",
            *names.values(),
            "seconds",
            "status",
        ),
        rows=tuple(_row(trial, results) for trial in (*scored, *rest)),
        best=0 if results.best is not None else -1,
        notes=tuple(notes(results)),
        left=(0, 5 + len(names)),
    )


def _row(trial: Trial, results: SweepResults) -> tuple[str, ...]:
    return (
        trial.id,
        points(trial.best_val),
        DASH if trial.best_cycle is None else f"{trial.best_cycle} of {len(trial.cycles) - 1}",
        DASH if trial.synthetic_frames is None else str(trial.synthetic_frames),
        *(value_text(trial.settings[key]) for key in results.settings),
        f"{trial.seconds:.0f}",
        trial.status,
    )


def notes(results: SweepResults) -> list[str]:
    """What a reader of the table must know."""
    lines = [
        f"Scores are points (0 to 100) at each trial's best cycle. {VAL_MEANS}. test took no part and is "
        "not shown."
    ]
    if results.best is not None:
        lines.insert(0, f"{MARK} {CHOSEN}: the trial that does best on val.")
    if len(results.trials) > 1:
        lines.append(
            f"The best of {len(results.trials)} is lucky as well as good: on other frames, or from another "
            "seed, it is to be expected lower. Judge it once, on test, by running best.yaml."
        )
    if results.noise is not None:
        lines.append(
            f"Chance: baselines that differ in their seed alone lie up to {points(results.noise)} points "
            "apart on val. Trials that differ by less are not told apart."
        )
    shared = ", ".join(
        f"{b.key} for {counted(b.trials, 'trial')} ({b.seconds:.0f} s)" for b in results.baselines[:4]
    )
    more = f" and {len(results.baselines) - 4} more" if len(results.baselines) > 4 else ""
    if results.baselines:
        lines.append(
            f"Seconds are those of a trial's own cycles. Data and baseline were made once: {shared}{more}."
        )
    lines += [f"{trial.id} failed: {trial.reason}" for trial in results.trials if trial.reason]
    return lines
