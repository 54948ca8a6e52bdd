"""Trainings of which the learning curve is known: what more frames mend, and how sure that is."""

import numpy as np
import pytest

from imitation.advice.learning_curve import Curve, counts_by_mode, real_estimate
from imitation.metrics.statistics.bootstrap import Resampling

TELL = "that would tell"


def drawn(
    sizes: list[int],
    rng: np.random.Generator,
    frames: int = 300,
    at: float = 0.5,
    fall: float = 0.1,
    groups: int = 1,
) -> Curve:
    """Failures a frame: Poisson of `at` with 100 frames, `fall` less with each doubling, times how hard the
    frame is; each group judges frames of its own."""
    hard = rng.gamma(2.0, 0.5, frames)
    counts, all_sizes, of = [], [], []
    for group in range(groups):
        mine = np.arange(frames) % groups == group
        for size in sizes:
            rate = at - fall * np.log2(size / 100)
            counts.append(rng.poisson(np.clip(rate, 0, None) * hard) * mine)
            all_sizes.append(size)
            of.append(group)
    return Curve(np.array(all_sizes), np.array(counts), np.array(of))


def estimate(curve: Curve, more: int = 100, failures: int = 1000):
    resampling = Resampling(np.arange(curve.counts.shape[1]), 300, np.random.default_rng(0))
    return real_estimate(curve, resampling, 100, more, failures, TELL)


@pytest.mark.parametrize(("sizes", "groups"), [([50, 50, 100, 100], 1), ([25, 50, 100], 2)])
def test_a_known_curve_is_found_and_its_interval_holds_it(sizes: list[int], groups: int) -> None:
    """Twice the frames mend a fifth: 0.1 of 0.5 a frame, so 200 of 1,000."""
    found, held = [], 0
    for seed in range(trials := 80):
        told = estimate(drawn(sizes, np.random.default_rng(seed), groups=groups))
        assert told.mended is not None
        assert told.low is not None
        assert told.high is not None
        found.append(told.mended)
        held += told.low <= 200 <= told.high
    assert np.median(found) == pytest.approx(200, rel=0.15)
    assert held / trials >= 0.88


def test_where_frames_bring_nothing_it_rarely_says_that_they_do() -> None:
    called = sum(
        estimate(drawn([25, 50, 100], np.random.default_rng(seed), fall=0.0, groups=2)).shows
        for seed in range(80)
    )
    assert called / 80 <= 0.08


def test_a_steep_curve_shows_and_more_frames_mend_more() -> None:
    curve = drawn([25, 50, 100], np.random.default_rng(3), frames=600, fall=0.2, groups=2)
    some, many = estimate(curve, 50), estimate(curve, 300)
    assert some.shows
    assert many.mended is not None
    assert some.mended is not None
    assert many.mended == pytest.approx(some.mended * np.log(4) / np.log(1.5))
    assert estimate(curve, 100_000).mended == 1000, "no more than there are"


def test_where_nothing_can_be_told_it_says_why_and_what_would_tell() -> None:
    rng = np.random.default_rng(0)
    for curve, why in (
        (drawn([100, 100, 100], rng), "all detectors saw as many real frames"),
        (drawn([50, 100], rng), "only 2 trainings"),
        (drawn([25, 50, 100], rng, frames=3), "too few frames with such a failure"),
        (drawn([25, 50, 100], rng, at=0.0, fall=0.4), "next to none is left at 100 frames"),
    ):
        told = estimate(curve)
        assert told.mended is None
        assert told.reason == f"{why}; {TELL}"
        assert not told.shows


def test_failures_are_counted_by_mode_training_and_frame() -> None:
    counts = counts_by_mode([[(0, "a"), (0, "a"), (2, "b")], [(1, "a")]], 3)
    assert counts["a"].tolist() == [[2, 0, 0], [0, 1, 0]]
    assert counts["b"].tolist() == [[0, 0, 1], [0, 0, 0]]
