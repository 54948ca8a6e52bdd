import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from imitation.data.records import Cuboid
from sim_actors.randomization.perturb import RandomizeSettings, perturb
from sim_actors.scene.footprint import Footprint, hides, overlaps
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Scene
from sim_actors.staging.restage import RestageSettings, restage
from tests.sim_actors.scenes import CATALOG, cuboid, frame, labelled, overlapping, seeds, street

STAYING = RandomizeSettings(drop=0.0)


def scene_of(seed: int = 0) -> Scene:
    return restage(
        street(),
        scene_id="s",
        seed=seed,
        convention="amodal_clipped",
        settings=RestageSettings(),
        catalog=CATALOG,
    )


def perturbed(scene: Scene, settings: RandomizeSettings, seed: int, focus: tuple[int, ...] = ()) -> Scene:
    return perturb(scene, settings, np.random.default_rng(seed), focus)


@given(seeds)
def test_strength_zero_changes_nothing(seed: int) -> None:
    scene = scene_of()
    assert perturbed(scene, RandomizeSettings(strength=0), seed) == scene


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_a_seed_decides_everything_and_json_keeps_it(seed: int) -> None:
    scene = scene_of()
    once = perturbed(scene, RandomizeSettings(), seed)
    assert once == perturbed(scene, RandomizeSettings(), seed)
    assert once != perturbed(scene, RandomizeSettings(), seed + 1)
    assert Scene.from_json(once.to_json()) == once


def test_what_is_seen_in_part_does_not_leave_the_picture() -> None:
    """A van at the edge, 30% of it inside: drawn anew it keeps 15%, where the camera stays."""
    still = STAYING.model_copy(update={"focal": 0.0, "camera_height": 0.0, "camera_pitch": 0.0})
    scene = scene_of()
    shares = []
    for x in (-8.0, 8.0):
        at_edge = scene.replace(actors=(Actor("van", cuboid("van", x, 9.0, camera=scene.camera)),))
        for seed in range(60):
            (van,) = perturbed(at_edge, still, seed).actors
            box = projected_box(van.cuboid, scene.camera)
            shares.append(box.clipped(scene.width, scene.height).area / box.area)
    assert min(shares) >= 0.15
    assert min(shares) < 0.3, "none came near the limit: the test looks at nothing"
    assert len(set(shares)) > 100


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(0.05, 1))
def test_everything_stays_within_its_range(seed: int, strength: float) -> None:
    limits = STAYING.model_copy(update={"strength": strength, "night": 0.0, "flip": 0.0})
    before = scene_of()
    after = perturbed(before, limits, seed)
    assert len(after.actors) == len(before.actors)
    slack = 1e-9
    for old, new in zip(before.actors, after.actors):
        a, b = old.cuboid, new.cuboid
        assert abs(b.x - a.x) <= limits.position * strength + slack
        assert abs(b.z - a.z) <= (limits.position + limits.depth * a.z) * strength + slack
        turn = (b.yaw - a.yaw + math.pi) % (2 * math.pi) - math.pi
        assert abs(turn) <= limits.yaw * strength + slack
        for name in ("length", "width", "height"):
            ratio = getattr(b, name) / getattr(a, name)
            assert abs(ratio - 1) <= limits.size * strength + slack
        assert (new.category, new.labelled) == (old.category, old.labelled)
        assert all(0 <= channel <= 1 for channel in new.color)
    shift = abs(after.environment.hour - before.environment.hour)
    assert min(shift, 24 - shift) <= limits.hour * strength + slack
    assert abs(after.camera.fx / before.camera.fx - 1) <= limits.focal * strength + slack
    assert before.camera.height is not None
    assert after.camera.height is not None
    assert abs(after.camera.height - before.camera.height) <= limits.camera_height * strength + slack
    assert (
        abs((after.camera.pitch or 0) - (before.camera.pitch or 0)) <= limits.camera_pitch * strength + slack
    )
    assert abs(after.sensor.exposure - before.sensor.exposure) <= limits.exposure * strength + slack
    assert 0 <= after.sensor.noise - before.sensor.noise <= limits.noise * strength + slack
    assert 0 <= after.environment.hour < 24


@settings(max_examples=60, deadline=None)
@given(seeds, st.floats(0.5, 3))
def test_nothing_new_interpenetrates_and_nobody_leaves(seed: int, reach: float) -> None:
    wild = RandomizeSettings(position=reach, yaw=1.5, drop=0.0)
    before = scene_of()
    after = perturbed(before, wild, seed)
    assert overlapping(before) == set()
    assert overlapping(after) == set()
    for actor in after.actors:
        assert actor.cuboid.z > 0.5
        box = projected_box(actor.cuboid, after.camera)
        assert box.clipped(after.width, after.height).area > 0.1 * box.area


places = st.tuples(
    st.sampled_from(["Car", "Van", "Truck", "Pedestrian", "Cyclist"]),
    st.floats(-9, 9), st.floats(-4, 35), st.floats(-math.pi, math.pi),
    st.floats(0.7, 1.4), st.floats(-0.5, 0.5),
)  # fmt: skip


def crowd(things: list[Any]) -> Scene:
    """Things anywhere: in each other, behind the camera, above and below the ground, some unlabelled."""
    actors = []
    for k, (category, x, z, yaw, scale, sunk) in enumerate(things):
        shape = cuboid(category, x, z, yaw)
        sizes = {name: getattr(shape, name) * scale for name in ("length", "width", "height")}
        actors.append(Actor(category, replace(shape, y=shape.y + sunk, **sizes), seed=k, labelled=k % 3 > 0))
    return replace(scene_of(), actors=tuple(actors))


def shared_area(a: Cuboid, b: Cuboid) -> float:
    """Of two cuboids' footprints, m2: one clipped by the sides of the other (Sutherland, Hodgman)."""
    shape, clip = ([complex(x, z) for x, _, z in c.corners()[:4]] for c in (a, b))
    inner = sum(clip) / 4
    for start, end in zip(clip, clip[1:] + clip[:1]):
        normal = (end - start) * 1j
        normal = normal if ((inner - start) * normal.conjugate()).real > 0 else -normal
        depth = [((p - start) * normal.conjugate()).real for p in shape]
        kept = []
        for p, q, d, e in zip(shape, shape[1:] + shape[:1], depth, depth[1:] + depth[:1]):
            kept += [p] if d >= 0 else []
            kept += [p + (q - p) * d / (d - e)] if (d >= 0) != (e >= 0) else []
        shape = kept
    return abs(sum((p.conjugate() * q).imag for p, q in zip(shape, shape[1:] + shape[:1]))) / 2


@settings(max_examples=60, deadline=None)
@given(st.lists(places, min_size=2, max_size=10), seeds, st.floats(0.01, 1), st.floats(0, 4))
def test_in_any_crowd_nothing_new_interpenetrates(
    things: list[Any], seed: int, strength: float, reach: float
) -> None:
    before = crowd(things)
    wild = RandomizeSettings(strength=strength, position=reach, yaw=1.5, flip=0.5, size=0.3, drop=0.5)
    assert perturbed(before, wild.model_copy(update={"strength": 0.0}), seed) == before
    whole = perturbed(before, wild, seed).actors
    assert len(whole) == len(before.actors)
    for j, (old, new) in enumerate(zip(before.actors, whole)):
        assert new.cuboid.z >= min(1.5, old.cuboid.z)
        for other_old, other_new in zip(before.actors[:j], whole):
            if shared_area(old.cuboid, other_old.cuboid) == 0:
                assert shared_area(new.cuboid, other_new.cuboid) < 1e-6
    # Things are left out after all have moved, so those that stay are free of each other too.
    fewer = perturbed(before, wild, seed, focus=(0,)).actors
    assert {a.cuboid for a in fewer} <= {a.cuboid for a in whole}
    assert fewer[0].cuboid == whole[0].cuboid


def test_shared_area() -> None:
    a = Cuboid(0.0, 1.6, 10.0, 4.0, 2.0, 1.5, 0.0)
    assert shared_area(a, replace(a, x=3.0)) == pytest.approx(2.0)
    assert shared_area(a, replace(a, yaw=math.pi / 2)) == pytest.approx(4.0)
    diamond = replace(a, yaw=math.pi / 4, length=2.0, width=1.0)  # two tips stick out, by 1.5 / sqrt(2) - 1
    assert shared_area(a, diamond) == pytest.approx(2.0 - 2 * (1.5 / math.sqrt(2) - 1) ** 2)
    assert shared_area(a, replace(a, x=4.5)) == 0


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_feet_keep_their_height_over_the_ground(seed: int) -> None:
    before = scene_of()
    after = perturbed(before, STAYING, seed)
    for old, new in zip(before.actors, after.actors):
        assert ground_y(after.camera, new.cuboid.z) - new.cuboid.y == pytest.approx(
            ground_y(before.camera, old.cuboid.z) - old.cuboid.y, abs=1e-9
        )


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_props_in_the_way_go(seed: int) -> None:
    after = perturbed(scene_of(seed), RandomizeSettings(position=3.0), seed)
    for actor in after.actors:
        mark = Footprint.of(actor.cuboid)
        assert not any(overlaps(Footprint.of(p), mark) or hides(Footprint.of(p), mark) for p in after.props)


def test_wedged_actors_stay_and_touching_ones_are_no_reason_to_fail() -> None:
    """Cars bumper to bumper and side by side have nowhere to go, two that overlap already may stay so."""
    packed = [cuboid("Car", x, z) for x in (-1.64, 0.0, 1.64) for z in (8.0, 11.9, 15.8)]
    doubled = [cuboid("Car", 6.0, 20.0), cuboid("Car", 6.3, 21.0)]
    before = restage(
        frame(*(labelled("Car", c) for c in packed + doubled)),
        scene_id="s",
        seed=0,
        convention="visible",
        settings=RestageSettings(),
    )
    assert overlapping(before) == {(9, 10)}
    for seed in range(10):
        assert overlapping(perturbed(before, STAYING, seed)) <= {(9, 10)}


def test_focus_is_never_left_out() -> None:
    droppy = RandomizeSettings(drop=1.0)
    for seed in range(5):
        assert [a.category for a in perturbed(scene_of(), droppy, seed, focus=(1, 5)).actors] == [
            "Car",
            "Pedestrian",
        ]
        assert len(perturbed(scene_of(), droppy, seed).actors) == len(scene_of().actors)


def test_every_weather_and_the_night_come_up() -> None:
    eager = RandomizeSettings(change_weather=1.0, night=0.5)
    scene = scene_of()
    lights = [perturbed(scene, eager, seed).environment for seed in range(150)]
    assert {light.weather for light in lights} == {"clear", "overcast", "fog", "rain", "snow"}
    assert 40 < sum(light.hour < 5 or light.hour > 20 for light in lights) < 110
    assert all(light.wetness > 0 for light in lights if light.weather == "rain")


@pytest.mark.parametrize(
    "bad", [{"weather": {"clear": 0.0}}, {"weather": {"hail": 1.0}}, {"strength": 1.5}, {"size": 0.9}]
)
def test_impossible_settings_are_refused(bad: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(bad))):
        RandomizeSettings.model_validate(bad)
