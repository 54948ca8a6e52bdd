"""Scenes photographed in the stand-in for Unreal: the truth is the embedded renderer's, or an error."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from imitation.common.settings import UserError
from imitation.data.images import decode_image
from imitation.data.records import Camera, Cuboid, Frame
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import iou
from sim_actors.scene.records import Actor, Environment, Scene, Sensor
from sim_actors.simulators.contract import checked_frame
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings
from sim_actors.simulators.registry import SimulatorSpec, build_simulator
from sim_actors.simulators.unrealcv import pictures
from sim_actors.simulators.unrealcv.simulator import UnrealSimulator
from sim_actors.simulators.worker import SceneJob, SimulatorHost, decode_frame
from tests.sim_actors.simulators.unrealcv.fake_level import MANIFEST, Thing, World, _at
from tests.sim_actors.simulators.unrealcv.fake_unreal import FakeUnreal

CAMERA = Camera(180.0, 180.0, 108.2, 50.6, 1.5, 0.0)
SENSOR = Sensor(noise=0, read_noise=0, blur=0, vignette=0, bloom=0, aberration=0, jpeg_quality=0)


def spec(*servers: FakeUnreal, **options: object) -> SimulatorSpec:
    given = {"manifest": MANIFEST, "warm_frames": 0, "lease_timeout_s": 20.0, "request_timeout_s": 60.0}
    there = {"endpoints": [server.endpoint for server in servers]} if servers else {}
    return SimulatorSpec("unrealcv", given | there | options)


def built(*servers: FakeUnreal, **options: object) -> UnrealSimulator:
    return build_simulator(spec(*servers, **options))  # type: ignore[return-value]


def actor(
    category: str, model: str, x: float, z: float, yaw: float, camera: Camera = CAMERA, **more
) -> Actor:
    sizes = {
        "car": (4.4, 1.75, 1.4),
        "van": (5.0, 2.1, 2.2),
        "truck": (8, 2.5, 3),
        "pedestrian": (0.7, 0.6, 1.8),
    }
    return Actor(
        category, Cuboid(x, ground_y(camera, z), z, *sizes[category], yaw), (0.6, 0.1, 0.1), model, **more
    )


def scene(*actors: Actor, camera: Camera = CAMERA, name: str = "s", **more: object) -> Scene:
    light = Environment(weather="overcast", hour=12.5)
    return Scene(name, 240, 96, camera, actors, environment=light, sensor=SENSOR).replace(**more)


CAR = actor("car", "sedan", -1.8, 9, -1.2)


@pytest.fixture(scope="module")
def embedded() -> Iterator[OpenGLSimulator]:
    made = OpenGLSimulator(RendererSettings(supersampling=1, ignore_below_contrast=0))
    yield made
    made.close()


@pytest.fixture(scope="module")
def town() -> Iterator[tuple[FakeUnreal, UnrealSimulator]]:
    """One level for all tests: what one leaves in it, the next must not see."""
    with FakeUnreal() as server:
        simulator = built(server)
        yield server, simulator
        simulator.close()
        assert set(server.world.things) == {"FusionCamPawn_0", "BP_Weather", "Wall_1", "Parked_1"}


def agree(
    simulator: UnrealSimulator,
    embedded: OpenGLSimulator,
    staged: Scene,
    least: float = 0.95,
    shares: float = 0.03,
) -> Frame:
    """What it photographs has the embedded renderer's labels. Its camera is that of the scene but for a part
    of a pixel, by which the engine cannot move a picture."""
    found = checked_frame(simulator.render(staged), staged, "it")
    assert max(abs(found.camera.cx - staged.camera.cx), abs(found.camera.cy - staged.camera.cy)) <= 0.25
    expected = embedded.render(staged.replace(camera=found.camera))
    assert [o.category for o in found.objects] == [o.category for o in expected.objects]
    for ours, theirs in zip(found.objects, expected.objects):
        for name in ("box", "visible_box", "amodal_box"):
            assert iou(getattr(ours, name), getattr(theirs, name)) > least, (name, ours, theirs)
        assert ours.occlusion == pytest.approx(theirs.occlusion, abs=shares)
        assert ours.truncation == pytest.approx(theirs.truncation, abs=shares)
        assert (ours.cuboid, ours.ignore) == (theirs.cuboid, theirs.ignore)
    return found


STREET = (
    CAR,
    actor("van", "high_van", -0.6, 14, 0.4),  # half behind the car
    actor("car", "sedan", 4.3, 6.5, -1.5),  # cut by the border
    actor("pedestrian", "standing", 1.6, 9, 1.0),
    actor("truck", "box_truck", -9.5, 16, -1.5, labelled=False),
)


def test_boxes_and_shares_are_the_embedded_simulators(town, embedded):
    found = agree(town[1], embedded, scene(*STREET))
    assert len(found.objects) == 4
    assert found.objects[1].occlusion > 0.1
    assert found.objects[2].truncation > 0.1


def test_boxes_are_the_same_by_the_command_for_one_object(embedded):
    with FakeUnreal(World(plus=True)) as server:
        simulator = built(server)
        agree(simulator, embedded, scene(*STREET))
        simulator.close()
    asked = [command for command in server.asked if "oneobjmask" in command]
    assert len(asked) == 5, "one for each labelled actor, and one more for that at the border"


@pytest.mark.parametrize("pitch", [-0.05, 0.08])
def test_a_camera_that_does_not_look_level(town, embedded, pitch):
    camera = Camera(180.0, 180.0, 131.0, 40.5, 1.9, pitch)
    things = [actor("car", "sedan", x, z, yaw, camera) for x, z, yaw in ((-2, 9, 0.4), (2.2, 12, -1.3))]
    agree(town[1], embedded, scene(*things, camera=camera))


def test_what_runs_past_the_camera(town, embedded, monkeypatch):
    """It is far larger than the picture: seen at fewer pixels."""
    monkeypatch.setattr(pictures, "MOST_PX", 1024)
    staged = scene(actor("car", "sedan", 1.9, 2.6, -1.55))
    found = agree(town[1], embedded, staged, least=0.9, shares=0.1)
    assert found.objects[0].truncation > 0.6


def test_a_scene_is_the_same_after_another_one(town):
    simulator = town[1]
    first = simulator.render(scene(CAR, actor("car", "sedan", 2.0, 12, 0.2)))
    other = simulator.render(scene(actor("van", "high_van", 1, 9, 0.0), name="other"))
    assert [o.category for o in other.objects] == ["van"]
    assert simulator.render(scene(CAR, actor("car", "sedan", 2.0, 12, 0.2))) == first
    assert simulator.render(scene()).objects == ()


def test_what_stands_in_the_level_hides(town):
    """A wall that is in the mask, painted black; a hedge that is not, which the depth tells of."""
    server, simulator = town
    alone = simulator.render(scene(CAR)).objects[0]
    assert alone.occlusion == 0
    server.world.things["Wall_2"] = Thing("BP_Sedan_C", _at(4.0, -0.9, 120), colour=(0, 0, 0), tilts=True)
    walled = simulator.render(scene(CAR)).objects[0]
    assert walled.occlusion > 0.3
    assert iou(walled.amodal_box, alone.amodal_box) == 1
    server.world.things["Wall_2"].colour = None
    hedged = simulator.render(scene(CAR)).objects[0]
    assert hedged.occlusion == pytest.approx(walled.occlusion, abs=0.02)
    del server.world.things["Wall_2"]


def test_without_depth_what_the_mask_lacks_hides_nothing():
    with FakeUnreal() as server:
        server.world.things["Hedge"] = Thing("BP_Sedan_C", _at(4.0, -0.9, 120), tilts=True)
        simulator = built(server, depth=False)
        del server.world.things["Hedge"]  # it was painted at the start, as all that there was
        server.world.things["Hedge"] = Thing("BP_Sedan_C", _at(4.0, -0.9, 120), tilts=True)
        assert simulator.render(scene(CAR)).objects[0].occlusion == 0
        simulator.close()
        assert not any("depth" in command for command in server.asked)


def test_the_level_is_cleared_painted_and_set_up_at_the_start():
    with FakeUnreal() as server:
        server.world.things["imitation_car_sedan_3"] = Thing("BP_Sedan_C", colour=(51, 0, 0))
        simulator = built(server, exposure=1.5)
        assert "imitation_car_sedan_3" not in server.world.things
        assert {t.colour for t in server.world.things.values()} == {(0, 0, 0)}
        assert server.world.settings == {
            "exposure_method": "manual",
            "illumination": "lumen",
            "reflection": "lumen",
            "motion_blur": "0 0 0 0",
        }
        assert simulator.version.startswith("1/1.1.0/Town10/")
        light = Environment(weather="rain", hour=17.8, sun_azimuth=0.5)
        bright = scene(environment=light, sensor=replace(SENSOR, exposure=0.7), camera=CAMERA)
        found = simulator.render(bright)
        assert (server.world.weather, server.world.hour) == ("rain", 17.8)
        assert server.world.sun_yaw == pytest.approx(30 + 28.648, abs=0.01)
        assert server.world.settings["exposure_bias"] == "2.2000"
        assert found.conditions == {"time_of_day": "dusk", "weather": "rain"}
        assert decode_image(found.image, "it").shape == (96, 240, 3)
        simulator.close()


def test_a_plugin_that_does_not_say_what_it_knows():
    world = World()
    world.commands = [
        each for each in world.commands if "commands" not in each[0] and "version" not in each[0]
    ]
    with FakeUnreal(world) as server:
        simulator = built(server)
        assert simulator.version.startswith("1/Town10/")
        assert len(simulator.render(scene(CAR)).objects) == 1
        simulator.close()
        with pytest.raises(UserError, match=r"has no command oneobjmask"):
            built(server, amodal="oneobjmask")


def placed(folder: Path, *names: str) -> str:
    text = Path(MANIFEST).read_text().replace("spawn: BP_Sedan_C", f"placed: [{', '.join(names)}]")
    (folder / "placed.yaml").write_text(text)
    return str(folder / "placed.yaml")


def test_actors_that_stand_in_the_level(tmp_path, embedded):
    with FakeUnreal() as server:
        simulator = built(server, manifest=placed(tmp_path, "Parked_1"))
        agree(simulator, embedded, scene(CAR))
        (reason,) = simulator.supports(scene(CAR, actor("car", "sedan", 2, 12, 0)))
        assert "actors[1].category: all placed actors of car/sedan are taken" in reason
        simulator.close()
        assert "Parked_1" in server.world.things
        with pytest.raises(UserError, match=r"no actor 'Parked_9', which the manifest places as car/sedan"):
            built(server, manifest=placed(tmp_path, "Parked_9"))
        with pytest.raises(UserError, match=r"'Wall_1' .*is Static; set its mobility to Movable"):
            built(server, manifest=placed(tmp_path, "Wall_1"))


def test_a_class_that_the_level_has_not_loaded(tmp_path):
    (tmp_path / "m.yaml").write_text(Path(MANIFEST).read_text().replace("BP_Sedan_C", "BP_Coupe_C"))
    with FakeUnreal() as server:
        simulator = built(server, manifest=str(tmp_path / "m.yaml"))
        with pytest.raises(UserError, match=r"Can not find a class with name 'BP_Coupe_C'"):
            simulator.render(scene(CAR))
        simulator.close()


@pytest.mark.parametrize(
    ("staged", "message"),
    [
        (scene(Actor("tram", CAR.cuboid)), r"actors\[0\].category: the level has no 'tram'; it has car"),
        (scene(Actor("car", replace(CAR.cuboid, length=12.0))), "would be scaled by 2.61"),
        (scene(camera=replace(CAMERA, fy=200.0)), "fx 180 and fy 200; the engine's pixels are square"),
        (scene(camera=replace(CAMERA, cx=9000.0)), "a picture of 18000x"),
        (scene(*[CAR] * 220), "actors: 220; 215 can be told apart"),
    ],
)
def test_what_cannot_be_staged_is_refused_without_asking_the_engine(staged, message):
    simulator = UnrealSimulator(spec().settings())
    with pytest.raises(UserError, match=message):
        simulator.render(staged)


def test_without_a_sky_the_light_is_the_levels(tmp_path):
    text = Path(MANIFEST).read_text()
    begin, end = text.index("sky:"), text.index("actors:")
    (tmp_path / "m.yaml").write_text(text[:begin] + text[end:])
    simulator = UnrealSimulator(spec(manifest=str(tmp_path / "m.yaml")).settings())
    assert simulator.supports(scene(environment=Environment(weather="clear", hour=12.0))) == []
    rain, night = (
        simulator.supports(scene(environment=Environment(weather=weather, hour=hour)))
        for weather, hour in (("rain", 12.0), ("clear", 22.0))
    )
    assert rain == [
        "environment.weather: the level makes no rain, but clear, overcast (weathers of the manifest)"
    ]
    assert night == ["environment.hour: 22.0 lies outside of 7 to 19 (hours of the manifest)"]


def answering(wanted: str, act: Callable[[FakeUnreal, socket.socket, int], bool], times: int = 1):
    """A fault that acts on the first so many commands that contain a text."""
    left = [times]
    servers: list[FakeUnreal] = []

    def fault(connection: socket.socket, number: int, command: str) -> bool:
        if wanted in command and left[0]:
            left[0] -= 1
            return act(servers[0], connection, number)
        return False

    return fault, servers


def hangs_up(server: FakeUnreal, connection: socket.socket, number: int) -> bool:
    connection.shutdown(socket.SHUT_RDWR)
    return True


def shoves(server: FakeUnreal, connection: socket.socket, number: int) -> bool:
    server.world.pawn = (0.0, 0.0, 500.0)
    server.world.tick()  # seen before the picture that was asked for
    return False


def small(server: FakeUnreal, connection: socket.socket, number: int) -> bool:
    server.world.size = (64, 48)
    return False


def scribbles(server: FakeUnreal, connection: socket.socket, number: int) -> bool:
    body = b"%d:\x89PNG\r\n garbage" % number
    connection.sendall(b"\xc1\x83\x2b\x9e" + len(body).to_bytes(4, "little") + body)
    return True


@pytest.mark.parametrize(
    ("wanted", "act", "message"),
    [
        ("object_mask", hangs_up, "closed the connection instead of answering|the connection broke"),
        ("depth", shoves, "something else moves it, such as a second client"),
        ("/lit", small, r"answered 64x48 px, though the camera's size was set to 264x101"),
        ("/lit", scribbles, "unreadable image|not a JPEG or PNG"),
    ],
)
def test_what_goes_wrong_costs_its_scene_alone(wanted, act, message):
    fault, servers = answering(wanted, act)
    with FakeUnreal(fault=fault) as server:
        servers.append(server)
        host = SimulatorHost(spec(server))
        assert host.start().error is None
        answers = [host.render(SceneJob(scene(CAR, name=name))) for name in ("one", "two")]
        host.close()
        assert server.served == 2, "another lease, and a cleared level"
    assert answers[1].error is None
    (found,) = decode_frame(answers[1].payload).objects
    assert found.category == "car"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(answers[0].error)


def test_an_engine_that_is_gone_is_replaced_by_another():
    with FakeUnreal() as spare:
        with FakeUnreal() as first:
            host = SimulatorHost(spec(first, lease_timeout_s=0.5))
            assert host.start().error is None
        gone = host.render(SceneJob(scene(name="one")))
        again = host.render(SceneJob(scene(name="two")))
        host.close()
        assert "UnrealCV at" in gone.error
        assert "no Unreal of simulate.options.endpoints is free within 0.5 s" in again.error
        other = SimulatorHost(spec(first, spare))
        assert other.start().error is None
        assert other.render(SceneJob(scene(name="three"))).error is None
        other.close()


def test_a_camera_that_something_holds():
    class Held(World):
        def tick(self) -> None:
            self.sensor = (1.0, 2.0, 3.0, 0.0, 10.0, 0.0)

    with FakeUnreal(Held()) as server:
        simulator = built(server)
        with pytest.raises(UserError, match=r"camera 0 does not stay where it is put: asked for .* it is at"):
            simulator.render(scene())
        simulator.close()


def test_it_can_be_closed_twice_and_not_used_then():
    with FakeUnreal() as server:
        simulator = built(server)
        simulator.close()
        simulator.close()
        with pytest.raises(RuntimeError, match="is closed"):
            simulator.render(scene())
