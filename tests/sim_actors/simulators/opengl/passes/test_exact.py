"""Labels are exact: held against Embree's rays on random scenes, and wherever a thing may stand."""

import functools
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Prop, Scene
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings

pytest.importorskip("embreex", reason="the oracle is Embree, which has no wheel for this machine")

from tests.sim_actors.simulators.opengl.embree import NEAR, Expected, Truth, truth_of
from tests.sim_actors.simulators.opengl.staged import random_scene, scene

SCENES = 50
TALL = 25.0  # px: from this height on every number is held to its bound
CATEGORIES = sorted(FAMILIES["simulator"].bodies)

Simulators = dict[int, OpenGLSimulator]


@pytest.fixture(scope="module")
def simulators() -> Iterator[Simulators]:
    """By samples per pixel and axis: the labels are those of the pixels' centres with either."""
    made = {scale: OpenGLSimulator(RendererSettings(supersampling=scale)) for scale in (1, 2)}
    yield made
    for simulator in made.values():
        simulator.close()


def labels_of(frame: Frame, staged: Scene) -> dict[int, Object]:
    """Objects by the index of their actor, whose cuboid is its own; in the actors' order."""
    index = {actor.cuboid: i for i, actor in enumerate(staged.actors)}
    assert len(index) == len(staged.actors)
    found = {index[obj.cuboid]: obj for obj in frame.objects if obj.cuboid}
    assert len(found) == len(frame.objects)
    assert list(found) == sorted(found)
    return found


def check(frame: Frame, staged: Scene, truth: Truth) -> None:
    found = labels_of(frame, staged)
    assert found.keys() <= truth.actors.keys(), "clutter has no label"
    for index, want in truth.actors.items():
        if index not in found:
            assert want.visible.least is None, "a thing that is seen has a label"
            continue
        assert want.visible.most is not None, "a thing that is not seen has none"
        if want.height >= TALL:
            check_label(found[index], want)


def check_label(got: Object, want: Expected) -> None:
    assert got.occlusion is not None
    assert got.truncation is not None
    (low, high), slack = want.occlusions, max(0.02, 2 / want.pixels)
    assert low - slack <= got.occlusion <= high + slack
    assert abs(got.truncation - want.truncation) <= 0.02
    if want.visible.least:
        _between(got.visible_box, want.visible, slack=0.0)
    if want.whole and want.whole.least:
        assert got.truncation == 0
        _between(got.amodal_box, want.whole, slack=0.0)
    else:
        # Outside the image its tips bound it, or its pixels if they are few.
        _between(got.amodal_box, [want.extent, want.amodal_box if want.step == 1 else None], slack=1.0)


def _between(got: Box | None, wanted: Sequence[Box | None], slack: float) -> None:
    """Every edge lies where it is wanted or, where that is not one place, between them; to `slack` px."""
    assert got is not None
    for edge, *places in zip(got, *[box for box in wanted if box is not None]):
        assert min(places) - slack <= edge <= max(places) + slack


@functools.cache
def oracle(seed: int) -> tuple[Scene, Truth]:
    staged = random_scene(seed)
    return staged, truth_of(staged)


@pytest.mark.parametrize(
    "seed", [*range(5), *(pytest.param(s, marks=pytest.mark.slow) for s in range(5, 16))]
)
def test_labels_agree_with_rays(simulators: Simulators, seed: int) -> None:
    check_all(simulators, seed)


def check_all(simulators: Simulators, seed: int) -> None:
    staged, truth = oracle(seed)
    for simulator in simulators.values():
        check(simulator.render(staged), staged, truth)
        ids = simulator.identities(staged)
        assert np.array_equal(ids[~truth.grazed], truth.ids[~truth.grazed])
    assert truth.grazed.mean() < 0.01


@pytest.mark.slow
@pytest.mark.long
def test_labels_of_many_scenes_that_hold_the_hard_cases_agree_with_rays(simulators: Simulators) -> None:
    for seed in range(SCENES):
        check_all(simulators, seed)
    known = [(s, i, e) for seed in range(SCENES) for s, t in [oracle(seed)] for i, e in t.actors.items()]
    held = [(s, i, e) for s, i, e in known if e.height >= TALL and e.visible_pixels > 0]
    assert len(held) > 100
    assert len(Counter(s.actors[i].category for s, i, _ in held)) == len(CATEGORIES)
    assert min(Counter(s.family for s, _, _ in held).values()) > 50
    assert sum(e.occlusions[0] > 0.3 for *_, e in held) > 20
    assert sum(e.truncation > 0.05 for *_, e in held) > 40
    assert sum(e.occlusions[0] == 1 and e.pixels > 0 for *_, e in known) > 5
    depths = [(z.min(), z.max()) for s, i, _ in held for z in [s.actors[i].cuboid.corners()[:, 2]]]
    assert sum(near < NEAR < far for near, far in depths) >= 3
    assert sum(e.amodal_box is None for *_, e in known) > 5  # wholly behind the camera
    below = [s.actors[i].cuboid.y - ground_y(s.camera, s.actors[i].cuboid.z) for s, i, _ in held]
    assert min(below) < -0.3
    assert max(below) > 0.3  # sunk: a ground that hid things would show


CAMERA = Camera(240.0, 230.0, 150.0, 70.0, 1.65, 0.02)
WIDTH, HEIGHT = 320, 160

categories = st.sampled_from(CATEGORIES)
yaws = st.floats(-math.pi, math.pi)
scales = st.sampled_from([1, 2])
families = st.sampled_from(sorted(FAMILIES))
stretches = st.tuples(*[st.floats(0.5, 1.8)] * 3)


def standing(category: str, x: float, z: float, yaw: float, stretch: tuple[float, ...] = (1, 1, 1)) -> Actor:
    prior = size_prior(category)
    assert prior is not None
    length, width, height = (s * v for s, v in zip(stretch, (prior.length, prior.width, prior.height)))
    return Actor(category, Cuboid(x, ground_y(CAMERA, z), z, length, width, height, yaw))


def placed(*actors: Actor, **fields: object) -> Scene:
    return scene(*actors, camera=CAMERA, width=WIDTH, height=HEIGHT, **fields)


def moved(one: Actor, **shift: float) -> Actor:
    return replace(
        one, cuboid=replace(one.cuboid, **{k: getattr(one.cuboid, k) + v for k, v in shift.items()})
    )


@settings(max_examples=12)
@given(categories, yaws, st.floats(-20, 20), st.floats(0.001, 60), scales, stretches)
def test_what_is_behind_the_camera_is_not_there(
    simulators: Simulators, category: str, yaw: float, x: float, gone: float, scale: int, stretch: tuple
) -> None:
    seen = standing("car", 0.5, 9.0, 0.3)
    behind = standing(category, x, 0.0, yaw, stretch)
    behind = moved(behind, z=NEAR - gone - float(behind.cuboid.corners()[:, 2].max()))
    simulator = simulators[scale]
    assert simulator.render(placed(behind)).objects == ()
    assert simulator.render(placed(behind, seen)).objects == simulator.render(placed(seen)).objects


@settings(max_examples=12)
@given(categories, yaws, st.floats(-6, 6), st.floats(0.02, 0.98), scales, families, stretches)
def test_what_crosses_the_near_plane_is_cut_there(
    simulators: Simulators,
    category: str,
    yaw: float,
    x: float,
    share: float,
    scale: int,
    family: str,
    stretch: tuple,
) -> None:
    one = standing(category, x, 0.0, yaw, stretch)
    depth = one.cuboid.corners()[:, 2]
    one = moved(one, z=NEAR - float(depth.min() + share * (depth.max() - depth.min())))
    staged = placed(one, standing("van", -1.0, 14.0, 1.2), family=family)
    check(simulators[scale].render(staged), staged, truth_of(staged))


@settings(max_examples=12)
@given(
    categories, yaws, st.sampled_from(["left", "right", "above", "below"]), st.floats(-80, 40),
    st.floats(0, 25), scales, stretches,
)  # fmt: skip
def test_what_leaves_the_image_is_cut_at_its_edge(
    simulators: Simulators,
    category: str,
    yaw: float,
    side: str,
    beyond: float,
    away: float,
    scale: int,
    stretch: tuple,
) -> None:
    """`beyond`: how far (px) outside the edge the nearest corner of the cuboid projects."""
    one = standing(category, 0.0, 0.0, yaw, stretch)
    one = moved(one, z=NEAR + 0.5 + away - float(one.cuboid.corners()[:, 2].min()))
    x, y, z = one.cuboid.corners().T
    edge = {"left": -CAMERA.cx, "right": WIDTH - CAMERA.cx, "above": -CAMERA.cy, "below": HEIGHT - CAMERA.cy}
    sign = 1 if side in ("right", "below") else -1
    along, focal, at = (x, CAMERA.fx, "x") if side in ("left", "right") else (y, CAMERA.fy, "y")
    shift = sign * float(np.max(sign * ((edge[side] + sign * beyond) * z / focal - along)))
    staged = placed(moved(one, **{at: shift}))
    frame = simulators[scale].render(staged)
    if beyond > 0.1:
        assert frame.objects == ()
    else:
        check(frame, staged, truth_of(staged))


@settings(max_examples=12)
@given(categories, yaws, st.floats(-3, 3), st.floats(0, 30), st.floats(0, 1.3), scales, stretches)
def test_what_stands_behind_a_wall_is_hidden(
    simulators: Simulators,
    category: str,
    yaw: float,
    x: float,
    away: float,
    slid: float,
    scale: int,
    stretch: tuple,
) -> None:
    """A wall that covers all of it, slid aside by that share of its own length."""
    one = standing(category, x, 0.0, yaw, stretch)
    one = moved(one, z=4.5 + away - float(one.cuboid.corners()[:, 2].min()))
    one = moved(one, y=ground_y(CAMERA, one.cuboid.z) - one.cuboid.y)
    across = 4.0 * one.cuboid.corners()[:, 0] / one.cuboid.corners()[:, 2]
    length = float(across.max() - across.min()) + 0.6
    wall = Prop("wall", float(across.max() + across.min()) / 2 + slid * length, 4.0, length, 0.2, 9.0)
    staged = placed(one, props=(wall,))
    frame = simulators[scale].render(staged)
    if slid < 0.1 / length:
        assert frame.objects == ()
    else:
        check(frame, staged, truth_of(staged))
    assert len(simulators[scale].render(placed(one)).objects) == 1


def test_a_long_low_body_is_truncated_by_its_area(simulators: Simulators) -> None:
    """Far longer than high: the cells over its whole extent must be fine along both."""
    for x in (6.0, 6.7, 7.7):
        one = Actor("misc", Cuboid(x, 1.4, 8.0, 30.0, 1.0, 1.2, 0.1))
        staged = placed(one)
        want = truth_of(staged)
        for simulator in simulators.values():
            (label,) = simulator.render(staged).objects
            check_label(label, want.actors[0])
            assert label.truncation == pytest.approx(want.actors[0].truncation, abs=0.004)
