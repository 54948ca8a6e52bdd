"""A body of one's own with two unlike sides: it comes out neither mirrored nor recoloured."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from sim_actors.scene.records import Actor
from sim_actors.scene.sizes import SIZES
from sim_actors.simulators.geometry.scene_geometry import scene_geometry
from sim_actors.simulators.opengl.assets import families
from sim_actors.simulators.opengl.assets.meshes import body_mesh
from sim_actors.simulators.opengl.assets.user_bodies import install
from tests.sim_actors.simulators.opengl.staged import actor, scene

trimesh = pytest.importorskip("trimesh", reason="bodies of one's own are read with trimesh")


@pytest.fixture
def manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A car red on its right and blue on its left, in glTF's axes: ahead along -z, x to the right."""
    whole = trimesh.Scene()
    for x, colour in ((0.5, (255, 0, 0, 255)), (-0.5, (0, 0, 255, 255))):
        block = trimesh.creation.box((1.0, 1.0, 4.0))
        block.apply_translation((x, 0.5, 0.0))
        material = trimesh.visual.material.PBRMaterial(baseColorFactor=colour)
        block.visual = trimesh.visual.TextureVisuals(material=material)
        whole.add_geometry(block)
    whole.export(tmp_path / "blocks.glb")
    body = {"category": "car", "model": "blocks", "file": "blocks.glb", "forward": "-z"}
    (tmp_path / "bodies.yaml").write_text(yaml.safe_dump({"bodies": [body]}))
    monkeypatch.setitem(families.FAMILIES, "simulator", families.FAMILIES["simulator"])
    sizes = dict(SIZES)
    install.cache_clear()
    body_mesh.cache_clear()
    yield str(tmp_path / "bodies.yaml")
    SIZES.clear()
    SIZES.update(sizes)
    install.cache_clear()
    body_mesh.cache_clear()


def test_right_stays_right(manifest: str) -> None:
    driving_away = actor("Car", 2.0, 12.0, -np.pi / 2)
    one = scene(Actor("Car", driving_away.cuboid, model="blocks"))
    mesh = scene_geometry(one, manifest).meshes[0]
    assert mesh.model == "blocks"
    assert np.allclose(mesh.pose[:3, 0], [0, 1, 0])  # ahead
    for index, surface in enumerate(mesh.surfaces):
        x = mesh.vertices[mesh.triangles[mesh.material == index]][..., 0].mean()
        red, _, blue = surface.color
        assert {red, blue} == {0.0, 1.0}
        assert x > 2.0 if red > blue else x < 2.0
    whole = trimesh.Trimesh(mesh.vertices, mesh.triangles)
    assert whole.volume > 0, "inside out"
