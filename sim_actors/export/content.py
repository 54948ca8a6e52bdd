"""What goes into a file: the meshes of a scene with the textures that were baked for them, and the sky."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt

from imitation.data.images import encode_jpeg, encode_png
from sim_actors.export.plate import plate_mesh
from sim_actors.export.unwrap import unwrap
from sim_actors.scene.records import Scene
from sim_actors.simulators.geometry.ground import PIECES
from sim_actors.simulators.geometry.lights import Lamp, Lights
from sim_actors.simulators.geometry.materials import Surface
from sim_actors.simulators.geometry.meshes import WorldMesh
from sim_actors.simulators.geometry.scene_geometry import SceneGeometry, scene_geometry
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.materials import Texture
from sim_actors.simulators.opengl.devices import device_index
from sim_actors.simulators.opengl.passes.bake import Baked, bake_body, bake_ground, bake_sky
from sim_actors.simulators.opengl.passes.context import Device
from sim_actors.simulators.opengl.passes.draw_list import Body, bodies
from sim_actors.simulators.opengl.settings import RendererSettings

GROUND_SIZES = ((1024, 2048), (1024, 2048), (512, 512))
"""Texels of the ground's pieces."""
SKY_HEIGHT = 512
_FACADES = frozenset({Texture.FACADE, Texture.TILES})
_PATTERNS = frozenset({Texture.SIGN, Texture.BRICK, Texture.CHECKS})


@dataclass(frozen=True)
class Image:
    """A picture file's content and its ending, "jpg" or "png"."""

    data: bytes
    suffix: str


@dataclass(frozen=True)
class Look:
    """A surface with its textures, which take the place of its own values: `albedo` is sRGB, `roughness` in
    the green channel, `emission` sRGB, times `glow`."""

    surface: Surface
    name: str
    albedo: Image | None = None
    roughness: Image | None = None
    emission: Image | None = None
    glow: float = 1.0


@dataclass(frozen=True, eq=False)
class Item:
    """A mesh, and how each of its surfaces looks."""

    mesh: WorldMesh
    looks: tuple[Look, ...]


@dataclass(frozen=True, eq=False)
class Content:
    """A scene ready to be written. `sky` (H, W, 3) float32: a panorama as `geometry.lights` has it, with
    clouds and skyline."""

    scene: Scene
    geometry: SceneGeometry
    items: tuple[Item, ...]
    sky: np.ndarray


class Baker:
    """Makes the content of scenes; its textures are drawn by the embedded renderer's shaders, so it needs
    EGL as that does. To be used in one thread, in a `with` statement."""

    def __init__(self, settings: RendererSettings | None = None) -> None:
        self.settings = settings or RendererSettings()
        self._device: Device | None = None

    def __enter__(self) -> Baker:
        return self

    def __exit__(self, *ignored: object) -> None:
        device, self._device = self._device, None
        if device is not None:
            device.close()

    def content(self, scene: Scene) -> Content:
        """The content of a scene. Raises UserError for one that cannot be staged, or where EGL is missing."""
        geometry = scene_geometry(scene, self.settings.bodies)
        if self._device is None:
            shadows = 128  # none are drawn
            self._device = Device(shadows, device_index(self.settings.device), self.settings.threads)
        with self._device as device:
            sky = bake_sky(device, scene, FAMILIES[scene.family], SKY_HEIGHT)
            items = tuple(_items(device, scene, geometry))
        below = np.broadcast_to(geometry.lights.sky[-1, 0], (SKY_HEIGHT // 2, 2 * SKY_HEIGHT, 3))
        sky = np.concatenate([sky[: SKY_HEIGHT // 2], below]).astype(np.float32)
        return Content(scene, geometry, items, sky)


def lamps_of(lights: Lights) -> Iterator[tuple[str, Lamp]]:
    """All lamps with a name each."""
    for kind, lamps in (
        ("HeadLamp", lights.head_lamps), ("OwnLamp", lights.own_lamps), ("StreetLamp", lights.street_lamps)
    ):  # fmt: skip
        yield from ((f"{kind}_{k:02d}", lamp) for k, lamp in enumerate(lamps))


def _items(device: Device, scene: Scene, geometry: SceneGeometry) -> Iterator[Item]:
    family = FAMILIES[scene.family]
    actors, props = bodies(scene, family)
    for mesh in geometry.meshes:
        if mesh.kind == "ground":
            baked = bake_ground(device, scene, family, PIECES[mesh.index], GROUND_SIZES[mesh.index])
            yield Item(mesh, (_textured(mesh.surfaces[0], mesh.name, baked),))
        elif mesh.kind == "photographed":
            yield _plain(mesh)
        else:
            yield _body(device, scene, mesh, (actors if mesh.kind == "actor" else props)[mesh.index])
    if scene.backdrop is not None:
        yield _plate(scene, geometry)


def _plain(mesh: WorldMesh) -> Item:
    return Item(mesh, tuple(Look(surface, surface.name) for surface in mesh.surfaces))


def _body(device: Device, scene: Scene, mesh: WorldMesh, body: Body) -> Item:
    """A body, its patterns baked where it has any."""
    wanted = _FACADES if body.mesh[1] == "building" else _PATTERNS
    baked = {k for k, surface in enumerate(mesh.surfaces) if surface.texture in wanted}
    charts = unwrap(mesh, baked)
    if charts is None:
        return _plain(mesh)
    places = charts.uv[charts.charted][:, ::-1]  # the renderer's triangles run the other way round
    family = FAMILIES[scene.family]
    found = bake_body(device, scene, family, body, charts.charted, places, charts.size)
    looks = [
        _textured(surface, mesh.name, found) if k in baked else Look(surface, surface.name)
        for k, surface in enumerate(mesh.surfaces)
    ]
    return Item(replace(mesh, uv=charts.uv), tuple(looks))


def _plate(scene: Scene, geometry: SceneGeometry) -> Item:
    """The scene's photo on a card behind everything."""
    assert scene.backdrop is not None
    assert scene.backdrop.photo is not None
    photo = scene.backdrop.photo.image
    assert photo is not None
    mesh = plate_mesh(geometry)
    image = Image(photo, "png" if photo.startswith(b"\x89PNG") else "jpg")
    return Item(mesh, (Look(mesh.surfaces[0], "plate", emission=image),))


def _textured(surface: Surface, name: str, baked: Baked) -> Look:
    """A surface with baked textures, which run on beyond what was drawn, so that filters find no edge."""
    albedo, gloss, emitted = baked.albedo, baked.gloss, baked.emitted
    if not baked.drawn.all():
        nearest = tuple(distance_transform_edt(~baked.drawn, return_distances=False, return_indices=True))
        albedo, gloss, emitted = albedo[nearest], gloss[nearest], emitted[nearest]
    rough = np.zeros((*gloss.shape, 3), dtype=np.uint8)
    rough[..., 1] = np.round((1.0 - gloss) * 31) * 255 / 31  # in few steps: a small file
    glow = float(emitted.max())
    return Look(
        surface,
        name,
        albedo=Image(encode_jpeg(_srgb(albedo), 90), "jpg"),
        roughness=Image(encode_png(rough), "png"),
        emission=Image(encode_jpeg(_srgb(emitted / glow), 90), "jpg") if glow > 0 else None,
        glow=glow if glow > 0 else 1.0,
    )


def _srgb(linear: np.ndarray) -> np.ndarray:
    """Linear RGB in [0, 1] as sRGB bytes."""
    return _curve()[(linear * 65535.0 + 0.5).astype(np.uint16)]


@lru_cache(maxsize=1)
def _curve() -> np.ndarray:
    """(65536,) uint8: sRGB's transfer function, IEC 61966-2-1."""
    linear = np.arange(65536) / 65535.0
    low, high = 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    return np.round(np.where(linear <= 0.0031308, low, high) * 255).astype(np.uint8)
