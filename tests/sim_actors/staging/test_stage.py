from dataclasses import replace

import numpy as np
import pytest

from imitation.data.records import Box
from imitation.requests import Request
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.footprint import Footprint, overlaps
from sim_actors.staging.stage import (
    StagingSettings,
    Target,
    asset_names,
    stage,
    stageable_names,
)
from tests.sim_actors.scenes import CATALOG, KITTI, SIZE, street

TARGET = Target("visible", ("Car", "Van", "Pedestrian", "Cyclist", "Truck"), KITTI, *SIZE, catalog=CATALOG)
STILL = StagingSettings(randomize=RandomizeSettings(strength=0.0))
SETTINGS = StagingSettings()


def request(parent: str | None = "000042", **more: object) -> Request:
    values = {"failures": ("f1",), "focus": (0,), "clutter": (), "variations": 3, "seed": 11, "policy": "p"}
    return Request(request_id="c01-000042", parent=parent, **{**values, **more})  # type: ignore[arg-type]


def test_scenes_have_lasting_ids_and_do_not_depend_on_each_other() -> None:
    scenes = [stage(request(), v, street(), target=TARGET, settings=SETTINGS) for v in range(3)]
    assert [scene.scene_id for scene in scenes] == [f"c01-000042-v0{v}" for v in range(3)]
    assert stage(request(), 2, street(), target=TARGET, settings=SETTINGS) == scenes[2]
    assert len({scene.replace(scene_id="").to_json() for scene in scenes}) == 3
    assert all(scene.convention == "visible" for scene in scenes)


def test_focus_counts_the_parents_objects_not_the_actors() -> None:
    """Object 1 of the street is a region that becomes no actor: object 6 is actor 5."""
    droppy = StagingSettings(randomize=RandomizeSettings(drop=1.0))
    scene = stage(request(focus=(6,)), 0, street(), target=TARGET, settings=droppy)
    assert [actor.category for actor in scene.actors] == ["Pedestrian"]


def test_categories_outside_the_dataset_or_the_catalog_are_left_out() -> None:
    few = replace(TARGET, categories=("Car", "Tram"))
    assert few.stageable() == ("Car",)
    scene = stage(request(), 0, street(), target=few, settings=STILL)
    assert {actor.category for actor in scene.actors} == {"Car"}


def test_clutter_stands_where_the_false_detection_fell() -> None:
    box = Box(560, 190, 600, 225)
    scene = stage(request(clutter=(box,)), 0, street(), target=TARGET, settings=STILL)
    plain = stage(request(), 0, street(), target=TARGET, settings=STILL)
    assert scene.actors == plain.actors
    prop = scene.props[0]
    assert prop.kind == "debris"
    column = KITTI.fx * prop.x / prop.z + KITTI.cx
    assert box.x1 < column < box.x2
    feet = KITTI.project(np.array([[prop.x, 1.65, prop.z - prop.width / 2]]))[0]
    assert feet[1] == pytest.approx(box.y2, abs=6)
    assert not any(overlaps(Footprint.of(prop), Footprint.of(actor.cuboid)) for actor in scene.actors)


def test_clutter_over_an_actor_or_in_the_sky_breaks_nothing() -> None:
    car = street().objects[2].box
    boxes = (car, Box(300, 0, 340, 30), Box(5, 5, 5, 9), Box(600, 372, 640, 375))
    scene = stage(request(clutter=boxes), 0, street(), target=TARGET, settings=STILL)
    marks = [Footprint.of(prop) for prop in scene.props]
    for actor in scene.actors:
        assert not any(overlaps(mark, Footprint.of(actor.cuboid)) for mark in marks)


def test_free_requests_stage_the_dataset_with_its_camera() -> None:
    asked = request(None, focus=())
    scenes = [stage(asked, v, None, target=TARGET, settings=SETTINGS) for v in range(3)]
    assert {scene.family for scene in scenes} == {"simulator"}
    assert len({scene.seed for scene in scenes}) == 3
    for scene in scenes:
        assert (scene.width, scene.height) == SIZE
        assert scene.camera.fx == pytest.approx(KITTI.fx, rel=SETTINGS.randomize.focal)
        assert {actor.category for actor in scene.actors} <= set(TARGET.categories)


def test_the_wrong_parent_is_refused() -> None:
    with pytest.raises(ValueError, match="000099"):
        stage(request("000099"), 0, street(), target=TARGET, settings=SETTINGS)
    with pytest.raises(ValueError, match="000042"):
        stage(request(), 0, None, target=TARGET, settings=SETTINGS)


def test_categories_are_staged_by_their_own_name_or_by_their_class() -> None:
    catalog = frozenset({"car", "pedestrian", "van"})
    mapping = {"TYPE_VEHICLE": "car", "Van": "car", "Tram": "rail"}
    assets = asset_names(["TYPE_VEHICLE", "Van", "Tram", "Pedestrian"], mapping, catalog)
    assert assets == {"TYPE_VEHICLE": "car", "Van": "Van", "Pedestrian": "Pedestrian"}
    parent = replace(
        street(), objects=tuple(replace(o, category="TYPE_VEHICLE") for o in street().objects[:1])
    )
    target = replace(TARGET, categories=("TYPE_VEHICLE",), catalog=catalog, assets=assets)
    scene = stage(request(), 0, parent, target=target, settings=STILL)
    assert [actor.category for actor in scene.actors] == ["car"]
    assert target.stageable() == ("car",)
    with_free = stage(request(parent=None), 0, None, target=target, settings=STILL)
    assert {actor.category for actor in with_free.actors} <= {"car"}


def test_what_can_be_staged_does_not_hang_on_what_this_data_happens_to_hold() -> None:
    catalog = frozenset({"car", "cyclist"})
    mapping = {"TYPE_VEHICLE": "car", "Tram": "rail"}
    assert stageable_names(["Sign"], mapping, catalog) == {"car", "cyclist", "type_vehicle"}
    assert stageable_names(["Sign"], mapping, None) is None


def test_without_a_catalog_every_name_is_the_datasets_own() -> None:
    assert asset_names(["boat"], {"boat": "ship"}, None) == {"boat": "boat"}
