"""Whole runs with programs on a pipe: one alone that misbehaves, and two beside the embedded renderer, killed
in the middle."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from imitation.common.names import cycle_folder
from imitation.datasets.parquet.files import read_frames
from sim_actors.scene.records import Scene
from sim_actors.simulators.mixture import Member, Mixture
from sim_actors.simulators.registry import SimulatorSpec

ROOT = Path(__file__).resolve().parents[3]
TINY = [
    "world.train=16", "world.val=6", "world.test=6", "world.width=160", "world.height=64",
    "detector.max_width=160", "train.steps=3", "train.batch_size=2", "train.warmup=1", "loop.cycles=1",
    "loop.twin=false", "aggregation.synthetic_per_cycle=0.5", "simulate.frames_per_file=2",
    "report.gallery=2", "renderer.supersampling=1", "run.name=piped", "world.seed=3",
]  # fmt: skip
# A person's program that is slow to start, dies at the fourth scene of each life, and refuses trucks.
MOODY = """
import json, subprocess, sys, time
time.sleep(1)
inner = subprocess.Popen([sys.executable, sys.argv[1]], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
asked = 0
for line in sys.stdin:
    question = json.loads(line)
    if question["ask"] == "supports":
        scene = question["scene"]
        trucks = any(actor["category"] == "truck" for actor in scene["actors"])
        reasons = ["no trucks"] if trucks else []
        print(json.dumps({"scene_id": scene["scene_id"], "reasons": reasons}), flush=True)
        continue
    asked += question["ask"] == "render"
    if asked == 4:
        sys.exit("out of paint")
    inner.stdin.write(line); inner.stdin.flush()
    if question["ask"] == "bye":
        break
    answer = json.loads(inner.stdout.readline())
    if question["ask"] == "hello":
        answer |= {"name": "moody", "supports": True}
    print(json.dumps(answer), flush=True)
"""


def command(folder: Path, *options: str) -> list[str]:
    words = [sys.executable, "-m", "cluster", "run", "ray_config.yaml", *TINY, f"run.storage={folder}"]
    return [*words, *options]


def carried_out(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(folder, *options), cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    return done


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def programs(folder: Path) -> list[list[str]]:
    """The command lines of this test's programs that live: those of files in its folder."""
    words = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    names = [str(folder / name) for name in ("moody.py", "pipe_boxes.py", "pipe_boxes.js")]
    return [line for line in words if set(names) & set(line)]


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A folder with the programs."""
    for name in ("pipe_boxes.py", "pipe_boxes.js"):
        shutil.copy(ROOT / "examples" / name, tmp_path)
    (tmp_path / "moody.py").write_text(MOODY)
    return tmp_path


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_a_program_that_is_slow_dies_and_refuses_is_worked_with(own: Path) -> None:
    words = f"{sys.executable}, {own / 'moody.py'}, {own / 'pipe_boxes.py'}"
    piped = ["simulate.simulator=command", f"simulate.options={{command: [{words}]}}"]
    done = carried_out(own, *piped, "simulate.max_attempts=3")
    run = own / "piped"
    assert "trying simulator command: one scene" in done.stderr
    frames = list(read_frames(str(run / cycle_folder(1) / "synthetic")))
    assert frames
    for frame in frames:
        assert frame.origin is not None
        assert (frame.origin.simulator, frame.origin.simulator_label) == ("moody", None)
        assert "truck" not in {actor.category for actor in Scene.from_json(frame.origin.scene).actors}
    simulated = summary(run)["cycles"][1]["simulated"]
    assert simulated["rendered"] == len(frames)
    assert {scene["kind"] for scene in simulated["set_aside"]} <= {"unsupported", "raised", "rejected"}
    stage = json.loads((run / cycle_folder(1) / "stage-simulate.json").read_text())
    assert stage["errors"] > 0, "it died, and its scenes came again"
    assert "out of paint" in done.stderr
    assert programs(own) == [], "nothing of it is left"
    out = own / "coco"
    words = [sys.executable, "-m", "cluster", "export", str(run), "--to", "coco", "--out", str(out)]
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True, timeout=200)
    assert len(list(out.rglob("syn-c01-*"))) == len(frames)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_several_simulators_and_a_driver_that_is_killed_in_the_middle(own: Path) -> None:
    words = f"{sys.executable}, {own / 'pipe_boxes.py'}"
    program = f"{{name: command, label: boxes, options: {{command: [{words}]}}}}"
    script = f"{{name: command, label: js, options: {{command: [node, {own / 'pipe_boxes.js'}]}}}}"
    members = ["opengl", "boxes", *(["js"] if shutil.which("node") else [])]
    listed = ", ".join(["opengl", program, script][: len(members)])
    options = [f"simulate.simulator=[{listed}]", "simulate.each={boxes: {actors: 1}}"]
    run = own / "piped"
    with open(own / "said", "w") as said:
        driver = subprocess.Popen(
            command(own, *options), cwd=ROOT, stdout=said, stderr=said, start_new_session=True
        )
        synthetic = run / cycle_folder(1) / "synthetic"
        while not list(synthetic.glob("part-*.parquet")):
            assert driver.poll() is None, (own / "said").read_text()[-3000:]
            time.sleep(0.02)
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
    committed = {frame.frame_id for frame in read_frames(str(synthetic))}
    until = time.monotonic() + 60
    while programs(own) and time.monotonic() < until:
        time.sleep(0.1)
    assert programs(own) == [], "they end with their driver, however it ends"
    assert not (run / cycle_folder(1) / "stage-simulate.json").exists()

    done = carried_out(own, *options)
    assert "continuing run" in done.stderr
    mixture = Mixture(tuple(Member(SimulatorSpec("command", label=label)) for label in members))
    frames = list(read_frames(str(synthetic)))
    assert committed <= {frame.frame_id for frame in frames}
    for frame in frames:
        assert frame.origin is not None
        scene, label = Scene.from_json(frame.origin.scene), frame.origin.simulator_label
        order = mixture.order(scene)
        strange = {actor.category for actor in scene.actors} - {"car", "truck", "pedestrian"}
        assert label == ("opengl" if strange else order[0])
    shares = summary(run)["cycles"][1]["simulated"]["by_simulator"]
    assert sum(share["frames"] for share in shares.values()) == len(frames)
    refused = sum(
        label != mixture.order(Scene.from_json(frame.origin.scene))[0]  # type: ignore[union-attr]
        for frame in frames
        for label in [frame.origin.simulator_label]  # type: ignore[union-attr]
    )
    assert sum(share["refused"] for share in shares.values()) >= refused
    assert 'aria-label="simulators"' in (run / "report.html").read_text()
    assert programs(own) == []
