"""A scene's ranges: the same wherever a scene comes from."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.backdrop import Backdrop, Look
from sim_actors.scene.records import Actor, Environment, Prop, Road, Scene, Sensor
from sim_actors.staging.scene_file import load_scene

CAR = Actor("car", Cuboid(1.0, 1.65, 12.0, 4.0, 1.8, 1.5, 0.0))
TREE = Prop("tree", 4.0, 20.0, 3.0, 3.0, 6.0)
GOOD = Scene("one", 64, 32, Camera(60.0, 60.0, 32.0, 16.0), (CAR,), (TREE,))


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (replace(GOOD, road=Road(lanes=0)), "road.lanes: "),
        (replace(GOOD, road=Road(curvature=0.03)), "road.curvature: "),
        (replace(GOOD, environment=Environment(hour=24.0)), "environment.hour: "),
        (replace(GOOD, environment=Environment(weather="hail")), "environment.weather: "),  # type: ignore[arg-type]
        (replace(GOOD, sensor=Sensor(noise=1.5)), "sensor.noise: "),
        (replace(GOOD, props=(replace(TREE, kind="volcano"),)), "props[0].kind: "),  # type: ignore[arg-type]
        (replace(GOOD, actors=(CAR, replace(CAR, seed=-1))), "actors[1].seed: "),
        (replace(GOOD, camera=Camera(0.0, 1.0, 1.0, 1.0)), "camera"),
        (replace(GOOD, focus=(1,)), "focus names actor 1 (from 0), but there are 1 actors"),
    ],
)
def test_a_value_out_of_range_is_told_by_everybody(bad: Scene, field: str, tmp_path: Path) -> None:
    (problem,) = bad.problems()
    assert problem.startswith(field)
    with pytest.raises(ValueError, match="scene: ") as read:
        Scene.from_json(bad.to_json())
    assert field in str(read.value)
    path = tmp_path / "bad.json"
    path.write_text(bad.to_json())
    with pytest.raises(UserError) as written:
        load_scene(path)
    assert field in str(written.value)


def test_what_code_makes_is_looked_into_too() -> None:
    flat = replace(CAR, cuboid=replace(CAR.cuboid, height=0.0))
    lost = replace(CAR, cuboid=replace(CAR.cuboid, x=float("nan")))
    problems = replace(GOOD, actors=(flat, lost)).problems()
    assert [problem.split(":")[0] for problem in problems] == ["actors[0].cuboid", "actors[1].cuboid.x"]
    assert "found 4.0, 1.8, 0.0 m" in problems[0]
    dark = Backdrop("f", "0", look=Look(contrast=0.5), shadow=2.0)
    assert [p.split(":")[0] for p in replace(GOOD, backdrop=dark).problems()] == [
        "backdrop.look.contrast",
        "backdrop.shadow",
    ]
    assert GOOD.problems() == []


def test_an_unknown_field_names_the_nearest() -> None:
    data = json.loads(GOOD.to_json())
    data["actors"][0]["modell"] = "sedan"
    with pytest.raises(ValueError, match=r"actors\[0\]\.modell: .* did you mean 'model'"):
        Scene.from_dict(data)
    del data["actors"][0]["modell"], data["camera"]
    with pytest.raises(ValueError, match="camera: this field is required"):
        Scene.from_dict(data)
