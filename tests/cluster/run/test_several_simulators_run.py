"""A whole run with several simulators, on toys (`light_run`): lineage, counts, report, and what is out of
reach."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from imitation.datasets.parquet.files import read_frames
from sim_actors.scene.records import Scene
from sim_actors.simulators.mixture import Member, Mixture
from sim_actors.simulators.registry import SimulatorSpec

ROOT = Path(__file__).resolve().parents[3]
PATH = "tests.cluster.light_run"
RUN = "import sys; from tests.cluster.light_run import run; run(*sys.argv[1:])"


def run(folder: Path, *options: str) -> tuple[Path, subprocess.CompletedProcess[str]]:
    words = [sys.executable, "-c", RUN, str(folder), "run", *options]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "run", done


def cycles(folder: Path) -> list[dict]:
    return json.loads((folder / "summary.json").read_text())["cycles"]


@pytest.mark.slow
def test_each_frame_names_its_simulator_and_the_report_counts_them(tmp_path: Path) -> None:
    two = (
        f"[{{name: '{PATH}:Painter', label: all, weight: 1}}, "
        f"{{name: '{PATH}:Picky', label: picky, weight: 3}}]"
    )
    folder, done = run(tmp_path, f"simulate.simulator={two}")
    mixture = Mixture(
        (Member(SimulatorSpec("a:b", label="all"), 1.0), Member(SimulatorSpec("a:b", label="picky"), 3.0))
    )
    counts: Counter[str] = Counter()
    refused = 0
    for frame in read_frames(str(folder / "cycle-001" / "synthetic")):
        assert frame.origin is not None
        scene = Scene.from_json(frame.origin.scene)
        drawn = mixture.order(scene)[0]
        unlucky = scene.seed % 3 == 0
        assert frame.origin.simulator_label == ("all" if unlucky else drawn)
        refused += unlucky and drawn == "picky"
        counts[frame.origin.simulator_label] += 1
    assert set(counts) == {"all", "picky"}
    shares = cycles(folder)[1]["simulated"]["by_simulator"]
    assert {label: share["frames"] for label, share in shares.items()} == counts
    assert (shares["picky"]["refused"], shares["picky"]["weight"]) == (refused, 0.75)
    assert all(share["seconds"] > 0 for share in shares.values())
    page = (folder / "report.html").read_text()
    assert 'aria-label="simulators"' in page
    assert "Rendered by all" in done.stdout
    assert f"cycle 1: all: {counts['all']} frame" in done.stderr


@pytest.mark.slow
def test_failures_whose_scenes_no_simulator_stages_are_out_of_reach(tmp_path: Path) -> None:
    folder, _ = run(tmp_path, "loop.cycles=1")
    asked = json.loads((folder / "cycle-001" / "stage-request.json").read_text())["requests"]
    parent = asked[0]["parent"]
    others = {failure for row in asked if row["parent"] != parent for failure in row["failures"]}
    shy = f"[{{name: '{PATH}:Picky', options: {{every: 1000000007, only: {parent}}}}}]"
    folder, _ = run(tmp_path / "shy", f"simulate.simulator={shy}", "loop.cycles=2", "stopping.min_cycles=2",
                    "aggregation.max_synthetic_ratio=2.0")  # fmt: skip
    lost = json.loads((folder / "cycle-001" / "stage-simulate.json").read_text())["set_aside"]
    assert {scene["kind"] for scene in lost} == {"unsupported"}
    assert all("nothing but" in scene["reason"] for scene in lost)
    reasons = cycles(folder)[1]["followed"]["mine"]["reasons"]
    assert 0 < reasons["the simulator refuses its scenes"] <= len(others)


@pytest.mark.slow
def test_one_simulator_writes_what_it_always_has(tmp_path: Path) -> None:
    folder, done = run(tmp_path, f"simulate.simulator={PATH}:Painter")
    stage = json.loads((folder / "cycle-001" / "stage-simulate.json").read_text())
    assert "by_simulator" not in stage
    assert cycles(folder)[1]["simulated"]["by_simulator"] is None
    assert {f.origin.simulator_label for f in read_frames(str(folder / "cycle-001" / "synthetic"))} == {None}
    assert "Rendered by" not in done.stdout
    assert 'aria-label="simulators"' not in (folder / "report.html").read_text()
