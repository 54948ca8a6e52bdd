"""What difference a design can see, before anything is trained.

A paired difference with standard error e and f degrees of freedom is called where |d| > t e; a true
difference D is called with the probability that a noncentral t of noncentrality D / e lies beyond (Cohen,
*Statistical Power Analysis for the Behavioral Sciences*, 1988).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.stats import nct, norm, t

POWER = 0.8
ALPHA = 0.05
FAR = 30.0
MOST = 100_000_000
"""Clusters beyond which the answer is "more than anyone has"."""
MOST_SEEDS = 50


def power_of(difference: float, error: float, freedom: float, alpha: float = ALPHA) -> float:
    """The probability in [0, 1] that a true `difference` is called at `alpha`, two-sided. `error` > 0 is the
    estimate's standard error, `freedom` > 0 its degrees of freedom."""
    limit = float(t.isf(alpha / 2, freedom))
    shift = abs(difference) / error
    if shift > limit + FAR:  # where scipy's noncentral t loses its digits
        return 1.0
    called, turned = float(nct.sf(limit, freedom, shift)), float(nct.cdf(-limit, freedom, shift))
    return called + (0.0 if math.isnan(turned) else turned)


def smallest_difference(error: float, freedom: float, power: float = POWER, alpha: float = ALPHA) -> float:
    """The true difference that is called with this probability, in the unit of `error`. Raises ValueError for
    an error or degrees of freedom that are not above 0."""
    if not (error > 0 and freedom > 0 and math.isfinite(error)):
        raise ValueError(
            f"the standard error is {error:g} and there are {freedom:g} degrees of freedom; both must be > 0"
        )
    high = float(t.isf(alpha / 2, freedom) + t.isf((1 - power) / 2, freedom)) + 1.0
    return error * float(brentq(lambda d: power_of(d, 1.0, freedom, alpha) - power, 1e-6, high))


def clusters_to_see(
    difference: float, error: float, clusters: int, power: float = POWER, alpha: float = ALPHA
) -> int | None:
    """How many clusters (frames, or sequences) like those at hand it takes to call a true `difference` with
    this probability: `error` > 0 is the standard error over `clusters` of them, and falls with the root of
    their number. At least 2; None over `MOST`."""

    normal = float(norm.isf(alpha / 2) + norm.isf(1 - power)) * error * math.sqrt(clusters) / difference
    count = max(2, math.floor(normal**2))  # Student's t asks for a few more than the normal distribution
    while count <= MOST:
        if power_of(difference, error * math.sqrt(clusters / count), count - 1, alpha) >= power:
            return count
        count += 1
    return None


@dataclass(frozen=True)
class Noise:
    """What a paired difference varies by from one set of frames, and from one training, to the next.

    `frames` > 0: its standard error over `clusters` frames or sequences that hold what is measured, two
    detectors side by side. `training`: the standard deviation of the measure from one seed of the training
    to the next; 0 where none shows, None where no second seed is known. In the unit of the measure.
    """

    frames: float
    clusters: int
    training: float | None = None

    def error(self, clusters: int, seeds: int) -> tuple[float, float]:
        """(standard error, Satterthwaite's degrees of freedom) of the difference of two ways of training,
        over `clusters` and `seeds` a side: e^2 = frames^2 * self.clusters / clusters + 2 training^2 / seeds,
        as `imitation.metrics.statistics.bootstrap.seed_interval` takes it. One seed a side: of two detectors,
        whose trainings are then no source of chance."""
        parts = [(self.frames**2 * self.clusters / clusters, clusters - 1)]
        if seeds > 1 and self.training:
            parts.append((2 * self.training**2 / seeds, seeds - 1))
        total = sum(variance for variance, _ in parts)
        return math.sqrt(total), total**2 / sum(variance**2 / free for variance, free in parts)

    def power(self, difference: float, clusters: int, seeds: int, alpha: float = ALPHA) -> float:
        """How often a true difference is called, in [0, 1]."""
        return power_of(difference, *self.error(clusters, seeds), alpha)

    def smallest(self, clusters: int, seeds: int, power: float = POWER, alpha: float = ALPHA) -> float:
        """The difference that is called with this power."""
        return smallest_difference(*self.error(clusters, seeds), power, alpha)

    def clusters_to_see(
        self, difference: float, seeds: int, power: float = POWER, alpha: float = ALPHA
    ) -> int | None:
        """How many clusters it takes with `seeds` a side; None where no number of them is enough: the
        trainings alone differ too much."""
        if seeds == 1 or not self.training:
            return clusters_to_see(difference, self.frames, self.clusters, power, alpha)

        def enough(count: int) -> bool:
            return self.power(difference, count, seeds, alpha) >= power

        low, high = 1, 2
        while not enough(high):  # in small steps: with few seeds, power may fall again behind its summit
            low, high = high, high + max(1, high // 8)
            if high > MOST:
                return None
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if enough(middle) else (middle, high)
        return high

    def seeds_to_see(
        self, difference: float, clusters: int, power: float = POWER, alpha: float = ALPHA
    ) -> int | None:
        """How many seeds a side, at least 2, it takes on `clusters`; None over `MOST_SEEDS`, where the
        frames are too few, and where the noise of a training is not known."""
        if self.training is None:
            return None
        counts = range(2, MOST_SEEDS + 1)
        return next((n for n in counts if self.power(difference, clusters, n, alpha) >= power), None)
