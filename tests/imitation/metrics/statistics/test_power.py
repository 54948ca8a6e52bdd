"""What difference a design can see: against textbook values and against simulated t-tests."""

import numpy as np
import pytest
from scipy import stats

from imitation.metrics.statistics.power import clusters_to_see, power_of, smallest_difference


@pytest.mark.parametrize(("n", "effect"), [(10, 0.996), (20, 0.660), (34, 0.495), (50, 0.404), (199, 0.1996)])
def test_it_is_cohens_table_of_the_paired_t_test(n: int, effect: float) -> None:
    """Effects at which n pairs have power 0.8 at 0.05, two-sided (G*Power; pwr::pwr.t.test)."""
    assert smallest_difference(1 / np.sqrt(n), n - 1) == pytest.approx(effect, abs=0.002)


@pytest.mark.parametrize(("n", "true"), [(5, 1.0), (12, 0.7), (17, 0.4)])
def test_simulated_t_tests_call_it_as_often(n: int, true: float) -> None:
    rng = np.random.default_rng(0)
    drawn = rng.normal(true, 1.0, (20_000, n))
    called = stats.ttest_1samp(drawn, 0.0, axis=1).pvalue < 0.05
    assert power_of(true, 1 / np.sqrt(n), n - 1) == pytest.approx(called.mean(), abs=0.012)


def test_where_nothing_is_there_alpha_is_called_and_units_carry_over() -> None:
    assert power_of(0.0, 2.0, 9) == pytest.approx(0.05)
    assert smallest_difference(3.0, 16) == pytest.approx(3 * smallest_difference(1.0, 16))
    assert power_of(smallest_difference(0.02, 7), 0.02, 7) == pytest.approx(0.8, abs=1e-6)
    for error, freedom in ((0.0, 5), (1.0, 0), (float("nan"), 5)):
        with pytest.raises(ValueError, match="both must be > 0"):
            smallest_difference(error, freedom)


@pytest.mark.parametrize(("effect", "n"), [(0.5, 34), (0.4, 52), (0.2, 199), (1.0, 10)])
def test_how_many_it_takes_is_the_table_the_other_way_round(effect: float, n: int) -> None:
    """G*Power's numbers of pairs, power 0.8 at 0.05; from whatever number the error was measured on."""
    for measured_on in (8, 100):
        assert clusters_to_see(effect, 1 / np.sqrt(measured_on), measured_on) == n
    assert clusters_to_see(1e-6, 1.0, 100) is None


def test_large_differences_are_called_for_sure_without_loss_of_digits() -> None:
    for freedom in (1, 3, 20, 500, 100_000):
        powers = [
            power_of(d, 1.0, freedom, alpha) for d in np.linspace(0, 80, 161) for alpha in (0.05, 0.002)
        ]
        assert all(0 <= power <= 1 + 1e-9 for power in powers)
        assert power_of(-10.0, 1.0, freedom) == power_of(10.0, 1.0, freedom)
    assert power_of(12.0, 1.0, 20) == pytest.approx(1.0)
