"""Frames that do not show what they were asked for."""

from dataclasses import replace

import pytest

from imitation.data.records import Box, Frame, Object, Origin
from imitation.requests import Request
from sim_actors.randomization.perturb import RandomizeSettings
from sim_actors.scene.records import Actor, Scene
from sim_actors.staging.acceptance import AcceptanceSettings, rejection
from sim_actors.staging.restage import RestageSettings
from sim_actors.staging.stage import StagingSettings, Target, stage
from tests.sim_actors.photos import photographed
from tests.sim_actors.scenes import CATALOG, KITTI, SIZE, cuboid, labelled, street

MILD = AcceptanceSettings()
NEAR, FAR = cuboid("Car", 0.5, 18.0), cuboid("Car", -3.2, 12.0)
SCENE = Scene("s", *SIZE, KITTI, actors=(Actor("Car", NEAR), Actor("Car", FAR)), focus=(0,))


def rendered(*objects: Object, scene: Scene = SCENE) -> Frame:
    origin = Origin(1, "p", ("f",), "imitation", scene.to_json(), "toy", "1", 0)
    return Frame("s", *SIZE, objects, origin=origin)


IN_FOCUS, BESIDE = labelled("Car", NEAR), labelled("Car", FAR)


def test_a_frame_that_shows_what_was_asked_for_is_taken() -> None:
    assert rejection(rendered(IN_FOCUS, BESIDE), MILD) is None
    assert rejection(replace(rendered(), origin=None), MILD) is None, "nobody asked for it"


@pytest.mark.parametrize(
    "gone",
    [
        [],
        [replace(IN_FOCUS, ignore=True, occlusion=0.95)],
        [replace(IN_FOCUS, visible_box=Box(600, 180, 604, 184))],
        [IN_FOCUS, Object("Car", IN_FOCUS.box, ignore=True)],
        [replace(IN_FOCUS, category="Van")],
    ],
    ids=["not seen", "hidden", "16 pixels of it", "under an ignored region", "another thing"],
)
def test_a_frame_without_anything_in_focus_is_rejected(gone: list[Object]) -> None:
    reason = rejection(rendered(BESIDE, *gone), MILD)
    assert reason == "nothing is left to see of what was asked for (Car)"
    assert rejection(rendered(BESIDE, *gone), AcceptanceSettings(enabled=False)) is None


def test_what_is_large_and_not_hidden_and_yet_ignored_does_not_stand_out() -> None:
    reason = rejection(rendered(BESIDE, replace(IN_FOCUS, ignore=True)), MILD)
    assert reason == "what was asked for (Car) does not stand out from what is around it"


def test_one_of_several_in_focus_is_enough() -> None:
    both = SCENE.replace(focus=(0, 1))
    assert rejection(rendered(BESIDE, scene=both), MILD) is None


def test_settings_say_how_much_must_be_left() -> None:
    sliver = replace(IN_FOCUS, visible_box=Box(600, 180, 604, 184))
    assert rejection(rendered(sliver), AcceptanceSettings(min_visible_px=16)) is None
    covered = [IN_FOCUS, Object("Car", IN_FOCUS.box, ignore=True)]
    assert rejection(rendered(*covered), AcceptanceSettings(max_covered=1.0)) is None


def test_nothing_labelled_at_all_is_rejected_unless_nothing_was_staged() -> None:
    assert "nothing that was staged" in (rejection(rendered(replace(BESIDE, ignore=True)), MILD) or "")
    empty = SCENE.replace(actors=(), focus=())
    assert rejection(rendered(scene=empty), MILD) is None
    clutter = SCENE.replace(actors=(Actor("Car", NEAR, labelled=False),), focus=())
    assert rejection(rendered(scene=clutter), MILD) is None


def test_a_simulator_without_cuboids_is_given_the_benefit_of_the_doubt() -> None:
    assert rejection(rendered(Object("Car", Box(1, 1, 50, 40))), MILD) is None


def test_an_image_full_of_ignored_regions_is_rejected() -> None:
    left = Object("Car", Box(0, 0, 0.55 * SIZE[0], SIZE[1]), ignore=True)
    right = Object("Car", Box(0.5 * SIZE[0], 0, SIZE[0], SIZE[1]), ignore=True)
    free = SCENE.replace(focus=())
    assert rejection(rendered(IN_FOCUS, left, scene=free), MILD) is None
    assert "100% of the image" in (rejection(rendered(IN_FOCUS, left, right, scene=free), MILD) or "")


def request(**more: object) -> Request:
    values = {"failures": ("f1",), "focus": (6, 0), "clutter": (), "variations": 3, "seed": 11, "policy": "p"}
    return Request("c01-000042", "000042", **{**values, **more})  # type: ignore[arg-type]


TARGET = Target("visible", ("Car", "Van", "Pedestrian", "Cyclist", "Truck"), KITTI, *SIZE, catalog=CATALOG)


@pytest.mark.parametrize("strength", [0.0, 1.0])
def test_a_scene_knows_which_of_its_actors_it_is_about(strength: float) -> None:
    """Objects 0 and 6 of the street are a car and the pedestrian, whoever else is left out."""
    droppy = StagingSettings(randomize=RandomizeSettings(drop=0.5, position=0.1))
    for variation in range(6):
        scene = stage(request(strength=strength), variation, street(), target=TARGET, settings=droppy)
        assert [scene.actors[i].category for i in scene.focus] == ["Car", "Pedestrian"]
        nearest = min(scene.actors, key=lambda actor: abs(actor.cuboid.x - 0.5) + abs(actor.cuboid.z - 18))
        assert scene.actors[scene.focus[0]] is nearest
        assert Scene.from_json(scene.to_json()).focus == scene.focus


def test_new_actors_in_a_photo_are_what_it_is_about() -> None:
    always = StagingSettings(restage=RestageSettings(backdrops=1.0))
    scene = stage(request(), 0, photographed(street()), target=TARGET, settings=always)
    assert scene.backdrop is not None
    assert scene.focus == tuple(range(len(scene.actors)))


def test_a_requests_strength_scales_how_far_scenes_lie_from_their_parent() -> None:
    def shift(strength: float) -> float:
        settings = StagingSettings(randomize=RandomizeSettings(drop=0.0, strength=0.8))
        asked = request(strength=strength)
        scenes = [stage(asked, v, street(), target=TARGET, settings=settings) for v in range(8)]
        exact = stage(request(strength=0.0), 0, street(), target=TARGET, settings=settings)
        return sum(
            abs(a.cuboid.x - b.cuboid.x) for scene in scenes for a, b in zip(scene.actors, exact.actors)
        )

    assert shift(0.0) == 0.0
    assert 0 < 3 * shift(0.2) < shift(1.0)
    half = StagingSettings(randomize=RandomizeSettings(strength=0.4))
    whole = StagingSettings(randomize=RandomizeSettings(strength=0.8))
    assert stage(request(strength=0.5), 1, street(), target=TARGET, settings=whole) == stage(
        request(), 1, street(), target=TARGET, settings=half
    )
