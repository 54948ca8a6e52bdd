"""What a sweep is going to do, before it starts: its trials, what they cost at most, how many at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from cluster.config.schema import Config
from cluster.config.sweep import SweepSettings
from cluster.experiments.cost import Cost, Estimate, baseline_cost, rates, run_cost, sizes_of
from cluster.experiments.folder import Folder, refusals
from cluster.experiments.sweep.search_space import Choice, Dimension, read_space, variants, with_settings
from cluster.run.baseline import baseline_key, may_differ
from cluster.workspace.run_folder import covers
from imitation.common import storage
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
        baselines: dict[str, Config] = {}
        seen: set[str] = set()
        for settings in self.trials or ({},):
            mark = repr([settings.get(key) for key in decisive])
            if mark not in seen:
                seen.add(mark)
                config = with_settings(self.config, settings)
                baselines.setdefault(baseline_key(config), config)
        return baselines

    @property
    def baseline_count(self) -> int:
        """Baselines at most."""
        free = may_differ(self.config)
        if self.trials or all(any(covers(key, d.key) for key in free) for d in self.dimensions):
            return len(self.baselines)
        return self.count

    @property
    def home(self) -> Folder:
        return Folder(
            storage.absolute(storage.join(self.config.run.storage, self.config.sweep.name)),
            "sweep",
            "sweep",
            ("sweep.max_concurrent",),
        )

    def estimate(self) -> Estimate:
        """Counts are the most that can come: trials also end early, or converge. Trials that optuna
        will pick are counted with the configuration's own settings."""
        sizes = sizes_of(self.config)
        bases = list(self.baselines.values())
        bases += bases[:1] * (self.baseline_count - len(bases))
        runs = [with_settings(self.config, settings) for settings in self.trials]
        runs = runs or [self.config] * self.count
        parts = {
            "baselines": sum((baseline_cost(config, sizes) for config in bases), Cost()),
            "trials": sum((run_cost(config, sizes) for config in runs), Cost()),
        }
        return Estimate(rates(self.config, self.home.uri), parts)

    def lines(self) -> Iterator[str]:
        """The plan and its cost in words. Raises UserError for a dataset that is not there."""
        sweep = self.config.sweep
        picked = "picked by optuna" if sweep.search == "optuna" else "drawn at random, or of a grid"
        yield f"{counted(self.count, 'trial')}, {picked}: " + ", ".join(d.key for d in self.dimensions)
        if not any(self.trials):
            yield "settings are picked while it runs"
        for settings in self.trials[:20]:
            yield f"  {settings_text(settings)}"
        if len(self.trials) > 20:
            yield f"  and {len(self.trials) - 20} more"
        yield (
            f"{counted(self.baseline_count, 'baseline')}, then up to "
            f"{counted(self.config.loop.cycles, 'cycle')} a trial."
        )
        yield from self.estimate().lines()
        if sweep.scheduler == "asha":
            yield early_end(sweep, self.config.loop.cycles)


def make_plan(config: Config) -> Plan:
    """The plan of `config.sweep`. Raises UserError where its space is wrong."""
    dimensions = read_space(config)
    drawn = variants(dimensions, config.sweep) if config.sweep.search == "random" else []
    for settings in drawn:
        with_settings(config, settings)  # raises now for a draw that the configuration refuses
    return Plan(config, dimensions, tuple(drawn))


def early_end(sweep: SweepSettings, cycles: int) -> str:
    """When asha ends trials, in a sentence."""
    if cycles <= sweep.grace:
        return (
            f"asha ends no trial early: loop.cycles is {cycles}, and before cycle {sweep.grace} "
            "(sweep.grace) is over none may be judged"
        )
    share = f"about one in {sweep.reduction_factor:g}"
    return f"asha judges trials after cycle {sweep.grace} and lets {share} go on"


def of_other_code(plan: Plan) -> list[Config]:
    """The configurations with each detector, policy, simulator and manifest of bodies that trials try."""
    named = ("detector.name", "policy.name", "simulate.simulator", "renderer.bodies")
    return [
        with_settings(plan.config, {each.key: value})
        for each in plan.dimensions
        if each.key in named and isinstance(each, Choice)
        for value in each.values
    ]


def dry_run(config: Config) -> list[str]:
    """What a sweep would do and cost; nothing is started or written."""
    plan = make_plan(config)
    return [*plan.lines(), *refusals([config, *of_other_code(plan)])]
