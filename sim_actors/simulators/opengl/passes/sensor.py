"""The camera: lens blur, bloom, chromatic aberration, vignette, exposure, photon and read noise, film,
encoding."""

from __future__ import annotations

import io

import moderngl
import numpy as np
from PIL import Image

from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.passes.context import GLOW_CELL, UNIT, Device, Targets

MAX_TAPS, MARGIN = 49, 3
"""Taps of a kernel, and the zeros at either end of it that a shift of colours moves it over."""


def kernel(blur: float, scale: int) -> np.ndarray:
    """The filter across one axis, (odd length <= 49,), sum 1: a tent over `scale` samples a pixel,
    convolved with a Gaussian of `blur` px."""
    tent = np.array([0.25, 0.5, 0.25]) if scale == 2 else np.ones(1)
    sigma = blur * scale
    if sigma < 0.15:
        return tent
    reach = min(int(np.ceil(2.2 * sigma)), (MAX_TAPS - len(tent)) // 2)
    gauss = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    taps = np.convolve(tent, gauss / gauss.sum())
    return taps / taps.sum()


def develop(device: Device, targets: Targets, scene: Scene, family: Family, scale: int) -> np.ndarray:
    """The picture as the sensor gives it, (height, width, 3) uint8 sRGB."""
    ctx, sensor, film = device.ctx, scene.sensor, family.film
    taps = kernel(sensor.blur, scale)
    padded = np.zeros(MAX_TAPS + 2 * MARGIN, dtype=np.float32)
    padded[MARGIN : MARGIN + len(taps)] = taps
    rng = np.random.default_rng([31, scene.seed & 0xFFFFFFFF])
    spread = ("SPREAD",) if sensor.aberration else ()
    weather = tuple(w.upper() for w in ("rain", "snow") if w == scene.environment.weather)
    bloom = ("BLOOM",) if sensor.bloom > 0 else ()
    across, down = ("blur", *spread), ("develop", *spread, *weather, *bloom)
    corner = float(np.hypot(scene.width, scene.height)) / 2
    for name, middle in ((across, scene.width / 2), (down, scene.height / 2)):
        program = device.program(*name)
        program["scale"] = scale
        program["reach"] = len(taps) // 2
        program["taps"].write(padded.tobytes())  # type: ignore[union-attr]
        if spread:
            # Three samples are as far as the padding of the kernel lets a colour move.
            shift = float(np.clip(sensor.aberration * scale, -MARGIN, MARGIN))
            program["spread"] = shift / scale / corner
            program["drift"] = int(np.ceil(abs(shift)))
            program["middle"] = middle
    program["image_size"] = (scene.width, scene.height)
    program["gains"] = tuple(2.0**sensor.exposure * np.array(sensor.white_balance))
    program["vignette"] = sensor.vignette
    program["noise"] = (sensor.noise, sensor.read_noise)
    program["seed"] = int(rng.integers(2**32))
    program["curve"] = film.curve[:4]
    program["film"] = (film.curve[4], film.saturation, film.gain)
    if weather:
        program["fall"] = tuple(rng.uniform(0, 1, 2))

    ctx.enable_only(moderngl.NOTHING)
    targets.color.use(UNIT["image"])
    if bloom:
        program["bloom"] = sensor.bloom
        device.program("gather")["cell"] = GLOW_CELL * scale
        targets.gathered.use()
        device.screen("gather").render(moderngl.TRIANGLES)
        targets.glowing.use()
        targets.cells.use(UNIT["glow_map"])
        device.screen("glow").render(moderngl.TRIANGLES)
    targets.blurred.use()
    device.screen(*across).render(moderngl.TRIANGLES)
    targets.developed.use()
    targets.rows.use(UNIT["image"])
    targets.glow.use(UNIT["glow_map"])
    device.screen(*down).render(moderngl.TRIANGLES)
    data = targets.developed.read(components=3, alignment=1)
    return np.frombuffer(data, dtype=np.uint8).reshape(scene.height, scene.width, 3)


def encode(pixels: np.ndarray, jpeg_quality: int) -> bytes:
    """JPEG bytes of that quality (1-100), or PNG bytes for 0."""
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    if jpeg_quality:
        image.save(out, "JPEG", quality=jpeg_quality, subsampling=0 if jpeg_quality >= 90 else 2)
    else:
        image.save(out, "PNG", compress_level=3)
    return out.getvalue()
