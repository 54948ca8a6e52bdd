"""The places that a configuration names: absolute, and whether they last and reach every node."""

from __future__ import annotations

import os
import uuid
from collections.abc import Sequence
from typing import Any

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.observability.console import Reporter
from cluster.runtime.ray_session import cluster_address, start_ray
from imitation.common import storage
from imitation.common.settings import UserError

ANSWER_S = 60.0  # a node that says nothing for so long is not waited for


def in_job() -> bool:
    """Whether this process is the entry point of a submitted Ray job."""
    return "RAY_JOB_CONFIG_JSON_ENV_VAR" in os.environ


def absolute_places(config: Config) -> Config:
    """With local paths made absolute: a trial's processes may have another working folder."""
    plain = config.plain()
    for section, key in (("run", "storage"), ("data", "root"), ("renderer", "bodies")):
        if plain[section][key] is not None:
            plain[section][key] = storage.absolute(plain[section][key])
    return parse(plain)


def check_lasting(config: Config) -> None:
    """For a job: refuses a `run.storage` that would be lost with it.

    The folder that a job starts in is an unpacked copy of what was submitted; Ray deletes it afterwards.
    """
    place = config.run.storage
    if "://" not in place and not os.path.isabs(os.path.expanduser(place)):
        raise UserError(
            f"run.storage is {place!r}, a folder counted from where the job runs: a temporary copy of what "
            "was submitted, deleted after it. Name one that lasts and that every node reaches: a shared "
            "folder (run.storage=/shared/runs) or an object store (run.storage=s3://bucket/runs)"
        )


def check_reached(config: Config, folder: str, reporter: Reporter) -> None:
    """On a cluster of several nodes: has each look for a file just written to the run's folder, and for
    `data.root`. Raises UserError naming the nodes that see a folder of their own, or nothing."""
    if not cluster_address(config.ray):
        return
    start_ray(config)
    import ray

    here = ray.get_runtime_context().get_node_id()
    others = {
        node["NodeID"]: node["NodeManagerAddress"]
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] != here
    }
    if not others:
        return
    probe = storage.join(folder, f".reach-{uuid.uuid4().hex[:8]}")
    storage.write_bytes_atomic(probe, b"reached")
    try:
        wanted = {"run.storage": probe}
        if config.data.root is not None:
            wanted["data.root"] = storage.absolute(config.data.root)
        silent = _ask(others, wanted, {"run.storage": config.run.storage, "data.root": config.data.root})
    finally:
        storage.delete(probe)
    for name in silent:
        reporter.say(f"note: node {name} did not say within {ANSWER_S:g} s whether it reaches {folder}")


def _ask(nodes: dict[str, str], wanted: dict[str, str], said: dict[str, str | None]) -> Sequence[str]:
    """Raises UserError for what any node does not reach; returns the nodes that did not answer."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    look: Any = ray.remote(num_cpus=0, max_retries=1)(_unseen)
    asked = {
        look.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
            wanted
        ): name
        for node, name in nodes.items()
    }
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=ANSWER_S)
    missing: dict[str, list[str]] = {}
    for ref in answered:
        try:
            unseen = ray.get(ref)
        except ray.exceptions.RayError:  # the node went away meanwhile
            continue
        for key, why in unseen.items():
            missing.setdefault(key, []).append(f"{asked[ref]} ({why})")
    for key, names in missing.items():
        raise UserError(
            f"{key} is {said[key]!r}, which does not reach every node: missing on {', '.join(names[:5])}"
            f"{', ...' if len(names) > 5 else ''}. Name a folder that all nodes share, or an object store "
            "(s3://bucket/...) whose credentials all nodes have"
        )
    for ref in silent:
        ray.cancel(ref, force=True)
    return [asked[ref] for ref in silent]


def _unseen(wanted: dict[str, str]) -> dict[str, str]:
    """On a node: which of the places it does not see, and why."""
    unseen = {}
    for key, uri in wanted.items():
        try:
            if not storage.exists(uri):
                unseen[key] = "nothing is there"
        except UserError as error:
            unseen[key] = str(error)
    return unseen
