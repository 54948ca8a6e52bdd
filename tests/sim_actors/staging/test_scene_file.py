import dataclasses
import json
import math
from pathlib import Path

import pytest
import yaml

from imitation.common.settings import UserError
from sim_actors.scene.footprint import Footprint, overlaps
from sim_actors.scene.ground import ground_y
from sim_actors.scene.records import Scene
from sim_actors.scene.sizes import SIZES
from sim_actors.staging.scene_file import load_scene
from sim_actors.standin_world import WorldSettings, standin_scene

EXAMPLE = Path(__file__).parents[3] / "examples" / "scene.yaml"


def written(tmp_path: Path, data: object, name: str = "mine.yaml") -> Path:
    path = tmp_path / name
    path.write_text(json.dumps(data) if name.endswith("json") else yaml.safe_dump(data))
    return path


def test_example_loads_with_what_it_says() -> None:
    scene = load_scene(EXAMPLE)
    assert scene.scene_id == "crate-in-lane"
    assert [actor.category for actor in scene.actors] == ["Car", "Car", "Van", "Pedestrian", "Cyclist"]
    assert scene.actors[0].lights
    assert scene.actors[1].cuboid.yaw == pytest.approx(math.pi / 2)
    assert scene.actors[3].cuboid.height == 1.3
    assert scene.actors[4].cuboid.y == pytest.approx(ground_y(scene.camera, 20.0))
    assert [prop.kind for prop in scene.props[:2]] == ["debris", "debris"]
    marks = [Footprint.of(prop) for prop in scene.props]
    assert not any(overlaps(a, b) for k, a in enumerate(marks) for b in marks[:k])
    assert len(scene.props) > 20
    assert scene == load_scene(EXAMPLE)


@pytest.mark.parametrize("name", ["mine.yaml", "mine.json"])
def test_friendly_defaults(tmp_path: Path, name: str) -> None:
    data = {
        "camera": {"fov_deg": 90, "pitch_deg": 1},
        "width": 800,
        "actors": [{"category": "car", "x": 1, "z": 9}],
    }
    scene = load_scene(written(tmp_path, data, name))
    assert scene.scene_id == "mine"
    assert scene.camera.fx == pytest.approx(400)
    assert scene.camera.pitch == pytest.approx(math.radians(1))
    car = scene.actors[0].cuboid
    assert (car.x, car.z, car.length, car.yaw) == (1, 9, SIZES["car"].length, pytest.approx(-math.pi / 2))
    assert car.y == pytest.approx(ground_y(scene.camera, 9))
    assert scene.props == ()


def test_a_runs_own_scene_comes_back(tmp_path: Path) -> None:
    scene = standin_scene(WorldSettings(), "test", 4)
    path = tmp_path / "scene.json"
    path.write_text(scene.to_json())
    assert load_scene(path) == scene == Scene.from_json(path.read_text())
    asked = dataclasses.replace(scene, focus=(0,))
    path.write_text(asked.to_json())
    assert load_scene(path) == asked


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"actor": []}, r"actor: there is no such field; did you mean 'actors'"),
        (
            {"actors": [{"category": "Car", "x": 1, "z": 5, "colour": [1, 1, 1]}]},
            r"actors\[0\]\.colour.*'color'",
        ),
        ({"actors": [{"category": "Car", "x": 1}]}, r"actors\[0\]: give x and z"),
        ({"actors": [{"category": "Boat", "x": 1, "z": 5}]}, r"category 'Boat'; give length, width, height"),
        ({"props": [{"kind": "crate", "x": 1, "z": 5}]}, r"props\[0\]\.kind: .*'debris'.*found 'crate'"),
        ({"environment": {"hour": 25}}, r"environment\.hour: .*less than 24, found 25"),
        ({"camera": {"fov_deg": 80, "fx": 700}}, r"camera: give fov_deg or fx"),
        ({"props": [{"kind": "tree", "x": 1}]}, r"props\[0\]\.z: this field is required"),
        ({"focus": [0]}, r"focus names actor 0 .*0 actors"),
        (["a", "list"], "a scene is a mapping"),
    ],
)
def test_mistakes_name_file_and_field(tmp_path: Path, data: object, message: str) -> None:
    with pytest.raises(UserError, match=rf"(?s)mine\.yaml: .*{message}"):
        load_scene(written(tmp_path, data))


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent\.yaml: the scene cannot be read"):
        load_scene(tmp_path / "absent.yaml")
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    with pytest.raises(UserError, match=r"broken\.json:1: not valid JSON"):
        load_scene(broken)
    evil = tmp_path / "evil.yaml"
    evil.write_text("scene_id: !!python/object/apply:os.getcwd []")
    with pytest.raises(UserError, match=r"evil\.yaml: not valid YAML"):
        load_scene(evil)
    for name in ("deep.yaml", "deep.json"):
        deep = tmp_path / name
        deep.write_text("[" * 5000)
        with pytest.raises(UserError, match="nested too deeply"):
            load_scene(deep)


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    plain, marked = tmp_path / "a" / "x.yaml", tmp_path / "b" / "x.yaml"
    for path, start in ((plain, ""), (marked, "\ufeff")):
        path.parent.mkdir()
        path.write_text(start + "actors: []", encoding="utf-8")
    assert load_scene(marked) == load_scene(plain)
