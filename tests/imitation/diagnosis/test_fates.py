"""The fate of every failure, cycle by cycle and for the whole run."""

import csv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from imitation.common.settings import DataError
from imitation.diagnosis.failure_tracking import Judge, follow
from imitation.diagnosis.fates import SCHEMA, FateWriter, write_run_fates
from imitation.evaluation.detections import Detections, FrameDetections, GroundTruth
from imitation.evaluation.failures import Failure

A, B, NOTHING, BESIDE = (10, 10, 60, 60), (100, 10, 150, 60), (200, 10, 250, 60), (300, 10, 350, 60)


def row(frame: str, *boxes: tuple[int, ...]) -> FrameDetections:
    """A frame with cars at A and B, and detections of these boxes."""
    truth = GroundTruth(np.array([A, B]), np.ones(2), category=np.array(["Car", "Car"], object))
    found = Detections(np.array(boxes).reshape(-1, 4), np.full(len(boxes), 0.9), np.ones(len(boxes)))
    return FrameDetections(frame, "mine", "fold-0", 400, 100, found, truth)


CYCLES = (
    [row("f", A, NOTHING), row("g")],  # B missed, a car on nothing; A and B missed in g
    [row("f", A, B, NOTHING, BESIDE), row("g", A)],  # B fixed, another on nothing; B of g persists
    [row("f", B, NOTHING), row("g", A, B)],  # A regressed, BESIDE is gone; all of g is fixed
)


def mode(failure: Failure) -> str:
    return f"car, {failure.kind}"


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    judge = Judge(("car",), 0.5)
    places: list[str] = []
    for cycle, rows in enumerate(CYCLES):
        before = CYCLES[cycle - 1] if cycle else []
        uri = str(tmp_path / f"cycle-{cycle}.parquet")
        rendered = {"f#missed-o1": 3} if cycle == 1 else {}
        with FateWriter(uri, cycle, mode, places[-1] if places else None, rendered) as writer:
            list(writer.seeing("mine", follow(before, rows, judge), lambda thing: "in reach"))
        places.append(uri)
    return places


def fates(rows: list[dict]) -> list[tuple]:
    """(frame, object, left edge, status, cycle, since), sorted."""
    return sorted(
        (r["frame_id"], r["object_index"], r["x1"], r["status"], r["cycle"], r["since"]) for r in rows
    )


def test_every_failure_has_one_row_in_every_cycle_that_concerns_it(files):
    tables = [pq.read_table(file) for file in files]
    assert all(table.schema.equals(SCHEMA) for table in tables)
    first, second, third = (table.to_pylist() for table in tables)
    key = lambda r: (r["frame_id"], r["x1"])  # noqa: E731
    told = [{key(r): (r["status"], r["since"]) for r in rows} for rows in (first, second, third)]
    assert told[0] == {
        ("f", 100): ("new", 0),
        ("f", 200): ("new", 0),
        ("g", 10): ("new", 0),
        ("g", 100): ("new", 0),
    }
    assert told[1] == {
        ("f", 100): ("fixed", 0),
        ("f", 200): ("persistent", 0),
        ("f", 300): ("new", 1),
        ("g", 10): ("fixed", 0),
        ("g", 100): ("persistent", 0),
    }
    assert told[2] == {
        ("f", 10): ("regressed", 2),
        ("f", 200): ("persistent", 0),  # since the baseline, over two steps
        ("f", 300): ("fixed", 1),
        ("g", 100): ("fixed", 0),
    }
    fixed = next(r for r in second if key(r) == ("f", 100))
    assert (fixed["kind"], fixed["kind_before"]) == (None, "missed")
    assert (fixed["failure_id"], fixed["failure_before"]) == (None, "f#missed-o1")
    assert fixed["frames_rendered"] == 3
    again = next(r for r in second if key(r) == ("g", 100))
    assert again["frames_rendered"] == 0
    assert (again["reason"], fixed["reason"]) == ("in reach", None)


def test_the_runs_file_has_what_was_fixed_and_what_is_left(files, tmp_path):
    out = tmp_path / "fates.csv"
    assert write_run_fates(files, str(out)) == 6
    with out.open(newline="") as text:
        rows = list(csv.DictReader(text))
    assert list(rows[0]) == ["fate", *SCHEMA.names]
    assert sorted((r["frame_id"], float(r["x1"]), r["fate"]) for r in rows) == [
        ("f", 10.0, "regressed in cycle 2"),
        ("f", 100.0, "fixed in cycle 1"),
        ("f", 200.0, "persistent"),
        ("f", 300.0, "fixed in cycle 2"),
        ("g", 10.0, "fixed in cycle 1"),
        ("g", 100.0, "fixed in cycle 2"),
    ]


def test_a_run_that_began_without_the_file_goes_on(files, tmp_path):
    out = tmp_path / "fates.csv"
    Path(files[0]).unlink()
    assert write_run_fates(files, str(out)) == 6
    assert write_run_fates(files[:1], str(out)) == 0
    assert out.read_text().startswith('"fate","status"')


def test_another_file_is_refused_by_name(tmp_path):
    bad = tmp_path / "bad.parquet"
    bad.write_bytes(b"no parquet")
    with pytest.raises(DataError, match=r"bad\.parquet"):
        write_run_fates([str(bad)], str(tmp_path / "out.csv"))
    assert not (tmp_path / "out.csv").exists()
