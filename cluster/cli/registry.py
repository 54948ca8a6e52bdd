"""The commands, in the order in which help names them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from imitation.common.registry import Registry

if TYPE_CHECKING:
    from cluster.cli.arguments import Commands

COMMANDS: Registry[Callable[[Commands], None]] = Registry(
    "command",
    "imitate",
    {
        "runs": "cluster.cli.commands.look.runs:add",
        "ui": "cluster.cli.commands.look.ui:add",
        "render": "cluster.cli.commands.look.render:add",
        "inspect": "cluster.cli.commands.look.inspect:add",
        "check": "cluster.cli.commands.look.check:add",
        "audit": "cluster.cli.commands.look.audit:add",
        "run": "cluster.cli.commands.run.loop:add",
        "sweep": "cluster.cli.commands.run.sweep:add",
        "submit": "cluster.cli.commands.run.submit:add",
        "defaults": "cluster.cli.commands.run.defaults:add",
        "setup": "cluster.cli.commands.run.setup:add",
        "mine": "cluster.cli.commands.measure.mine:add",
        "evaluate": "cluster.cli.commands.measure.evaluate:add",
        "score": "cluster.cli.commands.measure.score:add",
        "probe": "cluster.cli.commands.measure.probe:add",
        "merge": "cluster.cli.commands.measure.merge:add",
        "predict": "cluster.cli.commands.measure.predict:add",
        "compare": "cluster.cli.commands.decide.compare:add",
        "gate": "cluster.cli.commands.decide.gate:add",
        "power": "cluster.cli.commands.decide.power:add",
        "advise": "cluster.cli.commands.decide.advise:add",
        "suite": "cluster.cli.commands.decide.suite:add",
        "export": "cluster.cli.commands.share.export:add",
        "export-model": "cluster.cli.commands.share.export_model:add",
        "report": "cluster.cli.commands.share.report:add",
    },
)
"""Each adds its words to what `add_subparsers` gave, and says in `carry_out` what is called with them."""
