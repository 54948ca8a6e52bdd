"""Trackers of one's own: they are found, take their settings, and have what a tracker has. Nothing is told to
them: a toy run would stand among the real ones for good."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.config.schema import Config
from cluster.observability.trackers.registry import asked_trackers, check_tracking
from imitation.common.contracts import Contract, Finding, Found, Step, carried_out

ABOUT = "tracker"


def findings(config: Config) -> Iterator[Finding]:
    """Tries the trackers that the configuration asks for."""
    yield from carried_out(ABOUT, contract(config))


def contract(config: Config) -> Contract:
    """What is tried: nothing is started."""
    yield Step("tracking")
    check_tracking(config.tracking)
    for where, tracker, _ in asked_trackers(config.tracking):
        yield Step(where)
        yield Found(f"{tracker.name}, and its settings are right")
