"""Ray: train, evaluate, simulate, tune, jobs, and the command line.

The names below are what a script of your own needs; each is loaded when it is asked for.
"""

from typing import TYPE_CHECKING

from imitation.common.lazy import public

if TYPE_CHECKING:
    from cluster.cli.main import main as main
    from cluster.config.parse import load as load
    from cluster.config.schema import Config as Config

__getattr__, __dir__ = public(
    __name__,
    {
        "Config": "cluster.config.schema",
        "load": "cluster.config.parse",
        "main": "cluster.cli.main",
    },
)
