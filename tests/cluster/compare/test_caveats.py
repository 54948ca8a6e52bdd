"""What the table says against itself."""

from .toy import RESAMPLES, collected, finished, plan_of


def test_one_seed_is_warned_of(tmp_path, told):
    plan = plan_of(tmp_path, RESAMPLES)
    found = collected(plan, finished(plan))
    assert any(w.startswith("One seed:") for w in found.warnings)
    assert not any(w.startswith("One seed:") for w in told.warnings)
    assert "stand-in" in found.warnings[0]
