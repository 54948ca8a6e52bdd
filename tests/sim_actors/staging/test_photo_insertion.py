from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.data.records import Box, Frame, Object
from imitation.requests import Likeness, Request
from sim_actors.scene.footprint import Footprint, overlaps
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Scene
from sim_actors.scene.roads import beside, to_road
from sim_actors.staging.restage import RestageSettings
from sim_actors.staging.stage import StagingSettings, Target, stage
from tests.sim_actors.photos import photographed, road_pixels
from tests.sim_actors.scenes import CATALOG, KITTI, SIZE, cuboid, frame, labelled, seeds, street

TARGET = Target("visible", ("Car", "Van", "Pedestrian", "Cyclist", "Truck"), KITTI, *SIZE, catalog=CATALOG)
ALWAYS = StagingSettings(restage=RestageSettings(backdrops=1.0))
STREET = photographed(street())
FLAT = photographed(street(keep_3d=False))


def in_photo(
    seed: int, parent: Frame = STREET, focus: tuple[int, ...] = (), target: Target = TARGET
) -> Scene:
    request = Request("r", parent.frame_id, (), focus, (), 1, seed, "p")
    return stage(request, 0, parent, target=target, settings=ALWAYS)


@settings(max_examples=15, deadline=None)
@given(seeds, st.sampled_from([STREET, FLAT]), st.sampled_from([(), (0,), (6, 7)]))
def test_new_actors_stand_free_on_the_road(seed: int, parent: Frame, focus: tuple[int, ...]) -> None:
    scene = in_photo(seed, parent, focus)
    if scene.backdrop is None:
        return
    standing = [Footprint.of(item.cuboid) for item in scene.backdrop.occluders]
    region = parent.objects[1].box
    for k, actor in enumerate(scene.actors):
        mark = Footprint.of(actor.cuboid)
        assert not any(overlaps(mark, other) for other in standing)
        assert not any(overlaps(mark, Footprint.of(other.cuboid)) for other in scene.actors[:k])
        assert actor.cuboid.y == pytest.approx(ground_y(scene.camera, actor.cuboid.z))
        out = [beside(scene.road, *to_road(scene.road, *corner)) for corner in mark.corners()]
        assert max(out) <= scene.road.sidewalk
        box = projected_box(actor.cuboid, scene.camera).clipped(*SIZE)
        assert min(box.x2, region.x2) <= max(box.x1, region.x1) or min(box.y2, region.y2) <= max(
            box.y1, region.y1
        )
        assert actor.cuboid.z <= 60


@settings(max_examples=5, deadline=None)
@given(seeds)
def test_a_seed_decides_everything(seed: int) -> None:
    scene = in_photo(seed)
    assert scene == in_photo(seed)
    assert Scene.from_json(scene.to_json()) == scene


def test_the_photo_keeps_its_frame() -> None:
    scene = in_photo(5)
    assert scene.backdrop is not None
    assert scene.backdrop.photo == STREET
    assert scene.props == ()
    assert [item.index for item in scene.backdrop.occluders] == [0, 2, 3, 4, 5, 6, 7]
    assert (scene.camera.fx, scene.camera.cx) == (KITTI.fx, KITTI.cx)
    assert scene.sensor.jpeg_quality == 0
    assert scene.sensor.noise == pytest.approx(2 / 255, rel=0.2)


def test_more_of_what_failed_near_where_it_failed() -> None:
    """Object 6 is a pedestrian 13 m away."""
    actors = [actor for seed in range(12) for actor in in_photo(seed, focus=(6,)).actors]
    assert {actor.category for actor in actors} == {"Pedestrian"}
    assert np.median([actor.cuboid.z for actor in actors]) == pytest.approx(13, abs=4)


def test_new_actors_may_lean_far_but_no_farther_than_what_is_labelled() -> None:
    """Object 6 is a pedestrian 13 m away, the farthest thing is at most 60 m away."""
    depths = {}
    for far in (0.0, 2.0):
        leaning = StagingSettings(restage=RestageSettings(backdrops=1.0, leaning_far=far))
        scenes = [
            stage(
                Request("r", STREET.frame_id, (), (6,), (), 1, s, "p"),
                0,
                STREET,
                target=TARGET,
                settings=leaning,
            )
            for s in range(12)
        ]
        depths[far] = [actor.cuboid.z for scene in scenes for actor in scene.actors]
        if far == 0:
            assert scenes == [in_photo(s, focus=(6,)) for s in range(12)], "the default changes nothing"
    assert np.mean(depths[2.0]) > 1.25 * np.mean(depths[0.0])
    labelled_z = [obj.cuboid.z for obj in STREET.objects if obj.cuboid is not None]
    assert max(depths[2.0]) <= max(labelled_z)


def elsewhere(seed: int, *likenesses: Likeness, target: Target = TARGET) -> Scene:
    request = Request("r", STREET.frame_id, (), (), (), 1, seed, "p", likenesses=likenesses)
    return stage(request, 0, STREET, target=target, settings=StagingSettings())


def test_likenesses_stand_in_the_photo_about_as_far_as_what_they_are_like() -> None:
    """One actor each, where there is room."""
    near, far = (
        [
            actor
            for seed in range(12)
            for actor in elsewhere(seed, Likeness("Pedestrian", z, 999.0), Likeness("Cyclist", z)).actors
        ]
        for z in (10.0, 40.0)
    )
    for actors in (near, far):
        counts = Counter(actor.category for actor in actors)
        assert set(counts) == {"Pedestrian", "Cyclist"}
        assert 8 <= min(counts.values()) <= max(counts.values()) <= 12
    for category, most in (("Pedestrian", 13), ("Cyclist", 25)):  # a rider has less room
        depths = [[a.cuboid.z for a in actors if a.category == category] for actors in (near, far)]
        assert np.median(depths[0]) < most < np.median(depths[1])


def test_without_a_distance_the_height_in_the_picture_says_it() -> None:
    """1.75 m at 721 px focal length take 63 px 20 m away."""
    depths = [
        actor.cuboid.z
        for seed in range(12)
        for actor in elsewhere(seed, Likeness("Pedestrian", height_px=63.0)).actors
    ]
    assert np.median(depths) == pytest.approx(20, abs=4)


def test_a_likeness_has_the_name_of_its_dataset() -> None:
    target = replace(TARGET, categories=("TYPE_CAR",), assets={"TYPE_CAR": "car"})
    assert {a.category for a in elsewhere(1, Likeness("TYPE_CAR"), target=target).actors} == {"car"}


def test_the_dataset_keeps_its_names_and_the_simulator_its_own() -> None:
    objects = tuple(replace(obj, category=f"TYPE_{obj.category.upper()}") for obj in STREET.objects)
    parent = replace(STREET, objects=objects)
    assets = {"TYPE_CAR": "car", "TYPE_PEDESTRIAN": "pedestrian"}
    target = replace(TARGET, categories=("TYPE_CAR", "TYPE_PEDESTRIAN"), assets=assets)
    scene = in_photo(3, parent, target=target)
    assert scene.backdrop is not None
    assert scene.backdrop.photo == parent
    assert {actor.category for actor in scene.actors} <= {"car", "pedestrian"}


def test_no_room_means_staged_anew() -> None:
    wall = Object("DontCare", Box(0, 0, *SIZE), ignore=True)
    scene = in_photo(0, photographed(frame(labelled("Car", cuboid("Car", 0.5, 18.0)), wall)))
    assert scene.backdrop is None
    assert len(scene.actors) == 1


def test_lawn_is_no_room() -> None:
    meadow = road_pixels(STREET)
    meadow[200:, :450] = (70, 120, 50)
    parent = photographed(frame(labelled("Car", cuboid("Car", 2.5, 18.0))), meadow)
    for seed in range(8):
        for actor in in_photo(seed, parent).actors:
            feet = KITTI.project(np.array([[actor.cuboid.x, actor.cuboid.y, actor.cuboid.z]]))[0]
            assert feet[0] > 450


def test_the_share_is_kept_and_moves_no_other_scene() -> None:
    request = Request("r", "000042", (), (), (), 40, 11, "p")
    half = StagingSettings(restage=RestageSettings(backdrops=0.5))
    none = StagingSettings()
    scenes = [stage(request, v, STREET, target=TARGET, settings=half) for v in range(40)]
    plain = [stage(request, v, street(), target=TARGET, settings=none) for v in range(40)]
    share = np.mean([scene.backdrop is not None for scene in scenes])
    assert 0.3 < share < 0.7
    assert all(a == b for a, b in zip(scenes, plain) if a.backdrop is None)
    assert all(scene.backdrop is None for scene in plain)


def test_free_scenes_have_no_backdrop() -> None:
    request = Request("r", None, (), (), (), 1, 1, "random")
    assert stage(request, 0, None, target=TARGET, settings=ALWAYS).backdrop is None
