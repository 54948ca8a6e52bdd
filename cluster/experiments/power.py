"""What a run or an evaluation says of a comparison to come: how many frames and seeds an effect takes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cluster.workspace.run_folder import CONFIG_FILE, Workspace
from imitation.common import storage
from imitation.common.names import MAIN, TWIN, cycle_folder
from imitation.common.settings import UserError
from imitation.evaluation.detection_files import evaluation_uri, read_detectors
from imitation.metrics.statistics.evaluation_side import counted_detectors, open_source, read_outcomes
from imitation.metrics.statistics.noise import Measured, measure_noise
from imitation.metrics.statistics.outcomes import Outcomes
from imitation.metrics.statistics.power import ALPHA, POWER

SEEDS = (1, 2, 3, 5, 10)
Named = list[tuple[str, Outcomes]]


@dataclass(frozen=True)
class Design:
    """With `seeds` a side: the `smallest` effect that the frames at hand show in `POWER` of cases, the
    `power` to see the one asked for, and how many `clusters` that hold what is measured, clusters in all
    (`of_all`) and frames it takes; None where no number is enough."""

    seeds: int
    smallest: float
    power: float
    clusters: int | None
    of_all: int | None
    frames: int | None


@dataclass(frozen=True)
class Answer:
    """What `imitate power` says. `seeds_needed`: a side, on the frames at hand; None where more seeds do not
    help or their noise is not known."""

    effect: float
    split: str
    measured: Measured
    designs: tuple[Design, ...]
    seeds_needed: int | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data, safe for JSON; shares of 1."""
        told = asdict(self.measured)
        ends = self.measured.training_range
        told["training_range"] = ends and [end if math.isfinite(end) else None for end in ends]
        return {
            "effect": self.effect,
            "power": POWER,
            "alpha": ALPHA,
            "split": self.split,
            "measured": told,
            "designs": [asdict(design) for design in self.designs],
            "seeds_needed": self.seeds_needed,
        }


def answer(
    places: Sequence[str],
    against: Sequence[str],
    measure: str,
    effect: float,
    split: str | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> Answer:
    """How many frames and seeds it takes to see `effect` (a share of 1) in `measure`.

    Of a run's folder the baseline and its twin are seeds of one way of training, and its later cycles are
    detectors of another. Raises UserError for what cannot be read or measured.
    """
    split = split or _split(places[0])
    seeds: Named = []
    others: Named = []
    for place in places:
        of_seeds, of_others = _detectors(place, split)
        seeds += of_seeds
        others += of_others
    others += [(place, read_outcomes(open_source(place, split), split)) for place in against]
    measured = measure_noise(measure, seeds, others, np.random.default_rng(seed), resamples)
    noise = measured.noise
    known = SEEDS if noise.training is not None else SEEDS[:1]
    designs = tuple(_design(measured, count, effect) for count in known)
    needed = noise.seeds_to_see(effect, measured.holding)
    return Answer(effect, split, measured, designs, needed)


def _design(measured: Measured, seeds: int, effect: float) -> Design:
    noise, here = measured.noise, measured.holding
    needed = noise.clusters_to_see(effect, seeds)
    of_all = None if needed is None else math.ceil(needed * measured.clusters / here)
    frames = None if of_all is None else math.ceil(of_all * measured.frames / measured.clusters)
    return Design(
        seeds, noise.smallest(here, seeds), noise.power(effect, here, seeds), needed, of_all, frames
    )


def _split(place: str) -> str:
    if _is_run(place):
        return "test"
    there = list(counted_detectors(place))
    if "test" in there or len(there) == 1:
        return "test" if "test" in there else there[0]
    raise UserError(f"{place}: has the splits {', '.join(there)}; choose one with --split")


def _is_run(place: str) -> bool:
    return storage.is_folder(place) and storage.exists(Workspace(place).path(CONFIG_FILE))


def _detectors(place: str, split: str) -> tuple[Named, Named]:
    """Detectors of one way of training, and of others on the same frames."""
    if not _is_run(place):
        return [(place, read_outcomes(open_source(place, split), split))], []
    workspace = Workspace(place)
    cycles: list[str] = []
    while storage.exists(workspace.path(cycle_folder(len(cycles)), "stage-evaluate.json")):
        cycles.append(workspace.path(cycle_folder(len(cycles))))
    if not cycles:
        raise UserError(f"{place}: is a run in which no detector has been evaluated yet")
    names = [MAIN] + ([TWIN] if TWIN in read_detectors(evaluation_uri(cycles[0])) else [])
    words = {MAIN: "baseline", TWIN: "its twin"}
    several = storage.name_of(place.rstrip("/"))
    seeds = [
        (f"{several}: {words[name]}", read_outcomes(open_source(cycles[0], split, name), split))
        for name in names
    ]
    others = [
        (f"{several}: cycle {number}", read_outcomes(open_source(folder, split), split))
        for number, folder in enumerate(cycles[1:], start=1)
    ]
    return seeds, others
