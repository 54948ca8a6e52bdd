"""The synthetic test set of a comparison: free scenes of a seed of their own, rendered once, and what every
detector makes of them. They are never re-staged from test, nor from anything else."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.data.stageable import catalog
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.experiments.compare.plan import SPLIT, Cell, Plan
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.runtime.ray_session import start_ray
from cluster.stages.context import RunContext
from cluster.stages.prepare import RealData
from cluster.stages.services import Services
from cluster.stages.synthetic.simulate import Rendering
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.evaluation.detection_files import read_detectors
from imitation.policies.baselines import free_requests

FOLDER = "synthetic-test"
AT_ONCE = 12
"""Detectors in the memory of a worker at a time."""


def render_test_set(plan: Plan, cell: Cell, base: str, reporter: Reporter) -> str | None:
    """The frames, rendered if they are not there yet, to look like those of a baseline's data (size, camera,
    categories). Where they lie; None where the comparison has none, or nothing could be rendered."""
    frames = plan.config.compare.synthetic_test
    if not frames:
        return None
    config = plan.cell_config(cell)
    workspace = Workspace(storage.join(plan.folder, FOLDER), base)
    base_run = Workspace(base)
    data = RealData.from_json(old_names.read_json(base_run.path("data", "stage-prepare.json")), base_run)
    rng = np.random.default_rng([plan.config.compare.seed, zlib.crc32(FOLDER.encode())])
    requests = free_requests(frames, 1, FOLDER, rng)
    with Services(config) as services:
        run = RunContext(config.run.seed, workspace, data, services, Watch(reporter), catalog(config))
        part = Rendering.of(config, run).render(requests, 1)
    return part.uri if part.frames else None


def judge(
    plan: Plan, frames: str, data: RealData, checkpoints: Mapping[str, str], reporter: Reporter
) -> dict[str, str]:
    """Detections of each detector (name -> checkpoint) on the test set: name -> the evaluation that holds
    them. What an earlier call has judged is not judged again."""
    folder = storage.join(plan.folder, FOLDER, "evaluations")
    known = _judged(folder)
    missing = [name for name in checkpoints if name not in known]
    if missing:
        start_ray(plan.config)
    config: Any = plan.config
    for first in range(0, len(missing), AT_ONCE):
        names = missing[first : first + AT_ONCE]
        key = hashlib.sha256("\n".join(names).encode()).hexdigest()[:12]
        uri = storage.join(folder, f"{key}.parquet")
        title = f"synthetic test: evaluating {len(names)} detectors"
        with reporter.bar(title, len(names) * config.compare.synthetic_test) as bar:
            evaluate(
                [EvaluationPart(frames, SPLIT, tuple(names))],
                {name: checkpoints[name] for name in names},
                data.categories,
                uri,
                config.evaluate,
                "stop",
                bar.update,
            )
        known |= dict.fromkeys(names, uri)
    return {name: known[name] for name in checkpoints}


def _judged(folder: str) -> dict[str, str]:
    files = storage.list_files(folder, ".parquet") if storage.exists(folder) else []
    return {name: uri for uri in files for name in read_detectors(uri)}
