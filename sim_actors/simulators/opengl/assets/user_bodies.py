"""Bodies of your own: OBJ and GLB files that a manifest names, beside or instead of the procedural ones.

    # bodies.yaml; files lie beside it
    replace: false              # true: categories that the manifest names have its bodies only
    bodies:
      - category: car           # as your labels call it, or one the simulator lacks, such as excavator
        model: taxi             # a name of its own
        file: taxi.glb
        kind: vehicle           # vehicle, person, rider, rail or thing: where free scenes put it
        size: {length: 4.6, width: 1.82, height: 1.5}  # real, m; left out: the file's own, in m
        forward: -z             # axes of the file; glTF: up +y
        up: +y
        paint: [Body]           # materials that take the actor's colour

A size may be a list, [length, width, height], the order of cuboids. One whose proportions are not the
file's is asked about: an error where the same numbers in another order would fit, else a warning. A list
that fits in the order of earlier versions, length, height, width, is taken so, with a warning.

Files are read with trimesh (`pip install imitation-training[bodies]`). Geometry and flat colours are
used, a texture counts as its mean colour; see-through materials become glass.
"""

from __future__ import annotations

import io
import itertools
import logging
import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, ValidationError, field_validator

from imitation.common import storage
from imitation.common.formats.validation import sentence
from imitation.common.settings import Settings, UserError
from imitation.common.texts import shown
from sim_actors.scene.category_words import canonical
from sim_actors.scene.sizes import SIZES, Kind, SizePrior
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.shapes import Mesh, Part, assemble

log = logging.getLogger(__name__)

Axis = Literal["+x", "-x", "+y", "-y", "+z", "-z"]
OWN_COLOUR = 1024
"""A material number of this or more is a colour of its own: 5, 6 and 5 bits of sRGB."""
MAX_TRIANGLES = 200_000
_SEE_THROUGH = 0.85  # opacity below which a material is glass
_SAME = 0.25  # log: proportions that differ by less are the same (a wheel or a mirror more or less)


Metres = Annotated[float, Field(gt=0, lt=100)]


class Size(Settings):
    """Real measures of a body, m."""

    length: Metres = Field(description="along the way it faces")
    width: Metres = Field(description="across")
    height: Metres = Field(description="from the ground up")

    def __str__(self) -> str:
        return _sides(self.measures)

    @property
    def measures(self) -> tuple[float, float, float]:
        """Length, width, height."""
        return self.length, self.width, self.height


class BodyFile(Settings):
    """One body of a manifest."""

    category: str = Field(min_length=1, description="what it is labelled as")
    model: str = Field(min_length=1, description="its name in scenes")
    file: str = Field(min_length=1, description="OBJ or GLB file, beside the manifest")
    kind: Literal["vehicle", "person", "rider", "rail", "thing"] | None = Field(
        None,
        description="how it behaves in free scenes: vehicles keep to lanes and park, persons walk, riders "
        "ride at the edge, rail follows the road, things stand beside it; null: as its category does, a "
        "new category as a vehicle",
    )
    size: Size | tuple[Metres, Metres, Metres] | None = Field(
        None,
        description="{length: ..., width: ..., height: ...} or a list in this order, m; null: as the file",
    )
    stretch: bool = Field(False, description="the size is meant, whatever the file's proportions are")
    forward: Axis = Field("+x", description="the file's axis that points ahead")
    up: Axis = Field("+y", description="the file's axis that points up")
    paint: tuple[str, ...] = Field((), description="names of materials that take the actor's colour")

    @field_validator("size", mode="before")
    @classmethod
    def _three_lengths(cls, value: Any) -> Any:
        # said here, or it would be said of each form that a size may have
        if isinstance(value, list | tuple):
            if len(value) != 3 or not all(isinstance(v, int | float) and 0 < v < 100 for v in value):
                raise ValueError(
                    f"length, width and height in m, each above 0 and below 100, found {shown(value)}"
                )
            return tuple(value)
        return value


class Manifest(Settings):
    """A file of bodies."""

    replace: bool = Field(False, description="categories named here have these bodies only")
    bodies: tuple[BodyFile, ...] = Field(min_length=1)


def load_manifest(uri: str) -> Manifest:
    """The manifest in a YAML file. Raises UserError naming the file, the field and the value."""
    try:
        manifest = Manifest.model_validate(storage.read_yaml(uri))
    except ValidationError as error:
        raise UserError(f"{uri}: {sentence(error, Manifest)}") from None
    for entry in manifest.bodies:
        where = f"{uri}: {entry.category}/{entry.model}"
        if entry.forward[1] == entry.up[1]:
            raise UserError(f"{where}: forward {entry.forward} and up {entry.up} lie along one axis")
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
        category = canonical(entry.category)
        mesh = read_body(posixpath.join(posixpath.dirname(uri), entry.file), entry)
        own.setdefault(category, {})[entry.model] = partial(_given, mesh)
        _give_size(category, mesh, entry, f"{uri}: {entry.category}/{entry.model}")
    for category, models in own.items():
        kept = {} if manifest.replace else dict(bodies.get(category, {}))
        if clash := sorted(kept.keys() & models.keys()):
            raise UserError(
                f"{uri}: {category}/{clash[0]}: the simulator has a body of that name; rename yours"
            )
        bodies[category] = kept | models
    FAMILIES["simulator"] = extended = replace(family, bodies=bodies)
    return extended


def own_bodies(uri: str) -> dict[str, list[str]]:
    """The manifest's categories, as the simulator calls them, and the models that it has of each."""
    found: dict[str, list[str]] = {}
    for entry in load_manifest(uri).bodies:
        found.setdefault(canonical(entry.category), []).append(entry.model)
    return found


def _give_size(category: str, mesh: Mesh, entry: BodyFile, where: str) -> None:
    """Tells free scenes and size estimates of a new category; refuses a kind that contradicts a known one."""
    kind: Kind | None = "other" if entry.kind == "thing" else entry.kind
    if category not in SIZES:
        length, height, width = mesh.size
        SIZES[category] = SizePrior(length, width, height, 0.1, kind or "vehicle")
    elif kind is not None and SIZES[category].kind != kind:
        known = SIZES[category].kind.replace("other", "thing")
        raise UserError(
            f"{where}: kind {entry.kind}: {category} is known as {known}; leave the kind out, or give the "
            "category a name of its own"
        )


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
        length, width, height = _meant(entry, extent, uri).measures
        turned = turned * (np.array([length, height, width]) / extent)
    return assemble([Part(turned, materials)])


def _meant(entry: BodyFile, extent: np.ndarray, uri: str) -> Size:
    """The size that an entry means, for a file of `extent` (3,): length, height, width in its own units.

    Raises UserError where its numbers have the file's proportions in another order only. A list in the order
    of earlier versions is taken so, with a warning; one in no order is warned about.
    """
    assert entry.size is not None
    file = (float(extent[0]), float(extent[2]), float(extent[1]))
    size = entry.size if isinstance(entry.size, Size) else _size(entry.size)
    if entry.stretch or _mismatch(size, file) < _SAME:
        return size
    what = f"{uri}: the file is {_sides(file)} in its own units, and the manifest says {size}"
    length, width, height = size.measures
    once = _size((length, height, width))
    if isinstance(entry.size, tuple) and _mismatch(once, file) < _SAME:
        log.warning(
            "%s: taken as length, height, width, the order of earlier versions; write %s",
            what,
            _written(once),
        )
        return once
    best = min(map(_size, itertools.permutations(size.measures)), key=lambda other: _mismatch(other, file))
    if _mismatch(best, file) < _SAME:
        raise UserError(
            f"{what}: swapped? Write {_written(best)}, look at forward and up, or write stretch: true where "
            "the size is meant"
        )
    log.warning(
        "%s: the body will be stretched; look at it with imitate render --body %s, and at forward and up; "
        "stretch: true says that it is meant",
        what,
        entry.model,
    )
    return size


def _size(measures: Sequence[float]) -> Size:
    length, width, height = measures
    return Size(length=length, width=width, height=height)


def _written(size: Size) -> str:
    return f"size: {{length: {size.length:g}, width: {size.width:g}, height: {size.height:g}}}"


def _mismatch(size: Size, file: tuple[float, float, float]) -> float:
    """How far the proportions differ: the greatest stretch of a side over the least, as a logarithm."""
    scale = np.log(np.array(size.measures) / np.array(file))
    return float(np.ptp(scale))


def _sides(measures: tuple[float, float, float]) -> str:
    return " x ".join(f"{side:.3g}" for side in measures) + " (length x width x height)"


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
