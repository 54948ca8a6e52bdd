"""Fixtures shared by all floors' tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent

# No test is about the clock: a busy machine takes longer, and is no defect.
settings.register_profile("no clock", deadline=None)
settings.load_profile("no clock")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real frames (not part of the project). Tests that need it skip without it."""
    path = Path(os.environ.get("IMITATION_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real data is not at hand: {path} does not exist (set IMITATION_DATA)")
    return path
