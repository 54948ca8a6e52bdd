"""Comparisons of toy runs, each computed once."""

import pytest

from imitation.report.comparison.record import Comparison
from tests.cluster.experiments.compare.toy import RESAMPLES, Done, plan_of


@pytest.fixture(scope="session")
def three_seeds(tmp_path_factory) -> Done:
    return Done.of(plan_of(tmp_path_factory.mktemp("runs"), "compare.seeds=3", RESAMPLES))


@pytest.fixture(scope="session")
def one_seed(tmp_path_factory) -> Done:
    return Done.of(plan_of(tmp_path_factory.mktemp("runs"), RESAMPLES))


@pytest.fixture(scope="session")
def told(three_seeds) -> Comparison:
    return three_seeds.found
