"""The simulator as a whole: determinism, threads, sizes, errors, conditions, pictures."""

import hashlib
import io
import os
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imitation.common.settings import UserError
from imitation.data.records import Frame
from sim_actors.scene.records import Environment, Prop, Road, Scene, Sensor
from sim_actors.simulators.opengl import preflight
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.meshes import CATALOG, bodies_of
from sim_actors.simulators.opengl.passes.context import SIZES_KEPT
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.simulators.protocol import Simulator
from tests.sim_actors.simulators.opengl.staged import CAMERA, actor, scene

ROOT = Path(__file__).resolve().parents[4]


def pixels(frame: Frame) -> np.ndarray:
    assert frame.image is not None
    return np.asarray(Image.open(io.BytesIO(frame.image))).astype(float)


def digest(frame: Frame) -> str:
    assert frame.image is not None
    return hashlib.sha256(frame.image + repr(frame.objects).encode()).hexdigest()


def rich(seed: int = 5, **fields: object) -> Scene:
    props = (
        Prop("building", -12.0, 25.0, 14.0, 9.0, 8.0, 1.57),
        Prop("tree", 7.0, 18.0, 3.0, 3.0, 6.0, seed=2),
        Prop("sign", 5.0, 15.0, 0.7, 0.1, 2.5, color=(0.6, 0.05, 0.05)),
    )
    given = {"props": props, "sensor": Sensor(), "seed": seed, **fields}
    return scene(actor("Car", -2.0, 12.0, 1.4, lights=True), actor("Pedestrian", 3.0, 10.0), **given)


def test_it_is_a_simulator(simulator: OpenGLSimulator) -> None:
    assert isinstance(simulator, Simulator)
    frame = simulator.render(rich())
    assert (frame.frame_id, frame.width, frame.height) == ("test", 200, 64)
    assert frame.camera == CAMERA
    assert frame.origin is None
    assert frame.conditions == {"time_of_day": "day", "weather": "clear"}
    assert [o.category for o in frame.objects] == ["Car", "Pedestrian"]
    assert pixels(frame).shape == (64, 200, 3)
    assert frame.image is not None
    assert frame.image[:2] == b"\xff\xd8"
    png = simulator.render(rich(sensor=Sensor(jpeg_quality=0))).image
    assert png is not None
    assert png[:4] == b"\x89PNG"


PRINT_DIGEST = """
import sys
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.scene.records import Scene
from tests.sim_actors.simulators.opengl.test_renderer import digest
print(digest(OpenGLSimulator().render(Scene.from_json(sys.stdin.read()))))
"""


def test_same_bytes_in_another_process_and_after_other_scenes(simulator: OpenGLSimulator) -> None:
    wanted = rich(seed=77, environment=Environment(weather="rain", wetness=0.7, haze=0.01))
    run = subprocess.run(
        [sys.executable, "-c", PRINT_DIGEST], input=wanted.to_json(), capture_output=True, text=True,
        check=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    night = Environment(hour=23.0, weather="snow", snow=0.5)
    simulator.render(rich(seed=1, environment=night, family="standin", width=96, height=80))
    assert digest(simulator.render(wanted)) == run.stdout.strip()
    assert digest(simulator.render(replace(wanted, seed=78))) != run.stdout.strip()


def test_another_thread_is_refused(simulator: OpenGLSimulator) -> None:
    before = digest(simulator.render(rich()))
    caught: list[BaseException] = []

    def work() -> None:
        try:
            simulator.render(rich())
        except RuntimeError as error:
            caught.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(caught) == 1
    assert "thread" in str(caught[0])
    assert digest(simulator.render(rich())) == before


def test_a_forked_child_is_refused(simulator: OpenGLSimulator) -> None:
    simulator.render(rich())
    child = os.fork()
    if child == 0:
        try:
            simulator.render(rich())
        except RuntimeError:
            os._exit(3)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3


def test_closed_and_two_at_once(simulator: OpenGLSimulator) -> None:
    before = digest(simulator.render(rich()))
    other = OpenGLSimulator(RendererSettings(supersampling=1, shadow_map=256))
    assert digest(other.render(rich())) != before
    other.close()
    other.close()
    with pytest.raises(RuntimeError, match="closed"):
        other.render(rich())
    assert digest(simulator.render(rich())) == before
    OpenGLSimulator().close()


def _resident_mib() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux's /proc")
def test_many_sizes_do_not_pile_up(simulator: OpenGLSimulator) -> None:
    def go(start: int, count: int) -> None:
        for k in range(start, start + count):
            simulator.render(rich(width=400 + 8 * k, height=160 + 4 * k))

    go(0, 8)
    before = _resident_mib()
    go(8, 12)  # about 12 MiB of framebuffers each, if they stayed
    assert _resident_mib() - before < 100
    assert simulator._device is not None
    assert len(simulator._device._targets.items) <= SIZES_KEPT


def test_what_it_cannot_stage_is_named(simulator: OpenGLSimulator) -> None:
    good = rich()
    assert simulator.supports(good) == []
    car, house = good.actors[0], good.props[0]
    flat, lost = replace(car.cuboid, height=0.0), replace(car.cuboid, x=float("nan"))
    hail = replace(good.environment, weather="hail")  # type: ignore[arg-type]
    cases = [
        (replace(good, family="clay"), "clay"),
        (
            replace(good, actors=(replace(car, category="Unicorn"),)),
            "[0].category: no body for 'Unicorn'",
        ),
        (replace(good, actors=(replace(car, model="hovercraft"),)), "actors[0].model: no Car 'hovercraft'"),
        (replace(good, actors=(replace(car, cuboid=flat),)), "actors[0].cuboid"),
        (replace(good, actors=(replace(car, cuboid=lost),)), "actors[0].cuboid"),
        (replace(good, props=(replace(house, kind="volcano"),)), "props[0].kind: input should be 'building'"),
        (replace(good, props=(replace(house, height=0.0),)), "props[0]"),
        (
            replace(good, environment=hail),
            "environment.weather: input should be 'clear', 'overcast', 'fog', 'rain' or 'snow', found 'hail'",
        ),
        (replace(good, environment=Environment(hour=24.0)), "environment.hour"),
        (
            replace(good, road=Road(surface="lava")),
            "road.surface: input should be 'asphalt', 'concrete' or 'gravel', found 'lava'",
        ),
        (replace(good, sensor=Sensor(jpeg_quality=101)), "sensor.jpeg_quality"),
        (replace(good, width=0), "width: input should be greater than or equal to 1, found 0"),
        (replace(good, camera=replace(CAMERA, fx=0.0)), "camera"),
    ]
    for bad, message in cases:
        (reason,) = simulator.supports(bad)
        assert message in reason
        with pytest.raises(UserError, match="'test' cannot be staged"):
            simulator.render(bad)


def test_real_categories_have_bodies_in_both_families() -> None:
    names = ["Car", "Van", "Truck", "Tram", "Pedestrian", "Person_sitting", "Cyclist", "Misc"]
    names += ["vehicle", "person", "bicycle", "bus"]
    for family in FAMILIES.values():
        assert all(bodies_of(family, name) for name in names)
        assert family.bodies.keys() == FAMILIES["simulator"].bodies.keys()
        assert family.props.keys() == FAMILIES["simulator"].props.keys()
    assert all(CATALOG[name.lower()] for name in names)
    ours = FAMILIES["simulator"]
    assert bodies_of(ours, " PERSON sitting") == bodies_of(ours, "person_sitting")
    assert not bodies_of(ours, "unicorn")


def test_small_and_hidden_objects_are_to_be_ignored(simulator: OpenGLSimulator) -> None:
    far = simulator.render(scene(actor("Pedestrian", 0.0, 250.0))).objects
    assert [o.ignore for o in far] in ([True], [])
    near = simulator.render(scene(actor("Pedestrian", 0.0, 12.0))).objects
    assert [o.ignore for o in near] == [False]
    half = scene(actor("Car", 0.0, 20.0), replace(actor("Truck", 4.0, 12.0), labelled=False))
    strict = OpenGLSimulator(RendererSettings(ignore_occlusion_above=0.1))
    assert [o.ignore for o in simulator.render(half).objects] == [False]
    assert [o.ignore for o in strict.render(half).objects] == [True]
    strict.close()


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_pictures_follow_light_and_weather(simulator: OpenGLSimulator, family: str) -> None:
    def mean(**environment: object) -> float:
        e = Environment(**environment)  # type: ignore[arg-type]
        return float(pixels(simulator.render(rich(family=family, environment=e))).mean())

    day, dusk, night = (mean(hour=h) for h in (13.0, 18.2, 23.0))
    assert 80 < day < 190
    assert night < dusk < day
    assert 4 < night < 60
    bare, covered = (rich(family=family, environment=Environment(weather="snow", snow=s)) for s in (0.0, 0.9))
    assert pixels(simulator.render(covered))[48:].mean() > pixels(simulator.render(bare))[48:].mean() + 25
    clear = rich(family=family)
    foggy = rich(family=family, environment=Environment(weather="fog", haze=0.08))
    assert pixels(simulator.render(foggy)).std() < 0.7 * pixels(simulator.render(clear)).std()
    for hour, name in ((13.0, "day"), (18.0, "dusk"), (5.8, "dusk"), (2.0, "night")):
        frame = simulator.render(rich(environment=Environment(hour=hour)))
        assert frame.conditions is not None
        assert frame.conditions["time_of_day"] == name


def test_a_body_throws_a_shadow_on_the_sunless_side(simulator: OpenGLSimulator) -> None:
    road = Road(lanes=12, markings=False, sidewalk=0.0)
    empty = scene(environment=Environment(hour=9.0, sun_azimuth=1.57), road=road)
    car = replace(empty, actors=(actor("Van", 0.0, 12.0),))
    change = pixels(simulator.render(car)).mean(axis=2) - pixels(simulator.render(empty)).mean(axis=2)
    (label,) = simulator.render(car).objects
    ground = slice(int(label.box.y2) - 5, int(label.box.y2) + 1)
    left = change[ground, int(label.box.x1) - 12 : int(label.box.x1) - 3].mean()
    right = change[ground, int(label.box.x2) + 3 : int(label.box.x2) + 12].mean()
    assert left < -10  # the sun stands to the right
    assert abs(right) < 3


def test_the_families_differ(simulator: OpenGLSimulator) -> None:
    ours, theirs = (pixels(simulator.render(rich(family=f))) for f in ("simulator", "standin"))
    assert np.abs(ours - theirs).mean() > 10


def test_a_missing_library_is_named_at_start(monkeypatch: pytest.MonkeyPatch) -> None:
    reason = preflight.problem("libNoSuchEGL.so.1")
    assert reason is not None
    monkeypatch.setattr(preflight, "problem_here", lambda: reason)
    with pytest.raises(UserError, match="libegl1"):
        OpenGLSimulator().render(rich())


def test_preflight_runs_on_the_standard_library_alone() -> None:
    def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        script = str(ROOT / "sim_actors" / "simulators" / "opengl" / "preflight.py")
        command = [sys.executable, "-I", "-S", script, *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **env})

    fine = run()
    assert fine.returncode == 0
    missing = run("libNoSuchEGL.so.1")
    assert missing.returncode == 1
    assert "Debian package libegl1" in missing.stdout
    assert "sudo apt-get install libegl1 libgl1-mesa-dri" in missing.stdout
    assert missing.stdout.count("\n") == 1
    driverless = run(__EGL_VENDOR_LIBRARY_FILENAMES="/nonexistent.json")
    assert driverless.returncode == 1
    assert "libgl1-mesa-dri" in driverless.stdout
