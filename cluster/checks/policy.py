"""The policy: a few requests about a toy set of failures."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.checks.assumed import known_categories
from cluster.checks.child import in_child
from cluster.config.schema import Config
from imitation.common.contracts import Contract, Finding, carried_out
from imitation.common.import_paths import is_import_path
from imitation.policies.contract import policy_contract

ABOUT = "policy"


def findings(config: Config) -> Iterator[Finding]:
    """Tries the policy that the configuration names: somebody's own in a child process."""
    if needs_trying(config):
        yield from in_child(ABOUT, config)
    else:
        yield from carried_out(ABOUT, contract(config))


def contract(config: Config) -> Contract:
    """What is tried."""
    return policy_contract(config.policy, known_categories(config)[0], config.run.seed)


def needs_trying(config: Config) -> bool:
    """Whether it is somebody's own."""
    return is_import_path(config.policy.name)
