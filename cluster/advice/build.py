"""From a run's folder to `imitation.advice`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from cluster.advice.real_frames import photographed
from cluster.config.schema import Config
from cluster.data.stageable import catalog, simulates
from cluster.stages.prepare import RealData
from cluster.stages.synthetic.taken import TAKEN_FROM
from cluster.workspace.run_folder import Workspace
from imitation.advice.advise import Modes, Rendered, advise
from imitation.advice.record import Advice
from imitation.common import storage
from imitation.common.names import MAIN, cycle_folder, train_stage
from imitation.diagnosis.feasibility import REFUSED, out_of_reach
from imitation.evaluation.failures import read_failures
from imitation.policies.feedback import Feedback, tallies_from_rows
from imitation.policies.strata import stratum_name
from sim_actors.staging.stage import stageable_names

Stages = Mapping[str, Mapping[str, Any]]


def build_advice(config: Config, workspace: Workspace, more_frames: int | None = None) -> Advice | None:
    """What the run says, without costs (`imitation.advice.advise.with_costs`); None where none of its
    evaluations was mined, or it trains on no real frame. `more_frames`: real ones to ask about; None: half as
    many as there are."""
    stages: list[Stages] = []
    while storage.exists(workspace.path(cycle_folder(len(stages)), "stage-analyse.json")):
        stages.append(workspace.committed(cycle_folder(len(stages))))
    mined = [k for k, own in enumerate(stages) if "mined" in own["evaluate"]]
    if not (mined and stages[0][train_stage(MAIN)]["real_frames"]):
        return None
    last = mined[-1]
    rng = np.random.default_rng([config.run.seed, last])
    modes, reasons = _modes(config, workspace, stages, last)
    main = stages[last][train_stage(MAIN)]
    real = photographed(config, workspace, stages[0], rng)
    return advise(
        last,
        modes,
        _rendered(config, stages),
        real,
        more_frames or max(1, real.train_frames // 2),
        rng,
        training_seconds=main.get("seconds"),
        out_of_reach=reasons,
        set_aside=_set_aside(stages),
    )


def _modes(
    config: Config, workspace: Workspace, stages: list[Stages], last: int
) -> tuple[Modes, dict[str, int]]:
    data = RealData.from_json(workspace.committed("data")["prepare"], workspace)
    staged = catalog(config) if simulates(config) else None
    reach = stageable_names(data.category_counts, data.categories.mapping, staged)
    suspects = {
        one["failure_id"] for own in stages[last : last + 1] for one in own["analyse"].get("suspects", ())
    }
    counts: dict[str, Counter[str]] = {name: Counter() for name in ("all", "beyond", "suspects")}
    reasons = Counter[str]()
    for failure in read_failures(workspace.path(cycle_folder(last), "evaluation", "failures.parquet")):
        mode = stratum_name(failure)
        counts["all"][mode] += 1
        counts["suspects"][mode] += failure.failure_id in suspects
        if why := out_of_reach(failure, reach):
            counts["beyond"][mode] += 1
            reasons[why] += 1
    return Modes(counts["all"], counts["beyond"], counts["suspects"]), dict(reasons.most_common())


def _rendered(config: Config, stages: list[Stages]) -> Rendered:
    history = [Feedback.from_row(row) for own in stages for row in own["analyse"].get("feedback", ())]
    answered = {row.cycle for row in history if row.fed}
    done = [(k, own["simulate"]) for k, own in enumerate(stages) if "simulate" in own]
    frames = sum(report["frames"] for k, report in done if k in answered)
    rates = [r["frames_per_second"] for _, r in done if TAKEN_FROM not in r and r["frames_per_second"]]
    return Rendered(
        history,
        tallies_from_rows(stages[0]["analyse"].get("chance", {})),
        frames,
        1 / rates[-1] if rates else None,
        config.policy.adaptive,
    )


def _set_aside(stages: list[Stages]) -> dict[str, int]:
    reports = [own["simulate"] for own in stages if "simulate" in own]
    if not reports:
        return {}
    words = {"unsupported": REFUSED}
    return dict(
        Counter(words.get(one["kind"], one["kind"]) for one in reports[-1]["set_aside"]).most_common()
    )
