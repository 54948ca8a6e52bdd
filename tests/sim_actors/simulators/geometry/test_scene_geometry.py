"""Meshes for other programs: the boxes of the embedded renderer, solid bodies, the same light."""

import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trimesh

from imitation.common.settings import UserError
from imitation.data.records import Box, Camera
from sim_actors.scene.projection import iou
from sim_actors.scene.records import Environment, Prop, Scene
from sim_actors.simulators.geometry.axes import world_from_camera
from sim_actors.simulators.geometry.lights import panorama_directions
from sim_actors.simulators.geometry.meshes import WorldMesh
from sim_actors.simulators.geometry.scene_geometry import SceneGeometry, scene_geometry
from sim_actors.simulators.opengl.assets.families import FAMILIES
from sim_actors.simulators.opengl.lighting.light import illuminate
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from tests.sim_actors.simulators.opengl.staged import CAMERA, actor, random_scene, scene

ROOT = Path(__file__).resolve().parents[4]


def box_of(mesh: WorldMesh, geometry: SceneGeometry) -> Box:
    pixels = geometry.project(mesh.vertices)
    return Box(*map(float, (*pixels.min(axis=0), *pixels.max(axis=0))))


def depths(mesh: WorldMesh, geometry: SceneGeometry) -> np.ndarray:
    return (np.linalg.inv(geometry.camera_pose) @ np.c_[mesh.vertices, np.ones(len(mesh.vertices))].T)[2]


@pytest.mark.parametrize("seed", [0, 3, 4, 9])
def test_boxes_are_those_of_the_embedded_renderer(seed: int, simulator: OpenGLSimulator) -> None:
    staged = random_scene(seed)
    geometry = scene_geometry(staged)
    by_cuboid = {staged.actors[m.index].cuboid: m for m in geometry.meshes if m.kind == "actor"}
    compared = 0
    for obj in simulator.render(staged).objects:
        assert obj.cuboid is not None
        assert obj.amodal_box is not None
        mesh = by_cuboid[obj.cuboid]
        assert mesh.category == obj.category
        if depths(mesh, geometry).min() > 0.3:
            # The renderer's boxes are of whole pixels: each edge may lie a pixel farther out or in.
            assert np.abs(np.array([*box_of(mesh, geometry)]) - np.array([*obj.amodal_box])).max() < 1.01
            compared += 1
    assert compared >= 2


def test_boxes_of_near_things_agree(simulator: OpenGLSimulator) -> None:
    camera = Camera(720.0, 700.0, 600.0, 170.0, 1.65, 0.03)  # neither square nor centred
    staged = scene(
        actor("Car", -3.0, 9.0, 0.9, camera),
        actor("Truck", 6.0, 14.0, -1.2, camera),
        actor("Cyclist", 1.0, 5.0, 0.3, camera),
        camera=camera, width=1242, height=375,
    )  # fmt: skip
    geometry = scene_geometry(staged)
    labels = simulator.render(staged).objects
    assert len(labels) == 3
    for mesh, obj in zip(geometry.meshes, labels):
        assert obj.amodal_box is not None
        assert iou(box_of(mesh, geometry), obj.amodal_box) > 0.99


def test_bodies_are_right_side_out_and_where_their_cuboids_are() -> None:
    yaw, camera = 0.7, replace(CAMERA, pitch=0.1)
    geometry = scene_geometry(
        scene(
            actor("Car", -2.0, 12.0, yaw, camera),
            actor("Pedestrian", 3.0, 9.0, camera=camera),
            props=(Prop("building", 9.0, 25.0, 14.0, 9.0, 8.0, 1.57),),
            camera=camera,
        )
    )
    for mesh in geometry.meshes:
        a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
        outward = np.einsum("ij,ij->i", np.cross(b - a, c - a), mesh.world_normals[mesh.triangles].mean(1))
        assert (outward > 0).mean() > 0.97, mesh.name
        assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-6)
        assert math.isclose(float(np.linalg.det(mesh.pose)), 1.0)
    car = geometry.meshes[0]
    cuboid = scene(actor("Car", -2.0, 12.0, yaw, camera)).actors[0].cuboid
    corners = np.c_[cuboid.corners(), np.ones(8)] @ geometry.camera_pose.T
    ours = trimesh.bounds.corners(np.array([car.points.min(axis=0), car.points.max(axis=0)]))
    placed = np.c_[ours, np.ones(8)] @ car.pose.T
    gaps = np.linalg.norm(corners[:, None, :3] - placed[None, :, :3], axis=2)
    assert gaps.min(axis=1).max() < 1e-5
    ahead = car.pose[:3, 0]  # yaw is measured from the camera's x towards its -z
    expected = world_from_camera(camera)[:3, :3] @ [math.cos(yaw), 0.0, -math.sin(yaw)]
    assert np.allclose(ahead, expected)


def test_the_ground_is_level_below_a_tilted_camera() -> None:
    camera = Camera(150.0, 150.0, 98.0, 30.0, height=2.0, pitch=0.2)
    geometry = scene_geometry(scene(camera=camera))
    ground = [m for m in geometry.meshes if m.kind == "ground"]
    for mesh in ground:
        a, b, c = (mesh.vertices[mesh.triangles[:, k]] for k in range(3))
        assert np.all(mesh.vertices[:, 2] == 0)
        assert np.all(np.cross(b - a, c - a)[:, 2] > 0)
    areas = [trimesh.Trimesh(m.vertices, m.triangles).area for m in ground]
    assert math.isclose(sum(areas), 1440 * 1440, rel_tol=1e-9)  # pieces neither overlap nor leave gaps
    # The camera stands 2 m up, and what it sees in the middle of the picture lies on the ground ahead.
    assert np.allclose(geometry.camera_pose[:3, 3], [0, 0, 2])
    at = geometry.project(np.array([[0.0, 2.0 / math.tan(0.2), 0.0]]))
    assert np.allclose(at, [[98.0, 30.0]])


def test_the_panorama_gives_the_light_that_the_sky_map_gives() -> None:
    staged = scene(environment=Environment(hour=15.0, sun_azimuth=1.1))
    geometry = scene_geometry(staged)
    sky = geometry.lights.sky.astype(float)
    directions = panorama_directions(len(sky))
    area = np.cos((0.5 - (np.arange(len(sky)) + 0.5) / len(sky)) * np.pi)[:, None]
    area = area / (area.sum() * 2 * len(sky)) * 4 * np.pi
    up = (sky * (area * np.maximum(directions[..., 2], 0))[..., None]).sum(axis=(0, 1)) / np.pi
    family = FAMILIES[staged.family]
    lit = illuminate(staged.environment, staged.camera, family)
    expected = lit.day.ambient[:, [1, 3]].sum(axis=1) / family.light.fill
    assert np.allclose(up, expected, rtol=0.05)  # spherical harmonics are a fit
    # It is brightest towards the sun.
    brightest = directions.reshape(-1, 3)[sky.sum(axis=2).argmax()]
    assert brightest @ geometry.lights.sun.direction > 0.95
    assert geometry.lights.sun.direction[0] > 0  # a positive azimuth lies to the right


def test_colours_identities_and_names() -> None:
    red = (0.6, 0.02, 0.03)
    geometry = scene_geometry(
        scene(
            actor("Car", 0.0, 12.0, color=red, labelled=False),
            actor("Car", 4.0, 20.0, lights=True),
            environment=Environment(hour=0.0),
        )
    )
    first, second = geometry.meshes[:2]
    paint = next(s for s in first.surfaces if s.name == "paint")
    assert np.allclose(paint.color, red, atol=1e-3)
    assert (first.identity, second.identity) == (0, 2)
    assert [first.name, second.name] == ["actor_000_car", "actor_001_car"]
    lit = {s.name: s.emission for m in (first, second) for s in m.surfaces if any(s.emission)}
    assert lit.keys() == {"headlamp", "taillamp"}
    assert lit["taillamp"][0] > 10 * lit["taillamp"][1]
    lamps = geometry.lights.head_lamps
    assert len(lamps) == 2
    assert np.allclose(lamps[0].direction, second.pose[:3, 0])
    street = np.array([lamp.position for lamp in geometry.lights.street_lamps])
    assert np.allclose(np.diff(street[:, 1]), 28)  # along a straight road, on alternate sides of it
    assert np.allclose(street[:, 0], [-1.7 + 3.9, -1.7 - 3.9] * 4)
    assert len(geometry.lights.own_lamps) == 2


def test_it_is_repeatable_and_opens_no_display() -> None:
    code = (
        "import sys\n"
        "from sim_actors.simulators.geometry.scene_geometry import scene_geometry\n"
        "print([m for m in ('moderngl', 'glcontext', 'torch') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True, timeout=120
    )
    assert done.stdout.strip() == "[]"
    first, second = scene_geometry(random_scene(4)), scene_geometry(random_scene(4))
    for a, b in zip(first.meshes, second.meshes, strict=True):
        assert a.vertices.tobytes() == b.vertices.tobytes()
        assert a.surfaces == b.surfaces
    assert len({m.name for m in first.meshes}) == len(first.meshes)


def test_a_scene_that_cannot_be_staged_is_refused() -> None:
    staged = scene(actor("Car", 0.0, 12.0))
    odd = replace(staged, actors=(replace(staged.actors[0], category="Zeppelin"),))
    with pytest.raises(UserError, match="no body for 'Zeppelin'"):
        scene_geometry(odd)
    assert isinstance(odd, Scene)
