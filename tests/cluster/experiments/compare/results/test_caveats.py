"""What the table says against itself."""

from imitation.common import storage
from imitation.report.comparison.text import as_text
from tests.cluster.experiments.compare.toy import QUALITY, RESAMPLES, collected, finished, plan_of


def test_one_seed_is_warned_of(one_seed, three_seeds, told):
    found = one_seed.found
    assert any(w.startswith("One seed:") for w in found.warnings)
    assert not any(w.startswith("One seed:") for w in told.warnings)
    assert "bootstrap over 40 frames and 3 seeds" in "\n".join(as_text(told)).replace("\n  ", " ")
    plan = three_seeds.plan
    without = [trial.name for trial in plan.trials if trial.cell.seed and trial.arm.name != "real"]
    partly = collected(plan, three_seeds.without(*without))
    assert any(w.startswith("One seed:") for w in partly.warnings), "of three planned one is there to compare"
    assert "bootstrap over 40 frames," in "\n".join(as_text(partly)).replace("\n  ", " ")
    assert "stand-in" in found.warnings[0]


def test_what_could_not_be_staged_is_warned_of(tmp_path, one_seed):
    assert not any("staged" in warning for warning in one_seed.found.warnings)
    plan = plan_of(tmp_path, RESAMPLES)
    states = finished(plan)
    place = plan.workspace(plan.trials[-1]).path("summary.json")
    staging = {"staged": {"car": 9}, "not_staged": {"forklift": 3}}
    storage.write_json(place, storage.read_json(place) | {"staging": staging})
    (warning,) = [warning for warning in collected(plan, states).warnings if "staged" in warning]
    assert "forklift (3 objects) in train" in warning


def test_a_row_of_fewer_seeds_says_so(three_seeds):
    partly = collected(three_seeds.plan, three_seeds.without("oversample-seed2"))
    lines = "\n".join(as_text(partly)).splitlines()
    assert any("(2 seeds)" in line for line in lines), lines
    assert not any("(3 seeds)" in line for line in lines)


def test_baselines_that_find_nothing_are_said_to(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    nothing = QUALITY | {"imitation": ([0.5, 0.6, 0.95], [0.0, 0.0, 0.0])}
    (warning,) = [w for w in collected(plan, finished(plan, nothing)).warnings if "finds nothing" in w]
    assert "In 1 of 4 runs the baseline finds nothing on val (mAP 0.0; imitation-seed0)" in warning
