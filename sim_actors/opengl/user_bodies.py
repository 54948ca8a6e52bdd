"""Bodies of your own: OBJ and GLB files that a manifest names, beside or instead of the procedural ones.

    # bodies.yaml; files lie beside it
    replace: false              # true: categories that the manifest names have its bodies only
    bodies:
      - category: car           # as your labels call it, or one the simulator lacks, such as excavator
        model: taxi             # a name of its own
        file: taxi.glb
        size: [4.6, 1.5, 1.82]  # real length, height, width, m; left out: the file's own, in m
        forward: -z             # axes of the file; glTF: up +y
        up: +y
        paint: [Body]           # materials that take the actor's colour

Files are read with trimesh (`pip install imitation-training[bodies]`). Geometry and flat colours are
used, a texture counts as its mean colour; see-through materials become glass.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, Literal

import numpy as np
from pydantic import Field, ValidationError

from imitation import storage
from imitation.settings import Settings, UserError
from imitation.texts import shown
from sim_actors.opengl.families import FAMILIES
from sim_actors.opengl.family import Family
from sim_actors.opengl.materials import M
from sim_actors.opengl.shapes import Mesh, Part, assemble
from sim_actors.sizes import SIZES, SizePrior

Axis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]
OWN_COLOUR = 1024
"""A material number of this or more is a colour of its own: 5, 6 and 5 bits of sRGB."""
MAX_TRIANGLES = 200_000
_SEE_THROUGH = 0.85  # opacity below which a material is glass


class BodyFile(Settings):
    """One body of a manifest."""

    category: str = Field(min_length=1, description="what it is labelled as")
    model: str = Field(min_length=1, description="its name in scenes")
    file: str = Field(min_length=1, description="OBJ or GLB file, beside the manifest")
    size: tuple[float, float, float] | None = Field(None, description="length, height, width, m")
    forward: Axis = Field("+x", description="the file's axis that points ahead")
    up: Axis = Field("+y", description="the file's axis that points up")
    paint: tuple[str, ...] = Field((), description="names of materials that take the actor's colour")


class Manifest(Settings):
    """A file of bodies."""

    replace: bool = Field(False, description="categories named here have these bodies only")
    bodies: tuple[BodyFile, ...] = Field(min_length=1)


def load_manifest(uri: str) -> Manifest:
    """The manifest in a YAML file. Raises UserError naming the file, the field and the value."""
    try:
        manifest = Manifest.model_validate(storage.read_yaml(uri))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(step) for step in first["loc"])
        raise UserError(f"{uri}: {place}: {first['msg'].lower()}, found {shown(first['input'])}") from None
    for entry in manifest.bodies:
        where = f"{uri}: {entry.category}/{entry.model}"
        if entry.forward[1] == entry.up[1]:
            raise UserError(f"{where}: forward {entry.forward} and up {entry.up} lie along one axis")
        if entry.size is not None and not all(0 < side < 100 for side in entry.size):
            raise UserError(f"{where}: size {entry.size}: length, height and width in m, above 0, below 100")
        if posixpath.isabs(entry.file) or ".." in entry.file.split("/"):
            raise UserError(f"{where}: file {entry.file!r} must lie beside the manifest or in a folder there")
    return manifest


@lru_cache(maxsize=8)
def install(uri: str) -> Family:
    """Adds a manifest's bodies to the "simulator" family of this process, and returns it; a second call
    with the same manifest changes nothing. Files are read here, so that a wrong one is told at once.

    Raises UserError for a manifest or file that cannot be used, or where trimesh is missing.
    """
    manifest = load_manifest(uri)
    family = FAMILIES["simulator"]
    bodies: dict[str, Mapping[str, Callable[[], Mesh]]] = dict(family.bodies)
    own: dict[str, dict[str, Callable[[], Mesh]]] = {}
    for entry in manifest.bodies:
        category = entry.category.strip().lower().replace(" ", "_").replace("-", "_")
        mesh = read_body(posixpath.join(posixpath.dirname(uri), entry.file), entry)
        own.setdefault(category, {})[entry.model] = partial(_given, mesh)
        if category not in SIZES:
            length, height, width = mesh.size
            SIZES[category] = SizePrior(length, width, height, 0.1, "vehicle")
    for category, models in own.items():
        kept = {} if manifest.replace else dict(bodies.get(category, {}))
        if clash := sorted(kept.keys() & models.keys()):
            raise UserError(
                f"{uri}: {category}/{clash[0]}: the simulator has a body of that name; rename yours"
            )
        bodies[category] = kept | models
    FAMILIES["simulator"] = extended = replace(family, bodies=bodies)
    return extended


def _given(mesh: Mesh) -> Mesh:
    return mesh


def read_body(uri: str, entry: BodyFile) -> Mesh:
    """A file's triangles as a body, its size the entry's (m), or the file's own."""
    corners, materials = _triangles(uri, entry)
    if not len(corners):
        raise UserError(f"{uri}: there is no triangle in it")
    if len(corners) > MAX_TRIANGLES:
        raise UserError(
            f"{uri}: {len(corners)} triangles, more than {MAX_TRIANGLES}; decimate the mesh first"
        )
    if not np.isfinite(corners).all():
        raise UserError(f"{uri}: a vertex is not finite")
    # A mirrored frame turns triangles inside out: their corners are reversed with it.
    turned = (corners @ _axes(entry).T)[:, ::-1]
    extent = np.ptp(turned.reshape(-1, 3), axis=0)
    if not (extent > 1e-6).all():
        raise UserError(f"{uri}: flat along one axis: its extent is {extent.round(4).tolist()}")
    if entry.size is not None:
        turned = turned * (np.array(entry.size) / extent)
    return assemble([Part(turned, materials)])


def _axes(entry: BodyFile) -> np.ndarray:
    """(3, 3): the file's axes to those of parts: x forward, y up, z to the body's left. That frame is
    left-handed; `assemble` turns y down, and the body is as it was."""

    def unit(axis: Axis) -> np.ndarray:
        vector = np.zeros(3)
        vector["xyz".index(axis[1])] = 1.0 if axis[0] == "+" else -1.0
        return vector

    forward, up = unit(entry.forward), unit(entry.up)
    return np.stack([forward, up, np.cross(up, forward)])


def _triangles(uri: str, entry: BodyFile) -> tuple[np.ndarray, np.ndarray]:
    """Corners (T, 3, 3) in the file's axes and units, and a material each (T,)."""
    try:
        import trimesh
    except ImportError:
        raise UserError(
            f"{uri}: bodies of your own are read with trimesh: pip install imitation-training[bodies]"
        ) from None
    suffix = posixpath.splitext(uri)[1].lower().lstrip(".")
    if suffix not in ("obj", "glb"):
        raise UserError(f"{uri}: bodies are OBJ or GLB files, not {suffix or 'files without an ending'}")
    with storage.open_input(uri) as source:
        data = source.read()
    resolver = trimesh.resolvers.FilePathResolver(storage.resolve(uri)[1]) if storage.is_local(uri) else None
    try:
        scene = trimesh.load_scene(io.BytesIO(data), file_type=suffix, resolver=resolver)
        parts = [part for part in scene.dump() if isinstance(part, trimesh.Trimesh)]
    except Exception as error:  # a parser of many formats raises whatever it meets
        raise UserError(f"{uri}: cannot be read as {suffix.upper()}: {error}") from error
    corners = [np.asarray(part.triangles, dtype=np.float64) for part in parts]
    materials = [_materials(part.visual, len(part.faces), entry) for part in parts]
    empty = np.zeros((0, 3, 3))
    return np.concatenate([empty, *corners]), np.concatenate([np.zeros(0, dtype=np.int64), *materials])


def _materials(visual: Any, count: int, entry: BodyFile) -> np.ndarray:
    """The material of each of a geometry's triangles, (count,)."""
    material = getattr(visual, "material", None)
    if material is not None and getattr(material, "name", None) in entry.paint:
        return np.full(count, int(M.PAINT))
    if material is None:
        colours = np.asarray(visual.face_colors, dtype=np.float64).reshape(-1, 4) / 255
        colours = np.broadcast_to(colours, (count, 4))
    else:
        colours = np.broadcast_to(_colour_of(material), (count, 4))
    return np.where(colours[:, 3] < _SEE_THROUGH, int(M.GLASS), packed_colour(colours[:, :3]))


def _colour_of(material: Any) -> np.ndarray:
    """sRGB and opacity (4,) of a material: its factor, times its texture's mean colour."""
    colour = np.ones(4)
    factor = getattr(material, "baseColorFactor", None)
    if factor is None:
        factor = getattr(material, "diffuse", None)
    if factor is not None:
        given = np.asarray(factor, dtype=np.float64)
        given = given / 255 if np.asarray(factor).dtype.kind in "ui" else given
        colour[: len(given)] = given
    image = getattr(material, "baseColorTexture", None) or getattr(material, "image", None)
    if image is not None:
        mean = np.asarray(image.convert("RGBA"), dtype=np.float64).reshape(-1, 4).mean(axis=0) / 255
        colour = colour * mean
    return colour


def packed_colour(srgb: np.ndarray) -> np.ndarray:
    """Material numbers (N,) of colours (N, 3) in [0, 1]."""
    levels = np.round(np.clip(srgb, 0, 1) * [31, 63, 31]).astype(np.int64)
    return OWN_COLOUR + (levels[:, 0] << 11) + (levels[:, 1] << 5) + levels[:, 2]
