"""The command line as a person uses it."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.cli import main as cli
from cluster.cli.arguments import parser, split_options
from cluster.cli.main import main
from cluster.cli.registry import COMMANDS
from cluster.cli.text.help import GROUPS, Commands, Parser
from imitation.detectors.checkpoint import save_checkpoint
from imitation.detectors.settings import DetectorSettings
from sim_actors.scene.records import Scene
from tests.sim_actors.scenes import COARSE

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    import torch

    from imitation.detectors.registry import build_detector

    torch.manual_seed(0)
    detector = DetectorSettings(backbone="resnet10", weights=None, features=16, width=128, height=64)
    folder = tmp_path_factory.mktemp("checkpoint") / "best"
    save_checkpoint(
        str(folder), build_detector(detector, 2).state_dict(), detector, ("car", "truck"), {}, 0.0
    )
    return folder


def test_help_names_every_command_and_loads_nothing_heavy():
    code = (
        "import sys\nfrom cluster.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print([m for m in ('ray', 'torch', 'numpy', 'pydantic', 'pyarrow') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    for command in ("run", "render", "evaluate", "predict", "export-model", "report", "defaults"):
        assert f"    {command} " in done.stdout or f"    {command}\n" in done.stdout
    assert done.stdout.strip().endswith("[]")


def test_every_command_says_what_it_is_for_in_one_line_with_an_example_that_parses():
    whole = parser()
    (commands,) = (action for action in whole._actions if isinstance(action, Commands))
    assert set(commands.told) == set(COMMANDS)
    for name in COMMANDS.loaded():
        told = commands.told[name]
        assert told.group in GROUPS, f"{name} stands in no group"
        home = COMMANDS.load(name).__module__
        assert home.startswith(f"cluster.cli.commands.{told.group}."), f"{name}: not the folder of its group"
        assert 0 < len(told.line) <= 60, f"{name}: {told.line!r} is not one line at 80 columns"
        assert told.example, f"{name} has no example"
        assert len(told.example) <= 72, f"{name}: {told.example!r} is wider than 80 columns"
        words = shlex.split(told.example.partition(" > ")[0])
        assert words[:2] == ["imitate", name]
        assert whole.parse_args(split_options(words[1:])[0]).command == name


def test_help_has_the_groups_in_order_and_a_command_without_one_behind_them(capsys, monkeypatch):
    def add(commands):
        commands.add_parser("strange", help="of nobody's package").set_defaults(carry_out=print)

    monkeypatch.setattr(COMMANDS, "_entries", {**COMMANDS._entries, "strange": "tests:add"})
    load = COMMANDS.load
    monkeypatch.setattr(COMMANDS, "load", lambda name: add if name == "strange" else load(name))
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    places = [told.index(f"\n  {group}: ") for group in GROUPS]
    assert places == sorted(places)
    assert told.index("commands of other packages") > places[-1]
    assert told.index("    strange ") > told.index("commands of other packages")
    assert told.index("\n  decide: ") < told.index("    gate ") < told.index("\n  share: ")


def test_a_group_that_there_is_not_is_refused_where_the_command_is_written():
    commands = Parser().add_subparsers(action=Commands)
    with pytest.raises(ValueError, match="command 'x': group 'luck'; the groups are look, run"):
        commands.add_parser("x", group="luck")


@pytest.mark.parametrize("width", [60, 80])
def test_no_help_is_wider_than_the_terminal_and_no_word_broken(width, monkeypatch, capsys):
    wide: dict[int, set[str]] = {}
    for columns in (width, 1000):
        monkeypatch.setenv("COLUMNS", str(columns))
        wide[columns] = set()
        for words in (
            [],
            *([name] for name in COMMANDS),
            *(["score", p] for p in ("kitti", "coco", "waymo")),
        ):
            with pytest.raises(SystemExit):
                main([*words, "--help"])
            told = capsys.readouterr().out
            wide[columns] |= set(told.split())
            if columns == width:
                assert max(map(len, told.splitlines())) <= width, told
    assert wide[width] == wide[1000], "a word stands there in pieces"


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


@pytest.mark.parametrize(
    ("error", "last"),
    [
        ("UserError('no more of it')", "imitate: no more of it"),
        ("ValueError('defect, in\\nmany lines')", "imitate: failed: many lines"),
    ],
)
def test_the_last_line_is_the_sentence_also_where_output_and_errors_are_one(error, last):
    code = (
        "import cluster.cli.commands.run.defaults as command\nfrom cluster.cli.main import main\n"
        "from imitation.common.settings import UserError\n"
        f"def defaults(args):\n    print('a result')\n    raise {error}\n"
        "command.defaults = defaults\nraise SystemExit(main(['defaults']))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == last
    assert "a result" in done.stdout


def test_a_shadowed_package_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(cli, "ROOT", tmp_path)
    assert main(["defaults"]) == 1
    said = capsys.readouterr().err
    assert "'imitation' is taken from" in said
    assert "environment of its own" in said


def test_predict_gives_json_and_draws(checkpoint, tmp_path, capsys):
    image = tmp_path / "photo.png"
    pixels = np.random.default_rng(0).integers(0, 255, (60, 200, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(image)
    assert main(["predict", str(checkpoint), str(image), "--out", str(tmp_path / "drawn")]) == 0
    (result,) = json.loads(capsys.readouterr().out)
    assert (result["width"], result["height"]) == (200, 60)
    for found in result["detections"]:
        assert found["category"] in ("car", "truck")
        x1, y1, x2, y2 = found["box"]
        assert 0 <= x1 <= x2 <= 200
        assert 0 <= y1 <= y2 <= 60
    assert Image.open(tmp_path / "drawn" / "photo.png").size == (200, 60)


def test_predict_names_a_missing_picture_and_a_missing_checkpoint(checkpoint, tmp_path, capsys):
    assert main(["predict", str(checkpoint), str(tmp_path / "none.jpg")]) == 1
    assert "none.jpg" in capsys.readouterr().err
    assert main(["predict", str(tmp_path / "nothing"), "x.jpg"]) == 1
    assert "no trained detector here" in capsys.readouterr().err


def test_evaluate_without_data_says_how_to_name_some(checkpoint, tmp_path, capsys):
    import shutil

    alone = tmp_path / "alone" / "best"
    shutil.copytree(checkpoint, alone)
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


MINE = """
import os, time
from imitation.data.images import encode_png
from imitation.data.records import Frame
import numpy as np

class Simulator:
    name, version = "mine", "1"
    def __init__(self, deed): self.deed = deed
    def supports(self, scene): return []
    def close(self): pass
    def render(self, scene):
        if self.deed == "hang": time.sleep(3600)
        if self.deed == "exit": os._exit(3)
        if self.deed == "none": return None
        if self.deed == "raise": raise ValueError("the wheel fell off")
        noise = np.random.default_rng().integers(0, 255, (scene.height, scene.width, 3), dtype=np.uint8)
        return Frame(scene.scene_id, scene.width, scene.height, image=encode_png(noise))

class Half:
    name = "half"
    def render(self, scene): ...
"""


@pytest.mark.parametrize(
    ("deed", "said"),
    [
        ("hang", "no answer within 1 s (simulate.scene_timeout_s; and a scene's once more"),
        ("exit", "its process ended with exit status 3 (os._exit or sys.exit"),
        ("none", "render() gave None and not a Frame"),
        ("raise", "was not rendered: ValueError: the wheel fell off"),
    ],
)
def test_render_survives_what_a_simulator_does(deed, said, tmp_path, capsys, monkeypatch):
    (tmp_path / "mine_cli.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    words = ["render", "--random", "--count", "2", "--size", "160x64", "--out", str(tmp_path / "out")]
    words += ["simulate.simulator=mine_cli:Simulator", f"simulate.options={{deed: {deed}}}"]
    if deed == "hang":
        # the time to start is no longer than a scene's, so that it is not the first scene's either
        monkeypatch.setattr("sim_actors.simulators.guarded.GuardedHost.start", _patient(monkeypatch))
        words += ["simulate.scene_timeout_s=0.5", "simulate.startup_timeout_s=0.5"]
    assert main(words) == 1
    said_first = capsys.readouterr().err.split("imitate: ")[1].splitlines()[0]
    assert said_first.startswith("scene free-0000-v00 was not rendered: ")
    assert said in said_first


def _patient(monkeypatch):
    """Starting may take longer than the setting says: a busy machine is slow to import."""
    from sim_actors.simulators.guarded import GuardedHost

    start = GuardedHost.start

    def patient(host):
        short, host._startup_s = host._startup_s, 120.0
        started = start(host)
        host._startup_s = short
        return started

    return patient


def test_render_says_once_that_pixels_change_and_names_what_a_simulator_lacks(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine_cli.py").write_text(MINE)
    monkeypatch.chdir(tmp_path)
    words = ["render", "--random", "--count", "3", "--size", "160x64", "--out", str(tmp_path / "out")]
    assert main([*words, "simulate.simulator=mine_cli:Simulator", "simulate.options={deed: noise}"]) == 0
    assert capsys.readouterr().err.count("of its pixels change") == 1
    assert main([*words, "simulate.simulator=mine_cli:Half"]) == 1
    assert (
        "lacks version, supports, close of sim_actors.simulators.protocol.Simulator"
        in capsys.readouterr().err
    )


def rendered(folder: Path) -> list[Scene]:
    return [Scene.from_json(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"))]


@pytest.mark.usefixtures("renderer_here")
def test_render_free_scenes_in_a_weather_at_an_hour(tmp_path, capsys):
    words = ["render", "--random", "--count", "2", "--size", "160x64", *COARSE]
    words += ["--sheet", str(tmp_path / "sheet.png")]
    assert main([*words, "--weather", "snow", "--time", "22:30", "--out", str(tmp_path / "a")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "sheet.png")
    scenes = rendered(tmp_path / "a")
    assert len(scenes) == 2
    for scene in scenes:
        assert (scene.width, scene.height) == (160, 64)
        assert (scene.environment.weather, scene.environment.hour) == ("snow", 22.5)
        assert scene.environment.snow > 0
        assert all(actor.lights for actor in scene.actors if actor.category in ("Car", "Van", "Truck"))
    assert main([*words, "--out", str(tmp_path / "b")]) == 0
    assert [scene.actors[0].cuboid for scene in rendered(tmp_path / "b")] == [
        scene.actors[0].cuboid for scene in scenes
    ]  # light aside, the same scenes again


@pytest.mark.usefixtures("renderer_here")
def test_strength_0_stages_a_frame_of_a_kitti_folder_as_it_is(shared_data, tmp_path, capsys):
    like = ["render", "--like", str(shared_data / "kitti3_png"), "--count", "1", "--variations", "2"]
    like += COARSE
    assert main([*like, "--strength", "0", "--out", str(tmp_path / "same")]) == 0
    assert Image.open(Path(capsys.readouterr().out.strip())).width > 1000
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
from cluster.cli.main import main
from cluster.cli.registry import COMMANDS
sys.exit(main(["run", "ray_config.yaml"]))
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
