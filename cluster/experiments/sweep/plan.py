"""What a sweep is going to do, before it starts: its trials, what they cost at most, how many at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cluster.config.schema import Config
from cluster.experiments.capacity import fold_steps
from cluster.experiments.sweep.search_space import Dimension, read_space, variants, with_settings
from cluster.run.baseline import baseline_key, may_differ
from cluster.workspace.run_folder import covers
from imitation.common.wording import counted
from imitation.report.sweep.record import settings_text


@dataclass(frozen=True)
class Plan:
    """A sweep's trials: `trials` are their settings, known beforehand in a random search; empty where
    optuna picks them one by one."""

    config: Config
    dimensions: tuple[Dimension, ...]
    trials: tuple[dict[str, Any], ...]

    @property
    def count(self) -> int:
        """Trials at most."""
        return len(self.trials) or self.config.sweep.samples

    @cached_property
    def baselines(self) -> dict[str, Config]:
        """The baselines that the known trials need, by key; of those that optuna picks the first's."""
        free = may_differ(self.config)
        decisive = [d.key for d in self.dimensions if not any(covers(key, d.key) for key in free)]
        found: dict[str, Config] = {}
        seen: set[str] = set()
        for settings in self.trials or ({},):
            mark = repr([settings.get(key) for key in decisive])
            if mark not in seen:
                seen.add(mark)
                config = with_settings(self.config, settings)
                found.setdefault(baseline_key(config), config)
        return found

    @property
    def baseline_count(self) -> int:
        """Baselines at most."""
        free = may_differ(self.config)
        if self.trials or all(any(covers(key, d.key) for key in free) for d in self.dimensions):
            return len(self.baselines)
        return self.count

    def lines(self) -> Iterator[str]:
        """The plan in words. Counts are the most that can come: trials also end early, or converge."""
        sweep = self.config.sweep
        picked = "picked by optuna" if sweep.search == "optuna" else "drawn at random, or of a grid"
        yield f"{counted(self.count, 'trial')}, {picked}: " + ", ".join(d.key for d in self.dimensions)
        if not any(self.trials):
            yield "settings are picked while it runs"
        for settings in self.trials[:20]:
            yield f"  {settings_text(settings)}"
        if len(self.trials) > 20:
            yield f"  and {len(self.trials) - 20} more"
        configs = [with_settings(self.config, settings) for settings in self.trials]
        configs = configs or [self.config] * self.count
        bases = list(self.baselines.values())
        bases += bases[:1] * (self.baseline_count - len(bases))
        costs = [baseline_cost(config) for config in bases] + [trial_cost(config) for config in configs]
        yield (
            f"{counted(self.baseline_count, 'baseline')}, then up to "
            f"{counted(self.config.loop.cycles, 'cycle')} a trial: at most {sum(c.trainings for c in costs)} "
            f"trainings of {sum(c.steps for c in costs):,} steps in all"
        )
        ratio = sum(cost.ratio for cost in costs)
        real = real_frames(self.config)
        of = "for each real frame to train on" if real is None else f"from {real} to train on"
        frames = f"{ratio:g}" if real is None else f"{round(ratio * real):,}"
        yield f"at most {frames} synthetic frames {of}, over all trials"
        if sweep.scheduler == "asha":
            yield early_end(self.config)


def make_plan(config: Config) -> Plan:
    """The plan of `config.sweep`. Raises UserError where its space is wrong."""
    dimensions = read_space(config)
    drawn = variants(dimensions, config.sweep) if config.sweep.search == "random" else []
    for settings in drawn:
        with_settings(config, settings)  # a draw that the configuration refuses is told now
    return Plan(config, dimensions, tuple(drawn))


def early_end(config: Config) -> str:
    """When asha ends trials, in a sentence."""
    sweep = config.sweep
    if config.loop.cycles <= sweep.grace:
        return (
            f"asha ends no trial early: loop.cycles is {config.loop.cycles}, and before cycle {sweep.grace} "
            "(sweep.grace) is over none may be judged"
        )
    share = f"about one in {sweep.reduction_factor:g}"
    return f"asha judges trials after cycle {sweep.grace} and lets {share} go on"


@dataclass(frozen=True)
class Cost:
    """Trainings, optimizer steps, and synthetic frames per real one, at most."""

    trainings: int
    steps: int
    ratio: float


def baseline_cost(config: Config) -> Cost:
    """Of data and cycle 0: the detector, its twin, and the folds."""
    whole = 1 + config.loop.twin
    folds = config.mining.folds if config.loop.cycles else 0
    return Cost(whole + folds, whole * config.train.steps + folds * fold_steps(config), 0.0)


def trial_cost(config: Config) -> Cost:
    """Of a trial's own cycles, none of them cut short; the last is not mined."""
    cycles = min(config.loop.cycles, _cycles_to_cap(config))
    folds = config.mining.folds * max(0, cycles - 1)
    ratio = min(config.aggregation.max_synthetic_ratio, cycles * config.aggregation.synthetic_per_cycle)
    return Cost(cycles + folds, cycles * config.train.steps + folds * fold_steps(config), ratio)


def _cycles_to_cap(config: Config) -> int:
    settings = config.aggregation
    return math.ceil(settings.max_synthetic_ratio / settings.synthetic_per_cycle - 1e-9)


def real_frames(config: Config) -> int | None:
    """Frames to train on, where the configuration says how many there are at most."""
    return config.world.train if config.data.is_stand_in else config.data.limit
