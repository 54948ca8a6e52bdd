"""A whole simulator in one file: settings, catalog, preflight and bodies stand on it, and nothing else of the
project knows of it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from pydantic import Field

from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.data.stageable import catalog
from imitation.common.settings import Settings, UserError
from imitation.data.images import decode_image, encode_png
from imitation.data.records import Camera, Cuboid, Frame, Object
from imitation.datasets.parquet.files import read_frames
from sim_actors.scene.projection import projected_box
from sim_actors.scene.records import Actor, Scene
from sim_actors.simulators.protocol import Traits
from sim_actors.simulators.registry import SimulatorSpec, build_simulator
from sim_actors.simulators.worker import SceneJob, SimulatorHost, decode_frame

PATH = f"{__name__}:Toy"


class ToySettings(Settings):
    grey: int = Field(90, ge=0, le=255)
    licence: str = ""


class Toy(Traits):
    """Paints every actor as its box, white on grey."""

    name, version = "toy", "1"
    settings_class = ToySettings
    waits = True

    @staticmethod
    def preflight(settings: ToySettings) -> str | None:
        return "the toy's library is missing: apt-get install libtoy" if "NO_TOY" in os.environ else None

    @staticmethod
    def catalog(settings: ToySettings) -> tuple[str, ...]:
        return ("car", "crane")

    @staticmethod
    def bodies(settings: ToySettings) -> dict[str, tuple[str, ...]]:
        return {"crane": ("tall", "low")}

    @staticmethod
    def body_size(category: str, model: str) -> tuple[float, float, float]:
        return (4.0, 3.0, 12.0 if model == "tall" else 6.0)

    def __init__(self, settings: ToySettings) -> None:
        if self.preflight(settings):
            raise OSError("libtoy.so: cannot open shared object file")
        self.grey = settings.grey

    def supports(self, scene: Scene) -> list[str]:
        return []

    def render(self, scene: Scene) -> Frame:
        pixels = np.full((scene.height, scene.width, 3), self.grey, np.uint8)
        objects = []
        for actor in scene.actors:
            box = projected_box(actor.cuboid, scene.camera).clipped(scene.width, scene.height)
            if box.area >= 1 and actor.labelled:
                x1, y1, x2, y2 = map(int, box)
                pixels[y1:y2, x1:x2] = 255
                objects.append(Object(actor.category, box, cuboid=actor.cuboid))
        image = encode_png(pixels)
        return Frame(scene.scene_id, scene.width, scene.height, tuple(objects), image=image)

    def close(self) -> None:
        pass


CRANE = Actor("crane", Cuboid(0.0, 1.65, 40.0, 4.0, 3.0, 6.0, 0.0))
SCENE = Scene("one", 96, 64, Camera(80.0, 80.0, 48.0, 32.0), (CRANE,))


def test_a_worker_renders_with_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOY_GREY", "17")
    host = SimulatorHost(SimulatorSpec(PATH, {"grey": "${env:TOY_GREY}"}))
    started = host.start()
    assert (started.error, started.simulator) == (None, "toy")
    answer = host.render(SceneJob(SCENE))
    assert answer.payload is not None, answer.error
    frame = decode_frame(answer.payload)
    assert [obj.category for obj in frame.objects] == ["crane"]
    assert frame.image is not None
    assert (decode_image(frame.image, "it")[0, 0] == 17).all()


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"gray": 3}, "simulate.options: gray: there is no such field; did you mean 'grey'?"),
        ({"grey": 300}, "simulate.options: grey: input should be less than or equal to 255, found 300"),
        ({"grey": "${env:TOY_KEY}"}, "found '${env:TOY_KEY}'"),
        ({"grey": "${env:TOY_UNSET}"}, "asks for the environment variable TOY_UNSET"),
    ],
)
def test_a_wrong_option_is_told_and_no_secret_with_it(
    options: dict[str, object], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOY_KEY", "sesame")
    with pytest.raises(UserError) as error:
        build_simulator(SimulatorSpec(PATH, options))
    assert told in str(error.value)
    assert "sesame" not in str(error.value)


def test_what_is_missing_on_the_machine_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_TOY", "1")
    answer = SimulatorHost(SimulatorSpec(PATH)).start()
    assert answer.user_error
    assert answer.error == "the toy's library is missing: apt-get install libtoy"


def test_what_it_can_stage_is_known_before_it_is_built() -> None:
    assert catalog(load_defaults([f"simulate.simulator={PATH}"])) == {"car", "crane"}
    unset = ["simulate.options={licence: '${env:TOY_UNSET}'}"]  # it is set where the simulator runs
    assert catalog(load_defaults([f"simulate.simulator={PATH}", *unset])) is None
    assert catalog(load_defaults(["simulate.simulator=nowhere_near:Simulator"])) is None


def test_the_commands_know_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"simulate.simulator={PATH}", "simulate.options={grey: 40}"]
    assert main(["check", "simulator", *words]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "toy 1, with render, supports and close" in said
    assert "it only waits: above 1, simulate.scenes_per_actor saves processes" in said
    assert main(["render", "--body", "crane/low", *words, "--out", str(tmp_path)]) == 0
    frames = list(read_frames(str(tmp_path / "frames.parquet")))
    assert len(frames) == 8
    assert {obj.cuboid.height for frame in frames for obj in frame.objects if obj.cuboid} == {6.0}
    assert all(frame.origin is not None and frame.origin.simulator == "toy" for frame in frames)
    assert main(["render", "--body", "crne", *words, "--out", str(tmp_path)]) == 1
    assert "the nearest are crane" in capsys.readouterr().err
