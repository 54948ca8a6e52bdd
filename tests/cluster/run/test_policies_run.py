"""Arms without a simulator's help, and without real frames, by their command."""

from pathlib import Path

import pytest

from imitation.report.run.record import Summary, read_summary
from tests.cluster.run.test_main_job import run


def finished(storage: Path, name: str, *options: str) -> Summary:
    done = run(storage, name, *options)
    assert done.returncode == 0, done.stderr
    return read_summary(str(storage / name / "summary.json"))


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_oversample_trains_on_failing_frames_once_more(tmp_path: Path) -> None:
    summary = finished(tmp_path, "oversample", "policy.name=oversample", "loop.twin=false")
    assert [cycle.label for cycle in summary.cycles] == ["stand-in", "stand-in + repeated, cycle 1"]
    assert [cycle.repeated_frames for cycle in summary.cycles] == [0, 6]
    assert [cycle.synthetic_frames for cycle in summary.cycles] == [0, 0]
    assert [cycle.steps for cycle in summary.cycles] == [8, 8]
    assert not (tmp_path / "oversample" / "cycle-001" / "synthetic").exists()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_sim_sees_no_real_frame_and_trains_on_from_a_warm_start(tmp_path: Path) -> None:
    summary = finished(
        tmp_path, "sim", "policy.name=none", "loop.sim_only=true", "train.warm_start=true", "loop.twin=false"
    )
    assert [cycle.label for cycle in summary.cycles] == ["sim", "sim, longer, cycle 1"]
    assert [(cycle.real_frames, cycle.synthetic_frames) for cycle in summary.cycles] == [(0, 12)] * 2
    assert [cycle.steps for cycle in summary.cycles] == [8, 16]
    assert summary.cycles[0].simulated is not None
    assert summary.cycles[0].simulated.rendered == 12
    assert summary.cycles[1].simulated is None
