import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from imitation.common.settings import DataError
from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from imitation.datasets.kitti.files import read_kitti
from sim_actors.randomization.surroundings import fit_road, road_yaw, to_road
from sim_actors.scene.appearance import dark
from sim_actors.scene.footprint import Footprint, hides, overlaps
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import iou, projected_box
from sim_actors.scene.records import Scene
from sim_actors.scene.sizes import size_prior
from sim_actors.staging.restage import RestageSettings, default_camera, restage, staged_objects
from tests.sim_actors.scenes import CATALOG, KITTI, cuboid, frame, labelled, seeds, street


def staged(source: Frame, seed: int = 3, **more: object) -> Scene:
    return restage(
        source,
        scene_id="s",
        seed=seed,
        convention="amodal_clipped",
        settings=RestageSettings(),
        catalog=CATALOG,
        **more,  # type: ignore[arg-type]
    )


def test_cuboids_stand_where_the_labels_say() -> None:
    source = street()
    scene = staged(source)
    chosen = staged_objects(source, CATALOG)
    assert chosen == [0, 2, 3, 4, 5, 6, 7]
    assert [actor.cuboid for actor in scene.actors] == [source.objects[i].cuboid for i in chosen]
    for actor, i in zip(scene.actors, chosen):
        projected = projected_box(actor.cuboid, scene.camera).clipped(scene.width, scene.height)
        assert iou(projected, source.objects[i].box) > 0.99
    assert (scene.camera.fx, scene.camera.cx, scene.width) == (KITTI.fx, KITTI.cx, source.width)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_seed_decides_everything_and_json_keeps_it(seed: int) -> None:
    scene = staged(street(), seed)
    assert scene == staged(street(), seed)
    assert Scene.from_json(scene.to_json()) == scene
    assert scene.props != staged(street(), seed + 1).props


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_surroundings_stay_out_of_the_way(seed: int) -> None:
    scene = staged(street(), seed)
    assert len(scene.props) > 10
    half = scene.road.lanes * scene.road.lane_width / 2
    for prop in scene.props:
        mark = Footprint.of(prop)
        for actor in scene.actors:
            assert not overlaps(mark, Footprint.of(actor.cuboid))
            assert not hides(mark, Footprint.of(actor.cuboid))
        for x, z in mark.corners():
            lateral = to_road(scene.road, x, z)[1]
            assert abs(lateral) > half - 1e-6
        assert mark.distance() >= 4.0
    marks = [Footprint.of(prop) for prop in scene.props]
    assert not any(overlaps(a, b) for k, a in enumerate(marks) for b in marks[:k])


def test_road_runs_under_the_cars() -> None:
    road = staged(street()).road
    assert road.heading == pytest.approx(0, abs=0.03)
    half = road.lanes * road.lane_width / 2
    for x in (0.5, -3.2, 3.3, -3.6):
        assert abs(x - road.offset) < half
    assert 2.5 < road.lane_width < 4.5


def test_road_turns_with_its_cars_but_not_with_cross_traffic() -> None:
    turned = [cuboid("Car", 2.0 + 0.2 * z, z, yaw=-math.pi / 2 + 0.2) for z in (8, 15, 22, 30)]
    assert fit_road(turned).heading == pytest.approx(0.2, abs=0.03)
    assert road_yaw(fit_road(turned)) == pytest.approx(-math.pi / 2 + 0.2, abs=0.03)
    crossing = [cuboid("Car", 5.0, 20.0, yaw=0.0), cuboid("Car", -9.0, 22.0, yaw=math.pi)]
    assert fit_road(crossing).heading == 0.0


def test_ground_follows_the_objects_feet() -> None:
    tilted = replace(KITTI, height=1.75, pitch=0.015)
    objects = [
        labelled("Car", cuboid("Car", x, z, camera=tilted), tilted)
        for x, z in [(-3, 8), (3, 14), (-3, 22), (0, 30), (4, 45)]
    ]
    scene = staged(frame(*objects))
    for z in (8.0, 30.0):
        assert ground_y(scene.camera, z) == pytest.approx(ground_y(tilted, z), abs=0.12)


def test_boxes_alone_are_enough() -> None:
    source = street(keep_3d=False)
    scene = staged(source)
    truth = street()
    for actor, i in zip(scene.actors, staged_objects(source, CATALOG), strict=True):
        box = source.objects[i].box
        projected = projected_box(actor.cuboid, scene.camera)
        assert iou(projected.clipped(scene.width, scene.height), box) > 0.8
        true = truth.objects[i].cuboid
        assert true is not None
        assert actor.cuboid.z == pytest.approx(true.z, rel=0.25)
        assert abs(actor.cuboid.y - ground_y(scene.camera, actor.cuboid.z)) < 0.6


def test_no_camera_means_an_assumed_field_of_view() -> None:
    source = replace(street(keep_3d=False), camera=None)
    scene = staged(source)
    assert 2 * math.degrees(math.atan(source.width / 2 / scene.camera.fx)) == pytest.approx(80)
    assert (scene.camera.cx, scene.camera.cy) == (source.width / 2, source.height / 2)
    assert default_camera(100, 50, 90.0).fx == pytest.approx(50)


def test_ignored_things_are_drawn_without_label() -> None:
    van = replace(labelled("Van", cuboid("Van", 2.0, 15.0)), ignore=True)
    crowd = Object("Pedestrian", Box(100, 100, 300, 200), ignore=True)
    scene = staged(frame(van, crowd))
    assert [(a.category, a.labelled) for a in scene.actors] == [("Van", False)]


def test_what_cannot_be_staged_is_left_out() -> None:
    assert staged_objects(street(), CATALOG) == [0, 2, 3, 4, 5, 6, 7]  # neither the region nor the Zeppelin
    strange = replace(labelled("Car", cuboid("Car", 0, 20)), category="Hovercraft")
    assert staged_objects(frame(strange), CATALOG) == []
    assert staged_objects(frame(strange)) == [0]  # its cuboid says where and how large
    assert staged_objects(frame(Object("Hovercraft", Box(1, 1, 50, 50)))) == []  # no size to guess a place by
    scene = staged(replace(street(), conditions={"weather": "hurricane", "time_of_day": "Night"}))
    assert scene.environment.weather == "clear"


def test_conditions_set_the_light() -> None:
    night = staged(replace(street(), conditions={"time_of_day": "night", "weather": "rainy"}))
    assert dark(night.environment.hour)
    assert night.environment.weather == "rain"
    assert night.environment.wetness > 0
    assert all(actor.lights == (actor.category in ("Car", "Van", "Truck")) for actor in night.actors)
    assert staged(street()).environment.weather == "clear"


@pytest.mark.parametrize(
    "broken",
    [
        Object("Car", Box(10, 10, 50, 40), cuboid=Cuboid(0, 1.6, math.nan, 4, 1.6, 1.5, 0)),
        Object("Car", Box(10, 10, 50, 40), cuboid=Cuboid(0, 1.6, 10, 0, 1.6, 1.5, 0)),
        Object("Car", Box(10, 10, math.inf, 40)),
    ],
)
def test_bad_labels_name_frame_and_object(broken: Object) -> None:
    with pytest.raises(DataError, match=r"frame 000042, object 0 \(Car\)"):
        staged(frame(broken))


def test_empty_frame_is_an_empty_road() -> None:
    scene = staged(frame())
    assert scene.actors == ()
    assert scene.camera == Camera(KITTI.fx, KITTI.fy, KITTI.cx, KITTI.cy, 1.65, 0.0)


def test_kitti_frames_restage(shared_data: Path) -> None:
    """On real labels: cuboids project onto their boxes, with 3D labels and without."""
    exact, guessed = [], []
    for source in islice(read_kitti(str(shared_data / "kitti101")), 0, None, 3):
        flat = replace(source, objects=tuple(replace(obj, cuboid=None) for obj in source.objects))
        for variant, found in ((source, exact), (flat, guessed)):
            scene = restage(
                variant, scene_id="s", seed=0, convention="amodal_clipped", settings=RestageSettings()
            )
            for actor, i in zip(scene.actors, staged_objects(variant), strict=True):
                if source.objects[i].truncation == 0 and size_prior(actor.category):
                    box = projected_box(actor.cuboid, scene.camera).clipped(scene.width, scene.height)
                    found.append(iou(box, source.objects[i].box))
            assert 1.3 < (scene.camera.height or 0) < 2.2
    assert len(exact) > 100
    assert np.median(exact) > 0.95
    assert np.mean(np.array(guessed) > 0.8) > 0.97


def test_a_box_without_area_is_left_out() -> None:
    flat = Object("Car", Box(100, 180, 100, 220))
    parent = replace(street(), objects=(*street().objects, flat))
    assert staged_objects(parent) == staged_objects(street())
    assert len(staged(parent).actors) == len(staged(street()).actors)
