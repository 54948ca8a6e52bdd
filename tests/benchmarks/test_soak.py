"""The soak, cut short: see benchmarks/soak.py and docs/faults.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_short_soak_loses_doubles_and_changes_nothing() -> None:
    words = ["--minutes", "1", "--scenes", "120"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.soak", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=880,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["faults"] == []
    assert told["rounds"] >= 1
    assert told["frames"] == 120 * told["rounds"]
    assert sum(told["kills"].values()) >= 2
