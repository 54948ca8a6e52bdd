"""glTF, read again by trimesh and as the JSON that it is."""

import json
import math
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitation.data.records import Box
from sim_actors.export.content import Content
from sim_actors.export.glb import Glb
from sim_actors.scene.projection import iou

trimesh = pytest.importorskip("trimesh")


@pytest.fixture(scope="module")
def file(content: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Glb.write(content, tmp_path_factory.mktemp("glb") / "street.glb")[0]


@pytest.fixture(scope="module")
def tree(file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    magic, version, length, chunk, kind = struct.unpack("<4sIIII", data[:20])
    assert (magic, version, length, kind) == (b"glTF", 2, len(data), 0x4E4F534A)
    found: dict[str, Any] = json.loads(data[20 : 20 + chunk])
    return found


def worlds(tree: dict[str, Any]) -> dict[str, np.ndarray]:
    """Each named node's matrix to the world, by glTF's rules."""
    found: dict[str, np.ndarray] = {}

    def walk(index: int, above: np.ndarray) -> None:
        node = tree["nodes"][index]
        assert not {"translation", "rotation", "scale"} & node.keys()
        here = above @ np.array(node.get("matrix", np.eye(4).T.reshape(-1))).reshape(4, 4).T
        found[node["name"]] = here
        for child in node.get("children", ()):
            walk(child, here)

    for root in tree["scenes"][tree.get("scene", 0)]["nodes"]:
        walk(root, np.eye(4))
    return found


def test_gltfs_camera_sees_the_embedded_renderers_boxes(
    file: Path, tree: dict[str, Any], boxes: dict[str, Box]
) -> None:
    lens = next(node for node in tree["nodes"] if "camera" in node)
    camera = tree["cameras"][lens["camera"]]
    view = np.linalg.inv(worlds(tree)[lens["name"]])
    high = camera["perspective"]["yfov"]
    wide = 2 * math.atan(math.tan(high / 2) * camera["perspective"]["aspectRatio"])
    crop, picture = camera["extras"]["crop"], camera["extras"]["picture"]
    assert crop[2:] == [1242, 375]
    loaded = trimesh.load(file)
    for name, box in boxes.items():
        parts = [n for n in loaded.graph.nodes_geometry if n.startswith(name)]
        assert len(parts) > 3
        points = np.concatenate(
            [
                trimesh.transform_points(loaded.geometry[geometry].vertices, matrix)
                for matrix, geometry in (loaded.graph[part] for part in parts)
            ]
        )
        x, y, z = trimesh.transform_points(points, view).T
        assert (z < 0).all()  # glTF's cameras look along -z
        u = (x / -z / math.tan(wide / 2) + 1) / 2 * picture[0] - crop[0]
        v = (1 - y / -z / math.tan(high / 2)) / 2 * picture[1] - crop[1]
        assert iou(Box(u.min(), v.min(), u.max(), v.max()), box) > 0.99, name


def test_up_is_up_and_labels_are_there(tree: dict[str, Any]) -> None:
    nodes = {node["name"]: node for node in tree["nodes"]}
    assert nodes["actor_000_car"]["extras"] == {
        "category": "Car", "instance": "actor_000_car", "identity": 1
    }  # fmt: skip
    assert "extras" not in nodes["actor_002_cyclist"]
    placed = worlds(tree)
    assert np.allclose(placed["ground_0"][:3, :3] @ [0, 0, 1], [0, 1, 0])
    assert np.allclose(placed["camera"][:3, 3], [0, 1.7, 0])
    sun = placed["sun"][:3, 2]
    assert sun[1] == pytest.approx(math.sin(math.radians(58) * math.sin(math.pi * 10 / 12)), abs=0.01)
    assert sun[0] > 0
    assert sun[2] < 0  # ahead lies along -z


def test_materials_are_exact_and_textured(tree: dict[str, Any]) -> None:
    by_name = {m["name"]: m for m in tree["materials"]}
    paint = [m for n, m in by_name.items() if n.startswith("paint")]
    assert any(
        np.allclose(m["pbrMetallicRoughness"]["baseColorFactor"][:3], (0.4, 0.02, 0.03), atol=2e-3)
        for m in paint
    )
    grounds = [m for n, m in by_name.items() if n.startswith("ground_")]
    assert len(grounds) == 3
    for material in grounds:
        assert "baseColorTexture" in material["pbrMetallicRoughness"]
        assert "metallicRoughnessTexture" in material["pbrMetallicRoughness"]
        assert "emissiveFactor" not in material
    assert {i["mimeType"] for i in tree["images"]} <= {"image/jpeg", "image/png"}
    assert tree["extensions"]["KHR_lights_punctual"]["lights"][0]["type"] == "directional"


def test_texture_coordinates_run_from_the_top(tree: dict[str, Any], file: Path) -> None:
    loaded = trimesh.load(file)
    ground = loaded.geometry[next(n for n in loaded.geometry if n.startswith("ground_0"))]
    # trimesh turns v back: what lies ahead (y) has the larger one, as in USD.
    ahead = ground.vertices[:, 1].argmax()
    assert ground.visual.uv[ahead, 1] == pytest.approx(1.0)


def test_the_same_scene_gives_the_same_bytes(twice: tuple[Content, Content], tmp_path: Path) -> None:
    first, second = (
        Glb.write(content, tmp_path / f"{name}.glb")[0].read_bytes() for name, content in zip("ab", twice)
    )
    assert first == second
