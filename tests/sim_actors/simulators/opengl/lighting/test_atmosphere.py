"""Sun and sky: what physics asks of them, and what the camera makes of their brightness."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.data.records import Camera
from sim_actors.scene.records import Environment
from sim_actors.simulators.opengl.assets.families import FAMILIES, SIMULATOR
from sim_actors.simulators.opengl.lighting.atmosphere import (
    DOME_REACH,
    dome_directions,
    irradiance,
    phase_aerosol,
    phase_rayleigh,
    sky_map,
    transmittance,
)
from sim_actors.simulators.opengl.lighting.light import (
    CASCADES,
    LUMINANCE,
    NOON_ELEVATION,
    exposed,
    illuminate,
    shadow_matrix,
    sun_elevation,
    time_of_day,
)

CAMERA = Camera(700.0, 700.0, 600.0, 180.0, 1.65, 0.0)
SIZE = 64


@pytest.mark.parametrize("phase", [phase_rayleigh, phase_aerosol])
def test_a_phase_function_spreads_all_the_light(phase) -> None:
    cosine = np.linspace(-1, 1, 20001)
    assert np.trapezoid(2 * np.pi * phase(cosine), cosine) == pytest.approx(1.0, abs=1e-3)


@given(st.floats(0.01, math.pi / 2), st.floats(1.5, 10))
@settings(max_examples=40, deadline=None)
def test_air_takes_blue_from_the_sun_most_and_more_when_low_or_hazy(
    elevation: float, turbidity: float
) -> None:
    light = transmittance(elevation, turbidity)
    assert (light > 0).all()
    assert (light < 1).all()
    assert light[0] > light[2]
    assert (transmittance(elevation, turbidity + 1) < light).all()
    if elevation < 1.4:
        higher = transmittance(elevation + 0.1, turbidity)
        assert (higher >= light).all()


def test_the_sun_is_gone_below_the_horizon() -> None:
    assert not transmittance(-0.05, 3.0).any()


def test_air_thins_with_height() -> None:
    assert (transmittance(0.5, 3.0, 3000.0) > transmittance(0.5, 3.0)).all()


def test_the_sky_is_blue_above_and_whiter_below_and_the_same_on_both_sides() -> None:
    sky = sky_map(math.radians(50), 3.0, SIZE)
    up = dome_directions(SIZE)[..., 1]
    high, low = sky[up > 0.9].mean(axis=0), sky[(up > 0.02) & (up < 0.1)].mean(axis=0)
    assert high[2] > 1.3 * high[0]
    assert high[2] / high[0] > low[2] / low[0]
    assert np.allclose(sky, sky[:, ::-1], rtol=1e-6)  # the sun is ahead: right mirrors left
    toward, away = sky[-SIZE // 5, SIZE // 2], sky[SIZE // 5, SIZE // 2]
    assert toward @ LUMINANCE > away @ LUMINANCE


def test_a_clear_noon_sky_gives_a_tenth_to_a_fourth_of_the_suns_light() -> None:
    # Measured diffuse shares of clear days lie in this range.
    sky = irradiance(sky_map(NOON_ELEVATION, 3.0, SIZE), np.zeros(3)) @ [0, 1, 0, 1] @ LUMINANCE
    sun = transmittance(NOON_ELEVATION, 3.0) @ LUMINANCE * math.sin(NOON_ELEVATION) / math.pi
    assert 0.08 < sky / (sky + sun) < 0.3


def test_dusk_is_blue_above_and_warm_below() -> None:
    sky = sky_map(math.radians(-3), 3.0, 96)
    direction = dome_directions(96)
    top = sky[direction[..., 1] > 0.95].mean(axis=0)
    glow = sky[(direction[..., 2] > 0.95) & (direction[..., 1] > 0.02)].mean(axis=0)
    assert top[2] > top[0]
    assert glow[0] > glow[2]
    assert top[1] > 0.8 * min(top[0], top[2])  # not purple


def test_irradiance_of_an_even_sky_over_a_ground() -> None:
    sky = np.broadcast_to([1.0, 2.0, 3.0], (SIZE, SIZE, 3))
    ground = np.array([0.5, 0.5, 0.5])
    light = irradiance(sky, ground)

    def on(normal: tuple[float, float, float]) -> np.ndarray:
        return light @ [*normal, 1.0]

    assert on((0, 1, 0)) == pytest.approx([1.0, 2.0, 3.0], rel=0.02)
    assert on((0, -1, 0)) == pytest.approx([0.5, 0.5, 0.5], rel=0.08)
    assert on((1, 0, 0)) == pytest.approx([0.75, 1.25, 1.75], rel=0.02)
    assert on((0, 0, -1)) == pytest.approx(on((1, 0, 0)), rel=1e-6)


def test_directions_of_a_sky_map() -> None:
    direction = dome_directions(SIZE)
    assert np.allclose(np.linalg.norm(direction, axis=-1), 1)
    assert (direction[..., 1] >= 0).all()
    axis = ((np.arange(SIZE) + 0.5) / SIZE * 2 - 1) * DOME_REACH
    x, z = np.meshgrid(axis, axis)
    inside = x**2 + z**2 < 1
    # The shader's inverse: right and ahead over one plus up.
    back = direction[..., [0, 2]] / (1 + direction[..., 1:2])
    assert np.allclose(back[inside], np.stack([x, z], axis=-1)[inside], atol=1e-9)


def test_exposure_follows_the_light_but_not_all_the_way() -> None:
    levels = [exposed(light) for light in (1.0, 0.1, 0.01, 1e-3, 1e-5)]
    assert levels[0] == pytest.approx(1.0)
    assert levels == sorted(levels, reverse=True)
    assert levels[1] > 0.5
    assert levels[-1] < 0.02


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_a_day(family: str) -> None:
    def light(hour: float, weather: str = "clear"):
        return illuminate(Environment(hour=hour, weather=weather), CAMERA, FAMILIES[family])  # type: ignore[arg-type]

    noon, evening, night = light(12.0), light(17.5), light(23.0)
    assert noon.shines
    assert noon.night == 0.0
    assert night.night == 1.0
    assert noon.to_sun[1] < evening.to_sun[1] < 0  # y is down
    assert evening.day.sun[0] / evening.day.sun[2] > noon.day.sun[0] / noon.day.sun[2]
    assert night.day.sun.max() < 0.1 * noon.day.sun.max()
    for weather in ("overcast", "fog", "rain", "snow"):
        veiled = light(12.0, weather)
        assert not veiled.shines
        assert (veiled.day.ambient[:, 3] > 0).all()
    for hour in np.arange(0.0, 24.0, 0.5):
        day = light(float(hour)).day
        for value in (day.radiance, day.ambient, day.fog, day.glare, day.sun):
            assert np.isfinite(value).all()
        assert (day.radiance >= 0).all()


def test_hours() -> None:
    assert sun_elevation(12.0) == pytest.approx(NOON_ELEVATION)
    assert sun_elevation(6.0) == pytest.approx(0.0, abs=1e-9)
    assert [time_of_day(h) for h in (12.0, 18.2, 23.0, 5.9)] == ["day", "dusk", "night", "dusk"]


@given(
    st.floats(-math.pi, math.pi), st.floats(6.5, 17.5), st.floats(-0.1, 0.1), st.floats(1.0, 2.5),
    st.integers(0, len(CASCADES) - 1),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_a_shadow_map_sees_its_ball_and_what_throws_shadows_into_it(
    azimuth: float, hour: float, pitch: float, height: float, cascade: int
) -> None:
    camera = Camera(700.0, 700.0, 600.0, 180.0, height, pitch)
    lit = illuminate(Environment(hour=hour, sun_azimuth=azimuth), camera, SIMULATOR)
    matrix = shadow_matrix(lit.to_sun, camera, cascade)
    ahead, radius, reach = CASCADES[cascade]
    c, s = math.cos(pitch), math.sin(pitch)
    centre = np.array([0.0, c * height - s * ahead, s * height + c * ahead])
    rng = np.random.default_rng(0)
    inside = rng.normal(size=(50, 3))
    inside *= radius * rng.random((50, 1)) ** (1 / 3) / np.linalg.norm(inside, axis=1, keepdims=True)
    points = np.concatenate([centre + inside, centre + inside + 0.9 * (reach - radius) * lit.to_sun])
    clip = np.column_stack([points, np.ones(len(points))]) @ matrix.T
    assert (np.abs(clip[:, :3]) <= 1 + 1e-6).all()
    # Nearer to the sun is nearer in the map; along the light, the place stays.
    assert (clip[50:, 2] < clip[:50, 2]).all()
    assert np.allclose(clip[50:, :2], clip[:50, :2], atol=1e-6)
