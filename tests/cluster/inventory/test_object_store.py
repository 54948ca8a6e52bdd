"""The same on an object store, which has leases in place of locks, and no folders."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.cli.main import main
from cluster.workspace.lock import RunLock
from imitation.common import storage
from tests.cluster.inventory.test_cleaning import checkpoint
from tests.cluster.inventory.test_entries import make_run
from tests.cluster.workspace.test_lock import endpoint  # noqa: F401 (a fixture)

pytestmark = pytest.mark.slow


@pytest.fixture
def bucket(endpoint: str, tmp_path: Path) -> Iterator[str]:  # noqa: F811
    """A storage with a finished run and one that failed at its start."""
    done = make_run(tmp_path / "done", (0.2, 0.4), how="finished")
    for cycle in ("cycle-000", "cycle-001"):
        checkpoint(done / cycle / "detector" / "main")
    checkpoint(done / "best")
    (done / "summary.json").write_text("{}")
    make_run(tmp_path / "begun", how="failed", reason="no such dataset")
    home = f"s3://locks/{tmp_path.name}?endpoint_override={endpoint}&scheme=http"
    for path in tmp_path.rglob("*"):
        if path.is_file():
            storage.write_bytes_atomic(storage.join(home, str(path.relative_to(tmp_path))), path.read_bytes())
    yield home
    storage.delete(home)


def test_runs_are_listed_and_what_may_go_goes(bucket, capsys):
    assert main(["runs", bucket, "--json"]) == 0
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)}
    assert {name: entry["state"] for name, entry in entries.items()} == {
        "begun": "failed",
        "done": "finished",
    }
    assert entries["done"]["bytes"] > 600
    assert main(["runs", "clean", bucket, "--yes"]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == ["deleted: begun", "deleted: done/cycle-000/detector/main"]
    assert main(["runs", bucket, "--json"]) == 0
    (left,) = json.loads(capsys.readouterr().out)
    assert (left["name"], left["state"], left["best"]) == ("done", "finished", 1)
    for kept, there in (
        ("cycle-001/detector/main/weights.pt", True),
        ("cycle-000/detector/main/weights.pt", False),
    ):
        assert storage.exists(storage.join(bucket, "done", kept)) is there


def test_who_counts_in_a_lease_is_at_work_and_loses_nothing(bucket, capsys):
    with RunLock(storage.join(bucket, "done"), beat_s=0.1):
        assert main(["runs", "clean", bucket]) == 0
        told = capsys.readouterr().out
    assert "left alone, for a driver holds them: done" in " ".join(told.split())
    assert "cycle-000" not in told
