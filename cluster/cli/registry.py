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
        "run": "cluster.cli.run:add_run",
        "sweep": "cluster.cli.run:add_sweep",
        "submit": "cluster.cli.submit:add",
        "render": "cluster.cli.render:add",
        "inspect": "cluster.cli.dataset:add_inspect",
        "check": "cluster.cli.check:add",
        "export": "cluster.cli.dataset:add_export",
        "mine": "cluster.cli.mine:add",
        "evaluate": "cluster.cli.run:add_evaluate",
        "score": "cluster.cli.score:add",
        "compare": "cluster.cli.compare:add_compare",
        "merge": "cluster.cli.compare:add_merge",
        "predict": "cluster.cli.predict:add",
        "export-model": "cluster.cli.run:add_export_model",
        "report": "cluster.cli.run:add_report",
        "defaults": "cluster.cli.run:add_defaults",
        "setup": "cluster.cli.setup:add",
    },
)
"""Each adds its words to what `add_subparsers` gave, and says in `carry_out` what is called with them."""
