"""Ground truth: what of each labelled body is seen, and what would be seen of it alone.

Visible pixels come from the id target of the colour pass. Each body that is seen is then drawn
alone, without depth, into a tile of a one-byte atlas: once over the image's own pixel grid, which
counts the pixels that others hide, and, where it reaches beyond the image, once over its whole
extent, which gives the share that lies outside. What is behind the near plane (0.2 m) projects
nowhere and counts for neither.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from imitation.data.records import Box
from sim_actors.scene.projection import visible_extents
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl.assets.meshes import mesh_of
from sim_actors.simulators.opengl.lighting.light import NEAR, projection
from sim_actors.simulators.opengl.passes.context import Device, Targets
from sim_actors.simulators.opengl.passes.draw_list import Body
from sim_actors.simulators.opengl.passes.shading import bind_instance
from sim_actors.simulators.truth import Seen, Silhouette, seen_of

WHOLE_TILE = 256
"""Most pixels along either side of the tile over a truncated body's whole extent. Each side has its
own scale: a body that is long and low keeps its rows."""


@dataclass(frozen=True)
class _Tile:
    """A window of the image plane (px) to draw one body into, at `width` x `height` pixels."""

    body: int
    left: float
    top: float
    span: tuple[float, float]
    width: int
    height: int


def measure(device: Device, targets: Targets, scene: Scene, bodies: Sequence[Body], scale: int) -> list[Seen]:
    """Every labelled actor with at least one visible pixel, in actor order."""
    return measured(device, identities(targets, scale), scene, bodies)


def measured(device: Device, ids: np.ndarray, scene: Scene, bodies: Sequence[Body]) -> list[Seen]:
    """As `measure`, where what each pixel shows is known, `ids` (height, width), from whatever renderer."""
    visible = visible_extents(ids)
    order = [k for k, b in enumerate(bodies) if b.actor is not None and b.actor + 1 in visible]
    order.sort(key=lambda k: bodies[k].actor or 0)
    extents = {k: projected_extent(bodies[k], scene) for k in order}
    inner: dict[int, _Tile] = {}
    outer: dict[int, _Tile] = {}
    for k in order:
        inner[k], whole = _tiles(k, extents[k], scene)
        if whole:
            outer[k] = whole
    drawn = _draw(device, scene, bodies, [*inner.values(), *outer.values()])
    masks = dict(zip(inner, drawn))
    whole_masks = dict(zip(outer, drawn[len(inner) :]))
    return [
        _seen(bodies[k], visible, inner[k], masks[k], extents[k], outer.get(k), whole_masks.get(k), scene)
        for k in order
    ]


def identities(targets: Targets, scale: int) -> np.ndarray:
    """The ids at the pixels' centres, (height, width) uint16; `scale` samples a pixel and axis."""
    size = (targets.ids.height, targets.ids.width)
    ids = np.frombuffer(targets.ids.read(alignment=1), dtype=np.uint16).reshape(size)
    return ids[scale // 2 :: scale, scale // 2 :: scale]


def projected_extent(body: Body, scene: Scene) -> Box:
    """The box (px, not clipped to the image) of a body's mesh, cut at the near plane."""
    mesh = mesh_of(body.mesh)
    points = mesh.positions.astype(np.float64) @ body.pose[:3, :3].T + body.pose[:3, 3]
    depth = points[:, 2]
    kept = points[depth >= NEAR]
    if len(kept) < len(points):
        edges = mesh.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)
        a, b = edges[(depth[edges[:, 0]] < NEAR) != (depth[edges[:, 1]] < NEAR)].T
        share = ((NEAR - depth[a]) / (depth[b] - depth[a]))[:, None]
        kept = np.concatenate([kept, points[a] + share * (points[b] - points[a])])
    pixels = scene.camera.project(kept)
    return Box(*(float(v) for v in (*pixels.min(axis=0), *pixels.max(axis=0))))


def _tiles(index: int, extent: Box, scene: Scene) -> tuple[_Tile, _Tile | None]:
    left, top = max(math.floor(extent.x1), 0), max(math.floor(extent.y1), 0)
    right, bottom = min(math.ceil(extent.x2), scene.width), min(math.ceil(extent.y2), scene.height)
    width, height = max(right - left, 1), max(bottom - top, 1)
    inner = _Tile(index, left, top, (width, height), width, height)
    if extent == extent.clipped(scene.width, scene.height):
        return inner, None
    left, top = math.floor(extent.x1), math.floor(extent.y1)
    span = (math.ceil(extent.x2) - left, math.ceil(extent.y2) - top)
    width, height = (min(max(side, 1), WHOLE_TILE) for side in span)
    return inner, _Tile(index, left, top, span, width, height)


def _draw(device: Device, scene: Scene, bodies: Sequence[Body], tiles: Sequence[_Tile]) -> list[np.ndarray]:
    """The silhouette (height, width) bool in each tile, through as few atlas reads as fit."""
    size = (max(1024, scene.width), max(512, scene.height))
    atlas = device.atlas(*size).target
    masks: dict[int, np.ndarray] = {}
    for page in pack([(t.width, t.height) for t in tiles], size):
        atlas.use()
        atlas.viewport = (0, 0, *size)
        atlas.clear()
        device.ctx.enable_only(device.ctx.NOTHING)
        for k, (x, y) in page.items():
            tile = tiles[k]
            view = projection(scene.camera, *tile.span, left=tile.left, top=tile.top)
            device.program("depth")["view"].write(view.T.astype(np.float32).tobytes())  # type: ignore[union-attr]
            atlas.viewport = (x, y, tile.width, tile.height)
            bind_instance(device, tile.body)
            device.mesh(bodies[tile.body].mesh, "depth").render()
        used = max(y + tiles[k].height for k, (_, y) in page.items())
        data = np.frombuffer(atlas.read(viewport=(0, 0, size[0], used), components=1, alignment=1), np.uint8)
        image = data.reshape(used, size[0]) > 0
        for k, (x, y) in page.items():
            masks[k] = image[y : y + tiles[k].height, x : x + tiles[k].width]
    return [masks[k] for k in range(len(tiles))]


def pack(sizes: Sequence[tuple[int, int]], page: tuple[int, int]) -> list[dict[int, tuple[int, int]]]:
    """Places rectangles (width, height) on pages, on shelves by falling height. Each page maps the
    rectangle's index to its corner. No rectangle may be larger than a page."""
    pages: list[dict[int, tuple[int, int]]] = []
    x = y = shelf = 0
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k][1]):
        width, height = sizes[k]
        if x + width > page[0]:
            x, y, shelf = 0, y + shelf, 0
        if not pages or y + height > page[1]:
            pages.append({})
            x = y = shelf = 0
        pages[-1][k] = (x, y)
        x, shelf = x + width, max(shelf, height)
    return pages


def _seen(
    body: Body,
    visible: dict[int, tuple[int, Box]],
    tile: _Tile,
    mask: np.ndarray,
    extent: Box,
    whole: _Tile | None,
    whole_mask: np.ndarray | None,
    scene: Scene,
) -> Seen:
    assert body.actor is not None
    alone = Silhouette(mask, tile.left, tile.top, tile.span)
    beyond = None
    if whole and whole_mask is not None:
        beyond = Silhouette(whole_mask, whole.left, whole.top, whole.span)
    # At the image's own scale the tile's pixels bound it like any other; else its vertices do.
    exact = whole is None or whole.span == (whole.width, whole.height)
    size = scene.width, scene.height
    return seen_of(body.actor, visible[body.actor + 1], alone, size, beyond, extent=None if exact else extent)
