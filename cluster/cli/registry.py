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
        "runs": "cluster.cli.commands.runs:add",
        "ui": "cluster.cli.commands.ui:add",
        "run": "cluster.cli.commands.run:add_run",
        "sweep": "cluster.cli.commands.run:add_sweep",
        "submit": "cluster.cli.commands.submit:add",
        "render": "cluster.cli.commands.render:add",
        "inspect": "cluster.cli.commands.inspect:add",
        "check": "cluster.cli.commands.check:add",
        "export": "cluster.cli.commands.export:add",
        "mine": "cluster.cli.commands.mine:add",
        "evaluate": "cluster.cli.commands.run:add_evaluate",
        "score": "cluster.cli.commands.score:add",
        "compare": "cluster.cli.commands.compare:add_compare",
        "gate": "cluster.cli.commands.gate:add",
        "audit": "cluster.cli.commands.audit:add",
        "power": "cluster.cli.commands.power:add",
        "advise": "cluster.cli.commands.advise:add",
        "probe": "cluster.cli.commands.probe:add",
        "suite": "cluster.cli.commands.suite:add",
        "merge": "cluster.cli.commands.compare:add_merge",
        "predict": "cluster.cli.commands.predict:add",
        "export-model": "cluster.cli.commands.run:add_export_model",
        "report": "cluster.cli.commands.run:add_report",
        "defaults": "cluster.cli.commands.run:add_defaults",
        "setup": "cluster.cli.commands.setup:add",
    },
)
"""Each adds its words to what `add_subparsers` gave, and says in `carry_out` what is called with them."""
