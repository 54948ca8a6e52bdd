"""What got fixed: failures of the baseline, the frames rendered for them, and the same place afterwards."""

from __future__ import annotations

from cluster.experiments.compare.finished import Finished
from cluster.experiments.compare.plan import LEADER
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.names import cycle_folder
from imitation.report.comparison.fixed_failures import Fixed, FixedCounts, collect_fixed

__all__ = ["fixed_failures"]


def fixed_failures(done: Finished, count: int, seed: int) -> tuple[list[Fixed], FixedCounts | None]:
    """Up to `count` failures that were answered and are gone, of the first finished run of the leading arm;
    and how many of all were. Nothing where no such run was mined twice."""
    import numpy as np

    for cell in done.cells(LEADER):
        trial = done.trial(LEADER, cell)
        assert trial is not None
        workspace = done.workspace(trial)
        before = workspace.path(cycle_folder(0), "evaluation", "failures.parquet")
        after = workspace.path(cycle_folder(1), "evaluation", "failures.parquet")
        synthetic = workspace.path(cycle_folder(1), "synthetic")
        if not all(storage.exists(uri) for uri in (before, after, synthetic)):
            continue
        evaluation = old_names.read_json(workspace.path(cycle_folder(1), "stage-evaluate.json"))
        return collect_fixed(
            before,
            after,
            workspace.path(cycle_folder(1), "evaluation", "detections.parquet"),
            evaluation["fold_thresholds"],
            workspace.path("data", "train"),
            [synthetic],
            count,
            np.random.default_rng([seed, 2]),
        )
    return [], None
