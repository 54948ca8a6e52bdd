"""The sensor model: filter kernels, noise, exposure, white balance, vignette, blur, encoding."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from sim_actors.scene.records import Environment, Scene, Sensor
from sim_actors.simulators.opengl.passes.sensor import MAX_TAPS, encode, kernel
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from tests.sim_actors.simulators.opengl.staged import actor, scene

PLAIN = Sensor(noise=0.0, read_noise=0.0, blur=0.0, vignette=0.0, jpeg_quality=0)


def shot(simulator: OpenGLSimulator, **sensor: object) -> np.ndarray:
    """A picture (64, 200, 3) in [0, 255] of a car under a plain sky."""
    staged = scene(
        actor("Car", 0.0, 10.0),
        environment=Environment(weather="fog"),
        sensor=replace(PLAIN, **sensor),  # type: ignore[arg-type]
    )
    return picture(simulator, staged)


def picture(simulator: OpenGLSimulator, staged: Scene) -> np.ndarray:
    image = simulator.render(staged).image
    assert image is not None
    return np.asarray(Image.open(io.BytesIO(image))).astype(float)


@given(st.floats(0, 10), st.sampled_from([1, 2]))
def test_kernels_are_symmetric_and_keep_the_light(blur: float, scale: int) -> None:
    taps = kernel(blur, scale)
    assert len(taps) % 2 == 1
    assert len(taps) <= MAX_TAPS
    assert taps.sum() == pytest.approx(1.0)
    assert np.allclose(taps, taps[::-1])


def test_kernel_has_the_width_that_was_asked_for() -> None:
    for scale in (1, 2):
        taps = kernel(2.0, scale)
        at = np.arange(len(taps)) - len(taps) // 2
        assert np.sqrt((taps * at**2).sum()) / scale == pytest.approx(2.0, abs=0.15)


def test_noise_has_the_deviation_that_was_asked_for(simulator: OpenGLSimulator) -> None:
    clean, noisy = shot(simulator), shot(simulator, noise=0.04)
    grey = (clean > 110) & (clean < 150)
    assert grey.sum() > 2000
    difference = (noisy - clean)[grey] / 255
    assert difference.std() == pytest.approx(0.04, rel=0.2)
    assert abs(difference.mean()) < 0.004
    channels = (noisy - clean).reshape(-1, 3)
    assert abs(np.corrcoef(channels.T)[0, 1]) < 0.1


def test_exposure_balance_vignette_and_blur(simulator: OpenGLSimulator) -> None:
    plain = shot(simulator)
    assert shot(simulator, exposure=1.0).mean() > plain.mean() + 15
    warm = shot(simulator, white_balance=(1.3, 1.0, 0.8))
    assert warm[..., 0].mean() > plain[..., 0].mean() + 5
    assert warm[..., 2].mean() < plain[..., 2].mean() - 5
    dark = plain - shot(simulator, vignette=0.6)
    assert dark[:3, :3].mean() > 15
    assert abs(dark[31:33, 99:101].mean()) < 3
    edges = [np.abs(np.diff(shot(simulator, blur=b), axis=1)).max() for b in (0.0, 1.0, 3.0)]
    assert edges[0] > 1.3 * edges[1] > 1.3 * 1.3 * edges[2]


def test_encoding() -> None:
    ramp = np.tile(np.arange(256, dtype=np.uint8)[None, :, None], (16, 1, 3))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(encode(ramp, 0)))), ramp)
    assert len(encode(ramp, 20)) < len(encode(ramp, 95))


def test_read_noise_does_not_grow_with_the_signal(simulator: OpenGLSimulator) -> None:
    clean = shot(simulator)
    spread = {}
    for name in ("noise", "read_noise"):
        difference = (shot(simulator, **{name: 0.04}) - clean) / 255
        middle, dark = (clean > 110) & (clean < 150), (clean > 40) & (clean < 70)
        assert min(middle.sum(), dark.sum()) > 300
        # Back in linear light, where both are made.
        slope = {k: 1.055 / 2.4 * (v / 255) ** -1.4 for k, v in (("middle", 128.0), ("dark", 55.0))}
        spread[name] = (difference[dark].std() / slope["dark"]) / (difference[middle].std() / slope["middle"])
    assert spread["noise"] < 0.65
    assert spread["read_noise"] > 0.75


def test_aberration_moves_red_out_and_blue_in(simulator: OpenGLSimulator) -> None:
    def rows(shift: float) -> np.ndarray:
        """The picture's right half, (rows, columns, 3)."""
        sensor = replace(PLAIN, blur=0.6, bloom=0.0, aberration=shift)
        return picture(simulator, scene(actor("Pedestrian", 5.0, 9.0), sensor=sensor))[16:48, 110:190]

    plain, moved = rows(0.0), rows(1.5)
    columns, tried = np.arange(plain.shape[1]), np.linspace(-2, 2, 81)

    def outwards(channel: int) -> float:
        """How far a channel has moved to the right, px: where it fits what it was."""
        off = [
            sum(
                np.abs(np.interp(columns - shift, columns, before) - after)[4:-4].sum()
                for before, after in zip(plain[..., channel], moved[..., channel], strict=True)
            )
            for shift in tried
        ]
        return float(tried[int(np.argmin(off))])

    # 1.5 px in the corners is about 0.7 px half way out.
    assert 0.4 < outwards(0) < 1.2
    assert outwards(1) == pytest.approx(0.0, abs=0.06)
    assert -1.2 < outwards(2) < -0.4


def test_bloom_spreads_highlights_and_keeps_the_light(simulator: OpenGLSimulator) -> None:
    staged = scene(
        replace(actor("Car", 0.0, 14.0, yaw=math.pi / 2), lights=True),
        environment=Environment(hour=23.0),
        sensor=replace(PLAIN, bloom=0.0),
    )
    plain = picture(simulator, staged)
    veiled = picture(simulator, replace(staged, sensor=replace(staged.sensor, bloom=0.3)))
    lamp = np.unravel_index(plain.sum(axis=2).argmax(), plain.shape[:2])
    assert veiled[lamp].sum() < plain[lamp].sum()
    around = np.s_[max(lamp[0] - 12, 0) : lamp[0] + 12, max(lamp[1] - 20, 0) : lamp[1] + 20]
    dark = plain[around].sum(axis=2) < 60
    assert dark.sum() > 50
    assert veiled[around][dark].mean() > plain[around][dark].mean() + 1
