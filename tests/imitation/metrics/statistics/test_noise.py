"""How many frames and seeds an effect takes: what is stated is what simulated comparisons then show."""

import math

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.metrics.statistics.bootstrap import Resampling, SeedSamples, seed_interval
from imitation.metrics.statistics.noise import measure_noise
from imitation.metrics.statistics.outcomes import OutcomeBuilder, Outcomes
from imitation.metrics.statistics.paired_comparison import Operating
from imitation.metrics.statistics.power import Noise
from tests.imitation.metrics.driving import CATEGORIES, evaluated


def outcomes(frames: int, seed: int, *, hit: float, world: int = 0, per: int | None = None) -> Outcomes:
    builder = OutcomeBuilder(CATEGORIES)
    for row in evaluated(frames, seed, hit=hit, world_seed=world, frames_a_sequence=per):
        builder.add(row, 0.3)
    return builder.result()


@pytest.mark.parametrize(("effect", "training", "seeds"), [(0.8, 0.15, 3), (0.5, 0.12, 6), (0.4, 0.0, 2)])
def test_simulated_comparisons_over_seeds_see_the_effect_as_often(
    effect: float, training: float, seeds: int
) -> None:
    """Known parts: a frame's difference is N(effect, 1), a training's N(0, training)."""
    noise = Noise(frames=1 / math.sqrt(100), clusters=100, training=training)
    n = noise.clusters_to_see(effect, seeds)
    assert n is not None
    rng = np.random.default_rng(1)
    called = 0
    for _ in range(trials := 400):
        frames = rng.normal(effect, 1.0, n)
        trained = training * rng.normal(size=(seeds, 2))
        resampling = Resampling(np.arange(n), 150, rng)
        weights = np.concatenate(list(resampling.weights(150)))
        drawn = weights @ frames / n
        a = SeedSamples(trained[:, 0], np.repeat(trained[:, :1], 150, axis=1))
        b = SeedSamples(frames.mean() + trained[:, 1], drawn + trained[:, 1:])
        found = seed_interval(a, b, resampling, n, rng, paired=True)
        assert found.low is not None
        called += found.low > 0
    assert called / trials == pytest.approx(0.8, abs=0.07)


@pytest.mark.slow
def test_the_frames_that_a_pilot_asks_for_see_the_effect_as_often() -> None:
    """Detectors that find 60 and 72 of 100: 40 frames say how many it takes to see the 12 points, and
    comparisons of so many other frames see it about as often as is promised."""
    pilot = [("a", outcomes(150, 1, hit=0.6)), ("b", outcomes(150, 2, hit=0.6))]
    true = float(np.diff([_recall(outcomes(900, seed, hit=hit)) for seed, hit in ((3, 0.6), (4, 0.72))])[0])
    noise = measure_noise("recall", pilot[:1], pilot[1:], np.random.default_rng(0)).noise
    n = noise.clusters_to_see(true, 1)
    assert n is not None
    assert 15 < n < 120
    called = 0
    for trial in range(trials := 60):
        sides = [
            outcomes(n + 8, 100 + 2 * trial + i, hit=hit, world=trial + 1) for i, hit in ((0, 0.6), (1, 0.72))
        ]
        holding = np.flatnonzero(sides[0].counts[:, 2])[:n]  # n frames with anything to find
        names = [sides[0].frames[i] for i in holding]
        a, b = (side.only(names) for side in sides)
        resampling = Resampling.of_frames(a.sequences, 200, np.random.default_rng(trial))
        weights = np.concatenate(list(resampling.weights(200)))
        drawn = Operating(b).statistics(weights)[:, 0] - Operating(a).statistics(weights)[:, 0]
        found = resampling.interval(_recall(b) - _recall(a), drawn, len(names))
        assert found.low is not None
        called += found.low > 0
    assert called / trials == pytest.approx(0.8, abs=0.15)


def _recall(found: Outcomes) -> float:
    return float(found.counts[:, 0].sum() / found.counts[:, 2].sum())


def test_the_noise_of_training_is_found_beside_that_of_the_frames() -> None:
    """Trainings whose chance to find an object varies by 6 points; and such whose chance is the same."""
    rng = np.random.default_rng(5)
    hits = 0.7 + 0.06 * rng.normal(size=10)
    varied = [(f"seed {i}", outcomes(130, 10 + i, hit=float(hit))) for i, hit in enumerate(hits)]
    found = measure_noise("recall", varied, [], rng, 120)
    true = 0.9 * float(np.std(hits, ddof=1))  # about: of those it sees, some score under the threshold
    assert found.noise.training == pytest.approx(true, rel=0.45)
    assert found.training_range is not None
    assert found.training_range[0] < true < found.training_range[1]
    assert (found.seeds, found.unit, len(found.pairs)) == (10, "frames", 45)
    alike = [(f"seed {i}", outcomes(90, 30 + i, hit=0.7)) for i in range(5)]
    assert (measure_noise("recall", alike, [], rng, 200).noise.training or 0.0) < 0.03


def test_measures_slices_and_sequences() -> None:
    pair = [("a", outcomes(90, 1, hit=0.7, per=3)), ("b", outcomes(90, 2, hit=0.7, per=3))]
    rng = np.random.default_rng(0)
    for measure in ("map50", "map", "0-1-loss", "f1", "car", "weather=fog", "occlusion=largely occluded"):
        found = measure_noise(measure, pair, [], rng, 60)
        assert (found.unit, found.clusters) == ("sequences", 30)
        assert found.holding <= 30
        assert found.noise.frames > 0
        assert 0 < found.value < 1
    alone = measure_noise("map50", pair[:1], [], rng, 60)
    assert (alone.noise.training, alone.training_range, alone.pairs) == (None, None, ())
    assert alone.noise.seeds_to_see(0.1, 30) is None
    for measure, said in (
        ("cow", "there is map50, map, .*, car, van, person"),
        ("colour=red", "they have category"),
        ("weather=snow", "there is clear, fog, rain"),
    ):
        with pytest.raises(UserError, match=said):
            measure_noise(measure, pair, [], rng, 60)
    with pytest.raises(UserError, match="only 1 sequence"):
        measure_noise("map50", [("a", outcomes(3, 1, hit=0.7, per=3))], [], rng, 60)
    with pytest.raises(UserError, match="judged by other labels"):
        measure_noise("map50", pair, [("c", outcomes(90, 1, hit=0.7, world=4, per=3))], rng, 60)


def test_more_seeds_are_said_where_frames_do_not_help_and_the_other_way_round() -> None:
    trained = Noise(frames=0.001, clusters=100, training=0.05)
    assert trained.clusters_to_see(0.02, 2) is None
    assert 20 < (trained.seeds_to_see(0.04, 100) or 0) < 40  # 2 (2.8 * 0.05 / 0.04)^2 = 25
    framed = Noise(frames=0.05, clusters=100, training=0.001)
    assert framed.seeds_to_see(0.02, 100) is None
    many = framed.clusters_to_see(0.02, 5)
    assert many is not None
    assert framed.power(0.02, many, 5) >= 0.8 > framed.power(0.02, many - 1, 5)
    assert framed.power(framed.smallest(100, 5), 100, 5) == pytest.approx(0.8, abs=1e-6)
