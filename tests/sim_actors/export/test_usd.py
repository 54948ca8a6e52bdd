"""OpenUSD, read again by usd-core: its own camera, transforms, labels and validators."""

import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imitation.data.records import Box
from sim_actors.export.content import Baker, Content
from sim_actors.export.usd import Usd as Format
from sim_actors.scene.projection import iou
from sim_actors.scene.records import Environment, Scene
from tests.sim_actors.export.conftest import street
from tests.sim_actors.simulators.opengl.staged import actor

pytest.importorskip("pxr")
from pxr import Usd, UsdGeom, UsdLux, UsdSemantics, UsdShade


@pytest.fixture(scope="module")
def file(content: Content, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Format.write(content, tmp_path_factory.mktemp("usd") / "street.usda")[0]


@pytest.fixture(scope="module")
def stage(file: Path) -> Any:
    return Usd.Stage.Open(str(file))


def world_points(prim: Any) -> np.ndarray:
    """The points of a mesh in the world, by USD's own transforms."""
    matrix = np.array(UsdGeom.XformCache().GetLocalToWorldTransform(prim))
    points = np.array(UsdGeom.Mesh(prim).GetPointsAttr().Get(), dtype=np.float64)
    return (np.c_[points, np.ones(len(points))] @ matrix)[:, :3]


def meshes(stage: Any, under: str) -> dict[str, Any]:
    return {p.GetName(): p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh) and under in str(p.GetPath())}


def projected(stage: Any, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Points of the world in pixels, by USD's own camera."""
    frustum = UsdGeom.Camera(stage.GetPrimAtPath("/Scene/Camera")).GetCamera(0).frustum
    matrix = np.array(frustum.ComputeViewMatrix() * frustum.ComputeProjectionMatrix())
    clip = np.c_[points, np.ones(len(points))] @ matrix
    flat = clip[:, :2] / clip[:, 3:]
    return np.stack([(flat[:, 0] + 1) / 2 * size[0], (1 - flat[:, 1]) / 2 * size[1]], axis=1)


def test_usds_own_camera_sees_the_embedded_renderers_boxes(stage: Any, boxes: dict[str, Box]) -> None:
    found = meshes(stage, "/Actors/")
    assert set(boxes) < set(found)
    for name, box in boxes.items():
        pixels = projected(stage, world_points(found[name]), (1242, 375))
        assert iou(Box(*map(float, (*pixels.min(axis=0), *pixels.max(axis=0)))), box) > 0.99, name


def test_axes_units_and_types_above_meshes(stage: Any) -> None:
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert stage.GetDefaultPrim().GetPath() == "/Scene"
    every = [p for p in stage.Traverse() if p.IsA(UsdGeom.Mesh)]
    assert len(every) == 4 + 3 + 3
    for prim in every:
        above = prim.GetParent()
        while above.GetPath() != "/":
            assert above.GetTypeName() == "Xform", above.GetPath()
            above = above.GetParent()
    for prim in meshes(stage, "/Ground/").values():
        assert np.abs(world_points(prim)[:, 2]).max() == 0
    settings = stage.GetPrimAtPath(stage.GetMetadata("renderSettingsPrimPath"))
    assert tuple(settings.GetAttribute("resolution").Get()) == (1242, 375)
    assert math.isclose(settings.GetAttribute("pixelAspectRatio").Get(), 690 / 720, rel_tol=1e-6)


def test_labels(stage: Any) -> None:
    def labels(path: str) -> dict[str, list[str]]:
        prim = stage.GetPrimAtPath(path)
        names = UsdSemantics.LabelsAPI.GetDirectTaxonomies(prim)
        return {name: list(UsdSemantics.LabelsAPI(prim, name).GetLabelsAttr().Get()) for name in names}

    car = {"category": ["Car"], "class": ["Car"], "instance": ["actor_000_car"]}
    assert labels("/Scene/Actors/actor_000_car") == car
    assert labels("/Scene/Props/prop_001_sign")["category"] == ["sign"]
    assert labels("/Scene/Actors/actor_002_cyclist") == {}  # clutter
    data = stage.GetPrimAtPath("/Scene/Actors/actor_001_van").GetCustomDataByKey("imitation:identity")
    assert data == 2
    written = json.loads(stage.GetDefaultPrim().GetCustomDataByKey("imitation:scene"))
    assert Scene.from_dict(written) == street()


def test_sun_and_sky_stand_where_the_hour_says(stage: Any, file: Path) -> None:
    import OpenEXR

    elevation = math.radians(58) * math.sin(math.pi * (16.0 - 6) / 12)
    toward = np.array(
        [math.cos(elevation) * math.sin(0.9), math.cos(elevation) * math.cos(0.9), math.sin(elevation)]
    )
    sun = stage.GetPrimAtPath("/Scene/Lights/Sun")
    shines = np.array(UsdGeom.XformCache().GetLocalToWorldTransform(sun))[2, :3]  # its +z
    assert shines @ toward > math.cos(math.radians(0.5))
    assert UsdLux.DistantLight(sun).GetIntensityAttr().Get() > 3
    # The panorama is brightest around the sun; OpenEXR has longitude 0, +z, in the middle and +x on the left.
    dome = stage.GetPrimAtPath("/Scene/Lights/Sky")
    picture = OpenEXR.File(str(file.parent / UsdLux.DomeLight(dome).GetTextureFileAttr().Get().path))
    sky = picture.channels()["RGB"].pixels.astype(float)
    row, column = np.unravel_index(sky.sum(axis=2).argmax(), sky.shape[:2])
    latitude = (0.5 - (row + 0.5) / len(sky)) * math.pi
    longitude = (0.5 - (column + 0.5) / (2 * len(sky))) * 2 * math.pi
    direction = np.array(
        [
            math.sin(longitude) * math.cos(latitude),
            math.sin(latitude),
            math.cos(longitude) * math.cos(latitude),
        ]
    )
    in_world = direction @ np.array(UsdGeom.XformCache().GetLocalToWorldTransform(dome))[:3, :3]
    assert in_world @ toward > math.cos(math.radians(12))
    assert np.isfinite(sky).all()
    assert sky[: len(sky) // 2].mean() > 0.3


def texture_of(prim: Any, folder: Path, name: str = "diffuseColor") -> np.ndarray:
    """The picture behind an input of a mesh's first textured material, rows from the top."""
    bound = [prim, *prim.GetChildren()]
    for one in bound:
        material, _ = UsdShade.MaterialBindingAPI(one).ComputeBoundMaterial()
        if not material:  # its parts have some
            continue
        shader = material.ComputeSurfaceSource()[0]
        source = shader.GetInput(name).GetConnectedSource()
        if source:
            path = UsdShade.Shader(source[0].GetPrim()).GetInput("file").Get().path
            return np.asarray(Image.open(folder / path).convert("RGB")).astype(float) / 255
    raise AssertionError(f"{prim.GetPath()}: no texture")


def at(prim: Any, picture: np.ndarray, x: float, y: float) -> np.ndarray:
    """What a flat mesh's texture shows at a place of the world."""
    points, mesh = world_points(prim)[:, :2], UsdGeom.Mesh(prim)
    places = np.array(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Get())
    corners = np.array(mesh.GetFaceVertexIndicesAttr().Get())
    linear, *_ = np.linalg.lstsq(np.c_[points[corners], np.ones(len(corners))], places, rcond=None)
    u, v = np.array([x, y, 1.0]) @ linear
    height, width = picture.shape[:2]
    return picture[int((1 - v) * height), int(u * width)]


def test_the_road_is_painted_where_the_scene_has_it(stage: Any, file: Path) -> None:
    ground = meshes(stage, "/Ground/")["ground_0"]
    picture = texture_of(ground, file.parent)

    def row(y: float) -> np.ndarray:
        return np.array([at(ground, picture, x, y).mean() for x in np.arange(-3.0, 3.01, 0.05)])

    bars, plain = row(20.0) > 0.55, row(12.0) > 0.55
    assert 0.35 < bars.mean() < 0.65  # a zebra crossing: a bar of half a metre each metre
    assert np.abs(np.diff(bars.astype(int))).sum() >= 10
    assert plain.mean() < 0.1  # only its middle line
    verge = at(ground, picture, 10.0, 5.0)
    assert verge[1] > verge[2] + 0.05, "grass or soil, and neither is blue"


def test_facades_have_windows_and_fill_their_walls(stage: Any, file: Path, content: Content) -> None:
    house = meshes(stage, "/Props/")["prop_000_building"]
    picture = texture_of(house, file.parent)
    mesh = UsdGeom.Mesh(house)
    places = np.array(UsdGeom.PrimvarsAPI(mesh).GetPrimvar("st").Get()).reshape(-1, 3, 2)
    textured = places.any(axis=(1, 2))
    assert textured.mean() > 0.2
    assert places.min() >= 0
    assert places.max() <= 1
    # Texels are square on the wall: areas on it and in the texture have one quotient.
    points = np.array(mesh.GetPointsAttr().Get(), dtype=float)
    corners = points[np.array(mesh.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3)][textured]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    size = np.array(picture.shape[1::-1])
    a, b, c = (places[textured][:, k] * size for k in range(3))
    texels = np.abs((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    flat = np.abs(normal).max(axis=1) / 2  # charts are seen along an axis of the body
    large = flat > 0.5
    assert np.ptp(np.log(texels[large] / flat[large])) < 0.02
    middle = np.median(picture.reshape(-1, 3), axis=0).mean()
    assert picture.min() < 0.2 < middle, "dark panes in a light wall"
    assert next(i for i in content.items if i.mesh.name == "prop_000_building").looks


def test_colours(stage: Any) -> None:
    car = meshes(stage, "/Actors/")["actor_000_car"]
    found = {}
    for subset in UsdGeom.Subset.GetAllGeomSubsets(UsdGeom.Imageable(car)):
        material, _ = UsdShade.MaterialBindingAPI(subset.GetPrim()).ComputeBoundMaterial()
        shader = material.ComputeSurfaceSource()[0]
        found[subset.GetPrim().GetName().rpartition("_")[0]] = shader
    assert np.allclose(found["paint"].GetInput("diffuseColor").Get(), (0.4, 0.02, 0.03), atol=2e-3)
    assert found["glass"].GetInput("roughness").Get() < 0.1 < found["tyre"].GetInput("roughness").Get()


def test_usds_own_validators_find_nothing(stage: Any, file: Path) -> None:
    try:
        from pxr import UsdValidation
    except ImportError:  # before usd-core 26
        from pxr import UsdUtils

        checker = UsdUtils.ComplianceChecker(arkit=False)
        checker.CheckCompliance(str(file))
        assert checker.GetErrors() + checker.GetFailedChecks() == []
        return
    validators = UsdValidation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 10
    errors = UsdValidation.ValidationContext(validators).Validate(stage)
    assert [f"{e.GetName()}: {e.GetMessage()}" for e in errors] == []


@pytest.mark.parametrize("ending", [".usda", ".usdc", ".usdz"])
def test_the_same_scene_gives_the_same_bytes(
    ending: str, twice: tuple[Content, Content], tmp_path: Path
) -> None:
    written = []
    for name, content in zip("ab", twice):
        (tmp_path / name).mkdir()
        written.append(Format.write(content, tmp_path / name / f"scene{ending}"))
    first, second = written
    assert [p.name for p in first] == [p.name for p in second]
    for a, b in zip(first, second):
        assert a.read_bytes() == b.read_bytes(), a.name
    assert Usd.Stage.Open(str(first[0])).GetPrimAtPath("/Scene/Actors/actor_000_car")


def test_night_has_lamps_and_lit_windows(baker: Baker, tmp_path: Path) -> None:
    night = street().replace(
        environment=Environment(hour=22.0),
        actors=(actor("Car", 0.0, 12.0, 1.57, lights=True, color=(0.2, 0.2, 0.2)),),
    )
    file = Format.write(baker.content(night), tmp_path / "night.usdc")[0]
    stage = Usd.Stage.Open(str(file))
    lamps = [p.GetName().rpartition("_")[0] for p in stage.Traverse() if p.IsA(UsdLux.SphereLight)]
    assert Counter(lamps) == {"HeadLamp": 2, "OwnLamp": 2, "StreetLamp": 8}
    glowing = texture_of(meshes(stage, "/Props/")["prop_000_building"], file.parent, "emissiveColor")
    assert glowing.max() > 0.8
    assert np.median(glowing) < 0.1
    day = {p.name for p in tmp_path.glob("*/*emission*")}
    assert day == {"prop_000_building_emission.jpg"}
    assert io.BytesIO(file.read_bytes()).read(8) == b"PXR-USDC"
