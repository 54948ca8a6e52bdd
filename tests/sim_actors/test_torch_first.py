"""A renderer and torch in one process, in either order: real processes, because the wrong one dies."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCENE = 'Scene("s", 32, 16, Camera(32.0, 32.0, 16.0, 8.0))'
IMPORTS = "from imitation.data.records import Camera\nfrom sim_actors.scene.records import Scene\n"
LIGHT = '{"torch", "triton", "torchvision", "ray"}'

CHECK_THEN_TRITON = """
from sim_actors.simulators.opengl.preflight import problem
assert problem() is None
assert "libEGL" not in open("/proc/self/maps").read()  # another process tried it
import triton._C.libtriton
"""
RENDER_THEN_TRITON = f"""
import sys
{IMPORTS}
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
OpenGLSimulator().render({SCENE})
assert not {LIGHT} & sys.modules.keys()  # rendering alone stays light
import triton._C.libtriton
"""
DEVICES_THEN_TRITON = """
from sim_actors.simulators.opengl.devices import cuda_ordinals
cuda_ordinals()
import triton._C.libtriton
"""
# Somebody else's OpenGL was first: it is too late to be before it, but not to be told apart from it.
OTHERS_THEN_RENDER_THEN_TRITON = f"""
import moderngl
{IMPORTS}
moderngl.create_context(standalone=True, backend="egl", libgl="libEGL.so.1", libegl="libEGL.so.1")
assert "libLLVM" in open("/proc/self/maps").read()
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
OpenGLSimulator().render({SCENE})
import triton._C.libtriton
"""
# A simulator of one's own that brings its own OpenGL, and torch after it.
OWN_OPENGL = f"""
{IMPORTS}
from sim_actors.simulators.registry import SimulatorSpec, build_simulator
simulator = build_simulator(SimulatorSpec("own_opengl:Simulator"))
simulator.render({SCENE})
"""
OWN_OPENGL_MODULE = """
class Simulator:
    name, version = "own", "1"

    def __init__(self):
        import moderngl
        egl = "libEGL.so.1"
        self.ctx = moderngl.create_context(standalone=True, backend="egl", libgl=egl, libegl=egl)

    def supports(self, scene): return []
    def close(self): pass

    def render(self, scene):
        import triton._C.libtriton
"""


def ends_well(code: str, cwd: Path = ROOT) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code) + "\nprint('ended well')"],
        capture_output=True, text=True, cwd=cwd, check=False, timeout=240,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "ended well\n"), done.stderr


@pytest.mark.parametrize(
    "code",
    [CHECK_THEN_TRITON, RENDER_THEN_TRITON, DEVICES_THEN_TRITON, OTHERS_THEN_RENDER_THEN_TRITON],
    ids=["check", "render", "devices", "others"],
)
def test_triton_loads_after_opengl(code):
    pytest.importorskip("triton")
    ends_well(code)


def test_a_simulator_with_an_opengl_of_its_own_may_use_torch_later(tmp_path):
    pytest.importorskip("triton")
    (tmp_path / "own_opengl.py").write_text(OWN_OPENGL_MODULE)
    ends_well(OWN_OPENGL, tmp_path)


USES_TORCH = """
from sim_actors.simulators.opengl.renderer import OpenGLSimulator


class Simulator(OpenGLSimulator):
    def render(self, scene):
        frame = super().render(scene)
        import torch, torchvision
        assert torchvision.ops.nms(torch.zeros(1, 4), torch.zeros(1), 0.5).tolist() == [0]
        return frame
"""


@pytest.mark.slow
def test_a_simulators_process_may_use_torchvision_beside_the_embedded_renderer(tmp_path):
    (tmp_path / "uses_torch.py").write_text(USES_TORCH)
    ends_well(
        f"""
        from imitation.data.records import Camera
        from sim_actors.simulators.worker import SceneJob, SimulatorHost
        from sim_actors.simulators.registry import SimulatorSpec
        from sim_actors.scene.records import Scene
        host = SimulatorHost(SimulatorSpec("uses_torch:Simulator"))
        assert host.start().error is None
        answer = host.render(SceneJob({SCENE}))
        assert answer.error is None, answer.error
        """,
        tmp_path,
    )


@pytest.mark.slow
def test_a_run_checks_the_renderer_and_then_loads_a_policy_that_needs_torchvision(tmp_path):
    """The beginning of `imitate run`, in its order."""
    (tmp_path / "my_policy.py").write_text(
        "import torchvision\n"
        "class Policy:\n"
        "    name = 'mine'\n"
        "    def request(self, mined, *, cycle, budget, rng): return []\n"
        "def policy(settings): return Policy()\n"
    )
    ends_well(
        """
        from cluster.config.parse import load_defaults
        from cluster.run.main_job import check_renderer
        from imitation.policies import build_policy
        import os, sys
        sys.path.append(os.getcwd())
        config = load_defaults(["policy.name=my_policy:policy"])
        check_renderer(config)
        build_policy(config.policy)
        """,
        tmp_path,
    )
