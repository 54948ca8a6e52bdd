"""What the steps from one arm to the next bring: targeting, re-staging, a simulator.

An arm says over which other it stands and what it brings (`Arm.over`, `Arm.brings`). The detectors of the
last cycle that both have are compared: which frames there were is the question, not what val chose of them.
"""

from __future__ import annotations

from cluster.experiments.compare.plan import Plan
from cluster.experiments.compare.results.measure import PooledFolds
from imitation.metrics.statistics.seed_comparison import explored
from imitation.report.comparison.record import Contrast, Gain


def contrasts(plan: Plan, test: PooledFolds, measure: str) -> list[Contrast]:
    """Those of the arms that ran, in the plan's order; verdicts after Holm's correction over them alone, for
    they are few and named beforehand."""
    bench = test.bench
    if bench is None or measure not in bench.measures:
        return []
    cycles = plan.config.loop.cycles
    found = []
    for arm in plan.arms:
        shared = [
            cycle
            for cycle in range(1, cycles + 1)
            if all(f"{name}, cycle {cycle}" in test.measured for name in (arm.name, arm.over))
        ]
        if not shared:
            continue
        way, base = (test.measured[f"{name}, cycle {shared[-1]}"] for name in (arm.name, arm.over))
        found.append((arm, shared[-1], bench.difference(base, way, measure)))
    verdicts = explored({arm.name: interval for arm, _, interval in found})
    return [
        Contrast(
            brings=arm.brings,
            arm=arm.name,
            over=arm.over or "",
            cycle=cycle,
            measure=measure,
            gain=Gain.of(interval, verdicts[arm.name]),
        )
        for arm, cycle, interval in found
    ]
