"""Fixtures shared by all floors' tests."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real frames (not part of the project). Tests that need it skip without it."""
    path = Path(os.environ.get("IMITATION_DATA", ROOT.parent / "shared" / "data"))
    if not path.is_dir():
        pytest.skip(f"real data is not at hand: {path} does not exist (set IMITATION_DATA)")
    return path
