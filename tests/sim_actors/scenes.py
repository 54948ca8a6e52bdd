"""Hand-made frames and scenes for the tests of staging."""

from hypothesis import strategies as st

from imitation.data.records import Box, Camera, Cuboid, Frame, Object
from sim_actors.scene.footprint import Footprint, overlaps
from sim_actors.scene.ground import ground_y
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Scene
from sim_actors.scene.sizes import size_prior

# For frames whose picture is not the point: no smoothing, coarse shadows. Half of a small frame's time.
COARSE = ["renderer.supersampling=1", "renderer.shadow_map=128"]
KITTI = Camera(721.5, 721.5, 609.6, 172.9)
SIZE = (1242, 375)
CATALOG = frozenset({"car", "van", "truck", "pedestrian", "cyclist"})


def cuboid(category: str, x: float, z: float, yaw: float = -1.57, camera: Camera = KITTI) -> Cuboid:
    """A cuboid of the category's usual size on the camera's ground."""
    prior = size_prior(category)
    assert prior is not None
    return Cuboid(x, ground_y(camera, z), z, prior.length, prior.width, prior.height, yaw)


def labelled(category: str, shape: Cuboid, camera: Camera = KITTI, keep_3d: bool = True) -> Object:
    """An object whose box is the projection of its cuboid, as KITTI's labels have it."""
    box = projected_box(shape, camera).clipped(*SIZE)
    return Object(category, box, cuboid=shape if keep_3d else None)


def frame(*objects: Object, camera: Camera | None = KITTI, **more: object) -> Frame:
    return Frame("000042", *SIZE, objects, camera=camera, **more)  # type: ignore[arg-type]


def street(keep_3d: bool = True) -> Frame:
    """Seven things along a street, one ignored region, one thing nobody can stage."""
    things = [
        ("Car", 0.5, 18.0, -1.57),
        ("Car", -3.2, 12.0, 1.57),
        ("Car", 3.3, 9.0, -1.55),
        ("Van", 3.4, 16.0, -1.57),
        ("Truck", -3.6, 34.0, 1.57),
        ("Pedestrian", 4.9, 13.0, 0.3),
        ("Cyclist", -5.4, 20.0, 1.5),
    ]
    objects = [labelled(c, cuboid(c, x, z, yaw), keep_3d=keep_3d) for c, x, z, yaw in things]
    region = Object("DontCare", Box(600, 170, 640, 190), ignore=True)
    return frame(objects[0], region, *objects[1:], Object("Zeppelin", Box(10, 10, 90, 40)))


def overlapping(scene: Scene) -> set[tuple[int, int]]:
    """Index pairs of actors whose footprints share area."""
    marks = [Footprint.of(actor.cuboid) for actor in scene.actors]
    return {(i, j) for j in range(len(marks)) for i in range(j) if overlaps(marks[i], marks[j])}


seeds = st.integers(0, 2**31 - 1)
