"""Bodies: they fill their cuboids, are well formed, and are chosen by proportion and seed."""

from dataclasses import replace

import numpy as np
import pytest

from imitation.records import Camera, Cuboid
from sim_actors.ground import ground_y
from sim_actors.opengl.families import FAMILIES
from sim_actors.opengl.materials import M
from sim_actors.opengl.meshes import actor_pose, body_mesh, model_of, prop_mesh, prop_pose
from sim_actors.opengl.shapes import Mesh, assemble, box, ellipsoid
from sim_actors.scene import Actor, Prop
from tests.sim_actors.opengl.staged import actor

BODIES = [(f.name, c, m) for f in FAMILIES.values() for c, models in f.bodies.items() for m in models]
PROPS = [
    (f.name, k, v) for f in FAMILIES.values() for k, makers in f.props.items() for v in range(len(makers))
]


def check(mesh: Mesh) -> None:
    assert np.isfinite(mesh.positions).all()
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1.0, atol=1e-4)
    assert mesh.triangles.min() >= 0
    assert mesh.triangles.max() < len(mesh.positions)
    assert set(np.unique(mesh.materials)) <= {float(m) for m in M}
    assert len(mesh.triangles) < 7000


@pytest.mark.parametrize("key", BODIES, ids="-".join)
def test_a_posed_body_fills_its_cuboid_to_a_centimetre(key: tuple[str, str, str]) -> None:
    mesh = body_mesh(*key)
    check(mesh)
    cuboid = Cuboid(3.0, 1.4, 12.0, 4.4, 1.8, 1.6, 0.7)
    posed = mesh.positions.astype(np.float64) @ actor_pose(cuboid)[:3, :3].T + [3.0, 1.4, 12.0]
    # In the cuboid's own axes, taken from its corners rather than from the pose.
    corners = cuboid.corners()
    origin = corners[2]
    for far, size in ((corners[1], 4.4), (corners[3], 1.8), (corners[6], 1.6)):
        axis = (far - origin) / np.linalg.norm(far - origin)
        along = (posed - origin) @ axis
        assert along.min() == pytest.approx(0.0, abs=0.01)
        assert along.max() == pytest.approx(size, abs=0.01)


@pytest.mark.parametrize("key", PROPS, ids=str)
def test_props_rest_on_tilted_ground(key: tuple[str, str, int]) -> None:
    mesh = prop_mesh(*key)
    check(mesh)
    camera = Camera(700, 700, 600, 180, 1.5, 0.06)
    pose = prop_pose(Prop(key[1], 2.0, 20.0, 3.0, 2.0, 4.0, 0.4), camera)
    posed = mesh.positions.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3]
    above = np.array([ground_y(camera, z) for z in posed[:, 2]]) - posed[:, 1]
    assert above.min() == pytest.approx(0.0, abs=0.01)
    assert above.max() > 3.9


def test_normals_point_outwards() -> None:
    mesh = assemble([ellipsoid((0, 1, 0), (1, 1, 1), M.LEAF, 12)])
    centre = np.array([0, -0.5, 0])
    assert (np.einsum("ij,ij->i", mesh.normals, mesh.positions - centre) > 0).all()
    cube = assemble([box((0, 0.5, 0), (1, 1, 1), M.STONE)])
    assert len(cube.triangles) == 16  # two each around, a fan of four on either end
    assert {tuple(np.round(n, 3)) for n in np.abs(cube.normals)} == {(1, 0, 0), (0, 1, 0), (0, 0, 1)}


def test_models_are_chosen_by_proportion_and_seed() -> None:
    family = FAMILIES["simulator"]
    lorry = replace(actor("Truck", 0, 20).cuboid, length=11.0, height=3.7)
    assert model_of(family, Actor("Truck", lorry)) == "lorry"
    assert model_of(family, Actor("Car", actor("Car", 0, 9).cuboid, model="suv")) == "suv"
    chosen = {model_of(family, actor("Car", 0, 9, seed=s)) for s in range(30)}
    assert len(chosen) > 1
    assert model_of(family, actor("Car", 0, 9, seed=3)) == model_of(family, actor("Car", 5, 30, seed=3))
    with pytest.raises(KeyError):
        model_of(family, Actor("Unicorn", lorry))
