"""Scenes staged in a stand-in for CARLA's world: their truth, and what goes wrong on the way.

The stand-in's pictures and ids are the embedded renderer's, so that what that says of a scene itself is what
has to come back.
"""

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.data.images import load_frame_image
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.projection import iou
from sim_actors.scene.records import Actor, Environment, Scene, Sensor
from sim_actors.simulators.carla.leases import OURS, Taken
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.contract import checked_frame

carla = pytest.importorskip("carla", reason="CARLA's Python client is not installed")
standin = pytest.importorskip("tests.sim_actors.simulators.carla.standin")
Stage = pytest.importorskip("sim_actors.simulators.carla.town.stage").Stage

SENSOR = Sensor(noise=0, read_noise=0, blur=0, vignette=0, jpeg_quality=0, aberration=0, bloom=0)
HATCH, LIMOUSINE, VAN, TRUCK = (3.9, 1.64, 1.54), (5.2, 1.96, 1.48), (5.2, 1.92, 2.2), (9.0, 2.6, 3.4)
WALKER = (0.82, 0.64, 1.77)


def actor(category, size, x, z, yaw, **more):
    return Actor(category, Cuboid(x, 1.5, z, *size, yaw), (0.6, 0.02, 0.02), **more)


def scene(*actors, cx=160.0, cy=96.0, pitch=0.0, **more):
    return Scene(
        "s", 320, 192, Camera(200.0, 200.0, cx, cy, 1.5, pitch), actors, sensor=SENSOR,
        environment=more.pop("environment", Environment(weather="overcast")), **more
    )  # fmt: skip


MARK = f"{OURS}@here#ours"


@pytest.fixture
def staged(monkeypatch):
    """A stage in a new world, where what is named goes wrong."""
    made = []

    def start(*faults, **options):
        monkeypatch.setattr(standin, "FAULTS", frozenset(faults))
        standin.WORLD.clear()
        settings = CarlaSettings(**{"settle_ticks": 0, "timeout_s": 0.5} | options)
        made.append(Stage(standin, settings, "127.0.0.1:2000", "0.9.16", MARK))
        return made[-1]

    yield start
    for one in made:
        one.close()


BUSY = scene(
    actor("car", HATCH, -3.2, 10, 0.4),
    actor("truck", TRUCK, 2.4, 19, -1.5),
    actor("van", VAN, 1.6, 12, 2.8),
    actor("pedestrian", WALKER, -1.2, 7, 1.0),
    actor("car", LIMOUSINE, -5.5, 7, -1.2),  # cut by the left border
    actor("car", HATCH, 4.9, 6.5, 0.1),  # and by the right one
)


@pytest.mark.parametrize("camera", [(160.0, 96.0), (201.3, 60.2), (95.5, 130.0)])
def test_the_truth_is_what_the_embedded_simulator_says_of_the_same_scene(staged, camera):
    one = scene(*BUSY.actors, cx=camera[0], cy=camera[1])
    frame = checked_frame(staged().render(one), one, "carla")
    expected = standin.renderer().render(one.replace(camera=frame.camera))
    assert [obj.category for obj in frame.objects] == [obj.category for obj in expected.objects]
    assert len(frame.objects) == 6
    for ours, theirs in zip(frame.objects, expected.objects):
        assert iou(ours.visible_box, theirs.visible_box) > 0.97
        assert iou(ours.amodal_box, theirs.amodal_box) > 0.97
        assert ours.occlusion == pytest.approx(theirs.occlusion, abs=0.02)
        assert ours.truncation == pytest.approx(theirs.truncation, abs=0.02)
        assert ours.occlusion_level == theirs.occlusion_level
        for name in Cuboid.__slots__:
            assert getattr(ours.cuboid, name) == pytest.approx(getattr(theirs.cuboid, name), abs=2e-3)
    assert max(obj.occlusion for obj in frame.objects) > 0.2
    assert max(obj.truncation for obj in frame.objects) > 0.2
    apart = np.abs(load_frame_image(frame).astype(int) - load_frame_image(expected).astype(int))
    assert (apart.max(axis=-1) > 8).mean() < 0.02


def test_what_reaches_far_out_of_the_picture_is_seen_in_larger_pixels(staged, monkeypatch):
    monkeypatch.setattr("sim_actors.simulators.carla.town.lens._WIDE_PX", 400)
    one = scene(actor("truck", TRUCK, -6.5, 7.5, 0.9), actor("car", HATCH, 4.2, 5.0, 1.2))
    frame = checked_frame(staged().render(one), one, "carla")
    expected = standin.renderer().render(one)
    for ours, theirs in zip(frame.objects, expected.objects, strict=True):
        assert theirs.truncation > 0.3
        assert ours.truncation == pytest.approx(theirs.truncation, abs=0.03)
        assert iou(ours.amodal_box, theirs.amodal_box) > 0.95


def test_a_camera_that_looks_down_sees_the_same_boxes(staged):
    from sim_actors.scene.ground import ground_y

    one = scene(pitch=0.12)
    cars = [(-2.0, 9.0, 0.5), (1.5, 12.0, -1.4)]
    one = one.replace(
        actors=tuple(Actor("car", Cuboid(x, ground_y(one.camera, z), z, *HATCH, yaw)) for x, z, yaw in cars)
    )
    frame = checked_frame(staged().render(one), one, "carla")
    expected = standin.renderer().render(one)
    for ours, theirs in zip(frame.objects, expected.objects, strict=True):
        # A body in CARLA stands upright; the embedded one leans with the camera.
        assert iou(ours.amodal_box, theirs.amodal_box) > 0.8
        assert (ours.cuboid.x, ours.cuboid.y, ours.cuboid.z) == pytest.approx(
            (theirs.cuboid.x, theirs.cuboid.y, theirs.cuboid.z), abs=2e-3
        )


def test_the_bodys_own_size_and_the_grounds_own_height_are_the_label(staged):
    one = scene(Actor("car", Cuboid(0.5, 1.35, 10, 4.2, 1.7, 1.5, -1.0)))
    (label,) = checked_frame(staged().render(one), one, "carla").objects
    c = label.cuboid
    assert (c.length, c.width, c.height) == pytest.approx(HATCH, abs=1e-3)
    assert (c.x, c.y, c.z, c.yaw) == pytest.approx((0.5, 1.5, 10, -1.0), abs=1e-3)


def test_what_is_not_to_be_labelled_hides_and_has_no_label(staged):
    one = scene(actor("van", VAN, 0.3, 8, 0.0, labelled=False), actor("car", HATCH, 4.2, 14, 0.0))
    (label,) = checked_frame(staged().render(one), one, "carla").objects
    assert label.category == "car"
    assert 0.2 < label.occlusion < 0.8


def test_what_nobody_sees_has_no_label(staged):
    one = scene(actor("car", HATCH, 40.0, 9, 0.0), actor("truck", TRUCK, 0.0, 14, 0.0))
    frame = staged().render(one)
    assert [obj.category for obj in frame.objects] == ["truck"]


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (standin.World, [carla.World]),
        (standin.Client, [carla.Client]),
        (standin.Library, [carla.BlueprintLibrary]),
        (standin.Blueprint, [carla.ActorBlueprint]),
        (standin.Thing, [carla.Sensor, carla.Walker, carla.Vehicle]),
        (standin.SpawnActor, [carla.command.SpawnActor]),
    ],
)
def test_the_stand_in_has_carlas_own_methods(ours, theirs):
    """That it has no method that CARLA lacks, and that what is a method is one there."""
    own = {name for name, value in vars(ours).items() if callable(value) and not name.startswith("_")}
    assert own
    for name in own - {"spawned"}:
        kinds = [type(getattr(one, name)).__name__ for one in theirs if hasattr(one, name)]
        assert kinds, name
        assert set(kinds) == {"function"}, name


def test_the_stand_ins_values_are_carlas_properties():
    expected = {
        carla.Actor: ("id", "type_id", "attributes", "bounding_box", "semantic_tags"),
        carla.ActorBlueprint: ("id",),
        carla.command.Response: ("actor_id", "error"),
        carla.Image: ("frame", "transform", "width", "height", "raw_data"),
        carla.LabelledPoint: ("location", "label"),
        carla.EnvironmentObject: ("id",),
        carla.Map: ("name",),
    }
    for kind, names in expected.items():
        for name in names:
            assert isinstance(getattr(kind, name), property), (kind, name)
    for kind, names in {
        carla.Walker: ("get_pose_from_animation", "show_pose"),
        carla.Vehicle: ("set_light_state",),
        carla.Map: ("get_spawn_points",),
        carla.ActorAttribute: ("as_str",),
    }.items():
        for name in names:
            assert type(getattr(kind, name)).__name__ == "function", (kind, name)


def test_the_commands_are_made_as_carla_takes_them():
    command = carla.command
    assert command.ApplyTransform(5, carla.Transform()).actor_id == 5
    assert command.DestroyActor(5).actor_id == 5
    assert command.SetSimulatePhysics(command.FutureActor, False).enabled is False
    lamp = carla.VehicleLightState
    assert int(lamp(lamp.Position | lamp.LowBeam)) == 3


def test_a_camera_that_does_not_see_at_once_is_waited_for(staged, monkeypatch):
    monkeypatch.setattr("sim_actors.simulators.carla.town.stage._OPENING_S", 0.0)
    assert staged("deaf").render(BUSY).objects == staged().render(BUSY).objects
    with pytest.raises(UserError, match=r"sensor.camera.rgb, .* gave no picture in 20 ticks"):
        staged("blind").render(BUSY)


def test_late_pictures_are_passed_over(staged):
    one = scene(actor("car", HATCH, -1.0, 9, 0.4))
    other = scene(actor("van", VAN, 2.0, 9, 0.4))
    right = staged().render(one)
    late = staged("stale")
    late.render(other)
    again = late.render(one)
    assert again.objects == right.objects
    assert again.image == right.image


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (
            "never",
            r"no picture of tick \d+ by sensor.camera.rgb within 0.5 s .*: the last that came is of tick",
        ),
        ("shaken", r"sensor.camera.rgb was at \(.*\) in tick \d+, and was put at \("),
        ("drift", r"does not hold still: actor \d+ \(vehicle.small.hatch\) is 0.30 m from where it was put"),
        ("stranger", r"px within \(.*\) show a road user that was not staged"),
        ("engine ids", r"show a road user that was not staged.*or the ids are not the actors'"),
    ],
)
def test_what_goes_wrong_is_a_sentence_and_leaves_nothing_in_the_world(staged, fault, said):
    stage = staged(fault)
    with pytest.raises(UserError, match=said):
        stage.render(scene(actor("car", HATCH, -1.0, 9, 0.4)))
    assert not [t for t in standin.WORLD[0].things.values() if t.type_id == "vehicle.small.hatch" and ours(t)]


def ours(thing):
    return thing.attributes.get("role_name") == OURS


def test_a_spawn_that_fails_is_told(staged):
    with pytest.raises(UserError, match=r"cannot spawn vehicle.*: Spawn failed because of collision"):
        staged("no room")
    assert standin.WORLD[0].settings == (False, None, False)


def test_one_blueprint_that_cannot_be_spawned_is_left_out(staged):
    stage = staged("no truck")
    (reason,) = stage.reasons(scene(actor("truck", TRUCK, 0, 20, 0)))
    assert reason == (
        "actors[0].category: no truck can be labelled: CARLA cannot spawn vehicle.box.truck, or the box "
        "that it gives is empty"
    )
    assert stage.reasons(scene(actor("van", VAN, 0, 20, 0))) == []


def test_what_a_dead_worker_left_is_cleared_away_and_its_clock_runs_again_afterwards(staged):
    stage = staged("leftovers")
    world = standin.WORLD[0]
    assert [t.attributes["role_name"] for t in world.things.values() if "gnss" in t.type_id] == [MARK]
    assert world.settings[0] is True
    assert world.hidden == {914}  # the map's own cars
    assert world.frozen
    one = scene(actor("car", HATCH, -1.0, 9, 0.4))
    assert len(stage.render(one).objects) == 1
    stage.close()
    assert [thing.type_id for thing in world.things.values()] == ["spectator"]
    assert world.settings == (False, None, False)
    assert world.hidden == set()
    assert not world.frozen
    assert world.weather == standin.WeatherParameters.ClearSunset


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("held elsewhere", "127.0.0.1:2000: a worker on elsewhere has it"),
        ("busy", "127.0.0.1:2000: another client is at work with it"),
    ],
)
def test_a_server_that_another_machine_has_is_left_alone(staged, fault, said):
    with pytest.raises(Taken, match=said):
        staged(fault)
    world = standin.WORLD[0]
    assert world.settings[0] is (fault == "busy")
    assert world.hidden == set()
    marks = [thing.attributes["role_name"] for thing in world.things.values() if "gnss" in thing.type_id]
    assert MARK not in marks


def test_cameras_are_kept_while_the_lens_is_the_same_and_actors_are_not(staged):
    stage = staged()
    world = standin.WORLD[0]
    stage.render(scene(actor("car", HATCH, -1.0, 9, 0.4)))
    kept = {thing.id for thing in world.things.values() if ours(thing)}
    stage.render(scene(actor("van", VAN, 1.0, 12, 0.4)))
    assert {thing.id for thing in world.things.values() if ours(thing)} == kept
    assert all(world.things[number].type_id.startswith("sensor") for number in kept)
    assert not any(world.things[number].listener for number in kept)
    stage.render(scene(actor("van", VAN, 1.0, 12, 0.4), cx=150.0))
    assert not kept & set(world.things)


def test_lamps_paint_and_poses_are_the_scenes(staged):
    lit = actor("car", HATCH, -1.0, 9, 0.4, lights=True)
    one = scene(
        lit, actor("pedestrian", WALKER, 1.0, 9, 0.0), environment=Environment(weather="rain", wetness=1)
    )
    staged().render(one)
    world = standin.WORLD[0]
    car, walker = [thing for thing in world.all.values() if thing.type_id in standin.BODIES][-2:]
    assert int(car.lamps) == 3  # position and low beam
    assert car.attributes["color"] == "203,39,39"
    assert walker.pose == "held as animated"
    assert not car.physics
    assert world.weather.precipitation > 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"environment": Environment(weather="snow")}, "environment: CARLA has no snow"),
        (
            {"actors": (actor("cyclist", (1.7, 0.6, 1.7), 0, 9, 0),)},
            "actors[0].category: no cyclist can be labelled",
        ),
        (
            {"actors": (actor("tram", (15, 2.4, 3.5), 0, 30, 0),)},
            "actors[0].category: CARLA stages no 'tram'",
        ),
        ({"camera": Camera(200, 210, 160, 96, 1.5, 0)}, "camera: CARLA's pixels are square"),
    ],
)
def test_what_carla_lacks_is_told_before_anything_is_rendered(staged, changes, said):
    stage = staged()
    one = scene(actor("car", HATCH, 0, 9, 0)).replace(**changes)
    (reason,) = stage.reasons(one)
    assert said in reason
    with pytest.raises(UserError, match="cannot be staged"):
        stage.render(one)


def test_an_unknown_map_or_camera_attribute_is_told(staged):
    with pytest.raises(UserError, match=r"no map 'Town10HD'; did you mean 'Town10HD_Opt'\?"):
        staged(town="Town10HD")
    with pytest.raises(UserError, match=r"has no attribute 'shuter_speed'"):
        staged(camera={"shuter_speed": "100"}).render(scene())
