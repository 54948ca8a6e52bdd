"""A whole comparison without Ray and networks (`tests.cluster.light_run`): arms, a curve of budgets,
candidates, and the table again from what was kept."""

import io
import shutil
from pathlib import Path

import pytest

import cluster.experiments.folder
import cluster.run.loop
import cluster.run.main_job
import cluster.stages.evaluate
import cluster.stages.synthetic.hardest
from cluster.config.parse import load_defaults
from cluster.experiments.compare.command import compare, compare_from_matches
from cluster.observability.console import Reporter
from imitation.datasets.parquet.files import read_frames
from imitation.report.comparison.record import Comparison, read_comparison
from imitation.report.run.record import read_summary
from tests.cluster import light_run

ARMS = ("oversample", "random", "untargeted", "imitation")
OPTIONS = [
    *light_run.OPTIONS, "world.test=10", "loop.twin=false", "compare.max_concurrent=1",
    "compare.synthetic_test=0", "compare.resamples=100", "compare.seeds=1", "compare.budgets=[0.25,0.5]",
    f"compare.arms=[real,{','.join(ARMS)}]", "acceptance.candidates=2", "train.real_last=0.25",
    "tracking.tensorboard=false", "compare.primary.against=[[random],[real,oversample],[untargeted]]",
]  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Comparison]:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster.run.loop, "Services", light_run.Services)
        for module in (cluster.stages.evaluate, cluster.stages.synthetic.hardest):
            patch.setattr(module, "evaluate", light_run.judge)
        patch.setattr(cluster.run.main_job, "check_renderer", lambda config: None)
        config = load_defaults([*OPTIONS, f"run.storage={folder}"])
        return folder / "comparison", compare(config, Reporter(io.StringIO()), "imitate compare", quiet=True)


@pytest.mark.slow
def test_every_arm_and_every_budget_is_there(told) -> None:
    folder, comparison = told
    assert {trial.status for trial in comparison.trials} == {"finished"}
    assert len(comparison.trials) == 1 + 4 * 2
    added = {row.key: row.synthetic_frames + row.repeated_frames for row in comparison.rows}
    for arm in ARMS[1:]:  # of 14 real frames; the toy does not count what is repeated
        assert (added[f"{arm}, budget 0.25"], added[f"{arm}, cycle 1"]) == (4, 7)
    assert [contrast.brings for contrast in comparison.contrasts] == [
        "targeting",
        "a simulator",
        "re-staging",
    ]
    assert len(comparison.reached) == 4 * 3 * 2
    assert (folder / "comparison.html").stat().st_size > 10_000


@pytest.mark.slow
def test_a_smaller_budgets_frames_are_of_the_larger_one(told) -> None:
    folder, _ = told
    for arm in ("random", "untargeted", "imitation"):
        whole, part = (f"{folder}/trials/{arm}-seed0{end}" for end in ("", "-budget0.25"))
        frames = [
            {frame.frame_id: frame for frame in read_frames(f"{run}/cycle-001/synthetic")}
            for run in (whole, part)
        ]
        assert (len(frames[0]), len(frames[1])) == (7, 4)
        assert frames[1].items() <= frames[0].items()
        summary = read_summary(f"{part}/summary.json")
        assert summary.cycles[1].simulated is not None
        assert summary.cycles[1].simulated.rendered == 0
        assert not Path(f"{part}/cycle-001/candidates").exists()
        assert len(list(read_frames(f"{whole}/cycle-001/candidates"))) == 14


@pytest.mark.slow
def test_the_table_comes_again_from_what_was_kept(told, tmp_path: Path) -> None:
    folder, comparison = told
    kept = str(shutil.copytree(folder / "matches", tmp_path / "kept"))
    again = compare_from_matches([kept], str(tmp_path / "again"))
    assert again.to_dict() == comparison.to_dict() | {"root": None}
    assert read_comparison(str(tmp_path / "again" / "comparison.json")) == again
