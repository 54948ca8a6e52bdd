"""A scene as binary glTF 2.0: one file, y up, metres, with punctual lights (KHR_lights_punctual).

glTF's cameras have no principal point: the camera here is wider, symmetrical about its axis, and its
`extras` say which part of its picture is the scene's. There is no sky in glTF either.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image as Picture

from imitation.common.settings import UserError
from sim_actors.export.content import Content, Image, Item, Look, lamps_of
from sim_actors.simulators.geometry.axes import looking_back

Y_UP = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
"""(4, 4): x right, y ahead, z up, to glTF's x right, y up, z back."""


class Glb:
    """Binary glTF (`sim_actors.export.formats.SceneFormat`)."""

    endings: ClassVar[tuple[str, ...]] = (".glb",)

    @staticmethod
    def need() -> None:
        """Raises UserError where the package that writes glTF is missing."""
        try:
            import trimesh  # noqa: F401
        except ImportError:
            raise UserError("glTF is written with trimesh: pip install imitation-training[bodies]") from None

    @staticmethod
    def write(content: Content, path: Path) -> list[Path]:
        """Writes the file. The same content gives the same bytes. What a photo shows nearer is left out:
        glTF has nothing that hides without being seen."""
        Glb.need()
        path.write_bytes(_written(content))
        return [path]


def _written(content: Content) -> bytes:
    import trimesh

    scene = trimesh.Scene(base_frame="world")
    scene.graph.update(frame_from="world", frame_to="scene", matrix=Y_UP)
    looks: dict[str, Look] = {}
    names: dict[Look, str] = {}
    for item in content.items:
        if item.mesh.kind == "photographed":
            continue
        scene.graph.update(frame_from="scene", frame_to=item.mesh.name, matrix=item.mesh.pose)
        for k, look in enumerate(item.looks):
            name = names.setdefault(look, f"{look.name}_{len(names):03d}")
            looks[name] = look
            part = f"{item.mesh.name}_{look.surface.name}_{k}"
            scene.add_geometry(
                _part(item, k, name), node_name=part, geom_name=part, parent_node_name=item.mesh.name
            )
    data: bytes = trimesh.exchange.gltf.export_glb(
        scene, include_normals=True, tree_postprocessor=_completed(content, looks)
    )
    return data


def _part(item: Item, k: int, name: str) -> Any:
    """The triangles of a mesh's k-th surface, as trimesh has them; textured ones have a vertex a corner
    where coordinates differ."""
    import trimesh

    mesh, look = item.mesh, item.looks[k]
    chosen = mesh.material == k
    corners = mesh.triangles[chosen].reshape(-1)
    textured = mesh.uv is not None and (look.albedo or look.emission)
    places = np.zeros((len(corners), 2)) if mesh.uv is None else mesh.uv[chosen].reshape(-1, 2)
    keys = np.column_stack([corners, places if textured else np.zeros_like(places)])
    _, first, index = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    material = trimesh.visual.material.PBRMaterial(
        name=name,
        doubleSided=True,
        baseColorTexture=_picture(look.albedo),
        metallicRoughnessTexture=_picture(look.roughness),
        emissiveTexture=_picture(look.emission),
    )
    return trimesh.Trimesh(
        vertices=mesh.points[corners[first]],
        faces=index.reshape(-1, 3),
        vertex_normals=mesh.normals[corners[first]],
        visual=trimesh.visual.TextureVisuals(uv=places[first] if textured else None, material=material),
        process=False,
    )


def _picture(image: Image | None) -> Any:
    return None if image is None else Picture.open(BytesIO(image.data))


def _completed(content: Content, looks: dict[str, Look]) -> Callable[[dict[str, Any]], None]:
    """Adds to glTF's tree what trimesh has no words for: exact colours, labels, camera, lights."""

    def complete(tree: dict[str, Any]) -> None:
        for material in tree.get("materials", ()):
            _exact(material, looks[material["name"]])
        known = {item.mesh.name: item.mesh for item in content.items}
        for node in tree["nodes"]:
            mesh = known.get(node.get("name", ""))
            if mesh is not None and (mesh.kind in ("prop", "ground") or mesh.labelled):
                node["extras"] = {"category": mesh.category, "instance": mesh.name, "identity": mesh.identity}
        parent = next(node for node in tree["nodes"] if node.get("name") == "scene")
        parent.setdefault("children", []).append(len(tree["nodes"]))
        tree["nodes"].append(_camera(content, tree))
        for node in _lights(content, tree):
            parent["children"].append(len(tree["nodes"]))
            tree["nodes"].append(node)
        tree["extensionsUsed"] = sorted(
            {"KHR_lights_punctual", "KHR_materials_emissive_strength", "KHR_materials_ior"}
            | set(tree.get("extensionsUsed", ()))
        )
        tree["extras"] = {"scene": content.scene.plain()}

    return complete


def _exact(material: dict[str, Any], look: Look) -> None:
    surface = look.surface
    reflection = material.setdefault("pbrMetallicRoughness", {})
    reflection["metallicFactor"] = 0.0
    reflection["roughnessFactor"] = 1.0 if look.roughness else surface.roughness
    reflection["baseColorFactor"] = [1.0, 1.0, 1.0, 1.0] if look.albedo else [*surface.color, 1.0]
    root = math.sqrt(surface.reflectance)
    extensions = material.setdefault("extensions", {})
    extensions["KHR_materials_ior"] = {"ior": (1 + root) / (1 - root)}
    shine = np.full(3, look.glow) if look.emission else np.array(surface.emission)
    strength = float(shine.max())
    if strength > 0:
        material["emissiveFactor"] = (shine / strength).tolist()
        extensions["KHR_materials_emissive_strength"] = {"emissiveStrength": strength}
    else:
        material.pop("emissiveFactor", None)


def _camera(content: Content, tree: dict[str, Any]) -> dict[str, Any]:
    geometry = content.geometry
    lens, width, height = geometry.camera, geometry.width, geometry.height
    wide, high = 2 * max(lens.cx, width - lens.cx), 2 * max(lens.cy, height - lens.cy)
    tree.setdefault("cameras", []).append(
        {
            "type": "perspective",
            "perspective": {
                "yfov": 2 * math.atan(high / 2 / lens.fy),
                "aspectRatio": (wide / lens.fx) / (high / lens.fy),
                "znear": 0.2,
                "zfar": 2000.0,
            },
            "extras": {
                "fx": lens.fx, "fy": lens.fy, "cx": lens.cx, "cy": lens.cy, "width": width, "height": height,
                "crop": [wide / 2 - lens.cx, high / 2 - lens.cy, width, height],
                "picture": [wide, high],
            },
        }
    )  # fmt: skip
    # A camera of glTF looks along -z, and its y points up.
    pose = geometry.camera_pose @ np.diag([1.0, -1.0, -1.0, 1.0])
    return {"name": "camera", "camera": len(tree["cameras"]) - 1, "matrix": _columns(pose)}


def _lights(content: Content, tree: dict[str, Any]) -> list[dict[str, Any]]:
    lights = content.geometry.lights
    found: list[dict[str, Any]] = []
    nodes: list[dict[str, Any]] = []
    if lights.sun.light.any():
        level = float(lights.sun.light.max())
        color = (lights.sun.light / level).tolist()
        # A white card in it shines with `light`: its irradiance is pi times that.
        found.append({"type": "directional", "name": "sun", "intensity": math.pi * level, "color": color})
        nodes.append({"name": "sun", "matrix": _columns(looking_back(lights.sun.direction))})
    for name, lamp in lamps_of(lights):
        level = float(lamp.light.max())
        found.append(
            {
                "type": "spot", "name": name, "intensity": math.pi * level,
                "color": (lamp.light / level).tolist(),
                "spot": {"innerConeAngle": lamp.inner, "outerConeAngle": lamp.outer},
            }
        )  # fmt: skip
        pose = looking_back(-lamp.direction)
        pose[:3, 3] = lamp.position + 0.1 * lamp.direction
        nodes.append({"name": name, "matrix": _columns(pose)})
    for k, node in enumerate(nodes):
        node["extensions"] = {"KHR_lights_punctual": {"light": k}}
    if found:
        tree.setdefault("extensions", {})["KHR_lights_punctual"] = {"lights": found}
    return nodes


def _columns(matrix: np.ndarray) -> list[float]:
    """A matrix as glTF writes it, column by column."""
    return [float(v) for v in (matrix.T + 0.0).reshape(-1)]
