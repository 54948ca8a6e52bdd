"""What difference a design can see, before anything is trained.

A paired difference with standard error e and f degrees of freedom is called where |d| > t e; a true
difference D is called with the probability that a noncentral t of noncentrality D / e lies beyond (Cohen,
*Statistical Power Analysis for the Behavioral Sciences*, 1988).
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import nct, norm, t

POWER = 0.8
ALPHA = 0.05
FAR = 30.0
MOST = 100_000_000
"""Clusters beyond which the answer is "more than anyone has"."""


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
