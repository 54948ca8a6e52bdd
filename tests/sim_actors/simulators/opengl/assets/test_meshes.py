"""Bodies: they fill their cuboids, are well formed, and are chosen by proportion and seed."""

from dataclasses import replace

import numpy as np
import pytest

from imitation.data.records import Camera, Cuboid
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Prop
from sim_actors.scene.sizes import size_prior
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.meshes import actor_pose, body_mesh, model_of, prop_mesh, prop_pose
from sim_actors.simulators.opengl.assets.shapes import Mesh, assemble, box, ellipsoid
from tests.sim_actors.simulators.opengl.staged import actor

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


def budget(category: str) -> int:
    """Triangles that a body may have: vertices are dear where the renderer has no GPU."""
    return {"pedestrian": 2500, "person_sitting": 2500, "tram": 7000}.get(category, 6000)


@pytest.mark.parametrize("key", BODIES, ids="-".join)
def test_a_posed_body_fills_its_cuboid_to_a_centimetre(key: tuple[str, str, str]) -> None:
    mesh = body_mesh(*key)
    check(mesh)
    assert len(mesh.triangles) <= budget(key[1])
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


CATEGORIES = [(f.name, c) for f in FAMILIES.values() for c in f.bodies]
# Wheels as thin as a bicycle's leave the corners of its cuboid empty, whoever rides it, and a
# drawbar those of a trailer's. Nobody fills a box from all around.
FILLED = {"cyclist": 0.83, "bicycle": 0.83, "motorcycle": 0.82, "misc": 0.87}


@pytest.mark.parametrize(("family", "category"), CATEGORIES, ids=str)
def test_a_body_looks_as_large_as_its_cuboid(family: str, category: str) -> None:
    """Real 2D labels follow the cuboid's outline; ours follow the body's."""
    camera = Camera(721.5, 721.5, 621.0, 172.5, 1.65, 0.0)
    rng, overlaps = np.random.default_rng(0), []
    models = FAMILIES[family].bodies[category]
    for model in models:
        mesh = body_mesh(family, category, model)
        length, height, width = mesh.size
        for yaw in rng.uniform(-np.pi, np.pi, 400 // len(models)):
            z = rng.uniform(6.0, 50.0) + (length / 2 if length > 6 else 0.0)
            cuboid = Cuboid(rng.uniform(-0.4, 0.4) * z, 1.65, z, length, width, height, float(yaw))
            pose = actor_pose(cuboid)
            points = camera.project(mesh.positions.astype(np.float64) @ pose[:3, :3].T + pose[:3, 3])
            corners = camera.project(cuboid.corners())
            overlaps.append(np.prod(np.ptp(points, axis=0)) / np.prod(np.ptp(corners, axis=0)))
    assert max(overlaps) <= 1.0 + 1e-6
    assert np.median(overlaps) >= FILLED.get(category, 0.89)


@pytest.mark.parametrize("key", [b for b in BODIES if b[1] in ("car", "van", "truck", "bus")], ids="-".join)
def test_vehicles_stand_on_their_wheels(key: tuple[str, str, str]) -> None:
    mesh = body_mesh(*key)
    above = -mesh.positions[:, 1] * mesh.size[1]
    on_road = np.isin(mesh.materials, (M.TYRE, M.METAL))
    assert above[mesh.materials == M.TYRE].min() < 0.005
    assert above[~on_road].min() > 0.1  # the body clears the road
    x = mesh.positions[:, 0][above < 0.01] * mesh.size[0]
    assert len(np.unique(np.round(x, 1))) >= 2  # of axles
    assert np.ptp(x) > 0.4 * mesh.size[0]


@pytest.mark.parametrize("key", [b for b in BODIES if b[1] in ("car", "van", "bus")], ids="-".join)
def test_lamps_sit_at_their_ends_of_the_body(key: tuple[str, str, str]) -> None:
    mesh = body_mesh(*key)
    front, rear = (mesh.positions[mesh.materials == m, 0] for m in (M.HEADLAMP, M.TAILLAMP))
    assert front.min() > 0.35
    assert rear.max() < -0.35
    for lamp in (M.HEADLAMP, M.TAILLAMP):
        z = mesh.positions[mesh.materials == lamp, 2]
        assert z.max() == pytest.approx(-z.min(), abs=0.02)


@pytest.mark.parametrize("key", PROPS, ids=str)
def test_props_rest_on_tilted_ground(key: tuple[str, str, int]) -> None:
    mesh = prop_mesh(*key)
    check(mesh)
    assert len(mesh.triangles) < 3000
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


def test_short_people_are_children_and_tall_ones_are_not() -> None:
    family, one = FAMILIES["simulator"], actor("Pedestrian", 0, 12).cuboid
    small = replace(one, height=1.2, length=0.55, width=0.4)
    for seed in range(20):
        assert model_of(family, Actor("Pedestrian", small, seed=seed)).startswith("child")
        assert not model_of(family, Actor("Pedestrian", one, seed=seed)).startswith("child")


@pytest.mark.parametrize("category", ["car", "van", "truck", "pedestrian", "cyclist"])
def test_usual_sizes_meet_several_bodies(category: str) -> None:
    family, prior, rng = FAMILIES["simulator"], size_prior(category), np.random.default_rng(1)
    assert prior is not None
    chosen = set()
    for seed in range(60):
        scale = 1 + prior.spread * rng.normal(size=3)
        cuboid = Cuboid(0, 1.6, 20, *(scale * (prior.length, prior.width, prior.height)).tolist(), 0.0)
        chosen.add(model_of(family, Actor(category, cuboid, seed=seed)))
    assert len(chosen) >= 3
