"""Every part of a configuration that can be tried, by its name on the command line."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from cluster.config.schema import Config
from imitation.common.contracts import Finding

PARTS = ("data", "bodies", "policy", "simulator", "detector", "endpoint")
"""In the order in which all are tried: what takes longest comes last."""


def findings(part: str, config: Config) -> Iterator[Finding]:
    """What a check of one part finds, as it comes."""
    found: Iterator[Finding] = importlib.import_module(f"cluster.checks.{part}").findings(config)
    return found
