import numpy as np
import pytest
from hypothesis import given, settings

from imitation.common.settings import UserError
from sim_actors.randomization.free_scene import Mix, free_scene
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.footprint import Footprint, hides, overlaps
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Scene
from sim_actors.scene.roads import beside, to_road
from tests.sim_actors.scenes import KITTI, SIZE, overlapping, seeds

CATEGORIES = ("Car", "Truck", "Pedestrian", "Cyclist")


def free(seed: int, mix: Mix | None = None, categories: tuple[str, ...] = CATEGORIES) -> Scene:
    return free_scene(
        RandomizeSettings(),
        scene_id="f",
        seed=seed,
        camera=KITTI,
        width=SIZE[0],
        height=SIZE[1],
        categories=categories,
        convention="amodal_clipped",
        mix=mix,
    )


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_scene_holds_together(seed: int) -> None:
    scene = free(seed)
    assert scene == free(seed)
    assert Scene.from_json(scene.to_json()) == scene
    assert overlapping(scene) == set()
    for actor in scene.actors:
        assert actor.category in CATEGORIES
        assert actor.cuboid.y == pytest.approx(ground_y(scene.camera, actor.cuboid.z))
        box = projected_box(actor.cuboid, scene.camera).clipped(*SIZE)
        assert box.height >= 0.7 * Mix().min_height
        mark = Footprint.of(actor.cuboid)
        assert not any(overlaps(Footprint.of(p), mark) or hides(Footprint.of(p), mark) for p in scene.props)


def test_many_scenes_cover_the_whole_range() -> None:
    scenes = [free(seed) for seed in range(80)]
    actors = [actor for scene in scenes for actor in scene.actors]
    assert {actor.category for actor in actors} == set(CATEGORIES)
    assert len({scene.environment.weather for scene in scenes}) >= 4
    assert any(scene.environment.hour > 20 or scene.environment.hour < 5 for scene in scenes)
    assert np.mean([len(scene.actors) for scene in scenes]) > 4
    depths = [actor.cuboid.z for actor in actors]
    assert min(depths) < 8
    assert max(depths) > 45


def test_people_keep_to_the_sidewalk_and_cars_to_the_road() -> None:
    plain = Mix(occluded=0.0, truncated=0.0, parked=0.0)
    off: dict[str, list[bool]] = {category: [] for category in CATEGORIES}
    for seed in range(40):
        scene = free(seed, plain)
        for actor in scene.actors:
            spot = to_road(scene.road, actor.cuboid.x, actor.cuboid.z)
            off[actor.category].append(beside(scene.road, *spot) > 0)
    assert np.mean(off["Pedestrian"]) > 0.5
    assert not any(off["Car"] + off["Truck"])


def test_mix_decides_how_hidden_and_cut_actors_are() -> None:
    def cuts(mix: Mix) -> np.ndarray:
        shares = []
        for seed in range(40):
            scene = free(seed, mix)
            for actor in scene.actors:
                whole = projected_box(actor.cuboid, scene.camera)
                shares.append(1 - whole.clipped(*SIZE).area / whole.area)
        return np.array(shares)

    clean = cuts(Mix(truncated=0.0, occluded=0.0, plain_cut=0.05))
    cut = cuts(Mix(truncated=0.7, occluded=0.0, plain_cut=0.05))
    assert clean.max() <= 0.05
    assert (cut > 0.2).mean() > 0.25


def test_unknown_categories_are_refused_by_name() -> None:
    with pytest.raises(UserError, match="Zeppelin"):
        free(0, categories=("Zeppelin",))
    with pytest.raises(UserError, match="weight 0"):
        free(0, Mix(weights={"Boat": 1.0}))
    assert {a.category for a in free(0, categories=("Zeppelin", "Car")).actors} == {"Car"}
