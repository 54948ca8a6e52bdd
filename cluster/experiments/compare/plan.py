"""What a comparison is going to do, before it starts: its runs, in what order, on which data.

A trial is one arm at one seed and fold. `cell` names what must be shared to compare: the same seed and
fold, hence the same data, splits and baseline.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cluster.config.compare import CompareSettings
from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.experiments.compare.arms import Arm, arm_config, check_arms, find_arm
from cluster.experiments.cost import Cost, Estimate, Sizes, baseline_cost, rates, run_cost, sizes_of
from cluster.experiments.folder import TRIALS, Folder
from cluster.run.storage_checks import absolute_places
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import check_budgets
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.datasets.category_map import categories_of
from imitation.datasets.settings import DataSettings
from imitation.metrics.own import is_own, load_metric
from imitation.policies import build_policy, what_it_adds
from imitation.report.words import arm_name

SPLIT = "synthetic"
LEADER = "imitation"
"""The arm whose frames and cycles the others match."""
SUMMARIES = ("map50", "map")


@dataclass(frozen=True, order=True)
class Cell:
    """A seed and a fold (None: the dataset's own splits)."""

    seed: int
    fold: int | None = None

    @property
    def name(self) -> str:
        return f"seed{self.seed}" + ("" if self.fold is None else f"-fold{self.fold}")


@dataclass(frozen=True)
class Trial:
    """One arm in one cell. `after` is the trial that it must wait for: the one whose frames it matches, or
    takes. `budget`: added frames per real one, where it is one of `compare.budgets` below the greatest."""

    arm: Arm
    cell: Cell
    after: str | None = None
    budget: float | None = None

    @property
    def name(self) -> str:
        name = f"{re.sub(r'[^A-Za-z0-9_]+', '-', self.arm.name)}-{self.cell.name}"
        return name if self.budget is None else f"{name}-budget{self.budget:g}"


@dataclass(frozen=True)
class Plan:
    """A comparison: its folder, its arms in the order in which they run, and all trials in that order."""

    config: Config
    home: Folder
    arms: tuple[Arm, ...]
    cells: tuple[Cell, ...]
    sizes: dict[int | None, Sizes]

    @property
    def folder(self) -> str:
        return self.home.uri

    @property
    def seeds(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(cell.seed for cell in self.cells))

    @property
    def folds(self) -> tuple[int | None, ...]:
        return tuple(dict.fromkeys(cell.fold for cell in self.cells))

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Cell by cell, so that what a budget leaves room for is whole cells rather than single arms."""
        warm_start = self.config.train.warm_start
        trials = []
        for cell in self.cells:
            leader = next((Trial(arm, cell) for arm in self.arms if arm.name == LEADER), None)
            for arm in self.arms:
                waits = leader is not None and follows_leader(arm, warm_start)
                trials.append(Trial(arm, cell, leader.name if waits and leader else None))
            if smaller := (self.config.compare.budgets or ())[:-1]:
                whole = {trial.arm.name: trial for trial in trials if trial.cell == cell}
                trials += [
                    Trial(arm, cell, whole[arm.name].name, budget)
                    for arm in self.arms
                    if arm.adds
                    for budget in smaller
                ]
        return tuple(trials)

    def added(self, trial: Trial) -> int:
        """The frames that a trial of a smaller budget may add."""
        assert trial.budget is not None
        return frames_of_budget(trial.budget, self.sizes[trial.cell.fold].train)

    def workspace(self, trial: Trial) -> Workspace:
        """The trial's run folder."""
        return self.home.trial(trial.name)

    def cell_config(self, cell: Cell) -> Config:
        """The configuration of a cell, whatever the arm: its seed and its fold."""
        return cell_config(self.config, cell)

    def trial_config(self, trial: Trial, budgets: Sequence[int] | None) -> Config:
        """The run of a trial; `budgets` are the frames that its cycles may add, where it must match."""
        config = self.cell_config(trial.cell)
        curve = config.compare.budgets
        if curve is not None and trial.arm.adds:
            greatest = curve[-1]
            train = self.sizes[trial.cell.fold].train
            ratio = max(greatest, config.aggregation.max_synthetic_ratio)
            config = _with_aggregation(config, max_synthetic_ratio=ratio)
            if budgets is None:
                budgets = [frames_of_budget(trial.budget or greatest, train)]
        config = arm_config(config, trial.arm, budgets)
        if trial.budget is not None and what_it_adds(build_policy(config.policy)) == "synthetic":
            config = _with_aggregation(config, frames_of=trial.after)
        plain = config.plain()
        plain["run"] |= {"storage": storage.join(self.folder, TRIALS), "name": trial.name}
        if not trial.arm.shares_baseline:
            plain["loop"]["twin"] = False  # its cycle 0 is not the baseline whose chance a twin shows
        return parse(plain, f"arm {trial.arm.name}")

    def of_each_arm(self) -> list[Config]:
        """The configuration of each arm, once."""
        first = [trial for trial in self.trials if trial.cell == self.cells[0]]
        return [self.trial_config(trial, None) for trial in first if trial.budget is None]

    # -- what it costs

    def cost(self, trial: Trial) -> Cost:
        """Of the trial's own work, at most."""
        config = self.trial_config(trial, None)
        return run_cost(config, self.sizes[trial.cell.fold], trial.arm.shares_baseline)

    def estimate(self) -> Estimate:
        """The shared baselines, each arm over all cells, and the synthetic test set, at most; nothing of it
        being done yet."""
        parts = {"baselines": Cost()} | {arm.name: Cost() for arm in self.arms}
        for cell in self.cells:
            parts["baselines"] += baseline_cost(self.cell_config(cell), self.sizes[cell.fold])
        detectors = len(self.cells)
        for trial in self.trials:
            parts[trial.arm.name] += self.cost(trial)
            cycles = self.trial_config(trial, None).loop.cycles
            detectors += cycles + (not trial.arm.shares_baseline)
        if frames := self.config.compare.synthetic_test:
            parts["synthetic test"] = Cost(rendered=frames, judged=frames * detectors, runs=1)
        return Estimate(rates(self.config, self.folder), parts)

    def lines(self) -> Iterator[str]:
        """The plan and its cost in words, for --dry-run and the head of a comparison."""
        compare = self.config.compare
        folds = "the dataset's own splits"
        if compare.folds is not None:
            folds = f"folds {', '.join(map(str, self.folds))} of {compare.folds}"
        arms = ", ".join(arm_name(arm.name) for arm in self.arms)
        seeds = f"seed{'s' if len(self.seeds) > 1 else ''} {', '.join(map(str, self.seeds))}"
        curve = ""
        if compare.budgets is not None:
            curve = f"; budgets {', '.join(f'{budget:g}' for budget in compare.budgets)} per real frame"
        yield f"{len(self.trials)} runs: {arms}; {seeds}; {folds}{curve}"
        for fold, size in self.sizes.items():
            where = "" if fold is None else f"fold {fold}: "
            yield f"  {where}{size.train} frames to train on, {size.val} val, {size.test} test"
        estimate = self.estimate()
        yield from estimate.lines(lambda part: "shared by arms" if part == "baselines" else arm_name(part))
        for name, limit, needed, text in (
            ("hours", compare.max_hours, estimate.hours, f"{estimate.hours:.2f}"),
            ("frames", compare.max_frames, estimate.total.synthetic, f"{estimate.total.synthetic:,}"),
        ):
            if limit is not None and needed > limit:
                yield (
                    f"compare.max_{name} is {limit:,}, and all of it may take {text}: what is finished by "
                    "then is reported, what is missing is said"
                )


def frames_of_budget(budget: float, real_frames: int) -> int:
    """So many added frames per real one, as a number of frames: at least one."""
    return max(1, round(budget * real_frames))


def _with_aggregation(config: Config, **changes: Any) -> Config:
    plain = config.plain()
    plain["aggregation"] |= changes
    return parse(plain, "comparison")


def follows_leader(arm: Arm, warm_start: bool) -> bool:
    """Whether what the leading arm spent decides the arm's frames or cycles."""
    scratch_sim = arm.sim_only and not warm_start
    return arm.name not in ("real", LEADER) and not scratch_sim


def cell_config(config: Config, cell: Cell) -> Config:
    """See `Plan.cell_config`."""
    plain = config.plain()
    plain["run"]["seed"] = cell.seed
    plain["loop"]["sim_only"] = False  # that is what makes arm `sim`; the baseline is of real frames
    if cell.fold is not None:
        plain["data"]["splits"] |= {"folds": config.compare.folds, "fold": cell.fold}
    return parse(plain, "comparison")


def make_plan(config: Config) -> Plan:
    """The plan of `config.compare`. Raises UserError, in a sentence, for whatever could not work or could
    not be compared: nothing has been computed by then."""
    arms = in_order(check_arms(config, config.compare.arms), config.train.warm_start)
    _check_roles([arm.name for arm in arms], arms)
    _check_primary(config.compare, config.data, [arm.name for arm in arms])
    _check_curve(config)
    folds = _folds(config.compare, config.data)
    cells = tuple(
        Cell(seed, fold) for seed in _seeds(config.run.seed, config.compare.seeds) for fold in folds
    )
    sizes = {fold: sizes_of(cell_config(config, Cell(0, fold))) for fold in folds}
    for fold, size in sizes.items():
        check_budgets(config.aggregation.budgets or (), config.aggregation, size.train)
        if config.loop.cycles and size.train < config.mining.folds:
            raise UserError(
                f"mining.folds is {config.mining.folds}, but there are {size.train} frames to train on"
                f"{'' if fold is None else f' in fold {fold}'}: each part needs one; set fewer mining.folds"
            )
    config = absolute_places(config)
    plan = Plan(config, comparison_folder(config), tuple(arms), cells, sizes)
    for own in plan.of_each_arm():  # raises now for what an arm's own configuration refuses
        build_policy(own.policy)  # and a policy that cannot be imported, or is none
    return plan


def in_order(arms: Sequence[Arm], warm_start: bool) -> list[Arm]:
    """The leader before all that wait for it, so that its result is known by then."""
    return sorted(arms, key=lambda arm: follows_leader(arm, warm_start))


def comparison_folder(config: Config) -> Folder:
    """Where a comparison lies."""
    return Folder(
        storage.join(config.run.storage, config.compare.name),
        "comparison",
        "compare",
        ("compare.max_hours", "compare.max_frames", "compare.max_concurrent", "compare.resamples"),
    )


def _seeds(first: int, seeds: int | list[int]) -> list[int]:
    if isinstance(seeds, list):
        return seeds
    last = first + seeds - 1
    if last >= 2**31:
        raise UserError(f"run.seed {first} and the {seeds - 1} after it go beyond {2**31 - 1}")
    return list(range(first, last + 1))


def _folds(compare: CompareSettings, data: DataSettings) -> list[int | None]:
    if compare.folds is None:
        return [None]
    if data.is_stand_in:
        raise UserError(
            "compare.folds is for data that is scarce; the embedded world renders as many frames as "
            "world.train, world.val and world.test say. Leave it null, and take more seeds"
        )
    if data.splits.folds is not None:
        raise UserError("compare.folds and data.splits.folds are both set; set compare.folds alone")
    if data.categories is None and data.dataset.categories is None:
        raise UserError(
            f"compare.folds needs data.categories for {data.kind} data: without it each fold "
            "would take "
            "its categories from its own training frames, and detectors of other categories cannot be "
            "compared"
        )
    return list(range(compare.folds) if compare.use_folds is None else sorted(compare.use_folds))


def _check_curve(config: Config) -> None:
    if config.compare.budgets is None:
        return
    if config.loop.cycles != 1:
        raise UserError(
            f"compare.budgets needs loop.cycles=1, but it is {config.loop.cycles}: a curve has one training "
            "for each budget"
        )
    if config.aggregation.budgets is not None:
        raise UserError("compare.budgets and aggregation.budgets are both set; set compare.budgets alone")


def _check_roles(names: list[str], arms: Sequence[Arm]) -> None:
    if "real" not in names:
        raise UserError(f"compare.arms {names} lack 'real', the baseline that every difference is to")
    if len(names) < 2:
        raise UserError("compare.arms has 'real' alone; name another arm to compare it with")
    for arm in arms:
        if arm.budget_of is not None and arm.budget_of not in names:
            raise UserError(
                f"arm {arm.name!r} gets the frames that {arm.budget_of!r} spends, cycle by cycle: add "
                f"{arm.budget_of!r} to compare.arms"
            )
    if "longer" in names and LEADER not in names:
        raise UserError(f"arm 'longer' trains for the steps that {LEADER!r} takes: add it to compare.arms")


def _check_primary(compare: CompareSettings, data: DataSettings, names: list[str]) -> None:
    primary = compare.primary
    if primary.arm == "real":
        raise UserError(
            "compare.primary.arm is 'real', the baseline that every difference is to; name another arm"
        )
    if primary.arm not in names:
        raise UserError(
            f"compare.primary.arm is {primary.arm!r}, which is not among compare.arms {names}: add it, "
            "or ask "
            "about another arm"
        )
    for group in primary.against:
        if primary.arm in group:
            raise UserError(f"compare.primary.against {group} holds {primary.arm!r}, the arm in question")
        for name in group:
            try:
                find_arm(name)
            except UserError as error:
                raise UserError(f"compare.primary.against: {error}") from None
    if not rivals(compare):
        raise UserError(
            f"compare.primary.against {primary.against} names none of the arms that run ({', '.join(names)})"
        )
    if is_own(primary.measure):
        load_metric(primary.measure)
    elif primary.measure not in SUMMARIES and primary.measure not in (known := _categories(data)):
        raise UserError(
            f"compare.primary.measure is {primary.measure!r}; it must be map50, map, or a category: "
            f"{', '.join(known)}; or a function of your own, package.module:function"
        )


def _categories(data: DataSettings) -> tuple[str, ...]:
    """The detector's categories; of data without a map of its own they are read off the training frames."""
    if data.dataset.categories is not None:
        return categories_of(data, ()).categories
    if data.categories is not None:
        return tuple(data.categories)
    return categories_of(data, data.open().frames("train", lambda problem: None)).categories


def rivals(compare: CompareSettings) -> list[list[str]]:
    """The arms that the primary one is compared with, those that are not run left out."""
    there = [[name for name in group if name in compare.arms] for group in compare.primary.against]
    return [group for group in there if group]
