"""A frame from its lineage: by a simulator on toys in a process of its own, and once by the embedded one."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.inventory.rerender import differences, rerender
from cluster.workspace.run_folder import environment
from imitation.common.settings import UserError
from imitation.data.images import encode_png
from imitation.data.records import Frame, Origin
from imitation.datasets.parquet.files import write_frames
from sim_actors.scene.one_body import body_scene
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import SceneJob, SimulatorHost, Started, decode_frame

PAINTER = "examples.simulator:Boxes"


def a_run(folder: Path, simulator: str, spec: SimulatorSpec, count: int = 1) -> list[Frame]:
    """A run's folder with frames that this simulator has rendered."""
    folder.mkdir(parents=True)
    config = load_defaults([f"simulate.simulator={simulator}"])
    (folder / "config.yaml").write_text(yaml.safe_dump(config.plain()))
    (folder / "run.json").write_text(json.dumps(environment()))
    host = SimulatorHost(spec)
    assert host.start().error is None
    frames = []
    for index in range(count):
        scene = replace(
            body_scene("car", "sedan", (4.5, 1.8, 1.4), 0.3, 160, 96), scene_id=f"c01-a-v{index:02d}"
        )
        answer = host.render(SceneJob(scene, 1, "a", ("a#missed-o0",), "imitation", 7))
        assert answer.payload is not None, answer.error
        frames.append(decode_frame(answer.payload))
    host.close()
    write_frames(frames, str(folder / "cycle-001" / "synthetic" / "part-00000.parquet"))
    return frames


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rerender") / "run"
    a_run(folder, PAINTER, SimulatorSpec(PAINTER), 2)
    return folder


def changed(folder: Path, out: Path, **origin: object) -> Path:
    """The run with another picture under the same lineage, but for what `origin` says."""
    from imitation.datasets.parquet.files import read_frames

    out.mkdir()
    for name in ("config.yaml", "run.json"):
        (out / name).write_text((folder / name).read_text())
    frames = []
    for frame in read_frames(str(folder / "cycle-001" / "synthetic")):
        pixels = np.array(Image.open(io.BytesIO(frame.image)).convert("RGB"))
        pixels[0, 0] ^= 8
        frames.append(replace(frame, image=encode_png(pixels), origin=replace(frame.origin, **origin)))
    write_frames(frames, str(out / "cycle-001" / "synthetic" / "part-00000.parquet"))
    return out


def test_the_same_bytes_come_again(painted, tmp_path, capsys):
    out = tmp_path / "again.png"
    assert main(["runs", "rerender", str(painted), "c01-a-v01", "--out", str(out)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("c01-a-v01: the same, ")
    assert "by boxes 1." in told
    assert rerender(str(painted), "c01-a-v01").stored.image == out.read_bytes()


def test_other_pixels_are_said_with_the_version_that_differs(painted, tmp_path, capsys):
    other = changed(painted, tmp_path / "other", simulator_version="0")
    assert main(["runs", "rerender", str(other), "c01-a-v00", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["same"], told["labels"]) == (False, None)
    assert "of its pixels change, by up to 8 of 255" in told["pixels"]
    assert told["differs"] == ["the version of boxes was 0, is 1"]
    assert told["lineage"]["parent"] == "a"
    assert main(["runs", "rerender", str(other), "c01-a-v00"]) == 1
    assert "not as it was: the version of boxes was 0, is 1" in capsys.readouterr().out


def test_where_all_is_the_same_the_driver_or_the_simulator_is_named(painted, tmp_path, capsys):
    other = changed(painted, tmp_path / "other")
    assert main(["runs", "rerender", str(other), "c01-a-v00"]) == 1
    assert "graphics driver" in " ".join(capsys.readouterr().out.split())


def test_what_cannot_be_rendered_again_is_a_sentence(painted, tmp_path):
    with pytest.raises(UserError, match="no rendered frame 'c01-a-v9' among 2; the nearest is 'c01-a-v0"):
        rerender(str(painted), "c01-a-v9")
    with pytest.raises(UserError, match=r"no run here \(config\.yaml is missing\)"):
        rerender(str(tmp_path), "x")
    config = yaml.safe_load((painted / "config.yaml").read_text())
    mixed = changed(painted, tmp_path / "mixed", simulator_label="unreal")
    config["simulate"]["simulator"] = [{"name": "opengl", "weight": 0.5}, {"name": PAINTER, "weight": 0.5}]
    (mixed / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(UserError, match="rendered by 'unreal', and the run's configuration has opengl, "):
        rerender(str(mixed), "c01-a-v00")


def test_differences_name_machine_and_packages():
    origin = Origin(1, None, (), "", "{}", "opengl", "2", 0)
    then = {"commit": "a", "machine": "Linux, 2 CPUs (X)", "packages": {"moderngl": "5.1", "numpy": "2"}}
    now = {"commit": "a", "machine": "Linux, 4 CPUs (Y)", "packages": {"moderngl": "5.2", "numpy": "2"}}
    assert differences(origin, Started("", 0, "", "opengl", "2"), then, now) == [
        "the machine, and with it the graphics driver, was Linux, 2 CPUs (X), is Linux, 4 CPUs (Y)",
        "moderngl was 5.1, is 5.2",
    ]


@pytest.mark.usefixtures("renderer_here")
def test_the_embedded_renderer_gives_the_same_bytes(tmp_path):
    from cluster.config.simulator import simulator_spec

    a_run(tmp_path / "run", "opengl", simulator_spec(load_defaults([])))
    assert rerender(str(tmp_path / "run"), "c01-a-v00").same
