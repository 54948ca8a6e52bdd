"""Bodies set into a photo: what the photo shows nearer hides them, the ground takes their shadows, and
all other pixels stay what they were.

The pass draws, in this order: the photographed things as depth and ids alone; the bodies, lit to match;
the ground plane where nothing stands on it, as the share of light that shadows take; then filters,
develops and lays the result over the photo's own pixels, in linear light.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import moderngl
import numpy as np

from imitation.data.images import load_frame_image
from imitation.data.records import Box
from sim_actors.scene.backdrop import Backdrop
from sim_actors.scene.ground import camera_height, ground_rotation
from sim_actors.scene.projection import visible_extents
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.family import Family, Film
from sim_actors.simulators.opengl.assets.materials import packed
from sim_actors.simulators.opengl.lighting.light import LUMINANCE, NEAR, projection
from sim_actors.simulators.opengl.lighting.photo_matching import Match, match
from sim_actors.simulators.opengl.passes.context import UNIT, Device, Targets
from sim_actors.simulators.opengl.passes.draw_list import Body, occluder_body, stage
from sim_actors.simulators.opengl.passes.ground_truth import identities, measure
from sim_actors.simulators.opengl.passes.sensor import MARGIN, MAX_TAPS, kernel
from sim_actors.simulators.opengl.passes.shading import (
    bind_instance,
    bind_scene,
    contact,
    draw_bodies,
    draw_shadows,
    lay_ground,
    lights_of,
    occlude,
)
from sim_actors.simulators.truth import Seen

_RIM = 0.7  # m around a footprint that contact shadows reach
_PAD = 6  # px around what is drawn, for filters

Window = tuple[int, int, int, int]
"""x, y, width, height, px."""

Extent = tuple[int, Box]
"""Pixels of a photographed thing that are seen, and the box around them, px."""


@dataclass(frozen=True)
class Composite:
    """`pixels` (height, width, 3) uint8; `ids` (height, width) uint16: the labelled actor that a pixel
    shows, its index + 1, or 0; `seen`: what is seen of each labelled actor; `before`, `after`:
    what was seen of the photo's objects, by their index there, without and with the actors."""

    pixels: np.ndarray
    ids: np.ndarray
    seen: list[Seen]
    before: dict[int, Extent]
    after: dict[int, Extent]


Relight = Callable[[Match, Sequence[Body], Sequence[Body]], np.ndarray]
"""From how a photo is lit, the bodies that stand in its sun and those that do not, to the radiance
(height, width, 3) that bodies have at each pixel."""


def compose(
    device: Device, scene: Scene, family: Family, scale: int, relight: Relight | None = None
) -> Composite:
    """A scene's actors and props in its photo, at `scale` samples per pixel and axis. `relight`: another
    renderer's light on the bodies; the ground's shadows stay ours."""
    backdrop = scene.backdrop
    assert backdrop is not None
    assert backdrop.photo is not None
    original = load_frame_image(backdrop.photo)
    matched = match(scene, family)
    shift = 0.25 if scale == 2 else 0.0
    view = projection(scene.camera, scene.width, scene.height, left=-shift, top=-shift)
    staged = stage(scene, matched.family)
    sunny = [body for body in staged if body.actor not in backdrop.shaded]
    shaded = [body for body in staged if body.actor in backdrop.shaded]
    first = len(scene.actors) + 1
    photographed = [
        occluder_body(item, matched.family, first + k) for k, item in enumerate(backdrop.occluders)
    ]
    bodies = [*sunny, *shaded, *photographed]  # the first of them throw shadows
    relit = None if relight is None else relight(matched, sunny, shaded)
    light = bind_scene(device, scene, matched.family, bodies, view)
    lit = lights_of(light)
    if light.shines:
        draw_shadows(device, scene, light.to_sun, sunny)
    targets = device.targets(scene.width, scene.height, scale)
    before = _draw_photographed(device, targets, view, photographed, len(staged), scale)
    materials = packed(dict(matched.family.materials)).tobytes()
    draw_bodies(device, view, sunny, bodies, materials, lit)
    draw_bodies(device, view, shaded, bodies, materials, tuple(name for name in lit if name != "SUN"))

    if relit is not None:
        _replace_light(targets, relit, scale)

    window = _window([*sunny, *shaded], scene, view, light.to_sun if light.shines else None)
    photo = _texture(device, original)
    try:
        _veil(device, targets, scene, matched, photo, lit, scale, window)
        over = moderngl.ONE, moderngl.ONE_MINUS_SRC_ALPHA  # on top of the shadows
        contact(device, targets, view, [*sunny, *shaded], over, "VEIL")
        if relit is None:
            with _Scissor(targets.occluded, window):
                occlude(device, targets, scene, scale, shift)
        else:  # traced light is occluded by itself
            targets.occluded.clear(1.0)
        ids = identities(targets, scale)
        after = visible_extents(ids)
        seen = measure(device, targets, scene, bodies, scale)
        pixels = _over(device, targets, scene, matched, photo, original, scale, window)
    finally:
        photo.release()
    return Composite(
        pixels,
        np.where(ids < first, ids, 0).astype(np.uint16),
        seen,
        _of_photo(before, backdrop, first),
        _of_photo(after, backdrop, first),
    )


def _replace_light(targets: Targets, radiance: np.ndarray, scale: int) -> None:
    """Gives the bodies that are drawn another light (height, width, 3)."""
    rows = np.frombuffer(targets.color.read(alignment=1), np.float16)
    rows = rows.reshape(targets.color.height, targets.color.width, 4).copy()
    drawn = rows[..., 3] > 0
    rows[drawn, :3] = radiance.repeat(scale, axis=0).repeat(scale, axis=1)[drawn]
    targets.color.write(rows.tobytes(), alignment=1)


def _of_photo(extents: dict[int, Extent], backdrop: Backdrop, first: int) -> dict[int, Extent]:
    """Extents by object of the photo."""
    found = {first + k: item.index for k, item in enumerate(backdrop.occluders)}
    return {found[identity]: extent for identity, extent in extents.items() if identity in found}


def _draw_photographed(
    device: Device, targets: Targets, view: np.ndarray, things: Sequence[Body], first: int, scale: int
) -> dict[int, Extent]:
    """Depth and ids of the photographed things, and what is seen of each; `first` is their first record."""
    targets.scene.use()
    targets.scene.clear(depth=1.0)
    device.ctx.enable_only(moderngl.DEPTH_TEST)
    device.ctx.depth_func = "<="
    device.program("occluder")["view"].write(view.T.astype(np.float32).tobytes())  # type: ignore[union-attr]
    for k, thing in enumerate(things):
        if thing.inside(view):
            bind_instance(device, first + k)
            device.mesh(thing.mesh, "occluder").render()
    return visible_extents(identities(targets, scale)) if things else {}


def _veil(
    device: Device,
    targets: Targets,
    scene: Scene,
    matched: Match,
    photo: moderngl.Texture,
    lit: tuple[str, ...],
    scale: int,
    window: Window,
) -> None:
    """The ground plane: its depth, and the light that bodies keep from it."""
    assert scene.backdrop is not None
    defines = ("SUN",) if "SUN" in lit else ()
    program = device.program("veil", *defines)
    if defines:
        program["image_size"] = (scene.width * scale, scene.height * scale)
        level = float(np.dot(scene.backdrop.look.ground, LUMINANCE))
        program["shade"] = (level, matched.left, scene.backdrop.shadow)
        photo.use(UNIT["photo"])
    lay_ground(device, scene)
    x, y, width, height = window
    with _Scissor(targets.overlay, (x * scale, y * scale, width * scale, height * scale)):
        targets.overlay.use()
        device.ctx.enable_only(moderngl.DEPTH_TEST)
        device.screen("veil", *defines).render(moderngl.TRIANGLE_STRIP, vertices=8)


def _over(
    device: Device,
    targets: Targets,
    scene: Scene,
    matched: Match,
    photo: moderngl.Texture,
    original: np.ndarray,
    scale: int,
    window: Window,
) -> np.ndarray:
    """The photo with what was drawn filtered, developed and laid over it."""
    x, y, width, height = window
    if not (width and height):
        return original
    film: Film = matched.family.film
    taps = kernel(scene.sensor.blur, scale)
    padded = np.zeros(MAX_TAPS + 2 * MARGIN, dtype=np.float32)
    padded[MARGIN : MARGIN + len(taps)] = taps
    rows, over = device.program("composite_rows"), device.program("composite")
    for program in (rows, over):
        program["scale"] = scale
        program["reach"] = len(taps) // 2
        program["taps"].write(padded.tobytes())  # type: ignore[union-attr]
    rows["curve"] = film.curve[:4]
    rows["film"] = (film.curve[4], film.saturation, film.gain)
    rows["gains"] = tuple(matched.gains)
    over["noise"] = (scene.sensor.noise, scene.sensor.read_noise)
    over["seed"] = int(np.random.default_rng([31, scene.seed & 0xFFFFFFFF]).integers(2**32))
    device.ctx.enable_only(moderngl.NOTHING)
    targets.color.use(UNIT["image"])
    targets.light.use(UNIT["light_map"])
    above = min(y * scale, len(taps))  # rows that the filter down the columns reaches beyond the window
    with _Scissor(targets.blurred, (x, y * scale - above, width, height * scale + above + len(taps))):
        targets.blurred.use()
        device.screen("composite_rows").render(moderngl.TRIANGLES)
    targets.rows.use(UNIT["image"])
    photo.use(UNIT["photo"])
    with _Scissor(targets.developed, window):
        targets.developed.use()
        device.screen("composite").render(moderngl.TRIANGLES)
    data = targets.developed.read(viewport=window, components=3, alignment=1)
    pixels = original.copy()
    pixels[y : y + height, x : x + width] = np.frombuffer(data, np.uint8).reshape(height, width, 3)
    return pixels


def _texture(device: Device, pixels: np.ndarray) -> moderngl.Texture:
    """The photo with its mipmaps, as it is stored."""
    texture = device.ctx.texture(pixels.shape[1::-1], 3, np.ascontiguousarray(pixels).tobytes(), alignment=1)
    texture.repeat_x = texture.repeat_y = False
    texture.build_mipmaps()
    texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    return texture


def _window(bodies: Sequence[Body], scene: Scene, view: np.ndarray, to_sun: np.ndarray | None) -> Window:
    """The part of the picture that bodies and their shadows can touch."""
    x1, y1, x2, y2 = float(scene.width), float(scene.height), 0.0, 0.0
    down = ground_rotation(scene.camera)[:, 1]
    for body in bodies:
        unit = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-1.0, 0.0) for z in (-0.5, 0.5)])
        size = np.linalg.norm(body.pose[:3, :3], axis=0)
        reach = unit * (1 + 2 * _RIM / size * [1, 0, 1])
        corners = reach @ body.pose[:3, :3].T + body.pose[:3, 3]
        if to_sun is not None:
            rise = np.maximum(camera_height(scene.camera) - corners @ down, 0.0)
            shadows = corners - to_sun * (rise / -(to_sun @ down))[:, None]
            corners = np.concatenate([corners, shadows])
        if corners[:, 2].max() <= NEAR:
            continue
        if corners[:, 2].min() <= NEAR:  # runs past the camera
            return 0, 0, scene.width, scene.height
        at = scene.camera.project(corners)
        x1, y1 = min(x1, float(at[:, 0].min())), min(y1, float(at[:, 1].min()))
        x2, y2 = max(x2, float(at[:, 0].max())), max(y2, float(at[:, 1].max()))
    left, top = max(int(x1) - _PAD, 0), max(int(y1) - _PAD, 0)
    right, bottom = min(int(x2) + _PAD + 1, scene.width), min(int(y2) + _PAD + 1, scene.height)
    return left, top, max(right - left, 0), max(bottom - top, 0)


class _Scissor:
    """Limits drawing to a window of a framebuffer."""

    def __init__(self, target: moderngl.Framebuffer, window: Window) -> None:
        self.target, self.window = target, window

    def __enter__(self) -> None:
        self.target.scissor = self.window

    def __exit__(self, *ignored: object) -> None:
        self.target.scissor = None  # type: ignore[assignment]
