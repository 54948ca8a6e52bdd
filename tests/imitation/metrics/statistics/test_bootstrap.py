"""Intervals: what is drawn, what is refused, and how often they hold the truth."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from imitation.metrics.curves import Curve, weighted_average_precisions
from imitation.metrics.statistics.bootstrap import (
    BETTER,
    MIN_CLUSTERS,
    NEITHER,
    WORSE,
    Interval,
    Resampling,
    SeedSamples,
    holm,
    seed_interval,
)


def all_weights(resampling: Resampling, at_once: int = 1000) -> np.ndarray:
    return np.concatenate(list(resampling.weights(at_once)))


def of_mean(values: np.ndarray, resamples: int, rng: np.random.Generator) -> Interval:
    """The interval of a mean over frames."""
    resampling = Resampling(np.arange(len(values)), resamples, rng)
    samples = all_weights(resampling) @ values / len(values)
    return resampling.interval(float(values.mean()), samples, len(values))


# -- draws


def test_every_resample_draws_as_many_clusters_as_there_are() -> None:
    resampling = Resampling.of_frames([None] * 30, 200, np.random.default_rng(0))
    weights = all_weights(resampling)
    assert weights.shape == (200, 30)
    assert (weights.sum(axis=1) == 30).all()
    assert weights.mean(axis=0) == pytest.approx(np.ones(30), abs=0.3)
    assert weights.var(axis=0).mean() == pytest.approx(1 - 1 / 30, abs=0.1)  # a binomial's
    assert (resampling.unit, resampling.clusters) == ("frames", 30)


def test_frames_of_a_sequence_are_drawn_together_and_lone_frames_alone() -> None:
    sequences = ["a", "a", None, "b", None, "a", "b"]
    resampling = Resampling.of_frames(sequences, 100, np.random.default_rng(0))
    weights = all_weights(resampling)
    assert (resampling.unit, resampling.clusters) == ("sequences", 4)
    np.testing.assert_array_equal(weights[:, 0], weights[:, 1])
    np.testing.assert_array_equal(weights[:, 0], weights[:, 5])
    np.testing.assert_array_equal(weights[:, 3], weights[:, 6])
    assert (weights[:, 2] != weights[:, 4]).any()
    assert (weights[:, [0, 2, 3, 4]].sum(axis=1) == 4).all()
    assert resampling.holding(np.array([0, 1, 5, 2])) == 2


def test_draws_depend_on_the_generator_alone() -> None:
    def draw(seed: int, at_once: int) -> np.ndarray:
        return all_weights(Resampling(np.arange(20), 50, np.random.default_rng(seed)), at_once)

    first = draw(0, 50)
    for at_once in (1, 7, 1000):
        np.testing.assert_array_equal(draw(0, at_once), first)
    assert (draw(1, 50) != first).any()
    resampling = Resampling(np.arange(20), 50, np.random.default_rng(0))
    np.testing.assert_array_equal(all_weights(resampling), all_weights(resampling))


# -- intervals


def test_of_a_mean_it_is_students() -> None:
    values = np.random.default_rng(0).normal(3, 2, 25)
    interval = of_mean(values, 20_000, np.random.default_rng(1))
    low, high = stats.t.interval(0.95, 24, values.mean(), values.std(ddof=1) / 5)
    width = high - low
    assert interval.low == pytest.approx(low, abs=0.06 * width)
    assert interval.high == pytest.approx(high, abs=0.06 * width)
    shifted = of_mean(values - values.mean() + 0.8, 20_000, np.random.default_rng(1))
    assert shifted.p == pytest.approx(stats.ttest_1samp(values - values.mean() + 0.8, 0).pvalue, abs=0.02)


def interval(low: float | None, high: float | None) -> Interval:
    return Interval(0.0, low, high, 100, 50)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.01, 0.2, BETTER),
        (-0.2, -0.01, WORSE),
        (-0.1, 0.1, NEITHER),
        (0.0, 0.1, NEITHER),
        (-0.1, 0.0, NEITHER),
        (0.0, 0.0, NEITHER),
        (None, None, NEITHER),
    ],
)
def test_words_only_outside_the_interval(low: float | None, high: float | None, verdict: str) -> None:
    assert interval(low, high).verdict() == verdict
    turned = {BETTER: WORSE, WORSE: BETTER, NEITHER: NEITHER}
    assert interval(low, high).verdict(lower_is_better=True) == turned[verdict]


def test_too_few_clusters_have_no_interval_and_no_verdict() -> None:
    for count in range(1, MIN_CLUSTERS):
        told = of_mean(np.full(count, 0.5), 100, np.random.default_rng(0))
        assert (told.estimate, told.low, told.high, told.p) == (0.5, None, None, None)
        assert told.reason is not None
        assert f"only {count} frame" in told.reason
        assert told.verdict() == NEITHER
    assert of_mean(np.full(MIN_CLUSTERS, 0.5), 100, np.random.default_rng(0)).verdict() == BETTER


def test_what_is_undefined_has_no_interval() -> None:
    resampling = Resampling(np.arange(20), 100, np.random.default_rng(0))
    assert resampling.interval(None, np.full(100, np.nan), 20).reason == "nothing to find"
    rare = np.where(np.arange(100) < 80, 0.5, np.nan)
    told = resampling.interval(0.5, rare, 20)
    assert (told.low, told.reason) == (None, "only 80 of 100 resamples have a value")
    assert told.verdict() == NEITHER
    nearly = np.where(np.arange(100) < 95, 0.5, np.nan)
    assert resampling.interval(0.5, nearly, 20).low == 0.5
    assert json.loads(json.dumps(told.to_dict()))["clusters"] == 20


def test_no_frames_at_all() -> None:
    resampling = Resampling.of_frames([], 10, np.random.default_rng(0))
    assert all_weights(resampling).shape == (10, 0)
    assert resampling.interval(None, np.full(10, np.nan), 0).verdict() == NEITHER


def test_no_difference_anywhere_is_no_difference() -> None:
    told = of_mean(np.zeros(50), 100, np.random.default_rng(0))
    assert (told.low, told.high, told.p, told.verdict()) == (0.0, 0.0, 1.0, NEITHER)


# -- Holm


def test_holm_on_a_worked_example() -> None:
    """0.005 * 4, 0.01 * 3, 0.03 * 2, and 0.04 * 1, which may not be less than the one before."""
    adjusted = holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005, "none": None})
    assert adjusted == {
        "a": pytest.approx(0.03),
        "b": pytest.approx(0.06),
        "c": pytest.approx(0.06),
        "d": pytest.approx(0.02),
        "none": None,
    }


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_nothing_and_bonferroni(values: list[float]) -> None:
    adjusted = holm({str(i): p for i, p in enumerate(values)})
    pairs = [(p, adjusted[str(i)]) for i, p in enumerate(values)]
    for p, new in pairs:
        assert new is not None
        assert p <= new <= min(1.0, len(values) * p) + 1e-12
    ordered = [new for _, new in sorted(pairs)]
    assert ordered == sorted(ordered)


# -- coverage, on synthetic detectors whose AP is known


def detectors(rng: np.random.Generator, frames: int, skill: tuple[float, float]) -> list[Curve]:
    """Two detectors on the same frames: objects share how hard their frame and they themselves are, and
    each is found with a chance that grows with skill; right scores are higher than wrong ones."""
    counts = rng.poisson(3, frames)
    objects = np.repeat(np.arange(frames), counts)
    ease = rng.normal(0, 1, len(objects)) + np.repeat(rng.normal(0, 0.5, frames), counts)
    curves = []
    for level in skill:
        found = objects[rng.random(len(objects)) < 1 / (1 + np.exp(-(ease + level)))]
        wrong = np.repeat(np.arange(frames), rng.poisson(3, frames))
        order = np.argsort(-np.concatenate([rng.normal(1.5, 1, len(found)), rng.normal(0, 1, len(wrong))]))
        place, right = np.concatenate([found, wrong])[order], order < len(found)
        curves.append(Curve(place[right], np.cumsum(~right)[right], place[~right], objects))
    return curves


def ap_difference(a: Curve, b: Curve, weights: np.ndarray) -> np.ndarray:
    values = weighted_average_precisions([a, b], weights)
    return np.asarray(values[:, 1] - values[:, 0])


def trials(skill: tuple[float, float], frames: int, count: int) -> list[Interval]:
    result = []
    for trial in range(count):
        rng = np.random.default_rng([trial, 1])
        a, b = detectors(rng, frames, skill)
        resampling = Resampling(np.arange(frames), 300, rng)
        samples = ap_difference(a, b, all_weights(resampling))
        (estimate,) = ap_difference(a, b, np.ones((1, frames), dtype=np.int32))
        result.append(resampling.interval(float(estimate), samples, resampling.holding(a.objects)))
    return result


def true_difference(skill: tuple[float, float]) -> float:
    worlds = [detectors(np.random.default_rng([7, i]), 4000, skill) for i in range(15)]
    ones = np.ones((1, 4000), dtype=np.int32)
    return float(np.mean([ap_difference(a, b, ones)[0] for a, b in worlds]))


@pytest.mark.slow
@pytest.mark.parametrize("frames", [40, pytest.param(150, marks=pytest.mark.long)])
def test_intervals_hold_the_true_difference_95_percent_of_the_time(frames: int) -> None:
    skill = (0.5, 1.2)
    true = true_difference(skill)
    assert true > 0.05
    told = trials(skill, frames, 400)
    covered = np.mean([one.low <= true <= one.high for one in told])  # type: ignore[operator]
    assert 0.92 <= covered <= 0.98  # 400 trials: 0.95 +- 0.011 a standard deviation
    assert np.mean([one.verdict() == WORSE for one in told]) < 0.01


@pytest.mark.slow
@pytest.mark.long
def test_the_same_detector_with_other_noise_is_called_different_5_percent_of_the_time() -> None:
    told = trials((1.0, 1.0), 60, 400)
    assert 0.02 <= np.mean([one.verdict() != NEITHER for one in told]) <= 0.08
    assert 0.02 <= np.mean([one.p < 0.05 for one in told]) <= 0.09  # type: ignore[operator]


# -- seeds


def over_seeds(
    rng: np.random.Generator, seeds: int, difference: float, noise: float = 0.2, paired: bool = False
) -> Interval:
    """A measure that is a mean over 50 frames, of trainings that differ by a common amount a seed."""
    frames = 50
    resampling = Resampling(np.arange(frames), 300, rng)
    weights = all_weights(resampling)
    common = rng.normal(0, 1, frames) + (rng.normal(0, 1, (seeds, 1)) if paired else 0)

    def side(level: float) -> SeedSamples:
        values = common + level + rng.normal(0, noise, (seeds, 1)) + rng.normal(0, 0.1, (seeds, frames))
        return SeedSamples(values.mean(axis=1), values @ weights.T / frames)

    return seed_interval(side(0.0), side(difference), resampling, frames, rng, paired)


@pytest.mark.parametrize(("seeds", "paired"), [(2, False), (3, False), (5, False), (3, True)])
def test_over_seeds_intervals_hold_the_true_difference(seeds: int, paired: bool) -> None:
    told = [over_seeds(np.random.default_rng([i, 2]), seeds, 0.3, paired=paired) for i in range(300)]
    covered = np.mean([one.low <= 0.3 <= one.high for one in told])  # type: ignore[operator]
    assert covered >= 0.92
    assert {one.seeds for one in told} == {seeds}


def test_over_seeds_a_difference_beyond_all_noise_is_found() -> None:
    assert over_seeds(np.random.default_rng(0), 5, 5.0).verdict() == BETTER
    assert over_seeds(np.random.default_rng(0), 5, -5.0).verdict() == WORSE


def test_frames_alone_would_call_seed_noise_a_difference() -> None:
    """Why seeds are drawn: with one training a side the noise between seeds is taken for a difference."""
    one = [over_seeds(np.random.default_rng([i, 3]), 1, 0.0).verdict() for i in range(100)]
    three = [over_seeds(np.random.default_rng([i, 3]), 3, 0.0).verdict() for i in range(100)]
    assert np.mean([word != NEITHER for word in one]) > 0.5
    assert np.mean([word != NEITHER for word in three]) < 0.12


def test_sides_that_do_not_fit_are_refused() -> None:
    resampling = Resampling(np.arange(9), 10, np.random.default_rng(0))
    one, two = SeedSamples(np.zeros(1), np.zeros((1, 10))), SeedSamples(np.zeros(2), np.zeros((2, 10)))
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match="paired seeds: A has 1 and B 2"):
        seed_interval(one, two, resampling, 9, rng, paired=True)
    with pytest.raises(ValueError, match="different numbers of resamples"):
        seed_interval(one, SeedSamples(np.zeros(1), np.zeros((1, 9))), resampling, 9, rng)


def test_over_seeds_few_frames_have_no_interval() -> None:
    resampling = Resampling(np.arange(3), 10, np.random.default_rng(0))
    side = SeedSamples(np.zeros(3), np.zeros((3, 10)))
    told = seed_interval(
        side, SeedSamples(np.ones(3), np.ones((3, 10))), resampling, 3, np.random.default_rng(0)
    )
    assert (told.estimate, told.low) == (1.0, None)
    assert told.verdict() == NEITHER
