"""The primary endpoint: which rival stands for a group, and how the question is answered."""

from imitation.metrics.statistics.bootstrap import BETTER, NEITHER, WORSE
from imitation.report.comparison.record import answer
from tests.cluster.experiments.compare.toy import QUALITY, RESAMPLES, collected, finished, plan_of


def test_the_primary_endpoint_is_against_random_and_the_better_on_val(told):
    assert [against.arms for against in told.primary.against] == [["random"], ["real", "oversample"]]
    assert set(told.primary.against[1].chosen.values()) == {"oversample"}
    assert [against.gain.verdict for against in told.primary.against] == [BETTER, BETTER]
    assert told.primary.answer.startswith(
        "Yes: imitation is better than random and than the better on val of"
    )
    assert all(against.gain.seeds == 3 for against in told.primary.against)
    oversample = told.row("oversample, chosen")
    assert oversample is not None
    assert told.primary.against[1].value == oversample.test["mAP50"].value


def test_of_equals_on_val_real_counts(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    quality = QUALITY | {"oversample": ([0.5, 0.9, 0.9], [0.5, 0.4, 0.4])}
    found = collected(plan, finished(plan, quality))
    assert set(found.primary.against[1].chosen.values()) == {"real"}


def test_an_arm_that_found_nothing_to_add_has_an_answer_all_the_same(tmp_path):
    plan = plan_of(tmp_path, RESAMPLES)
    alone = ([0.5], [0.5])
    found = collected(plan, finished(plan, dict.fromkeys(QUALITY, alone)))
    assert found.primary.answer.startswith("Not shown: imitation cannot be distinguished from random")
    assert [against.gain.difference for against in found.primary.against] == [0, 0]


def test_the_answers():
    assert answer("imitation", []).startswith("No answer")
    assert answer("imitation", [("random", BETTER), ("real", BETTER)]).startswith("Yes")
    assert answer("imitation", [("random", BETTER), ("real", BETTER)], 3) == (
        "Yes: imitation is better than random and than real."
    )
    assert answer("imitation", [("random", BETTER)], 1) == (
        "Yes: imitation is better than random. Of one seed: trained again it may come out otherwise."
    )
    assert answer("imitation", [("random", BETTER), ("real", NEITHER)]) == (
        "Not shown: imitation cannot be distinguished from real, though it is better than random."
    )
    assert answer("imitation", [("random", BETTER), ("real", WORSE)]) == "No: imitation is worse than real."
    assert answer("imitation", [("random", BETTER)], 2, (4, 6)) == (
        "Provisional (4 of 6 seeds and folds). Yes: imitation is better than random."
    )


def test_an_answer_of_part_of_the_seeds_is_provisional(three_seeds):
    found = collected(three_seeds.plan, three_seeds.without("imitation-seed1"))
    assert found.primary.answer.startswith("Provisional (2 of 3 seeds and folds). Yes")
