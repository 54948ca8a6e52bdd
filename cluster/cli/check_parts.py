"""Every part of a configuration that can be tried, by its name on the command line."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from cluster.config.schema import Config
from imitation.common.contracts import Finding

PARTS = {
    "data": "cluster.checks.data",
    "bodies": "cluster.checks.bodies",
    "policy": "cluster.checks.policy",
    "simulator": "cluster.checks.simulator",
    "detector": "cluster.checks.detector",
    "endpoint": "cluster.experiments.compare.endpoint_check",
}
"""name -> module, in the order in which all are tried: what takes longest comes last."""


def findings(part: str, config: Config) -> Iterator[Finding]:
    """What a check of one part finds, as it comes."""
    found: Iterator[Finding] = importlib.import_module(PARTS[part]).findings(config)
    return found
