"""A comparison of three seeds, of toy runs; computed once."""

import pytest

from imitation.report.comparison.record import Comparison
from tests.cluster.experiments.compare.toy import RESAMPLES, collected, finished, plan_of


@pytest.fixture(scope="session")
def told(tmp_path_factory) -> Comparison:
    plan = plan_of(tmp_path_factory.mktemp("runs"), "compare.seeds=3", RESAMPLES)
    return collected(plan, finished(plan))
