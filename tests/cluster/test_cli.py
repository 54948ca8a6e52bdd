"""The command line as a person uses it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster import cli
from cluster.cli import main, split_options
from imitation.detectors.settings import DetectorSettings
from imitation.product import save_product
from sim_actors.scene import Scene

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def product(tmp_path_factory) -> Path:
    import torch

    from imitation.detectors.build import build_detector

    torch.manual_seed(0)
    detector = DetectorSettings(backbone="resnet10", weights=None, features=16, width=128, height=64)
    folder = tmp_path_factory.mktemp("product") / "best"
    save_product(str(folder), build_detector(detector, 2).state_dict(), detector, ("car", "truck"), {}, 0.0)
    return folder


def test_help_names_every_command_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom cluster.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('ray', 'torch', 'numpy', 'pydantic', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    for command in ("run", "render", "evaluate", "predict", "export-model", "report", "defaults"):
        assert f"    {command} " in done.stdout or f"    {command}\n" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_options_may_stand_anywhere():
    words, options = split_options(
        ["render", "a.yaml", "--like", "x", "randomize.strength=0.5", "--out", "o"]
    )
    assert options == ["randomize.strength=0.5"]
    assert words == ["render", "a.yaml", "--like", "x", "--out", "o"]


def test_a_mistake_is_one_sentence_and_exit_code_1(capsys):
    assert main(["run", str(ROOT / "ray_config.yaml"), "train.step=3"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("imitate: ")
    assert "the nearest is 'train.steps'" in said
    assert len(said.strip().splitlines()) == 1


def test_a_shadowed_package_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    assert main(["defaults"]) == 1
    said = capsys.readouterr().err
    assert "'imitation' is taken from" in said
    assert "environment of its own" in said


def test_predict_gives_json_and_draws(product, tmp_path, capsys):
    image = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 255, (60, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    assert main(["predict", str(product), str(image), "--out", str(tmp_path / "drawn")]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["width"], result["height"]) == (200, 60)
    for found in result["detections"]:
        assert found["category"] in ("car", "truck")
        x1, y1, x2, y2 = found["box"]
        assert 0 <= x1 <= x2 <= 200
        assert 0 <= y1 <= y2 <= 60
    assert Image.open(tmp_path / "drawn" / "photo.png").size == (200, 60)


def test_predict_names_a_missing_picture_and_a_missing_checkpoint(product, tmp_path, capsys):
    assert main(["predict", str(product), str(tmp_path / "none.jpg")]) == 1
    assert "none.jpg" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "nothing"), "x.jpg"]) == 1
    assert "no trained detector here" in capsys.readouterr().err


def test_evaluate_without_data_says_how_to_name_some(product, tmp_path, capsys):
    import shutil

    alone = tmp_path / "alone" / "best"
    shutil.copytree(product, alone)
    assert main(["evaluate", str(alone)]) == 1
    assert "lies in no run's folder" in capsys.readouterr().err


def test_defaults_are_the_configuration_file(capsys):
    assert main(["defaults"]) == 0
    assert capsys.readouterr().out == (ROOT / "ray_config.yaml").read_text(encoding="utf-8")


def test_render_a_scene_by_hand(tmp_path, capsys):
    out = tmp_path / "scene"
    assert main(["render", "--scene", str(ROOT / "examples/scene.yaml"), "--out", str(out)]) == 0
    sheet = Path(capsys.readouterr().out.strip())
    assert Image.open(sheet).width > 600
    assert list(out.glob("*.json"))


def test_render_like_a_kitti_folder(shared_data, tmp_path, capsys):
    out = tmp_path / "like"
    words = ["render", str(ROOT / "ray_config.yaml"), "--like", str(shared_data / "kitti3_png")]
    assert main([*words, "--count", "2", "--out", str(out), "randomize.strength=0.0"]) == 0
    assert Image.open(Path(capsys.readouterr().out.strip())).width > 1000
    assert len(list(out.glob("*.json"))) == 2


def rendered(folder: Path) -> list[Scene]:
    return [Scene.from_json(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


def test_render_free_scenes_in_a_weather_at_an_hour(tmp_path, capsys):
    words = ["render", "--random", "--count", "2", "--size", "320x96", "--sheet", str(tmp_path / "sheet.png")]
    assert main([*words, "--weather", "snow", "--time", "22:30", "--out", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "sheet.png")
    scenes = rendered(tmp_path / "a")
    assert len(scenes) == 2
    for scene in scenes:
        assert (scene.width, scene.height) == (320, 96)
        assert (scene.environment.weather, scene.environment.hour) == ("snow", 22.5)
        assert scene.environment.snow > 0
        assert all(actor.lights for actor in scene.actors if actor.category in ("Car", "Van", "Truck"))
    assert main([*words, "--out", str(tmp_path / "b")]) == 0
    assert [scene.actors[0].cuboid for scene in rendered(tmp_path / "b")] == [
        scene.actors[0].cuboid for scene in scenes
    ]  # light aside, the same scenes again


def test_strength_0_stages_a_frame_as_it_is(shared_data, tmp_path):
    like = ["render", "--like", str(shared_data / "kitti3_png"), "--count", "1", "--variations", "2"]
    assert main([*like, "--strength", "0", "--out", str(tmp_path / "same")]) == 0
    first, second = rendered(tmp_path / "same")
    assert [a.cuboid for a in first.actors] == [a.cuboid for a in second.actors]
    assert main([*like, "--strength", "1", "--out", str(tmp_path / "far")]) == 0
    assert [a.cuboid for a in rendered(tmp_path / "far")[0].actors] != [a.cuboid for a in first.actors]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--random", "--time", "25:00"], "--time '25:00': write an hour"),
        (["--random", "--strength", "0.5"], "--strength says how far"),
        (["--scene", str(ROOT / "examples/scene.yaml"), "--size", "640x192"], "--size is for free scenes"),
        (["--random", "--backdrop"], "--backdrop sets actors into the photo of a frame"),
        (["--like", "x", "--backdrop", "--weather", "rain"], "do not go with backdrops"),
    ],
)
def test_render_refuses_what_would_have_no_effect(words, told, tmp_path, capsys):
    assert main(["render", *words, "--out", str(tmp_path / "out")]) == 1
    assert told in capsys.readouterr().err


BARE = """
import sys
sys.modules["rich"] = None  # what a Python without it does
from cluster import cli
sys.exit(cli.main(["run", "ray_config.yaml"]))
"""


def test_a_python_without_our_dependencies_is_named():
    done = subprocess.run(
        [sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        f"imitate: {sys.executable} has no module 'rich': that is not the Python that"
    )
    assert len(done.stderr.splitlines()) == 1
