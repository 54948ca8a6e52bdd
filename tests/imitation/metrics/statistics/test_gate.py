"""The gate's verdict on differences whose truth is known."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from cluster.cli.commands.decide import gate as command
from imitation.common.settings import UserError
from imitation.metrics.statistics import gate as gate_module
from imitation.metrics.statistics.bootstrap import BETTER, WORSE, Resampling
from imitation.metrics.statistics.evaluation_side import Source
from imitation.metrics.statistics.gate import NO_LOSS, RULED_OUT, TOLERATED, TOO_FEW, Gate, judge
from imitation.metrics.statistics.paired_comparison import Comparison, Frames, Row
from imitation.metrics.statistics.power import power_of

SOURCE = Source("x", "x", ("car",), ("main",), {"main": 0.5}, "stored")
LEFT_OUT = (("condition: weather", "snow", 3),)


def gated(
    differences: np.ndarray,
    slices: Sequence[str] = (),
    *,
    measures: Sequence[str] = ("map50",),
    max_loss: float = 0.01,
    lower_is_better: bool = False,
    sequences: Sequence[str | None] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> Gate:
    """Of paired differences candidate - baseline, (frames, 1 + K): overall, and of K values of `weather`. The
    measure is their mean, so that the truth and its standard error are known."""
    count = len(differences)
    rng = np.random.default_rng([seed, 1])
    resampling = Resampling.of_frames(sequences or [None] * count, resamples, rng)
    (weights,) = resampling.weights(resamples)
    samples = weights @ differences / weights.sum(axis=1, keepdims=True)
    rows = []
    for i, estimate in enumerate(differences.mean(axis=0)):
        interval = resampling.interval(float(estimate), samples[:, i], resampling.holding(np.arange(count)))
        rows.append(
            Row(
                "overall" if i == 0 else "slice",
                "0-1 loss" if lower_is_better and i == 0 else "mAP50" if i == 0 else "AP50",
                None if i == 0 else "condition: weather",
                None if i == 0 else f"w{i}",
                count,
                0.5,
                0.5 + float(estimate),
                interval,
                lower_is_better=lower_is_better and i == 0,
                p_holm=None if i == 0 else interval.p,
            )
        )
    told = Comparison(
        "test", SOURCE, SOURCE, Frames(count, 0, 0, 0), count, resampling.clusters, resampling.unit,
        resamples, tuple(rows), LEFT_OUT,
    )  # fmt: skip
    return judge(told, measures, slices, max_loss)


def drawn(seed: int, frames: int, means: Sequence[float], spread: float = 0.1) -> np.ndarray:
    return np.random.default_rng(seed).normal(means, spread, (frames, len(means)))


def verdicts(gate: Gate) -> list[str]:
    return [answer.verdict for answer in gate.answers]


@pytest.mark.slow
def test_equal_detectors_fail_in_about_the_stated_share() -> None:
    """2.5 of 100, with one question and with six. Six uncorrected ones would fail far more often."""
    trials, failed = 250, {"one": 0, "six": 0, "six, uncorrected": 0}
    for seed in range(trials):
        gate = gated(drawn(seed, 40, [0.0] * 6), ("weather",), seed=seed, resamples=100)
        alone = [answer.row.difference.verdict() for answer in gate.answers]
        failed["one"] += not judge(gate.comparison, ("map50",), (), 0.01).passed
        failed["six"] += not gate.passed
        failed["six, uncorrected"] += WORSE in alone
    assert 1 <= failed["one"] <= 0.055 * trials
    assert 1 <= failed["six"] <= 0.055 * trials
    assert failed["six, uncorrected"] >= 0.09 * trials


def test_a_planted_loss_is_found_as_often_as_the_power_says() -> None:
    gates = [gated(drawn(seed, 80, [-0.03]), max_loss=0.03, seed=seed) for seed in range(200)]
    expected = power_of(0.03, 0.1 / np.sqrt(80), 79)
    assert np.mean([not gate.passed for gate in gates]) == pytest.approx(expected, abs=0.1)
    told = [gate.answers[0].power for gate in gates]
    assert np.mean(told) == pytest.approx(expected, abs=0.05)  # type: ignore[arg-type]


def test_a_loss_in_a_single_slice_fails_where_it_is_asked_for_and_is_told_where_not() -> None:
    differences = drawn(1, 100, [0.0, 0.0, -0.08])
    assert gated(differences).passed
    assert [row.value for row in gated(differences).elsewhere] == ["w2"]
    named = gated(differences, ("weather=w2",))
    assert not named.passed
    assert [answer.row.value for answer in named.having(WORSE)] == ["w2"]
    assert named.elsewhere == ()
    assert gated(differences, ("weather=w1",)).passed
    assert not gated(differences, ("condition: weather",)).passed


def test_too_few_data_are_said_with_how_many_it_takes() -> None:
    few = gated(drawn(3, 20, [0.0]), max_loss=0.02)
    (answer,) = few.answers
    assert few.passed
    assert not few.enough
    assert answer.verdict == TOO_FEW
    error = answer.row.difference.error
    assert error is not None
    assert answer.power == pytest.approx(power_of(0.02, error, 19))
    needed = answer.needed
    assert needed is not None
    spread = error * np.sqrt(20)
    seen = [power_of(0.02, spread / np.sqrt(n), n - 1) for n in (needed - 1, needed)]
    assert seen[0] < 0.8 <= seen[1]
    many = gated(drawn(4, 2 * needed, [0.0], spread), max_loss=0.02)
    assert many.enough


def test_five_frames_give_no_interval_and_no_verdict() -> None:
    gate = gated(drawn(1, 5, [-0.5]))
    assert (gate.passed, gate.enough, verdicts(gate)) == (True, False, [TOO_FEW])
    assert gate.answers[0].power is None
    assert "needs 6" in str(gate.answers[0].row.difference.reason)


def test_each_verdict_in_its_case() -> None:
    many = 2000
    cases = {
        WORSE: drawn(1, many, [-0.03]),
        TOLERATED: drawn(1, many, [-0.02], 0.02),
        BETTER: drawn(1, many, [0.03]),
        RULED_OUT: drawn(1, many, [0.0]),
        TOO_FEW: drawn(2, 30, [0.0], 0.3),
    }
    told = {name: verdicts(gated(differences, max_loss=0.025))[0] for name, differences in cases.items()}
    assert told == {name: name for name in cases}
    assert not gated(cases[TOLERATED], max_loss=0.015).passed  # more than is tolerated now
    assert verdicts(gated(np.zeros((30, 1)))) == [RULED_OUT]  # twice the same detector
    unsure = drawn(0, 200, [0.0], 0.1)
    unsure += -0.011 - unsure.mean()  # reaches beyond the loss, which would have been seen all the same
    assert verdicts(gated(unsure, max_loss=0.0205)) == [NO_LOSS]


def test_of_a_loss_less_is_better() -> None:
    rise = drawn(1, 100, [0.08])
    worse = gated(rise, measures=("0-1-loss",), lower_is_better=True)
    assert verdicts(worse) == [WORSE]
    assert worse.answers[0].loss[0] == pytest.approx(rise.mean())
    assert verdicts(gated(-rise, measures=("0-1-loss",), lower_is_better=True)) == [BETTER]
    assert verdicts(gated(rise)) == [BETTER]
    turned = gated(-rise).answers[0]
    loss, low, high = turned.loss
    assert low is not None
    assert high is not None
    assert low < loss < high  # type: ignore[operator]


def test_frames_of_one_drive_are_not_independent() -> None:
    """A drive's frames share their difference: as single frames equal detectors fail nearly always."""
    failed = {"frames": 0, "sequences": 0}
    for seed in range(60):
        rng = np.random.default_rng(seed)
        by_drive = np.repeat(rng.normal(0, 0.1, 10), 20)[:, None]
        drives = [f"drive-{i // 20}" for i in range(200)]
        failed["frames"] += not gated(by_drive, seed=seed).passed
        failed["sequences"] += not gated(by_drive, seed=seed, sequences=drives).passed
    assert failed["sequences"] <= 6
    assert failed["frames"] >= 15
    told = gated(by_drive, sequences=drives).answers[0]
    assert told.row.difference.freedom == 9


def test_a_slice_that_is_not_there_is_named_and_one_of_few_objects_says_so() -> None:
    differences = drawn(1, 40, [0.0, 0.0])
    with pytest.raises(UserError, match="no attribute 'wether'; they have weather"):
        gated(differences, ("wether=w1",))
    with pytest.raises(UserError, match="of weather there is w1, snow"):
        gated(differences, ("weather=w9",))
    snow = gated(differences, ("weather=snow",)).answers[1]
    assert (snow.verdict, snow.row.difference.reason) == (TOO_FEW, "only 3 objects; a slice needs 20")
    assert [a.row.value for a in gated(differences, ("weather", "weather=w1")).answers] == [None, "w1"]


def test_two_measures_are_two_questions() -> None:
    gate = gated(drawn(1, 60, [-0.026, 0.0]), ("weather=w1",))
    first, second = (answer.row.difference.p for answer in gate.answers)
    assert gate.answers[0].row.p_holm == pytest.approx(2 * min(first, second))  # type: ignore[type-var, operator]
    with pytest.raises(ValueError, match="nothing is asked"):
        judge(replace(gate.comparison, rows=()), ("map50",), (), 0.01)


def test_the_command_line_names_the_measures_that_there_are() -> None:
    assert tuple(gate_module.MEASURES) == command.MEASURES
