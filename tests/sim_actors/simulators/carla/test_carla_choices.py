"""Which body, which place and which sky a scene gets in CARLA."""

from types import SimpleNamespace

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.records import Actor, Environment, Scene
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.carla.town.bodies import body_for, catalog, measured, names, srgb
from sim_actors.simulators.carla.town.geometry import Body
from sim_actors.simulators.carla.town.places import Standing, Town, standing
from sim_actors.simulators.carla.town.sky import weather

carla = pytest.importorskip("carla", reason="CARLA's Python client is not installed")
standin = pytest.importorskip("tests.sim_actors.simulators.carla.standin")

SMALL = Body("vehicle.small", 3.7, 1.7, 1.5, (0, 0, 0.75))
ALIKE = Body("vehicle.alike", 3.8, 1.75, 1.52, (0, 0, 0.75))
LARGE = Body("vehicle.large", 5.2, 2.0, 1.5, (0, 0, 0.75))
CARS = {"car": [SMALL, ALIKE, LARGE], "cyclist": []}
NO_BOX = {"cyclist": ["vehicle.bike"]}


def car(length=3.7, width=1.7, height=1.5, **more):
    return Actor(more.pop("category", "car"), Cuboid(0, 1.5, 12, length, width, height, 0), **more)


def chosen(actor, tolerance=0.25):
    return body_for(actor, CARS, NO_BOX, tolerance)


def test_the_nearest_in_size_is_chosen():
    assert chosen(car(5.1, 2.0)) is LARGE
    assert chosen(car(3.7), tolerance=0.02) is SMALL


def test_one_that_is_nearly_as_near_is_chosen_by_the_seed_and_always_the_same():
    found = [chosen(car(seed=seed)) for seed in range(40)]
    assert {body.blueprint for body in found} == {"vehicle.small", "vehicle.alike"}
    assert found == [chosen(car(seed=seed)) for seed in range(40)]


def test_a_size_that_nothing_has_is_told_with_the_nearest():
    said = chosen(car(9.0, 2.5, 3.0))
    assert said == (
        "cuboid: no car of 9.00 x 2.50 x 3.00 m; the nearest is vehicle.large with 5.20 x 2.00 x 1.50 m, "
        "more than 25% off (simulate.options.size_tolerance)"
    )


def test_a_model_is_a_blueprint():
    assert chosen(car(4.4, model="vehicle.large")) is LARGE
    said = chosen(car(model="vehicle.smal"))
    assert said == "model: no car 'vehicle.smal'; did you mean 'vehicle.small'?"


def test_other_words_for_a_category_are_understood():
    assert isinstance(chosen(car(category="Vehicle")), Body)
    assert chosen(car(category="tram")) == "category: CARLA stages no 'tram'; it stages car"


def test_two_wheelers_whose_box_is_empty_are_told_so():
    assert chosen(car(category="rider")) == (
        "category: no rider can be labelled: CARLA cannot spawn vehicle.bike, or the box that it "
        "gives is empty"
    )


@pytest.mark.parametrize(
    ("extent", "location"),
    [
        ((0.8, 0.0, 0.9), (0, 0, 0)),
        ((2, 1, float("nan")), (0, 0, 0)),
        ((2, 1, 125), (0, 0, 0)),
        ((2, 1, 1), (0, 0, 250)),
    ],
)
def test_a_box_that_cannot_be_true_is_no_body(extent, location):
    assert measured(carla.BoundingBox(carla.Location(*location), carla.Vector3D(*extent)), "it") is None


def test_a_body_is_its_bounding_box():
    box = carla.BoundingBox(carla.Location(0.5, 0, 0.75), carla.Vector3D(2, 1, 0.75))
    assert measured(box, "it") == Body("it", 4, 2, 1.5, (0.5, 0, 0.75))


def test_categories_are_carlas_base_types_and_its_walkers():
    found = {
        name: [one.id for one in some] for name, some in catalog(standin.library(), {}, "0.9.16").items()
    }
    assert found["car"] == ["vehicle.large.limousine", "vehicle.small.hatch"]
    assert found["cyclist"] == ["vehicle.empty.bicycle"]
    assert found["pedestrian"] == ["walker.pedestrian.0001"]
    assert {"person", "rider", "pedestrian"} <= names(found)


def test_from_0_10_on_there_are_no_pedestrians_since_its_instance_camera_does_not_show_them():
    assert "pedestrian" not in catalog(standin.library(), {}, "0.10.0")


def test_blueprints_can_be_chosen():
    found = catalog(standin.library(), {"Traffic cone": ("static.prop.c*",)}, "0.9.16")
    assert [one.id for one in found["traffic_cone"]] == ["static.prop.cone"]
    with pytest.raises(UserError, match=r"blueprints: car: CARLA has no blueprint 'vehicle.small.hatchback'"):
        catalog(standin.library(), {"car": ("vehicle.small.hatchback",)}, "0.9.16")


def test_a_linear_colour_is_written_as_srgb():
    assert srgb((0.0, 1.0, 0.2140)) == "0,255,127"


# --- places ---


class Map:
    """A town in which `hits(x, y)` says what a ray straight down meets: height and label."""

    def __init__(self, hits, points=((0.0, 0.0, 0.0),)):
        self.hits, self.points, self.rays = hits, points, 0

    def get_map(self):
        made = [
            carla.Transform(carla.Location(x, y, 0.3), carla.Rotation(yaw=yaw)) for x, y, yaw in self.points
        ]
        return SimpleNamespace(get_spawn_points=lambda: made)

    def cast_ray(self, start, end):
        self.rays += 1
        return [
            SimpleNamespace(location=carla.Location(start.x, start.y, z), label=label)
            for z, label in self.hits(start.x, start.y)
            if end.z <= z <= start.z
        ]


ROAD, WALL, TRIGGER = carla.CityObjectLabel.Roads, carla.CityObjectLabel.Walls, carla.CityObjectLabel.NONE


def scene(*actors, seed=0):
    return Scene("s", 240, 144, Camera(150, 150, 120, 72, 1.5, 0.0), actors, seed=seed)


def found(world, one, places=(), tries=20, tolerance=0.3):
    town = Town(carla, world, places)
    return standing(town, one, [1.5] * len(one.actors), tries, tolerance)


def test_actors_stand_on_the_ground_that_is_under_them():
    world = Map(lambda x, y: [(0.2 if x > 10 else 0.0, ROAD), (1.0, TRIGGER)])
    where = found(world, scene(car()), places=((0.0, 0.0, 0.0),))
    assert isinstance(where, Standing)
    assert where.camera[:3] == pytest.approx((0, 0, 1.5))
    assert where.grounds == pytest.approx((0.2,))


def test_a_step_that_is_too_high_is_told():
    world = Map(lambda x, y: [(0.8 if x > 10 else 0.0, ROAD)])
    said = found(world, scene(car()), places=((0.0, 0.0, 0.0),))
    assert "the ground under actors[0] (car) is +0.80 m off its cuboid" in said


def test_a_wall_where_an_actor_is_to_stand_is_told():
    world = Map(lambda x, y: [(0.0, ROAD), *([(1.0, WALL)] if x > 10 else [])])
    assert "Walls stand where actors[0] (car) does" in found(world, scene(car()), places=((0.0, 0.0, 0.0),))


def test_a_bridge_above_or_a_tunnel_below_is_not_the_ground():
    world = Map(lambda x, y: [(5.5, ROAD), (0.0, ROAD), (-4.0, ROAD)])
    where = found(world, scene(car()))
    assert where.grounds == pytest.approx((0.0,))


def test_no_ground_is_told():
    world = Map(lambda x, y: [(0.0, ROAD)] if x < 10 else [])
    said = found(world, scene(car()), places=((0.0, 0.0, 0.0),))
    assert "there is no ground under actors[0] (car)" in said


def test_spawn_points_with_something_on_the_road_ahead_are_passed_over_for_every_scene():
    blocked = lambda x, y: [(0.0, ROAD), *([(1.0, WALL)] if 5 < x < 22 else [])]  # noqa: E731
    points = ((0.0, 0.0, 0.0), (100.0, 0.0, 0.0))
    for seed in range(6):
        where = found(Map(blocked, points), scene(seed=seed))
        assert where.camera.x == 100
    assert "the road ahead is flat and free" in found(Map(blocked, points[:1]), scene())


def test_the_seed_draws_the_place():
    points = tuple((100.0 * index, 0.0, 0.0) for index in range(10))
    flat = Map(lambda x, y: [(0.0, ROAD)], points)
    drawn = [found(flat, scene(seed=seed)).camera.x for seed in range(20)]
    assert len(set(drawn)) > 4
    assert drawn == [found(flat, scene(seed=seed)).camera.x for seed in range(20)]


@pytest.mark.parametrize("tries", [1, 4])
def test_no_more_places_are_tried_than_the_settings_say(tries):
    points = tuple((100.0 * index, 0.0, 0.0) for index in range(10))
    world = Map(lambda x, y: [(0.0, ROAD), *([(1.0, WALL)] if y > 3 else [])], points)
    said = found(world, scene(Actor("car", Cuboid(4, 1.5, 12, 4, 1.8, 1.5, 0))), tries=tries)
    assert "stand where actors[0]" in said
    assert world.rays == tries * (1 + 9 + 1)  # the ground, the road ahead, and under the actor


# --- the sky ---


def test_weather_is_what_carla_takes():
    fields = weather(Environment(weather="rain", wetness=0.5, hour=12.0, sun_azimuth=np.pi / 2), 30.0, 5.0)
    made = carla.WeatherParameters(**fields)
    assert made.precipitation > 0
    assert made.wetness == 50
    assert made.sun_azimuth_angle == pytest.approx(125)
    assert made.sun_altitude_angle == pytest.approx(58)
    assert made.wind_intensity == 0


def test_night_is_below_the_horizon_and_fog_has_its_haze():
    assert weather(Environment(hour=23.0), 0.0, 0.0)["sun_altitude_angle"] < -10
    dense, thin = (weather(Environment(weather="fog", haze=h), 0, 0)["fog_density"] for h in (0.05, 0.01))
    assert (dense, thin) == pytest.approx((100, 20))


# --- settings ---


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"endpoints": "127.0.0.1:2000"}, r"it is a list, one host:port for each server"),
        ({"endpoints": ["127.0.0.1"]}, r"a server is named host:port"),
        ({"endpoints": ["here:70000"]}, r"a server is named host:port"),
        ({"endpoints": ["a:2000", "a:2002"]}, r"a:2000 and a:2002 overlap"),
        ({"endpoints": []}, r"at least 1 item"),
        ({"places": [[1, 2]]}, r"places"),
        ({"places": [[1, float("nan"), 2]]}, r"finite"),
        ({"camera": {"fov": 90}}, r"fov follows from the scene"),
        ({"size_tolerance": 1.5}, r"less than 1"),
        ({"ground_tolerance_m": 2}, r"less than or equal to 0.5"),
    ],
)
def test_wrong_options_are_told(options, said):
    with pytest.raises(ValueError, match=said):
        CarlaSettings.model_validate(options)


def test_options_are_taken_as_yaml_reads_them():
    settings = CarlaSettings.model_validate(
        {
            "endpoints": ["a:2000", "a:2003", "b:2000"],
            "places": [[1, 2.5, -90]],
            "camera": {"iso": 200, "enable_postprocess_effects": True},
            "blueprints": {"car": ["vehicle.tesla.*"]},
        }
    )
    assert settings.camera == {"iso": "200", "enable_postprocess_effects": "true"}
