"""What arms took: who pays for what."""

import json
from pathlib import Path

from tests.cluster.experiments.compare.toy import RESAMPLES, collected, finished, plan_of


def test_only_arms_that_mine_pay_for_the_baselines_folds_and_none_for_its_twin(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    states = finished(plan)
    for trial in plan.trials:
        path = Path(plan.workspace(trial).path("summary.json"))
        summary = json.loads(path.read_text())
        summary["cycles"][0] |= {"mined": {"split": "train", "failures": {}, "modes": {}, "out_of_reach": {}}}
        summary["cycles"][0]["seconds"]["train-twin"] = 100.0
        path.write_text(json.dumps(summary))
    found = collected(plan, states)
    seconds = {row.key: row.seconds for row in found.rows}
    assert seconds["imitation, cycle 1"] == seconds["oversample, cycle 1"] == 12 + 6 + 15
    assert seconds["random, cycle 1"] == 12 + 15
    training = {cost.arm: cost.seconds["training"] for cost in found.costs}
    assert training == {"imitation": 26, "oversample": 26, "random": 20}
