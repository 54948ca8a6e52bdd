"""OBJ and GLB files as bodies: size, axes, colours, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Actor, Environment, Scene, Sensor
from sim_actors.scene.sizes import SIZES
from sim_actors.simulators.opengl.assets import families
from sim_actors.simulators.opengl.assets.materials import M
from sim_actors.simulators.opengl.assets.meshes import body_mesh
from sim_actors.simulators.opengl.assets.shapes import Mesh
from sim_actors.simulators.opengl.assets.user_bodies import (
    OWN_COLOUR,
    BodyFile,
    install,
    own_bodies,
    packed_colour,
    read_body,
)
from sim_actors.simulators.opengl.renderer import OpenGLSimulator
from sim_actors.simulators.opengl.settings import RendererSettings

trimesh = pytest.importorskip("trimesh", reason="bodies of one's own are read with trimesh")

RED, BLUE = (255, 0, 0, 255), (0, 0, 255, 255)
WriteBodies = Callable[..., str]


@pytest.fixture(autouse=True)
def family_as_before(monkeypatch: pytest.MonkeyPatch):
    """What a test installs is gone after it."""
    monkeypatch.setitem(families.FAMILIES, "simulator", families.FAMILIES["simulator"])
    sizes = dict(SIZES)
    install.cache_clear()
    body_mesh.cache_clear()
    yield
    SIZES.clear()
    SIZES.update(sizes)
    install.cache_clear()
    body_mesh.cache_clear()


def two_blocks() -> Any:
    """glTF's axes (x right, y up, -z ahead), 4 x 2 x 1 m: red on the right, blue on the left."""
    scene = trimesh.Scene()
    for x, colour in ((0.5, RED), (-0.5, BLUE)):
        block = trimesh.creation.box((1.0, 1.0, 4.0))
        block.apply_translation((x, 0.5, 0.0))
        name = "right" if x > 0 else "left"
        material = trimesh.visual.material.PBRMaterial(name=name, baseColorFactor=colour)
        block.visual = trimesh.visual.TextureVisuals(material=material)
        scene.add_geometry(block, node_name=name)
    return scene


@pytest.fixture
def write_bodies(tmp_path: Path) -> WriteBodies:
    def write(replace: bool = False, **entry: Any) -> str:
        two_blocks().export(tmp_path / "blocks.glb")
        body = {"category": "car", "model": "blocks", "file": "blocks.glb", "forward": "-z"} | entry
        (tmp_path / "bodies.yaml").write_text(yaml.safe_dump({"replace": replace, "bodies": [body]}))
        return str(tmp_path / "bodies.yaml")

    return write


def material_at(mesh: Mesh, z: float) -> set[int]:
    return {int(m) for m in mesh.materials[np.sign(mesh.positions[:, 2]) == np.sign(z)]}


def test_axes_size_and_colours(write_bodies: WriteBodies) -> None:
    manifest = Path(write_bodies())
    entry = BodyFile(category="car", model="blocks", file="blocks.glb", forward="-z", up="+y")
    mesh = read_body(str(manifest.with_name("blocks.glb")), entry)
    assert mesh.size == pytest.approx((4, 1, 2))
    red, blue = (int(packed_colour(np.array([c[:3]]) / 255)[0]) for c in (RED, BLUE))
    assert material_at(mesh, -1.0) == {red}  # facing +x with y down, -z is the right-hand side
    assert material_at(mesh, 1.0) == {blue}
    faces = mesh.positions[mesh.triangles]
    outward = np.cross(faces[:, 1] - faces[:, 0], faces[:, 2] - faces[:, 0])
    normals = mesh.normals[mesh.triangles].mean(axis=1)
    on_the_right = mesh.materials[mesh.triangles[:, 0]] == red
    away = faces.mean(axis=1) - np.where(on_the_right[:, None], [0, -0.5, -0.25], [0, -0.5, 0.25])
    assert (np.einsum("ij,ij->i", normals, away) > 0).all()
    assert len(outward) == 24
    sized = read_body(
        str(manifest.with_name("blocks.glb")), entry.model_copy(update={"size": (5.0, 2.2, 1.2)})
    )
    assert sized.size == pytest.approx((5.0, 1.2, 2.2))


def test_paint_takes_the_actors_colour_and_see_through_is_glass(tmp_path: Path) -> None:
    scene = two_blocks()
    scene.export(tmp_path / "blocks.glb")
    entry = BodyFile(category="car", model="b", file="blocks.glb", forward="-z", paint=("right",))
    assert material_at(read_body(str(tmp_path / "blocks.glb"), entry), -1.0) == {int(M.PAINT)}
    for geometry in scene.geometry.values():
        geometry.visual.material.baseColorFactor = (10, 10, 10, 60)
        geometry.visual.material.alphaMode = "BLEND"
    scene.export(tmp_path / "clear.glb")
    entry = BodyFile(category="car", model="b", file="clear.glb", forward="-z")
    assert set(read_body(str(tmp_path / "clear.glb"), entry).materials.tolist()) == {float(M.GLASS)}


def test_an_obj_with_materials(tmp_path: Path) -> None:
    (tmp_path / "cart.mtl").write_text("newmtl wood\nKd 0.5 0.25 0.0\n")
    corners = [(x, y, z) for x in (0, 2) for y in (0, 1) for z in (0, 1)]
    faces = ["1 2 4 3", "5 7 8 6", "1 5 6 2", "3 4 8 7", "1 3 7 5", "2 6 8 4"]
    lines = ["mtllib cart.mtl", *(f"v {x} {y} {z}" for x, y, z in corners), "usemtl wood"]
    (tmp_path / "cart.obj").write_text("\n".join([*lines, *(f"f {face}" for face in faces)]) + "\n")
    mesh = read_body(str(tmp_path / "cart.obj"), BodyFile(category="cart", model="c", file="cart.obj"))
    assert mesh.size == pytest.approx((2, 1, 1))
    (number,) = {int(m) for m in mesh.materials}
    assert number == pytest.approx(int(packed_colour(np.array([[0.5, 0.25, 0.0]]))[0]), abs=(1 << 11) + 64)


def test_installed_beside_or_instead(write_bodies: WriteBodies) -> None:
    before = set(families.FAMILIES["simulator"].bodies["car"])
    assert set(install(write_bodies()).bodies["car"]) == before | {"blocks"}
    install.cache_clear()
    assert set(install(write_bodies(replace=True)).bodies["car"]) == {"blocks"}
    install.cache_clear()
    size = {"length": 6.0, "width": 3.0, "height": 1.6}
    family = install(write_bodies(category="Road Roller", size=size))
    assert set(family.bodies["road_roller"]) == {"blocks"}
    known = SIZES["road_roller"]
    assert (known.length, known.width, known.height) == pytest.approx((6.0, 3.0, 1.6))


def test_another_name_of_a_category_is_that_category(write_bodies: WriteBodies) -> None:
    """COCO's "person" is our "pedestrian": a body under that name was never drawn."""
    manifest = write_bodies(replace=True, category="person", kind="person", forward="+y", up="+z")
    assert set(install(manifest).bodies["pedestrian"]) == {"blocks"}
    assert own_bodies(manifest) == {"pedestrian": ["blocks"]}


@pytest.mark.parametrize(
    ("size", "measures"),
    [
        ([4.4, 2.1, 1.0], (4.4, 2.1, 1.0)),  # length, width, height, as records have them
        ({"length": 4.4, "width": 2.1, "height": 1.0}, (4.4, 2.1, 1.0)),
        ([4.4, 1.0, 2.1], (4.4, 2.1, 1.0)),  # a file of an earlier version: length, height, width
    ],
)
def test_the_order_of_sizes(
    size: Any, measures: tuple[float, ...], write_bodies: WriteBodies, caplog: pytest.LogCaptureFixture
) -> None:
    mesh = install(write_bodies(size=size)).bodies["car"]["blocks"]()
    length, height, width = mesh.size
    assert (length, width, height) == pytest.approx(measures)
    old = size == [4.4, 1.0, 2.1]
    assert (
        "the order of earlier versions; write size: {length: 4.4, width: 2.1, height: 1}" in caplog.text
    ) == old
    assert bool(caplog.records) == old


def test_a_size_that_does_not_fit_the_file_is_asked_about(
    write_bodies: WriteBodies, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"length": 2.1, "width": 4.4, "height": 1.0}
    told = r"the file is 4 x 2 x 1 .* says 2.1 x 4.4 x 1 .*: swapped\? Write size: {length: 4.4, width: 2.1"
    with pytest.raises(UserError, match=told):
        install(write_bodies(size=wrong))
    with pytest.raises(UserError, match="swapped"):  # a list too, where the old order does not fit either
        install(write_bodies(size=[2.1, 4.4, 1.0]))
    mesh = install(write_bodies(size=wrong, stretch=True)).bodies["car"]["blocks"]()
    assert mesh.size == pytest.approx((2.1, 1.0, 4.4))
    assert not caplog.records
    install.cache_clear()
    mesh = install(write_bodies(category="cone", size=[1.0, 1.0, 1.0])).bodies["cone"]["blocks"]()
    assert mesh.size == pytest.approx((1.0, 1.0, 1.0))
    assert "the file is 4 x 2 x 1" in caplog.text
    assert "says 1 x 1 x 1" in caplog.text


@pytest.mark.parametrize(
    ("kind", "placed"), [(None, "vehicle"), ("vehicle", "vehicle"), ("person", "person"), ("thing", "other")]
)
def test_a_new_category_is_of_its_kind(kind: str | None, placed: str, write_bodies: WriteBodies) -> None:
    install(write_bodies(category="pallet", kind=kind))
    assert SIZES["pallet"].kind == placed


def test_a_thing_never_stands_in_a_lane_and_a_vehicle_does(write_bodies: WriteBodies) -> None:
    """A pallet belongs beside the road, a forklift on it."""
    from sim_actors.randomization.free_scene import free_scene
    from sim_actors.randomization.perturb import RandomizeSettings
    from sim_actors.randomization.scenarios import FreeSettings, Mix
    from sim_actors.scene.roads import to_road

    camera = Camera(721.5, 721.5, 621.0, 172.5, 1.65, 0.0)
    mix = Mix(actors=(4, 4), occluded=0.0, truncated=0.0, parked=0.0)
    share = {}
    for kind in ("thing", "vehicle"):
        install.cache_clear()
        SIZES.pop("pallet", None)
        families.FAMILIES["simulator"] = families.SIMULATOR
        install(
            write_bodies(
                category="pallet", kind=kind, size={"length": 1.2, "width": 0.8, "height": 0.4}, stretch=True
            )
        )
        inside = []
        for seed in range(12):
            scene = free_scene(
                RandomizeSettings(), scene_id="x", seed=seed, camera=camera, width=1242, height=375,
                categories=("pallet",), convention="amodal_clipped", mix=mix,
                free=FreeSettings(scenarios={"residential": 1.0}),
            )  # fmt: skip
            for actor in scene.actors:
                across = to_road(scene.road, actor.cuboid.x, actor.cuboid.z)[1]
                inside.append(abs(across) < scene.road.half)
        share[kind] = np.mean(inside)
    assert share["thing"] == 0
    assert share["vehicle"] > 0.8


def test_rendered_with_its_own_colours_on_the_right_sides(write_bodies: WriteBodies) -> None:
    camera = Camera(300.0, 300.0, 160.0, 60.0, 1.65, 0.0)
    cuboid = Cuboid(0.0, ground_y(camera, 12.0), 12.0, 4.0, 2.0, 1.0, -np.pi / 2)  # drives away from us
    plain = Sensor(noise=0.0, vignette=0.0, jpeg_quality=0)
    scene = Scene(
        "own", 320, 120, camera, (Actor("car", cuboid, model="blocks"),),
        environment=Environment(hour=13.0, sun_azimuth=np.pi, weather="overcast"), sensor=plain,
    )  # fmt: skip
    simulator = OpenGLSimulator(RendererSettings(bodies=write_bodies(), threads=0))
    try:
        frame = simulator.render(scene)
    finally:
        simulator.close()
    from imitation.data.images import load_frame_image

    image = load_frame_image(frame).astype(int)
    (label,) = frame.objects
    x1, y1, x2, y2 = (int(v) for v in label.box)
    middle = (y1 + y2) // 2
    left, right = image[middle, (3 * x1 + x2) // 4], image[middle, (x1 + 3 * x2) // 4]
    assert left[2] > left[0] + 40
    assert right[0] > right[2] + 40


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ({"forward": "+y"}, "lie along one axis"),
        (
            {"size": [4.0, 0.0, 2.0]},
            r"bodies\[0\]\.size: length, width .*found \[4\.0, 0\.0",
        ),
        ({"kind": "thing"}, "car is known as vehicle"),
        ({"file": "../blocks.glb"}, "must lie beside the manifest"),
        ({"file": "nowhere.glb"}, "nowhere.glb"),
        ({"file": "bodies.yaml"}, "OBJ or GLB files, not yaml"),
        ({"model": "sedan"}, "has a body of that name"),
        ({"colour": "red"}, r"bodies\[0\]\.colour: there is no such field; known are category"),
    ],
)
def test_what_is_wrong_is_named(write_bodies: WriteBodies, entry: dict[str, Any], told: str) -> None:
    manifest = write_bodies(**entry)
    with pytest.raises(UserError, match=told):
        install(manifest)


def test_a_broken_file_is_named(write_bodies: WriteBodies, tmp_path: Path) -> None:
    manifest = write_bodies(file="broken.glb")
    (tmp_path / "broken.glb").write_bytes(b"glTF" + bytes(30))
    with pytest.raises(UserError, match=r"broken\.glb: cannot be read as GLB"):
        install(manifest)


def test_colours_fit_a_float_exactly() -> None:
    numbers = packed_colour(np.random.default_rng(0).uniform(0, 1, (200, 3)))
    assert (numbers >= OWN_COLOUR).all()
    np.testing.assert_array_equal(numbers.astype(np.float32).astype(np.int64), numbers)
