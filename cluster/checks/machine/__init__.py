"""The machine: what of it can be used here and what is missing, by name, with what to do.

A problem is what keeps a run of these settings from working; what only some runs would need is a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from cluster.checks.child import in_child
from cluster.checks.machine import host, packages
from cluster.config.schema import Config
from imitation.common.contracts import Finding, carried_out

ABOUT = "machine"
APART = ("torch_here", "simulators_here", "ray_here")
"""Each in a process of its own, for whatever a driver, an engine or a cluster does to it."""


def findings(config: Config) -> Iterator[Finding]:
    """Looks at this machine, for the run that the configuration means."""
    wrong = False
    for finding in _each(config):
        wrong = wrong or finding.status == "problem"
        yield finding
    if not wrong:
        yield Finding(ABOUT, "a run of these settings", "ok", "can work here")


def _each(config: Config) -> Iterator[Finding]:
    yield from carried_out(ABOUT, host.contract(config))
    yield from carried_out(ABOUT, packages.contract())
    for name in APART:
        for finding in in_child(f"machine.{name}", config):
            yield replace(finding, about=ABOUT, text=finding.text.removeprefix(f"machine.{name}: "))
