"""Programs on a pipe in the pool's workers: the same frames as anywhere, and nothing of them is left."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from cluster.config.simulate import SimulateSettings
from cluster.simulation.pool import SimulatorPool
from cluster.simulation.work_queue import Rendered, SetAside
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SimulatorHost
from tests.sim_actors.simulators.command.test_pipe_program import ODD, gone
from tests.sim_actors.simulators.toy_simulators import make_jobs

pytestmark = pytest.mark.usefixtures("ray_session")
EXAMPLES = Path(__file__).resolve().parents[3] / "examples"
SETTINGS = SimulateSettings(actors=1, cpus_per_actor=0.5, scene_timeout_s=30, startup_timeout_s=60)


@pytest.mark.parametrize(("program", "file"), [(sys.executable, "pipe_boxes.py"), ("node", "pipe_boxes.js")])
def test_the_examples_frames_are_the_same_in_a_worker(program: str, file: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    spec = SimulatorSpec("command", {"command": [program, str(EXAMPLES / file)]})
    with SimulatorPool(spec, SETTINGS) as pool:
        outcomes = {outcome.scene_id: outcome for outcome in pool.render(make_jobs(3))}
    host = SimulatorHost(spec)
    assert host.start().error is None
    for job in make_jobs(3):
        assert outcomes[job.scene.scene_id].payload == host.render(job).payload  # type: ignore[union-attr]
    host.close()


@pytest.mark.parametrize("fault", ["dies", "hangs"])
def test_a_death_or_a_hang_costs_its_scene_alone(fault: str, tmp_path: Path) -> None:
    """A program that dies at a scene has the last word on it; one that hangs once goes with its worker."""
    log = tmp_path / "starts"
    labels = json.dumps({"starts": str(log)})
    spec = SimulatorSpec("command", {"command": [sys.executable, "-S", ODD, fault, labels]})
    with SimulatorPool(spec, SETTINGS.model_copy(update={"scene_timeout_s": 2.0}), True) as pool:
        found = {outcome.scene_id: outcome for outcome in pool.render(make_jobs(4))}
    if fault == "dies":
        lost = found.pop("s001")
        assert isinstance(lost, SetAside)
        assert "Segmentation fault in the paint shop" in lost.reason
    assert all(isinstance(outcome, Rendered) for outcome in found.values())
    pids = [int(pid) for pid in log.read_text().split()]
    assert len(pids) >= 2, "a fresh program after it"
    assert all(gone(pid) for pid in pids)
