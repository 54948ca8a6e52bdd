"""`imitate export --to usd|glb` as a person uses it."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from cluster.cli.main import main
from cluster.data.facts import Facts
from cluster.simulation.requests_file import write_requests
from imitation.data.categories import CategoryMap
from imitation.data.images import encode_jpeg
from imitation.data.records import Box, Camera, Frame, Object, Origin
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.settings import DataSettings
from imitation.requests import Request
from sim_actors.export import content
from sim_actors.scene.backdrop import Backdrop, digest_of
from sim_actors.scene.records import Scene
from tests.sim_actors.simulators.opengl.staged import actor, scene

trimesh = pytest.importorskip("trimesh")
CAMERA = Camera(150.0, 150.0, 128.0, 32.0, 1.65, 0.0)
PHOTO = encode_jpeg(np.random.default_rng(3).integers(0, 256, (64, 256, 3), dtype=np.uint8))


@pytest.fixture(autouse=True)
def small_textures(monkeypatch: pytest.MonkeyPatch) -> None:
    """What textures show is tested beside them; here they are to be quick."""
    monkeypatch.setattr(content, "GROUND_SIZES", ((64, 128), (64, 128), (64, 64)))
    monkeypatch.setattr(content, "SKY_HEIGHT", 256)


def staged(name: str, **fields: object) -> Scene:
    made = scene(actor("Car", 0.0, 9.0, 0.3, CAMERA), camera=CAMERA, width=256, height=64, **fields)
    return made.replace(scene_id=name)


def rendered(one: Scene, cycle: int = 1) -> Frame:
    origin = Origin(cycle, "train0", ("train0/0",), "imitation", one.to_json(), "opengl", "2", 7)
    car = Object("Car", Box(100, 20, 160, 60))
    return Frame(one.scene_id, 256, 64, (car,), image=PHOTO, camera=CAMERA, origin=origin)


def photo(name: str) -> Frame:
    return Frame(name, 256, 64, (), image=PHOTO, camera=CAMERA)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder as far as an export of scenes looks: two cycles, one scene in a photo."""
    root = tmp_path / "runs" / "mine"
    write_frames([photo("train0"), photo("train1")], str(root / "data" / "train" / "frames.parquet"))
    (root / "data" / "stage-prepare.json").write_text("{}")
    (root / "config.yaml").write_text(yaml.safe_dump({"run": {"name": "mine"}}))
    first = [rendered(staged("r1-0000")), rendered(staged("r1-0001", seed=5))]
    write_frames(first, str(root / "cycle-001" / "synthetic" / "part-0.parquet"))
    in_photo = staged("r2-0000", backdrop=Backdrop("train1", digest_of(PHOTO)))
    write_frames([rendered(in_photo, 2)], str(root / "cycle-002" / "synthetic" / "part-0.parquet"))
    return root


def test_a_scene_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "one.json"
    file.write_text(staged("one").to_json())
    out = tmp_path / "deep" / "one.glb"
    assert main(["export", str(file), "--to", "glb", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    parts = trimesh.load(out).geometry
    assert any(name.startswith("actor_000_car_paint") for name in parts)
    assert main(["export", str(file), "--to", "glb", "--out", str(out)]) == 1
    assert "is there already" in capsys.readouterr().err


def test_a_runs_scenes_into_a_folder(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "scenes"
    assert main(["export", str(run), "--to", "glb", "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}: 3 scenes\n"
    assert sorted(p.name for p in out.iterdir()) == ["r1-0000.glb", "r1-0001.glb", "r2-0000.glb"]
    plate = trimesh.load(out / "r2-0000.glb").geometry["plate_plate_0"]
    assert np.asarray(plate.visual.material.emissiveTexture).shape == (64, 256, 3)
    assert not any(name.startswith("ground") for name in trimesh.load(out / "r2-0000.glb").geometry)


def test_rendered_parquet_frames_and_count(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = run / "cycle-001" / "synthetic" / "part-0.parquet"
    assert main(["export", str(frames), "--to", "glb", "--count", "1", "--out", str(tmp_path / "a.glb")]) == 0
    assert (tmp_path / "a.glb").stat().st_size > 100_000
    capsys.readouterr()
    assert main(["export", str(frames), "--to", "glb", "--out", str(tmp_path / "b.glb")]) == 1
    assert "2 scenes do not go into one file" in capsys.readouterr().err
    photos = run / "cycle-002" / "synthetic" / "part-0.parquet"
    assert main(["export", str(photos), "--to", "glb", "--out", str(tmp_path / "c")]) == 1
    assert "name the dataset that has them" in capsys.readouterr().err


def test_what_our_bodies_cannot_stage_is_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one = staged("good")
    odd = one.replace(scene_id="odd", actors=(replace(one.actors[0], category="Zeppelin"),))
    write_frames([rendered(odd), rendered(one)], str(tmp_path / "frames.parquet"))
    out = tmp_path / "scenes"
    assert main(["export", str(tmp_path / "frames.parquet"), "--to", "glb", "--out", str(out)]) == 0
    assert [p.name for p in out.iterdir()] == ["good.glb"]
    printed = capsys.readouterr()
    assert printed.out == f"{out}: 1 scene\n"
    assert "left out: scene 'odd': actors[0].category: no body for 'Zeppelin'" in printed.err


def test_nothing_is_left_of_an_export_that_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = staged("../outside")
    write_frames([rendered(staged("good")), rendered(outside)], str(tmp_path / "frames.parquet"))
    out = tmp_path / "scenes"
    assert main(["export", str(tmp_path / "frames.parquet"), "--to", "glb", "--out", str(out)]) == 1
    assert "its id leads out of the folder" in capsys.readouterr().err
    assert not [*out.iterdir(), *tmp_path.glob("*.glb")]


def test_usd(tmp_path: Path) -> None:
    pxr = pytest.importorskip("pxr.Usd")
    file = tmp_path / "one.yaml"
    file.write_text("width: 256\nheight: 64\nactors: [{category: Car, x: 0, z: 9}]\n")
    assert main(["export", str(file), "--to", "usd", "--out", str(tmp_path / "scenes")]) == 0
    stage = pxr.Stage.Open(str(tmp_path / "scenes" / "one.usdc"))
    assert stage.GetPrimAtPath("/Scene/Actors/actor_000_car")
    assert (tmp_path / "scenes" / "one_textures" / "ground_0_albedo.jpg").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "glb", "--out", "x"], "writes scenes: name a scene"),
        (["SCENE", "--to", "glb", "--out", "x.usd"], "a file of this format ends in .glb"),
        (["PHOTOS", "--to", "glb", "--out", "x"], "no frame of it was rendered"),
        (["GONE", "--to", "usd", "--out", "x"], "there is nothing there"),
        (["RUN", "--to", "coco", "--count", "2", "--out", "x"], "--count is of scenes"),
        (["BROKEN", "--to", "glb", "--out", "x"], "its scene: scene: "),
    ],
)
def test_what_cannot_be_exported_is_said(
    words: list[str], said: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    one = staged("one")
    (tmp_path / "scene.json").write_text(one.to_json())
    broken = json.loads(one.to_json()) | {"seed": -1.5}
    frame = rendered(one)
    assert frame.origin is not None
    odd = Origin(*(getattr(frame.origin, n) for n in ("cycle", "parent", "failures", "policy")),
                 json.dumps(broken), "opengl", "2", 7)  # fmt: skip
    write_frames([Frame("odd", 256, 64, (), image=PHOTO, origin=odd)], str(tmp_path / "broken.parquet"))
    places = {
        "SCENE": tmp_path / "scene.json", "PHOTOS": run / "data" / "train", "GONE": tmp_path / "gone",
        "RUN": run, "BROKEN": tmp_path / "broken.parquet",
    }  # fmt: skip
    assert main(["export", *(str(places.get(word, word)) for word in words)]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_requests_of_mine(tmp_path: Path) -> None:
    car = actor("Car", 0.0, 9.0, 0.3, CAMERA)
    label = Object("Car", Box(100, 20, 160, 60), cuboid=car.cuboid)
    parent = Frame("seen", 256, 64, (label,), image=PHOTO, camera=CAMERA)
    write_frames([parent], str(tmp_path / "data" / "train.parquet"))
    requests = [Request("again", "seen", (), (0,), (), variations=2, seed=3, policy="imitation")]
    facts = Facts()
    list(facts.seeing([parent]))
    data = DataSettings(kind="parquet", root=str(tmp_path / "data"))
    categories = CategoryMap(("Car",), {"Car": "Car"})
    file = tmp_path / "requests.json"
    write_requests(str(file), data, "train", {}, categories, None, facts, requests)
    out = tmp_path / "scenes"
    words = ["export", str(file), "--to", "glb", "--count", "1", "--out", str(out)]
    assert main([*words, "restage.density=0"]) == 0
    (one,) = out.glob("*.glb")
    assert any(name.startswith("actor_000_car") for name in trimesh.load(one).geometry)
