from collections import Counter

import pytest

from sim_actors.scene.appearance import dark
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Scene
from sim_actors.standin_world import CATEGORIES, TAILS, Split, WorldSettings, standin_scene, standin_tail

WORLD = WorldSettings()


def scenes(split: Split, count: int, world: WorldSettings = WORLD) -> list[Scene]:
    return [standin_scene(world, split, index) for index in range(count)]


def test_a_frame_depends_on_settings_split_and_index_alone() -> None:
    assert standin_scene(WORLD, "train", 7) == standin_scene(WorldSettings(train=9, test=1), "train", 7)
    assert standin_scene(WORLD, "train", 7) != standin_scene(WORLD, "test", 7)
    assert standin_scene(WORLD, "train", 7) != standin_scene(WorldSettings(seed=5), "train", 7)
    scene = standin_scene(WORLD, "val", 3)
    assert Scene.from_json(scene.to_json()) == scene


def test_ids_are_unique_and_say_stand_in() -> None:
    ids = [scene.scene_id for split in ("train", "val", "test") for scene in scenes(split, 5)]
    assert len(set(ids)) == 15
    assert all(name.startswith("standin-") for name in ids)


@pytest.mark.parametrize(("split", "share"), [("train", 0.1), ("val", 0.6), ("test", 0.6)])
def test_tails_come_in_their_share_and_take_turns(split: Split, share: float) -> None:
    tails = [standin_tail(WORLD, split, index) for index in range(100)]
    counts = Counter(tail for tail in tails if tail)
    assert sum(counts.values()) == round(share * 100)
    assert set(counts) == set(TAILS)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_the_tail_is_rare_in_train_and_common_in_test() -> None:
    def rates(split: Split) -> Counter[str]:
        drawn = scenes(split, 120)
        found: Counter[str] = Counter()
        for scene in drawn:
            found["night"] += dark(scene.environment.hour)
            found.update({actor.category for actor in scene.actors})
            for actor in scene.actors:
                whole = projected_box(actor.cuboid, scene.camera)
                found["cut"] += 1 - whole.clipped(scene.width, scene.height).area / whole.area > 0.2
        return found

    train, test = rates("train"), rates("test")
    for rare in ("night", "truck", "cyclist", "cut"):
        assert test[rare] >= 1.5 * max(train[rare], 1), rare
    assert train["car"] > 40
    assert test["car"] > 30


def test_objects_are_large_enough_to_find() -> None:
    heights = [
        projected_box(actor.cuboid, scene.camera).clipped(scene.width, scene.height).height
        for scene in scenes("test", 40)
        for actor in scene.actors
    ]
    assert min(heights) > 6
    assert sorted(heights)[len(heights) // 10] > 8
    assert {a.category for s in scenes("test", 40) for a in s.actors} == set(CATEGORIES)


def test_gap_moves_the_stand_in_away_from_the_simulator() -> None:
    none, full = (standin_scene(WorldSettings(gap=gap), "train", 0) for gap in (0.0, 1.0))
    assert (none.family, full.family) == ("simulator", "standin")
    assert none.sensor.white_balance == (1.0, 1.0, 1.0)
    assert full.sensor.noise > none.sensor.noise
    assert full.environment.haze > none.environment.haze
    assert [a.category for a in none.actors] == [a.category for a in full.actors]
    assert all(f.cuboid.length > n.cuboid.length for n, f in zip(none.actors, full.actors))


def test_no_tail_asked_for_no_tail() -> None:
    calm = WorldSettings(tail_share_train=0.0, weight_truck=0.0, weight_cyclist=0.0)
    drawn = scenes("train", 20, calm)
    assert not any(dark(scene.environment.hour) for scene in drawn)
    assert {a.category for s in drawn for a in s.actors} <= {"car", "pedestrian"}
