"""With a real Blender, where there is one: the embedded renderer's truth, and the same bytes again."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sim_actors.randomization.free_scene import free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.projection import iou
from sim_actors.scene.records import Environment, Scene
from sim_actors.simulators.blender.settings import BlenderSettings
from sim_actors.simulators.blender.simulator import BlenderSimulator
from sim_actors.staging.restage import default_camera

WHERE = os.environ.get("IMITATION_BLENDER")
"""Which Blender to test with, as `simulate.options.blender` names it."""
SETTINGS = BlenderSettings(
    blender=WHERE, samples=1, device="cpu", denoiser=os.environ.get("IMITATION_BLENDER_DENOISER", "oidn")
)


@pytest.fixture(scope="module", autouse=True)
def there():
    if why := BlenderSimulator.preflight(SETTINGS):
        pytest.skip(f"no Blender to test with: {why}")


pytestmark = [pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def blender(there):
    made = BlenderSimulator(SETTINGS)
    yield made
    made.close()


def street(seed: int, width: int = 416, height: int = 128, **environment: object) -> Scene:
    camera = replace(default_camera(width, height, 70.0), pitch=0.02, cx=width / 2 + 9.5, fy=310.0)
    scene = free_scene(
        RandomizeSettings(), scene_id=f"street-{seed}", seed=seed, camera=camera, width=width, height=height,
        categories=("car", "van", "truck", "pedestrian", "cyclist"), convention="amodal_clipped",
    )  # fmt: skip
    return scene.replace(environment=replace(scene.environment, **environment)) if environment else scene


@pytest.mark.parametrize("seed", range(6))
def test_its_labels_are_those_of_the_embedded_renderer(seed, blender, simulator):
    scene = street(seed)
    ours, theirs = simulator.render(scene), blender.render(scene)
    apart = int((blender.identities(scene) != simulator.identities(scene)).sum())
    assert apart <= 5, "pixels whose middle lies on an edge, to a rasterizer's precision"
    tall = [k for k, obj in enumerate(ours.objects) if obj.visible_box.area > 50]
    assert tall
    assert [o.category for o in theirs.objects] == [o.category for o in ours.objects]
    alike = 0
    for k in tall:
        one, other = ours.objects[k], theirs.objects[k]
        for mine, its in ((one.visible_box, other.visible_box), (one.amodal_box, other.amodal_box)):
            assert max(abs(a - b) for a, b in zip(mine, its)) <= 1  # where such a pixel is the outermost
            alike += iou(mine, its) >= 0.99
        assert one.occlusion == pytest.approx(other.occlusion, abs=0.02)
        assert one.truncation == pytest.approx(other.truncation, abs=0.005)
    assert alike >= 2 * len(tall) - apart


def test_another_process_gives_the_same_bytes(blender):
    scene, other = street(3), street(4, hour=22.0, weather="clear")
    first = blender.render(scene)
    second = BlenderSimulator(SETTINGS)
    try:
        second.render(other)  # what came before leaves nothing
        assert second.render(scene) == first
    finally:
        second.close()


def test_the_sun_shines_from_where_it_stands(blender):
    """Left of the camera, it lights what faces left; by night there is little light at all."""
    left, right = (street(11, hour=15.0, weather="clear", sun_azimuth=a) for a in (-1.5, 1.5))
    night = street(11, hour=0.0, weather="clear")
    lit = [np.asarray(_picture(blender, scene)).astype(float) for scene in (left, right, night)]
    half = lit[0].shape[1] // 2
    contrast = [image[:, :half].mean() - image[:, half:].mean() for image in lit[:2]]
    assert contrast[1] - contrast[0] > 3, (
        "houses on the left face right: they are brighter with the sun there"
    )
    assert lit[2].mean() < 0.6 * min(lit[0].mean(), lit[1].mean())


def test_more_samples_are_less_noise(blender):
    scene = street(5, hour=12.0, weather="clear")
    scene = scene.replace(sensor=replace(scene.sensor, noise=0.0, read_noise=0.0, jpeg_quality=0))
    rough = []
    for samples in (1, 32):
        with contextlib.closing(
            BlenderSimulator(SETTINGS.model_copy(update={"samples": samples, "denoiser": "none"}))
        ) as one:
            image = np.asarray(_picture(one, scene)).astype(float)
        rough.append(float(np.abs(np.diff(image[64:], axis=1)).mean()))
    assert rough[0] > 1.5 * rough[1]


def test_it_ends_with_us_even_at_sigkill(tmp_path):
    code = (
        "import sys, time\n"
        "from sim_actors.simulators.blender.simulator import BlenderSimulator, BlenderSettings\n"
        f"s = BlenderSimulator(BlenderSettings.model_validate_json({SETTINGS.model_dump_json()!r}))\n"
        "print(s._worker.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert ours.stdout is not None
    pid = int(ours.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    ours.send_signal(signal.SIGKILL)
    ours.wait()
    for _ in range(600):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("Blender outlived us")


def _picture(simulator: BlenderSimulator, scene: Scene) -> object:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(simulator.render(scene).image)).convert("L")


def test_environment_has_its_default_light(blender):
    """Every weather is lit: no picture is black, and none is white."""
    for weather in ("clear", "overcast", "fog", "rain", "snow"):
        extra = {"haze": 0.02} if weather == "fog" else {"wetness": 0.8} if weather == "rain" else {}
        scene = street(2).replace(environment=Environment(weather=weather, **extra))
        mean = float(np.asarray(_picture(blender, scene)).mean())
        assert 30 < mean < 225, (weather, mean)
