"""Places, roads and traffic of free scenes; flying distractors."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from imitation.data.records import Cuboid
from sim_actors.randomization.distractors import draw_distractors
from sim_actors.randomization.free_scene import FreeSettings, Mix, free_scene
from sim_actors.randomization.perturb import RandomizeSettings, perturb
from sim_actors.randomization.scenarios import SCENARIOS, Scenario, draw_road, draw_scenario
from sim_actors.scene.footprint import Footprint, overlaps, overlaps_any
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Scene
from sim_actors.scene.roads import beside, road_yaw, to_road, wrap
from tests.sim_actors.scenes import KITTI, SIZE, overlapping, seeds

EVERY = ("Car", "Van", "Truck", "Pedestrian", "Cyclist", "Tram", "Misc")


def only(scenario: Scenario, **fields: object) -> FreeSettings:
    return FreeSettings(scenarios={scenario: 1.0}, **fields)  # type: ignore[arg-type]


def free(
    seed: int, config: FreeSettings, mix: Mix | None = None, ranges: RandomizeSettings | None = None
) -> Scene:
    return free_scene(
        ranges or RandomizeSettings(), scene_id="f", seed=seed, camera=KITTI, width=SIZE[0], height=SIZE[1],
        categories=EVERY, convention="amodal_clipped", free=config, mix=mix,
    )  # fmt: skip


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_place_holds_together(scenario: Scenario) -> None:
    for seed in range(12):
        scene = free(seed, only(scenario))
        assert scene == free(seed, only(scenario))
        assert Scene.from_json(scene.to_json()) == scene
        assert overlapping(scene) == set()
        marks = [Footprint.of(prop) for prop in scene.props]
        assert not any(overlaps(a, b) for k, a in enumerate(marks) for b in marks[:k])
        for mark in marks:
            assert min(beside(scene.road, *to_road(scene.road, x, z)) for x, z in mark.corners()) > -1e-6


def test_roads_are_what_their_places_ask_for() -> None:
    rng, config = np.random.default_rng(3), FreeSettings()
    roads = {s: [draw_road(rng, config, s) for _ in range(60)] for s in SCENARIOS}
    assert all(road.median > 0 and road.shoulder > 1 and road.sidewalk == 0 for road in roads["motorway"])
    assert all(road.junction > 0 and road.curvature == 0 for road in roads["junction"])
    assert all(road.sidewalk > 1 for road in roads["residential"])
    assert {road.kind for road in roads["rural"]} == {"rural"}
    for scenario, drawn in roads.items():
        bends = np.array([road.curvature for road in drawn])
        assert np.abs(bends).max() <= config.curvature[scenario]
        if scenario != "junction":
            assert bends.min() < 0 < bends.max()
        for road in drawn:  # the camera drives in a lane on the right, or in any of a motorway's
            across = to_road(road, 0.0, 0.0)[1]
            assert abs(across) < road.half
            assert across > -0.5 or road.median > 0


def test_nobody_walks_on_a_motorway() -> None:
    met = Counter(a.category for seed in range(30) for a in free(seed, only("motorway")).actors)
    assert set(met) <= {"Car", "Van", "Truck"}
    assert met["Car"] > 20
    rng = np.random.default_rng(0)
    drawn = {draw_scenario(rng, FreeSettings(), {"person": 1.0}) for _ in range(200)}
    assert drawn == set(SCENARIOS) - {"motorway"}
    walkers = Mix(weights={"Pedestrian": 1.0})
    assert {a.category for a in free(1, only("motorway"), walkers).actors} == {"Pedestrian"}


def test_traffic_keeps_right_and_follows_the_bend() -> None:
    plain = Mix(weights={"Car": 1.0}, actors=(6, 6), occluded=0.0, truncated=0.0, parked=0.0)
    for seed in range(25):
        scene = free(seed, only("rural", curved=1.0), plain)
        for actor in scene.actors:
            along, across = to_road(scene.road, actor.cuboid.x, actor.cuboid.z)
            turn = wrap(actor.cuboid.yaw - road_yaw(scene.road, along))
            assert abs(turn if across > 0 else wrap(turn + math.pi)) < 0.2


def test_parked_cars_stand_beside_the_lanes_along_them() -> None:
    still = Mix(weights={"Car": 1.0}, actors=(8, 8), occluded=0.0, truncated=0.0, parked=1.0)
    tilts = []
    for seed in range(20):
        scene = free(seed, only("residential", yard=0.0, parking_strip=1.0), still)
        for actor in scene.actors:
            along, across = to_road(scene.road, actor.cuboid.x, actor.cuboid.z)
            assert scene.road.half < abs(across) < scene.road.half + scene.road.shoulder
            tilts.append(abs(math.sin(actor.cuboid.yaw - road_yaw(scene.road, along))))
    assert max(tilts) < 0.3


def test_a_junction_has_cross_traffic_and_nobody_parks_in_it() -> None:
    crossing = Mix(weights={"Car": 1.0}, actors=(6, 6), occluded=0.0, truncated=0.0, parked=0.0)
    turns = []
    for seed in range(25):
        scene = free(seed, only("junction", cross=1.0), crossing)
        for actor in scene.actors:
            along, _ = to_road(scene.road, actor.cuboid.x, actor.cuboid.z)
            assert abs(along - scene.road.junction) < scene.road.cross_width / 2
            turns.append(abs(math.cos(actor.cuboid.yaw - road_yaw(scene.road))))
    assert max(turns) < 0.3


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scenarios", {"city": 0.0}),
        ("lane_width", (3.0, 2.0)),
        ("curvature", {"city": 0.5}),
        ("parked", {"city": 2}),
    ],
)
def test_settings_that_make_no_sense_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValidationError, match=field):
        FreeSettings.model_validate({field: value})


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_distractors_cover_a_bounded_share_and_stand_in_nobody(seed: int) -> None:
    scene = free(seed % 50, FreeSettings())
    after = draw_distractors(scene, 12, 0.3, np.random.default_rng(seed))
    assert after == draw_distractors(scene, 12, 0.3, np.random.default_rng(seed))
    assert after.actors == scene.actors
    shapes = after.props[len(scene.props) :]
    assert len(shapes) <= 12
    marks = [Footprint.of(actor.cuboid) for actor in scene.actors]
    assert not any(overlaps_any(Footprint.of(shape), marks) for shape in shapes)
    for actor in scene.actors:
        box = projected_box(actor.cuboid, scene.camera).clipped(*SIZE)
        shared = 0.0
        for s in shapes:
            y = ground_y(scene.camera, s.z) - s.lift
            shape = projected_box(Cuboid(s.x, y, s.z, s.length, s.width, s.height, s.yaw), scene.camera)
            width = min(shape.x2, box.x2) - max(shape.x1, box.x1)
            height = min(shape.y2, box.y2) - max(shape.y1, box.y1)
            shared += max(width, 0.0) * max(height, 0.0)
        assert shared <= 0.3 * box.area + 1e-6


def test_distractors_come_when_asked_for() -> None:
    scene = free(4, FreeSettings())
    assert not any(prop.kind == "distractor" for prop in scene.props)
    many = RandomizeSettings(distractors=20)
    assert any(
        p.kind == "distractor" for seed in range(5) for p in free(seed, FreeSettings(), ranges=many).props
    )
    still = perturb(scene, RandomizeSettings(strength=0.0, distractors=20), np.random.default_rng(0))
    assert still == scene
    moved = [perturb(scene, many, np.random.default_rng(k)) for k in range(5)]
    assert any(prop.kind == "distractor" for after in moved for prop in after.props)
    assert draw_distractors(scene, 0, 0.3, np.random.default_rng(0)) is scene


def test_surroundings_are_drawn_anew_but_what_is_pinned_stays() -> None:
    scene = free(4, FreeSettings())
    rates = [RandomizeSettings(surroundings=rate) for rate in (1.0, 0.0)]
    fresh, same = (perturb(scene, rate, np.random.default_rng(1), pinned=3) for rate in rates)
    assert set(same.props) <= set(scene.props)
    assert len(set(fresh.props) & set(scene.props)) <= 3
    assert len(fresh.props) > 5
    for after in (fresh, same):
        marks = [Footprint.of(actor.cuboid) for actor in after.actors]
        assert not any(overlaps_any(Footprint.of(prop), marks) for prop in after.props)
