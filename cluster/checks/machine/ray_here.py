"""Ray: whether one starts here, or the named cluster answers."""

from __future__ import annotations

import time

from cluster.config.schema import Config
from cluster.runtime.ray_address import named_cluster
from cluster.runtime.ray_session import end_ray, start_ray
from imitation.common.contracts import Contract, Found, Step

START_S = 300.0  # s: a second try of a start has up to 120


def contract(config: Config) -> Contract:
    """What is tried."""
    yield Step("Ray", START_S)
    cluster = named_cluster(config.ray)
    began = time.monotonic()
    try:
        start_ray(config)
        import ray

        resources = ray.cluster_resources()
        nodes = sum(node["Alive"] for node in ray.nodes())
    finally:
        end_ray()
    cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
    has = f"{cpus:g} CPUs and {gpus:g} GPUs" + (f" on {nodes} nodes" if nodes > 1 else "")
    seconds = time.monotonic() - began
    where = "one starts here" if cluster is None else f"the cluster at {cluster.host}:{cluster.port} answers"
    yield Found(
        f"{ray.__version__}: {where}, with {has}", numbers={"cpus": cpus, "gpus": gpus, "seconds": seconds}
    )
