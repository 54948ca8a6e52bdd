"""Drives are what is independent: intervals of few of them, where what is true is known."""

from dataclasses import dataclass

import numpy as np
import pytest

from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.metrics.statistics.outcomes import OutcomeBuilder, Outcomes
from imitation.metrics.statistics.seed_comparison import Bench

CATEGORIES = ("car", "cyclist")
CAR = np.array([[10.0, 10, 50, 50]])
CYCLIST = np.array([[100.0, 10, 130, 60]])


@dataclass(frozen=True)
class World:
    """Drives of `frames` each: a car in every frame, a cyclist too in the first `rare` drives."""

    drives: int
    rare: int
    frames: int = 5


def detector(world: World, seed: int, trial: int, effect: float = 0.0) -> Outcomes:
    """Finds cars and cyclists with a chance that is the seed's, the drive's and both's together, by `effect`
    more than another one. What it finds in vain has lower scores on average."""
    own = np.random.default_rng([trial, seed])
    common = np.random.default_rng([trial, 10_000])
    quality = 0.55 + own.normal(0, 0.06)
    builder = OutcomeBuilder(CATEGORIES, [0.5])
    for drive in range(world.drives):
        chance = quality + effect + common.normal(0, 0.15) + own.normal(0, 0.08)
        for number in range(world.frames):
            truth = [(CAR, 1)] + ([(CYCLIST, 2)] if drive < world.rare else [])
            boxes, labels, scores = [], [], []
            for box, label in truth:
                hit = own.random() < chance
                boxes += [box if hit else box + 500, box + 200]
                labels += [label, label]
                scores += [own.uniform(0.3, 1), own.uniform(0, 0.7)]
            objects = GroundTruth(
                np.concatenate([box for box, _ in truth]),
                np.array([label for _, label in truth]),
                ignore=np.zeros(len(truth), dtype=bool),
            )
            found = Detections(np.concatenate(boxes), np.array(scores), np.array(labels))
            name = f"{drive:02d}-{number}"
            builder.add(
                FrameDetections(
                    name, "test", "main", 1000, 500, found, objects, sequence=f"d{drive}", conditions={}
                ),
                0.5,
            )
    outcomes = builder.result()
    return outcomes.only(sorted(outcomes.frames))


def interval(world: World, trial: int, seeds: int = 3, effect: float = 0.0, measure: str = "mAP50"):
    a = {seed: detector(world, seed, trial) for seed in range(seeds)}
    b = {seed: detector(world, 100 + seed, trial, effect) for seed in range(seeds)}
    bench = Bench(a[0], 150, np.random.default_rng(trial), at50=True)
    return bench.difference(bench.measure(a), bench.measure(b), measure)


def test_sequences_are_drawn_and_counted() -> None:
    told = interval(World(15, 5), 0)
    assert (told.unit, told.clusters) == ("sequences", 15)
    assert told.low is not None


@pytest.mark.parametrize(
    ("world", "measure", "there"),
    [
        (World(15, 5), "mAP50", True),
        (World(15, 4), "mAP50", True),
        (World(15, 3), "mAP50", False),
        (World(5, 5), "mAP50", False),
        (World(15, 5), "cyclist", False),
        (World(15, 5), "car", True),
        (World(15, 6), "cyclist", True),
    ],
)
def test_of_how_many_sequences_there_is_an_interval(world: World, measure: str, there: bool) -> None:
    told = interval(world, 1, seeds=1, measure=measure)
    assert (told.low is not None) == there, told.reason
    if not there:
        assert told.reason is not None
        assert f"only {world.rare if measure != 'car' else world.drives} sequences" in told.reason


def covered(trials: int, world: World, seeds: int) -> float:
    told = [interval(world, trial, seeds) for trial in range(trials)]
    assert all(found.low is not None for found in told)
    return float(np.mean([found.low <= 0 <= found.high for found in told]))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rare", "seeds"), [(4, 2), *(pytest.param(*more, marks=pytest.mark.long) for more in ((5, 3), (10, 4)))]
)
def test_how_often_it_does(rare: int, seeds: int) -> None:
    assert 0.92 <= covered(150, World(15, rare), seeds) <= 1.0


def test_an_effect_that_is_there_is_seen() -> None:
    seen = [interval(World(15, 8), trial, effect=0.3).low > 0 for trial in range(3)]
    assert sum(seen) >= 2
