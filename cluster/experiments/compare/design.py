"""Whether a comparison can answer its question: what is independent in it, and what difference it could see.

Frames of one drive are not independent, so a test split is worth as many sequences as it has, and a measure
as many as hold what it rests on. Said before anything is trained.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

import yaml
from scipy.stats import t

from cluster.config.schema import Config
from cluster.experiments.compare.plan import SUMMARIES, Plan
from cluster.experiments.compare.results.endpoint import MEASURE_NAMES
from cluster.experiments.power import answer
from cluster.workspace.run_folder import CONFIG_FILE, SUMMARY
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.datasets.category_map import categories_of
from imitation.metrics.own import is_own
from imitation.metrics.statistics.bootstrap import CONFIDENCE, MIN_CLUSTERS, MIN_OF_MEAN
from imitation.metrics.statistics.power import ALPHA, POWER, Noise
from imitation.report.comparison.record import Comparison, read_comparison
from imitation.report.run.record import read_summary
from imitation.report.words import measure_name

LOOKED_AT = 5000
"""Frames of a split that are read, at most."""
ASSUMED = {"sequences": 0.12, "frames": 0.19}
"""How much a paired difference of one category's AP varies from a sequence, or frame, that holds it to the
next, where nothing was measured. A frame's is that of a record (docs/records/: Car, 101 frames, intervals
that reach 3.8 points); a sequence of several frames varies less, by how much is a guess."""
EFFECT = 0.02
"""The difference of which it is said how much data it takes."""
FEW_RESAMPLES = 300
FEW_TO_CHOOSE = 6
LARGE = 1 / 3


@dataclass
class Held:
    """A split, counted: frames, objects, what is independent (`groups`, each with its number of frames), and
    for each category those that hold it; `known`: they are sequences, not single frames."""

    frames: int = 0
    groups: Counter[str] = field(default_factory=Counter)
    known: bool = False
    holding: dict[str, set[str]] = field(default_factory=dict)
    objects: int = 0

    @property
    def unit(self) -> str:
        return "sequences" if self.known else "frames"

    @property
    def count(self) -> int:
        """Of what is independent."""
        return len(self.groups)

    @property
    def with_objects(self) -> int:
        return len(set().union(*self.holding.values()))

    def line(self, name: str) -> str:
        """What it has, in words."""
        said = f"{name}: {self.frames:,} frames"
        if self.known:
            said += f" of {self.count:,} sequences"
            largest = max(self.groups.values(), default=0)
            if self.count > 1 and largest > LARGE * self.frames:
                said += f" (one has {largest:,} of the frames)"
        by_category = ", ".join(f"{name} {len(groups):,}" for name, groups in self.holding.items())
        return f"{said}; {self.unit} with {by_category}" if by_category else said


def design(plan: Plan) -> dict[str, Held]:
    """`val` and `test` of a comparison, as far as their labels can be read; `test` is that of all its folds
    together, `val` that of the first. Empty for the embedded world, whose frames are yet to be rendered."""
    if plan.config.data.is_stand_in:
        return {}
    found = {"val": Held(), "test": Held()}
    for number, fold in enumerate(plan.folds):
        cell = next(cell for cell in plan.cells if cell.fold == fold)
        config = plan.cell_config(cell)
        _count(config, "test", found["test"])
        if number == 0:
            _count(config, "val", found["val"])
    return found


def _count(config: Config, split: str, held: Held) -> None:
    dataset = config.data.open()
    names = dataset.splits()[split][: min(config.data.limit or LOOKED_AT, LOOKED_AT)]
    frames = list(dataset.frames(split, lambda problem: None, names))
    named = config.data.dataset.categories is not None
    train = () if named else islice(dataset.frames("train", lambda problem: None), LOOKED_AT)
    categories = categories_of(config.data, train)
    for name in categories.categories:
        held.holding.setdefault(name, set())
    for frame in frames:
        group = frame.sequence or frame.frame_id
        held.known = held.known or frame.sequence is not None
        held.frames += 1
        held.groups[group] += 1
        targets = categories.apply(frame)
        for label in targets.labels[~targets.ignore]:
            held.objects += 1
            held.holding[categories.categories[label - 1]].add(group)


def design_lines(plan: Plan) -> Iterator[str]:
    """What --dry-run says of it: what is independent, why there would be no interval, and what difference
    could be seen."""
    found = design(plan)
    if not found:
        return
    test, val = found["test"], found["val"]
    measure = plan.config.compare.primary.measure
    yield test.line("test" if len(plan.folds) == 1 else f"test, {len(plan.folds)} folds together")
    yield val.line("val, which chooses" if len(plan.folds) == 1 else f"val of fold {plan.folds[0]}")
    if not test.known:
        yield (
            "No sequence of a test frame is known: frames of one drive will count as independent, and "
            "intervals will be too narrow."
        )
    if val.known and val.count < FEW_TO_CHOOSE:
        yield (
            f"val has {val.count} sequences: what it chooses is much by chance. Take more of it "
            "(data.splits.val), or data.splits.stratify=true"
        )
    if reason := no_interval(test, measure):
        what = f"{measure_name(measure)}, the primary endpoint"
        yield f"No interval is possible for {what}: {reason}. {_remedy(plan)}"
        return
    yield _seen(plan, test, measure)


def no_interval(test: Held, measure: str) -> str | None:
    """Why the primary endpoint of a test split can have no interval; None where it can."""
    there = {name: len(groups) for name, groups in test.holding.items() if groups}
    if not there:
        return "test holds no object to find"
    if measure in test.holding and not test.holding[measure]:
        return f"test holds no {measure}"
    least = MIN_OF_MEAN if measure in SUMMARIES and len(there) > 1 else MIN_CLUSTERS
    if test.with_objects < MIN_CLUSTERS:
        return f"only {test.with_objects} {test.unit} of test hold an object; it needs {MIN_CLUSTERS}"
    name, count = _rarest(test, measure)
    if count < least:
        return f"only {count} {test.unit} of test hold a {name}; it needs {least}"
    return None


def _rarest(test: Held, measure: str) -> tuple[str, int]:
    """What a measure rests on that fewest sequences hold, and how many do."""
    if is_own(measure):
        return "anything", test.with_objects
    there = {name: len(groups) for name, groups in test.holding.items() if groups}
    if measure in there:
        return measure, there[measure]
    name = min(there, key=lambda name: (there[name], name))
    return name, there[name]


def _remedy(plan: Plan) -> str:
    steps = []
    if plan.config.compare.folds is None:
        steps.append("test on more of the data (compare.folds pools all of it, data.splits.val_from=train)")
    if not plan.config.data.splits.stratify:
        steps.append("cut it by category (data.splits.stratify=true)")
    steps.append("ask for a measure that more sequences hold (compare.primary.measure)")
    return f"Remedies: {'; or '.join(steps)}"


# -- what difference could be seen


@dataclass(frozen=True)
class Spread:
    """What a paired difference in this design varies by, and where that is from."""

    noise: Noise
    source: str


def _seen(plan: Plan, test: Held, measure: str) -> str:
    _, holding = _rarest(test, measure)
    seeds = len(plan.seeds)
    spread = _earlier(plan, test, measure) or _run(plan, test, measure) or _assumed(test, measure)
    smallest = spread.noise.smallest(holding, seeds)
    half = spread.noise.power(smallest / 2, holding, seeds)
    many = f"{_seeds(seeds)}, {test.count:,} {test.unit}, alpha {ALPHA:g}"
    needed = spread.noise.clusters_to_see(EFFECT, seeds)
    takes = (
        f"more seeds than {seeds}"
        if needed is None
        else f"about {math.ceil(needed * test.count / holding):,} {test.unit} like these"
    )
    return (
        f"A true difference of about {100 * smallest:.1f} points in {measure_name(measure)} would be called "
        f"in {POWER:.0%} of such comparisons ({many}), half of it in {half:.0%}; {100 * EFFECT:g} points "
        f"would take {takes}. {spread.source}"
    )


def _seeds(count: int) -> str:
    return f"{count} seed{'s' if count > 1 else ''}"


def _assumed(test: Held, measure: str) -> Spread:
    each = ASSUMED[test.unit]
    holding = [len(groups) for groups in test.holding.values() if groups]
    if measure in SUMMARIES:  # a mean over categories, each with a variance of its own
        error = each * math.sqrt(sum(1 / count for count in holding)) / len(holding)
    else:
        error = each / math.sqrt(_rarest(test, measure)[1])
    return Spread(
        Noise(error, _rarest(test, measure)[1]),
        f"Assumed, not measured: a paired difference of one category's AP varies by {100 * each:.0f} points "
        f"between the {test.unit} that hold it.",
    )


def _earlier(plan: Plan, test: Held, measure: str) -> Spread | None:
    """From the intervals of an earlier comparison of the same data whose detectors were trained at least half
    as long, scaled to this one's number of sequences; and of seeds, where it has fewer."""
    column = MEASURE_NAMES.get(measure, measure)
    for told in _comparisons(plan):
        same = told.data_kind == plan.config.data.kind and told.root == _root(plan.config)
        # detectors that have learnt next to nothing differ by next to nothing
        same = same and told.steps * 2 >= plan.config.train.steps
        if not same or told.unit != test.unit or not told.clusters:
            continue
        reaches = [
            (gain.high - gain.low) / 2
            for row in told.rows
            if column in row.test
            and (gain := row.test[column].gain) is not None
            and gain.low is not None
            and gain.high is not None
            and gain.high > gain.low
        ]
        if not reaches:
            continue
        error = statistics.median(reaches) / float(t.isf((1 - CONFIDENCE) / 2, max(1, told.clusters - 1)))
        error *= math.sqrt(told.clusters / test.count)
        error *= math.sqrt(max(1.0, len(told.seeds) / len(plan.seeds)))
        return Spread(
            Noise(error, _rarest(test, measure)[1]),
            f"By the {len(reaches)} intervals of comparison {told.name!r} ({told.clusters:,} {told.unit}, "
            f"{_seeds(len(told.seeds))}), scaled to this one's {test.unit}.",
        )
    return None


def _run(plan: Plan, test: Held, measure: str) -> Spread | None:
    """From a run of the same data, in the folder of all runs, whose baseline has a twin (`imitate power`)."""
    if is_own(measure):
        return None
    for place in _folders(plan):
        uri = storage.join(place, SUMMARY)
        try:
            if not storage.exists(uri):
                continue
            told = read_summary(uri)
            data = yaml.safe_load(storage.read_bytes(storage.join(place, CONFIG_FILE)))["data"]
            same = told.run.data_kind == plan.config.data.kind and _name(data.get("root")) == _root(
                plan.config
            )
            if not same or told.churn is None or told.cycles[0].steps * 2 < plan.config.train.steps:
                continue
            found = answer([place], [], measure, EFFECT, resamples=FEW_RESAMPLES).measured
        except UserError:
            continue  # of another version, or with too little in it
        if found.unit == test.unit:
            source = (
                f"By run {told.run.name!r}: {found.clusters:,} {found.unit} of its test split, its baseline, "
                "twin and cycles (imitate power)."
            )
            return Spread(found.noise, source)
    return None


def _root(config: Config) -> str | None:
    return _name(config.data.root)


def _name(root: str | None) -> str | None:
    return None if root is None else storage.name_of(root.rstrip("/"))


def _folders(plan: Plan) -> list[str]:
    """Those of all runs, this comparison's first."""
    folder = plan.config.run.storage
    others = storage.list_folders(folder) if storage.exists(folder) else []
    return list(dict.fromkeys([plan.folder, *others]))


def _comparisons(plan: Plan) -> Iterator[Comparison]:
    """Those that have come to an end in the folder of all runs, this one first."""
    for place in _folders(plan):
        uri = storage.join(place, "comparison.json")
        try:
            if storage.exists(uri):
                yield read_comparison(uri)
        except UserError:
            continue  # of another version, or of something else
