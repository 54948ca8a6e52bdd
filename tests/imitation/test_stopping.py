"""When the loop stops."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.stopping import StoppingSettings, check

score = st.integers(0, 1000).map(lambda v: v / 1000)
scores = st.lists(score, min_size=1, max_size=8)
settings = st.builds(
    StoppingSettings,
    min_gain=st.sampled_from([0.0, 0.005, 0.05]),
    patience=st.integers(1, 4),
    min_cycles=st.integers(0, 4),
)


def open_ended(history: list[float], rule: StoppingSettings) -> str | None:
    """Only convergence can stop it."""
    return check(history, 0.1, 0.5, cycles=10**6, settings=rule)


def test_defaults() -> None:
    rule = StoppingSettings()
    assert (rule.min_gain, rule.patience, rule.min_cycles) == (0.005, 2, 2)


@pytest.mark.parametrize(
    ("history", "stops"),
    [
        ([0.40], False),
        ([0.40, 0.30], False),
        ([0.40, 0.30, 0.31], True),  # two cycles below the baseline
        ([0.40, 0.30, 0.41], False),  # the paper's own: cycle 1 lies below, cycle 2 gains
        ([0.40, 0.405, 0.402], False),  # exactly half a point counts
        ([0.40, 0.404, 0.404], True),
        ([0.40, 0.50, 0.50, 0.50], True),
        ([0.40, 0.404, 0.408], False),  # two small steps are one gain
        ([0.10, 0.105, 0.105], False),  # 0.105 - 0.1 < 0.005 in binary
    ],
)
def test_converged(history: list[float], stops: bool) -> None:
    reason = open_ended(history, StoppingSettings())
    assert (reason is not None) == stops
    if reason is not None:
        assert reason.startswith("converged: ")


@given(scores, settings)
def test_never_converged_before_min_cycles_and_patience(history: list[float], rule: StoppingSettings) -> None:
    if len(history) - 1 < max(rule.min_cycles, rule.patience):
        assert open_ended(history, rule) is None


@given(scores, settings)
def test_a_new_best_by_min_gain_always_goes_on(history: list[float], rule: StoppingSettings) -> None:
    assert open_ended([*history, max(history) + rule.min_gain], rule) is None


@given(scores, settings)
def test_standing_still_converges(history: list[float], rule: StoppingSettings) -> None:
    still = [history[-1]] * max(rule.patience, rule.min_cycles)
    if rule.min_gain > 0:
        assert open_ended([*history, *still], rule) is not None


@given(scores, settings, st.integers(-3, 3).map(lambda v: v / 8))
def test_only_differences_matter(history: list[float], rule: StoppingSettings, shift: float) -> None:
    moved = open_ended([value + shift for value in history], rule)
    assert (moved is None) == (open_ended(history, rule) is None)


@given(scores, settings, st.integers(1, 8))
def test_never_goes_on_past_the_cycles_or_the_cap(
    history: list[float], rule: StoppingSettings, cycles: int
) -> None:
    done = len(history) - 1
    assert (check(history, 0.1, 0.5, cycles, rule) is None) <= (done < cycles)
    assert check(history, 0.5, 0.5, cycles, rule) is not None
    assert check(history, 0.49, 0.5, cycles, rule, room=0) is not None


def test_reasons() -> None:
    assert check([0.4], 0.0, 0.5, cycles=2) is None
    assert check([0.4, 0.5], 0.3, 0.5, cycles=1) == "cycles: all 1 imitation cycle asked for are done."
    cap = check([0.4, 0.5], 0.495, 0.5, cycles=9, room=0)
    assert cap is not None
    assert cap.startswith("cap: ")
    assert "0.495 of at most 0.5" in cap
    assert check([0.4, 0.5], 0.495, 0.5, cycles=9, room=1) is None
    converged = check([0.4, 0.4, 0.4], 0.5, 0.5, cycles=2)
    assert converged is not None
    assert converged.startswith("converged: the best val score, 0.4000 up to cycle 0,")


def test_no_cycles_asked_for_stops_after_the_baseline() -> None:
    reason = check([0.4], 0.0, 0.5, cycles=0)
    assert reason is not None
    assert reason.startswith("cycles: ")


@pytest.mark.parametrize("history", [[], [0.4, float("nan")]])
def test_scores_must_be_there_and_finite(history: list[float]) -> None:
    with pytest.raises(ValueError, match="scores"):
        check(history, 0.0, 0.5, cycles=3)
