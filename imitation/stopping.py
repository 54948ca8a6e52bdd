"""When to stop: converged, at the cap on synthetic data, or done."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pydantic import Field

from imitation.common.settings import Settings
from imitation.common.wording import counted

_ROUNDING = 1e-9  # a gain of exactly min_gain counts, whatever binary fractions make of it


class StoppingSettings(Settings):
    """When the loop has converged."""

    min_gain: float = Field(
        0.005,
        ge=0,
        le=1,
        description="Rise of the best val score (mAP, 0 to 1) that counts as a gain; 0.005 is half a point.",
    )
    patience: int = Field(
        2, ge=1, description="Cycles in a row without a gain after which the loop has converged."
    )
    min_cycles: int = Field(
        2,
        ge=0,
        description="Imitation cycles before which the loop never counts as converged "
        "(in the paper cycle 1 lies below its baseline).",
    )


def check(
    scores: Sequence[float],
    synthetic_ratio: float,
    max_ratio: float,
    cycles: int,
    settings: StoppingSettings | None = None,
    room: int | None = None,
) -> str | None:
    """Why to stop now, as "<reason>: <sentence>", or None to go on. Significance plays no part.

    `scores`: the `val` score of the baseline and of each imitation cycle so far, at least one,
    finite. `synthetic_ratio`: unique synthetic frames per real frame so far, `max_ratio` its cap;
    `room`: how many more synthetic frames the cap admits, where that is known (the ratio can stay
    under the cap with room for none). `cycles`: imitation cycles asked for, after the baseline.

    - "converged": the best score has not risen by `min_gain` in the last `patience` cycles, and at
      least `min_cycles` imitation cycles are done;
    - "cap": not one more synthetic frame fits under the cap;
    - "cycles": all cycles asked for are done.

    The first that holds is told. Raises ValueError for scores that are empty or not finite.
    """
    settings = settings or StoppingSettings()
    if not scores or not all(math.isfinite(score) for score in scores):
        raise ValueError(f"scores: expected at least the baseline's, all finite, found {list(scores)}")
    done, patience = len(scores) - 1, settings.patience
    if done >= max(patience, settings.min_cycles):
        before, lately = max(scores[:-patience]), max(scores[-patience:])
        if lately < before + settings.min_gain - _ROUNDING:
            return (
                f"converged: the best val score, {before:.4f} up to cycle {done - patience}, has not risen "
                f"by {settings.min_gain:g} in the last {counted(patience, 'cycle')}."
            )
    if room == 0 or synthetic_ratio >= max_ratio:
        return (
            f"cap: synthetic data has reached its cap, {synthetic_ratio:.3f} of at most {max_ratio:g} "
            "synthetic frames per real frame; not one more fits."
        )
    if done >= cycles:
        return f"cycles: all {counted(cycles, 'imitation cycle')} asked for are done."
    return None
