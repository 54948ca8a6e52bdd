"""What difference a design can see, before anything is trained.

A paired difference with standard error e and f degrees of freedom is called where |d| > t e; a true
difference D is called with the probability that a noncentral t of noncentrality D / e lies beyond (Cohen,
*Statistical Power Analysis for the Behavioral Sciences*, 1988).
"""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import nct, t

POWER = 0.8
ALPHA = 0.05


def power_of(difference: float, error: float, freedom: float, alpha: float = ALPHA) -> float:
    """The probability in [0, 1] that a true `difference` is called at `alpha`, two-sided. `error` > 0 is the
    estimate's standard error, `freedom` > 0 its degrees of freedom."""
    limit = float(t.isf(alpha / 2, freedom))
    shift = difference / error
    return float(nct.sf(limit, freedom, shift) + nct.cdf(-limit, freedom, shift))


def smallest_difference(error: float, freedom: float, power: float = POWER, alpha: float = ALPHA) -> float:
    """The true difference that is called with this probability, in the unit of `error`. Raises ValueError for
    an error or degrees of freedom that are not above 0."""
    if not (error > 0 and freedom > 0 and math.isfinite(error)):
        raise ValueError(
            f"the standard error is {error:g} and there are {freedom:g} degrees of freedom; both must be > 0"
        )
    high = float(t.isf(alpha / 2, freedom) + t.isf((1 - power) / 2, freedom)) + 1.0
    return error * float(brentq(lambda d: power_of(d, 1.0, freedom, alpha) - power, 1e-6, high))
