"""The examples run, and do what their pages say."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cluster.cli.main import main
from examples.simulator import Boxes, BoxesSettings
from imitation.data.images import decode_image, image_size
from imitation.datasets.parquet.files import read_frames
from sim_actors import Scene
from sim_actors.simulators.command.messages import Hello, Reasons, Rendered, Thing
from sim_actors.simulators.command.settings import CommandSettings
from tests.snippets import blocks

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def classifier() -> ModuleType:
    spec = importlib.util.spec_from_file_location("classifier", ROOT / "examples" / "classifier.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["classifier"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def documented() -> dict[str, tuple[float, float, float]]:
    """Arm -> accuracy, gain and half its interval, in points, as docs/method.md has them."""
    section = (ROOT / "docs" / "method.md").read_text(encoding="utf-8").split("## Other domains")[1]
    rows = re.findall(
        r"^\| `(\w+)` \| ([\d.]+) \| (?:([+-][\d.]+) ± ([\d.]+))? *\|$", section, flags=re.MULTILINE
    )
    return {name: (float(score), float(gain or 0), float(half or 0)) for name, score, gain, half in rows}


def test_the_loop_runs_on_a_classifier(classifier: ModuleType) -> None:
    found = classifier.main(seeds=2)
    assert list(found) == list(documented())
    assert all(0.8 < score < 1 for scores in found.values() for score in scores)
    again = classifier.run("imitation", 1)
    assert again == found["imitation"][1], "everything follows from the seed"


def test_a_digit_is_never_mined_by_a_model_that_saw_it_or_its_likeness(classifier: ModuleType) -> None:
    from imitation.aggregation import AggregationSettings, Dataset, Part
    from imitation.policies import PolicySettings, build_policy
    from imitation.requests import Request

    stages = classifier.Stages(build_policy(PolicySettings()), 0)
    dataset = Dataset(Part("digits", classifier.TRAIN), AggregationSettings())
    asked = [Request(f"r{i}", str(i), (), (), (), 2, i, "imitation") for i in (3, 80)]
    dataset = dataset.aggregate(stages.simulate(asked, 1))
    seen: list[np.ndarray] = []

    class Spy:
        def __init__(self, **_: object) -> None:
            pass

        def fit(self, images: np.ndarray, labels: np.ndarray) -> None:
            seen.append(images)

    classifier.SVC, before = Spy, classifier.SVC
    try:
        stages.fit(dataset, np.arange(30))
        stages.fit(dataset, np.array([], dtype=int))
    finally:
        classifier.SVC = before
    assert [len(images) for images in seen] == [classifier.TRAIN - 30 + 2, classifier.TRAIN + 4]


def test_a_scene_in_a_script(tmp_path: Path) -> None:
    picture = tmp_path / "scene.jpg"
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "scene.py"), str(picture)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=240,
    )  # fmt: skip
    pixels = decode_image(picture.read_bytes(), "the picture")
    assert pixels.shape == (192, 640, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 1000  # a picture, not a blank one
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["car", "pedestrian"]


def test_a_simulator_in_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT / "examples")
    monkeypatch.setattr(sys, "path", [str(ROOT), *sys.path])
    words = ["simulate.simulator=simulator:Boxes", "simulate.options={sky: [1, 2, 3]}"]
    assert main(["check", "simulator", *words]) == 0
    size = ["--size", "320x96", "--count", "2"]
    assert main(["render", "--random", *size, "--out", str(tmp_path), *words]) == 0
    frames = list(read_frames(str(tmp_path / "frames.parquet")))
    assert all(frame.image and tuple(decode_image(frame.image, "it")[0, 0]) == (1, 2, 3) for frame in frames)
    assert any(frame.objects for frame in frames)


@pytest.mark.parametrize(("program", "file"), [(sys.executable, "pipe_boxes.py"), ("node", "pipe_boxes.js")])
def test_a_simulator_that_is_a_program(
    program: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Checked, then rendered with; both programs stage a scene alike, pixel for pixel of what is labelled."""
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    text = (ROOT / "examples" / file).read_text(encoding="utf-8")
    assert not re.search("imitation|sim_actors", text.split("import json")[-1]), "it needs nothing of ours"
    monkeypatch.chdir(ROOT / "examples")
    words = ["simulate.simulator=command", f"simulate.options={{command: [{program}, {file}]}}"]
    assert main(["check", "simulator", *words]) == 0
    size = ["--size", "320x96", "--count", "2"]
    assert main(["render", "--random", *size, "--out", str(tmp_path), *words]) == 0
    frames = list(read_frames(str(tmp_path / "frames.parquet")))
    labels = [obj for frame in frames for obj in frame.objects]
    assert labels
    assert {obj.category for obj in labels} <= {"Car", "Truck", "Pedestrian"}
    for obj in labels:
        assert None not in (obj.amodal_box, obj.visible_box, obj.cuboid, obj.occlusion)
    for frame in frames:
        scene = Scene.from_json(frame.origin.scene)  # type: ignore[union-attr]
        by_ours = Boxes(BoxesSettings()).render(scene)
        own = {(obj.category, obj.cuboid): obj for obj in by_ours.objects}
        assert len(own) == len(frame.objects)
        for obj in frame.objects:
            ours = own[obj.category, obj.cuboid]
            assert obj.amodal_box == pytest.approx(ours.amodal_box, abs=1e-6)
            assert obj.occlusion == pytest.approx(ours.occlusion, abs=0.35 if obj.box.area < 40 else 0.1)


def test_a_program_and_the_embedded_renderer_side_by_side(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT / "examples")
    program = (
        f"{{name: command, label: boxes, weight: 2, options: {{command: [{sys.executable}, pipe_boxes.py]}}}}"
    )
    words = [f"simulate.simulator=[opengl, {program}]"]
    size = ["--size", "320x96", "--count", "6"]
    assert main(["render", "--random", *size, "--out", str(tmp_path), *words]) == 0
    frames = list(read_frames(str(tmp_path / "frames.parquet")))
    by = {(frame.origin.simulator_label, frame.origin.simulator) for frame in frames if frame.origin}
    assert by == {("opengl", "opengl"), ("boxes", "pipe-boxes")}
    for frame in frames:
        assert frame.origin is not None
        if frame.origin.simulator_label == "boxes":
            assert {obj.category for obj in frame.objects} <= {"Car", "Truck", "Pedestrian"}


def test_the_page_has_what_the_program_says(tmp_path: Path) -> None:
    """The exchange of docs/simulator.md, as it stands there."""
    (block,) = (b for b in blocks(ROOT / "docs" / "simulator.md") if b.text.startswith("→ "))
    text = block.text.replace("/tmp/imitation-pipe-x", str(tmp_path))
    lines = re.findall(r"^([→←]) (.*(?:\n   .*)*)", text, flags=re.MULTILINE)
    asked, answered = ([json.loads(line) for side, line in lines if side == arrow] for arrow in "→←")
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / "pipe_boxes.py")],
        input="".join(json.dumps(question) + "\n" for question in asked),
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert [json.loads(line) for line in done.stdout.splitlines()] == answered
    assert [question["ask"] for question in asked] == ["hello", "render", "bye"]
    assert image_size((tmp_path / "image.png").read_bytes(), "the picture") == (64, 32)


def test_the_page_lists_what_may_be_asked_and_answered() -> None:
    """Every option, and every field of an answer, has its place on the page."""
    page = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8").split("## A program on a pipe")[1]
    for record in (CommandSettings, Hello, Reasons, Rendered, Thing):
        assert [name for name in record.model_fields if f"`{name}`" not in page] == []


@pytest.mark.slow
def test_the_page_gives_the_numbers_that_the_example_finds(classifier: ModuleType) -> None:
    found = classifier.main()
    for arm, (score, gain, half) in documented().items():
        gains = 100 * (found[arm] - found["real"])
        assert 100 * found[arm].mean() == pytest.approx(score, abs=0.3)
        assert gains.mean() == pytest.approx(gain, abs=0.2)
        assert 1.96 * gains.std(ddof=1) / np.sqrt(len(gains)) == pytest.approx(half, abs=0.1)
