"""What many runs will cost at most: frames, trainings, steps, hours. A sweep and a comparison count alike.

Counts follow from the plan. Hours need rates, and these come from the stages of earlier runs of the same
detector on the same data, where there are any in the folder; else from an assumption, marked as such.
"""

from __future__ import annotations

import os
import statistics
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from cluster.config.schema import Config
from cluster.experiments.folder import TRIALS
from cluster.run.baseline import FOLDER
from cluster.workspace.run_folder import CONFIG_FILE, Workspace, read_config
from imitation.aggregation import planned_budgets
from imitation.common import storage
from imitation.common.names import cycle_of, trained_by
from imitation.common.settings import UserError
from imitation.common.text_table import Table, table_lines
from imitation.policies import build_policy, looks_at_failures, what_it_adds

ASSUMED_TRAIN = 0.35e6
"""Pixels a second that a core trains on (a small ResNet, decoding and augmentation included): 2,400 images of
640x192 px took two slow cores 7 minutes."""
ASSUMED_TRAIN_GPU = 20e6
ASSUMED_EVALUATE = 4.0
"""Times faster than training: there is no backward pass."""
ASSUMED_IMAGE = (1242, 375)
ASSUMED_RENDER = 0.6e6
"""Pixels a second that a core renders, ground truth included (docs/results.md)."""
START_S = 25.0
"""Seconds that a run spends on starting processes, about."""
RUNS_LOOKED_AT = 60
COLUMNS = ("", "hours", "trainings", "steps", "frames rendered", "frames evaluated")


@dataclass(frozen=True)
class Sizes:
    """Frames in each split, at most."""

    train: int
    val: int
    test: int


def sizes_of(config: Config) -> Sizes:
    """Raises UserError for a dataset that is not there, or cannot be cut."""
    if config.data.is_stand_in:
        return Sizes(config.world.train, config.world.val, config.world.test)
    splits = config.data.open().splits()
    limit = config.data.limit

    def count(names: Sequence[str]) -> int:
        return len(names) if limit is None else min(len(names), limit)

    own = set(splits["mine"]) - set(splits["train"])
    train = count(splits["train"]) + (count(splits["mine"]) if own else 0)
    return Sizes(train, count(splits["val"]), count(splits["test"]))


@dataclass(frozen=True)
class Cost:
    """Of one piece of work, at most. `images` are those trained on, `judged` those evaluated."""

    trainings: int = 0
    steps: int = 0
    images: int = 0
    judged: int = 0
    rendered: int = 0
    synthetic: int = 0
    runs: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(*(a + b for a, b in zip(self._values(), other._values())))

    def _values(self) -> tuple[int, ...]:
        return (
            self.trainings, self.steps, self.images, self.judged, self.rendered, self.synthetic, self.runs
        )  # fmt: skip


def _trained(config: Config, whole: int, folds: int, cycle: int = 0) -> Cost:
    steps = whole * config.train.steps_of(cycle)
    steps += folds * config.mining.steps_of_fold(config.train.steps, cycle)
    return Cost(trainings=whole + folds, steps=steps, images=steps * config.train.batch_size)


def baseline_cost(config: Config, sizes: Sizes) -> Cost:
    """Of the data and cycle 0, which runs share: the detector, its twin, and the folds."""
    whole = 1 + config.loop.twin
    folds = config.mining.folds if config.loop.cycles else 0
    judged = (whole + folds) * sizes.val + whole * sizes.test + (sizes.train if folds else 0)
    world = sum((sizes.train, sizes.val, sizes.test)) if config.data.is_stand_in else 0
    return _trained(config, whole, folds) + Cost(judged=judged, rendered=world, runs=1)


def run_cost(config: Config, sizes: Sizes, shares_baseline: bool = True) -> Cost:
    """Of a run's own work, none of its cycles cut short; the last is not mined."""
    total = Cost(runs=1)
    if not shares_baseline:
        world = sum((sizes.train, sizes.val, sizes.test)) if config.data.is_stand_in else 0
        total += _trained(config, 1, 0)
        total += Cost(judged=sizes.val + sizes.test, rendered=sizes.train + world, synthetic=sizes.train)
    policy = build_policy(config.policy)
    adds = what_it_adds(policy)
    budgets = (
        planned_budgets(config.aggregation, sizes.train, config.loop.cycles) if adds != "nothing" else []
    )
    cycles = config.loop.cycles if adds == "nothing" else sum(budget > 0 for budget in budgets)
    for cycle in range(1, cycles + 1):
        mines = looks_at_failures(policy) and cycle < cycles
        folds = config.mining.folds if mines else 0
        trained = folds if config.mining.trained_in(cycle) == cycle else 0
        total += _trained(config, 1, trained, cycle)
        judged = (1 + folds) * sizes.val + sizes.test + (sizes.train if folds else 0)
        renders = adds == "synthetic" and config.aggregation.frames_of is None
        frames = budgets[cycle - 1] if renders else 0
        candidates = config.acceptance.candidates
        judged += candidates * frames if candidates > 1 else 0
        total += Cost(judged=judged, rendered=candidates * frames, synthetic=frames)
    return total


@dataclass(frozen=True)
class Rates:
    """Images trained on, judged and rendered, a second; `source` says where they are from."""

    train: float
    evaluate: float
    render: float
    source: str

    def hours(self, cost: Cost) -> float:
        seconds = cost.images / self.train + cost.judged / self.evaluate + cost.rendered / self.render
        return (seconds + START_S * cost.runs) / 3600


def rates(config: Config, folder: str) -> Rates:
    """Measured in earlier runs where there are any, the rest assumed."""
    assumed = assumed_rates(config)
    by_stage = measured(config, folder)
    known = {name: statistics.median(values) for name, values in by_stage.items() if values}
    if not known:
        return assumed
    rest = sorted({"train", "evaluate", "render"} - known.keys())
    source = f"rates measured in {max(map(len, by_stage.values()))} earlier stages of such runs"
    source += f" ({', '.join(f'{known[name]:.2g} {name}' for name in sorted(known))} images/s)"
    source += f"; assumed: {', '.join(rest)}" if rest else ""
    return Rates(
        train=known.get("train", assumed.train),
        evaluate=known.get("evaluate", assumed.evaluate),
        render=known.get("render", assumed.render),
        source=source,
    )


def assumed_rates(config: Config) -> Rates:
    """From pixels and cores alone; a large backbone takes several times as long."""
    cores = os.cpu_count() or 1
    world = config.data.is_stand_in
    image = (config.world.width, config.world.height) if world else ASSUMED_IMAGE
    sized = config.detector.sized(*image)
    width, height = sized.width or image[0], sized.height or image[1]
    pixels = width * height
    gpu = config.train.use_gpu is True
    train = (ASSUMED_TRAIN_GPU if gpu else ASSUMED_TRAIN * cores) / pixels
    return Rates(
        train=train,
        evaluate=train * ASSUMED_EVALUATE,
        render=ASSUMED_RENDER * cores / (image[0] * image[1]),
        source="rates assumed, not measured: a small detector on "
        f"{'a GPU' if gpu else f'{cores} CPU cores'} at "
        f"{width}x{height} px trains on {train:.2g} images/s. A larger detector takes several times as long; "
        "once a baseline is there, --dry-run goes by its times",
    )


def measured(config: Config, folder: str) -> dict[str, list[float]]:
    """Rates of committed stages: of this folder, then of other runs beside it, of the same detector on
    the same kind of data."""
    by_stage: dict[str, list[float]] = defaultdict(list)
    for run in _runs(folder, storage.parent(folder)):
        try:
            if not _alike(config, read_config(storage.join(run, CONFIG_FILE))):
                continue
            for cycle in storage.list_folders(run):
                if cycle_of(storage.name_of(cycle)) is not None:
                    for name, stage in Workspace(run).committed(storage.name_of(cycle)).items():
                        _measure(name, stage, by_stage)
        except (UserError, KeyError, TypeError, AttributeError, yaml.YAMLError):
            continue  # a folder of something else, or of another version
    return by_stage


def _runs(*folders: str) -> Iterator[str]:
    seen = 0
    for folder in folders:
        for place in (storage.join(folder, FOLDER), storage.join(folder, TRIALS), folder):
            for run in storage.list_folders(place) if storage.exists(place) else ():
                if storage.exists(storage.join(run, CONFIG_FILE)) and seen < RUNS_LOOKED_AT:
                    seen += 1
                    yield run


def _alike(config: Config, theirs: dict[str, Any]) -> bool:
    ours = config.plain()
    keys = [("detector", None), ("data", "kind"), ("train", "batch_size"), ("train", "use_gpu")]
    if config.data.is_stand_in:
        keys += [("world", "width"), ("world", "height")]
    return all(
        ours[section] == theirs[section] if key is None else ours[section][key] == theirs[section][key]
        for section, key in keys
    )


def _measure(name: str, stage: dict[str, Any], by_stage: dict[str, list[float]]) -> None:
    seconds = stage.get("seconds")
    if not seconds:
        return
    if trained_by(name) is not None:
        by_stage["train"].append(stage["images_seen"] / seconds)
    elif name == "evaluate":
        by_stage["evaluate"].append(stage["rows"] / seconds)
    elif name == "simulate" and stage.get("frames"):
        by_stage["render"].append(stage["frames"] / seconds)


@dataclass(frozen=True)
class Estimate:
    """The costs of what is planned, part by part: "baselines", then each group of runs."""

    rates: Rates
    parts: dict[str, Cost]

    @property
    def total(self) -> Cost:
        return sum(self.parts.values(), Cost())

    @property
    def hours(self) -> float:
        return self.rates.hours(self.total)

    def lines(self, name: Callable[[str], str] = str) -> Iterator[str]:
        """In words; `name` gives a part's for people."""
        yield "At most, if nothing ends early:"
        yield from table_lines(Table((), (), COLUMNS, tuple(self._rows(name)), -1, ()))
        yield f"Hours are of runs one after the other; {self.rates.source}."

    def _rows(self, name: Callable[[str], str]) -> Iterator[tuple[str, ...]]:
        for part, cost in (*self.parts.items(), ("in all", self.total)):
            yield (
                name(part),
                f"{self.rates.hours(cost):.2f}",
                f"{cost.trainings:,}",
                f"{cost.steps:,}",
                f"{cost.rendered:,}",
                f"{cost.judged:,}",
            )
