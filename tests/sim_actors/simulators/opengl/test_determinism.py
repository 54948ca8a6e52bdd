"""The same scenes give the same bytes in any process, and a simulator that has worked long is as small
as one that has not."""

import contextlib
import ctypes
import gc
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from sim_actors.randomization.free_scene import Mix, free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.appearance import environment
from sim_actors.scene.records import Environment, Scene, Sensor
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from tests.sim_actors.simulators.opengl.staged import CAMERA

ROOT = Path(__file__).resolve().parents[4]


def traffic(seed: int, light: Environment | None = None, **fields: object) -> Scene:
    """A small free scene, of all categories."""
    family = ("simulator", "standin")[seed % 2]
    made = free_scene(
        RandomizeSettings(), scene_id=f"scene-{seed}", seed=seed, camera=CAMERA, width=240, height=96,
        categories=sorted(FAMILIES[family].bodies), convention="amodal_clipped", family=family,
        mix=Mix(actors=(5, 9)), light=light,
    )  # fmt: skip
    return replace(made, **fields)  # type: ignore[arg-type]


LIGHTS = [
    environment("clear", 11.0, 0.7),
    environment("rain", 22.5, 0.0),
    environment("snow", 9.0, -1.5),
    environment("fog", 18.2, 2.0),
    environment("overcast", 2.0, 1.0),
    environment("snow", 23.0, 0.3),
]

# One line a frame: everything that it says, and its picture.
RENDER = """
import json, sys
from dataclasses import replace
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.scene.records import Scene

simulator = OpenGLSimulator()
for line in sys.stdin:
    frame = simulator.render(Scene.from_json(line))
    print(json.dumps([frame.frame_id, repr(replace(frame, image=None)), frame.image.hex()]))
simulator.close()
assert not {"ray", "torch", "cluster"} & sys.modules.keys()
"""


def rendered(scenes: list[Scene], hash_seed: str) -> dict[str, tuple[str, str]]:
    """What a fresh process makes of the scenes, in that order, by scene id."""
    run = subprocess.run(
        [sys.executable, "-c", RENDER],
        input="\n".join(scene.to_json() for scene in scenes),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        # Another seed for str's hash: what hangs on the order of a set would differ.
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed},
    )
    assert run.returncode == 0, run.stderr
    return {name: (labels, image) for name, labels, image in map(json.loads, run.stdout.splitlines())}


@pytest.mark.slow  # test_renderer.py has a quick one, of one scene
def test_two_processes_render_the_same_bytes() -> None:
    scenes = [traffic(seed, light) for seed, light in enumerate(LIGHTS)]
    scenes[0] = replace(scenes[0], sensor=Sensor(jpeg_quality=0))  # a PNG keeps every bit
    one = rendered(scenes, "1")
    other = rendered(scenes[::-1], "2")  # nor does it matter what came before
    assert len(one) == len(scenes)
    assert len({image for _, image in one.values()}) == len(scenes)
    assert any(labels.count("Object(") > 2 for labels, _ in one.values())
    assert one == other


def _resident_mib() -> float:
    """Of this process, after the allocator has given back what it merely keeps at hand."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


GROWTH = 12.0
"""MiB that 200 more scenes may add after the first 150. Their pictures alone, if they stayed, would be
13; their framebuffers hundreds."""


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_memory_stays_flat_over_many_scenes() -> None:
    simulator = OpenGLSimulator()
    before = 0.0
    for seed in range(350):
        simulator.render(traffic(seed))
        if seed == 149:  # by then nearly every body, shader and texture has been met
            before = _resident_mib()
    growth = _resident_mib() - before
    simulator.close()
    print(f"{growth:.1f} MiB")
    assert growth < GROWTH
