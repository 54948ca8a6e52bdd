"""How many runs the cluster holds side by side."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Literal

from cluster.config.schema import Config
from cluster.config.simulator import each_apart


def room(
    config: Config, most: int | Literal["auto"] = "auto", resources: Mapping[str, float] | None = None
) -> int:
    """How many runs the cluster holds side by side, at least 1, at most `most`; auto: as many as do not
    slow each other down, where trainings share CPUs.

    A run's stages take turns, so it needs what its largest stage needs. An evaluation's detectors wait
    for readers, which need a CPU of their own: if detectors took all CPUs, they would wait for ever.
    GPUs: a trainer keeps half of one (or one a worker) while detectors take their share.
    `resources` are those of the whole cluster ("CPU", "GPU"), by default of the Ray that runs.
    """
    if resources is None:
        import ray

        resources = ray.cluster_resources()
    evaluate, train = config.evaluate, config.train
    gpus = resources.get("GPU", 0.0)
    of_simulators = max(apart.simulate.gpus_per_actor for apart in each_apart(config).values())
    readers = 1
    detectors = evaluate.actors * evaluate.cpus_per_actor
    share = (0.5 if gpus else 0.0) if evaluate.gpus_per_actor == "auto" else evaluate.gpus_per_actor
    with_gpu = gpus >= 1 if train.use_gpu == "auto" else train.use_gpu
    limits = [(resources.get("CPU", 1.0) - readers) / max(detectors, train.num_workers)]
    if train.num_workers == 1:
        kept = 0.5 * with_gpu
        gpu_need = kept + max(evaluate.actors * share, of_simulators)
    else:
        gpu_need = max(train.num_workers * with_gpu, evaluate.actors * share, of_simulators)
    if gpu_need:
        limits.append(gpus / gpu_need)
    holds = max(1, math.floor(min(limits) + 1e-9))
    if most != "auto":
        return min(holds, most)
    if with_gpu:
        return holds
    # Torch takes all the CPUs it is given: trainings side by side on the same ones gain nothing.
    machine = os.cpu_count() or 1
    processors = max(machine, resources.get("CPU", 1.0)) if resources.get("node_count", 1) > 1 else machine
    return max(1, min(holds, math.floor(processors / (train.threads or machine))))
