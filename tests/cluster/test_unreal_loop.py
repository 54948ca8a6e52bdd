"""Unreal's stand-in behind the command line: the page's commands, and a whole run with two engines."""

import contextlib
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from imitation.datasets.parquet.files import read_frames
from sim_actors.scene.records import Scene
from tests.cluster.pages.commands import UNREALS
from tests.sim_actors.simulators.unrealcv.fake_level import MANIFEST
from tests.sim_actors.simulators.unrealcv.fake_unreal import FakeUnreal
from tests.snippets import ROOT, imitate_words

PROGRAM = str(Path(sys.executable).with_name("imitate"))
SMALL = [
    "world.train=16", "world.val=6", "world.test=6", "world.width=160", "world.height=64",
    "detector.max_width=160", "train.steps=6", "train.batch_size=2", "train.warmup=1", "loop.cycles=1",
    "aggregation.synthetic_per_cycle=0.6",
]  # fmt: skip


def run(
    command: str, folder: Path, *more: str, servers: list[FakeUnreal]
) -> subprocess.CompletedProcess[str]:
    """A command of the page, on the stand-in's engines and manifest."""
    engines = ", ".join(f"'{server.endpoint}'" for server in servers)
    words = [word for word in imitate_words(command) or [] if not word.startswith("simulate.options")]
    options = f"simulate.options={{manifest: {MANIFEST}, endpoints: [{engines}], warm_frames: 0}}"
    return subprocess.run(
        [PROGRAM, *words, options, *more],
        cwd=folder, capture_output=True, text=True, timeout=840, check=False,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_pages_check_and_pictures(tmp_path: Path) -> None:
    with FakeUnreal() as server:
        checked = run(UNREALS[0], tmp_path, "world.width=160", "world.height=64", servers=[server])
        assert checked.returncode == 0, checked.stdout[-3000:] + checked.stderr[-2000:]
        assert "problem" not in checked.stdout
        assert " ".join(checked.stdout.split()).count("simulator ok") > 20
        drawn = run(UNREALS[1], tmp_path, "--size", "160x64", servers=[server])
        assert drawn.returncode == 0, drawn.stderr[-2000:]
        assert len(list((tmp_path / "unreal-look").glob("*.json"))) == 4


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_whole_run_with_two_engines(tmp_path: Path) -> None:
    """More workers than engines are asked for; lineage names the simulator and has the scene."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(FakeUnreal()) for _ in range(2)]
        command = UNREALS[2].replace("simulate.actors=1", "simulate.actors=4")
        more = [f"run.storage={tmp_path}", "run.name=unreal", *SMALL]
        ran = run(command, ROOT, *more, servers=servers)
        assert ran.returncode == 0, ran.stderr[-3000:]
        assert all(server.world.drawn for server in servers), "both engines had their part"
        assert all(not name.startswith("imitation_") for s in servers for name in s.world.things)
    folder = tmp_path / "unreal"
    stage = json.loads((folder / "cycle-001" / "stage-simulate.json").read_text())
    frames = list(read_frames(str(folder / "cycle-001" / "synthetic")))
    assert len(frames) == stage["frames"] > 0
    origins = {(f.origin.simulator, f.origin.simulator_version.rsplit("/", 1)[0]) for f in frames}
    assert origins == {("unrealcv", "1/1.1.0/Town10")}
    for frame in frames:
        scene = Scene.from_json(frame.origin.scene)
        assert (frame.frame_id, frame.width, frame.height) == (scene.scene_id, scene.width, scene.height)
        assert frame.origin.parent
        assert {o.category for o in frame.objects} <= {a.category for a in scene.actors}
    # What the manifest lacks is out of reach, and nothing of it was asked for.
    staged = Counter(o.category for frame in frames for o in frame.objects)
    assert set(staged) <= {"car", "truck", "pedestrian"}, "the level has no cyclist"
