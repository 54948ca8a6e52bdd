"""What a cycle is called in a run's folder, what it trains, and what its evaluation hands on."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from imitation.common.names import MAIN, TWIN, fold_name
from imitation.evaluation.failures import Failure, read_failures
from imitation.metrics.summary import Metrics


def twin_seed(seed: int) -> int:
    """The seed of the baseline's twin."""
    return int(np.random.default_rng([seed, zlib.crc32(TWIN.encode())]).integers(2**31))


@dataclass(frozen=True)
class Detectors:
    """Checkpoints of one cycle: the detector itself, those of the folds, if mining follows, and of
    the baseline its twin of another seed, if there is one."""

    main: str
    folds: tuple[str, ...] = ()
    twin: str | None = None

    def named(self) -> dict[str, str]:
        """All of them by their names in an evaluation."""
        return self.reported() | self.of_folds()

    def of_folds(self) -> dict[str, str]:
        """Those that judge mined frames alone."""
        return {fold_name(k): uri for k, uri in enumerate(self.folds)}

    def reported(self) -> dict[str, str]:
        """Those that are judged on test as well."""
        return {MAIN: self.main} | ({} if self.twin is None else {TWIN: self.twin})


def nothing_found(who: str, steps: int) -> str:
    """What is said, early and plainly, of a baseline at mAP 0.0."""
    return (
        f"warning: {who} finds nothing on val (mAP 0.0): what is mined from it is noise, and a comparison "
        f"with it tells nothing. Frequent causes: too few steps (train.steps={steps}), a learning rate at "
        "which the loss does not fall, labels or categories that are not what they seem (imitate inspect)"
    )


@dataclass(frozen=True)
class Evaluation:
    """One cycle's evaluation: metrics by split, and where the mined failures lie (None: not mined)."""

    metrics: dict[str, Metrics]
    failures_uri: str | None
    score: float

    @property
    def failures(self) -> Iterator[Failure]:
        """The mined failures, streamed; none if nothing was mined."""
        return iter(()) if self.failures_uri is None else read_failures(self.failures_uri)
