"""Checks the metric by which a run is judged on val, and a comparison's primary endpoint."""

from __future__ import annotations

from collections.abc import Iterator

from cluster.config.compare import CompareSettings
from cluster.config.schema import Config
from imitation.common.contracts import Contract, Finding, Found, Step, carried_out
from imitation.common.settings import UserError

ABOUT = "endpoint"


def findings(config: Config) -> Iterator[Finding]:
    """Looks at `loop.metric` and `compare.primary`."""
    yield from carried_out(ABOUT, contract(config))


def contract(config: Config) -> Contract:
    """Plans a comparison, as `imitate compare --dry-run` does. If that fails, it is a problem only where the
    configuration has settings of a comparison."""
    yield Step("loop.metric")
    yield Found(f"{config.loop.metric} on val decides in a run")
    yield Step("compare.arms, compare.primary")
    from cluster.experiments.compare.plan import make_plan, rivals
    from imitation.report.comparison.record import rival_name

    try:
        plan = make_plan(config)
    except UserError as error:
        if config.compare != CompareSettings():
            raise
        yield Found(f"no comparison of these settings: {error}", note=True)
        return
    primary = config.compare.primary
    against = " and than ".join(rival_name(group) for group in rivals(config.compare))
    yield Found(f"is {primary.arm} better on {primary.measure} than {against}? {len(plan.trials)} runs")
