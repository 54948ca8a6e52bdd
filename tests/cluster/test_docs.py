"""Every snippet of README.md and docs/ runs as written, or is named here with the reason why it does not.

Paths such as /data/kitti stand for made-up data in a temporary folder; what would take long gets small
settings appended. A new snippet is run by these rules, or the test says where it stands.
"""

import argparse
import doctest
import importlib
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.cli.arguments import parser, split_options
from cluster.cli.main import main
from cluster.config.parse import load, load_defaults
from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid
from imitation.evaluation.detection_files import write_detections
from sim_actors.scene.records import Actor, Scene
from sim_actors.scene.sizes import SIZES
from sim_actors.simulators.opengl.assets import families
from sim_actors.simulators.opengl.assets.meshes import body_mesh
from sim_actors.simulators.opengl.assets.user_bodies import install as install_bodies
from tests.cluster import light_run
from tests.imitation.metrics.driving import evaluated
from tests.snippets import ROOT, Block, all_blocks, imitate_words

ELSEWHERE = "another test runs it: "
CLUSTER = "needs a cluster, a bucket or a cloud; parsed here. " + ELSEWHERE + "test_submit.py, test_jobs.py"
LONG = "takes minutes with any settings; parsed here. " + ELSEWHERE
SWEEP, ARMS = LONG + "sweep/test_tune.py", LONG + "compare/test_command.py"
OWN_FRAMES = "needs the 101 frames of KITTI that are not part of the project; parsed here"
SERVER = "needs a server or an account; parsed here. " + ELSEWHERE + "test_trackers.py"
TRIED = "trains a network for a step; parsed here. " + ELSEWHERE + "test_adding_a_part, checks/test_checks.py"
SAME_RUN = "a run like the one that is run here, with other settings; parsed here"

PIPED = [
    f'imitate check simulator simulate.simulator=command "simulate.options={{command: [{words}]}}"'
    for words in ("python, pipe_boxes.py", "node, pipe_boxes.js")
] + [
    "imitate render --random --count 4 --out mixed "
    '"simulate.simulator=[{name: opengl, weight: 0.8}, {name: command, label: boxes, weight: 0.2, '
    'options: {command: [python, pipe_boxes.py]}}]"'
]
TRACED = (
    "imitate setup blender",
    "imitate check simulator blender",
    "imitate render --random --count 8 --out traced simulate.simulator=blender",
    'imitate run ray_config.yaml simulate.simulator=blender "simulate.options={samples: 4}"',
)
UNREAL = 'simulate.simulator=unrealcv "simulate.options={manifest: unreal.yaml'
UNREALS = (
    f'imitate check simulator {UNREAL}}}"',
    f'imitate render --random --count 4 --out unreal-look {UNREAL}}}"',
    f'imitate run ray_config.yaml {UNREAL}}}" simulate.actors=1',
    f"imitate run ray_config.yaml {UNREAL}, endpoints: ['render-1:9000', 'render-1:9001', "
    "'render-2:9000']}\" simulate.actors=3",
)
NOT_RUN = {
    "imitate submit ray_config.yaml run.storage=s3://bucket/runs": CLUSTER,
    "imitate submit ray_config.yaml run.storage=/shared/runs run.name=kitti data.kind=kitti "
    "data.root=/shared/kitti": CLUSTER,
    "imitate submit --address http://HEAD:8265 ray_config.yaml run.storage=s3://bucket/runs": CLUSTER,
    "imitate submit --address http://127.0.0.1:8265 ray_config.yaml run.storage=/shared/runs": CLUSTER,
    "imitate submit --address http://127.0.0.1:8265 ray_config.yaml run.storage=s3://bucket/runs": CLUSTER,
    "imitate sweep ray_config.yaml "
    '"sweep.space={aggregation.max_synthetic_ratio: {choice: [0.25, 0.5, 1.0]}}"': SWEEP,
    "imitate sweep ray_config.yaml sweep.name=ratio loop.cycles=4 "
    '"sweep.space.aggregation.max_synthetic_ratio={choice: [0.25, 0.5, 1.0]}" '
    '"sweep.space.policy.name={grid: [imitation, random]}"': SWEEP,
    'imitate compare ray_config.yaml "compare.arms=[real, random, imitation]" compare.seeds=3': ARMS,
    "imitate compare ray_config.yaml": ARMS,
    "imitate compare my.yaml compare.folds=3": ARMS,
    "imitate compare my.yaml compare.folds=4 compare.use_folds=[0,1] compare.name=choosing": ARMS,
    "imitate compare my.yaml compare.folds=4 compare.use_folds=[2,3] compare.name=report": ARMS,
    "imitate compare --record runs/comparison --out record.md": ELSEWHERE + "compare/test_command.py",
    "imitate compare docs/records/kitti101.yaml data.root=KITTI101": OWN_FRAMES,
    "imitate compare docs/records/kitti101-rare.yaml data.root=KITTI101": OWN_FRAMES,
    "imitate compare docs/records/world.yaml": ARMS,
    "imitate run ray_config.yaml data.kind=kitti data.root=KITTI101": OWN_FRAMES,
    "imitate run ray_config.yaml tracking.mlflow=http://mlflow.example:5000": SERVER,
    "imitate run ray_config.yaml tracking.mlflow=/data/mlruns": SERVER,
    "imitate run ray_config.yaml tracking.wandb=my-team/detectors": SERVER,
    "imitate run ray_config.yaml data.kind=kitti data.root=/data/kitti": SAME_RUN,
    "imitate run ray_config.yaml data.kind=coco data.root=/data/coco": SAME_RUN,
    "imitate run ray_config.yaml data.kind=parquet data.root=/data/mine": SAME_RUN,
    "imitate run ray_config.yaml data.kind=my_dataset:Street data.root=/data/boxes run.name=boxes": SAME_RUN,
    "imitate run ray_config.yaml restage.backdrops=0.5": SAME_RUN,
    'imitate run ray_config.yaml "tracking.trackers={my_tracker:Table: {file: all-runs.csv}}"': ELSEWHERE
    + "trackers/test_own_tracker.py",
    "imitate compare runs/one runs/other": ELSEWHERE + "cli/test_compare.py",
    **dict.fromkeys(PIPED, "test_examples.py runs them"),
    "imitate check machine": ELSEWHERE + "checks/test_machine.py",
    "imitate check machine my.yaml --json": ELSEWHERE + "checks/test_machine.py",
    **dict.fromkeys(UNREALS, "needs Unreal; test_unreal_loop.py runs them on what stands in for it"),
    **dict.fromkeys(TRACED, "needs Blender; tests/sim_actors/simulators/blender has one, or a fake"),
    "imitate check detector simulator ray_config.yaml detector.name=my_detector:detector": TRIED,
    "imitate render --requests near/requests.json --out near-frames": "the README's chain does the same",
    "imitate compare ray_config.yaml compare.primary.measure=my_metric:near_recall --dry-run": ELSEWHERE
    + "experiments/compare/test_command.py",
}  # fmt: skip
"""Command lines of `imitate` that are parsed and whose configuration is checked, but that do not run."""

ONE_RUN = (
    "imitate run ray_config.yaml data.root=/data/kitti run.name=kitti",
    "imitate run ray_config.yaml detector.name=my_detector:detector",
    "imitate run ray_config.yaml simulate.simulator=examples.simulator:Boxes "
    '"simulate.options={sky: [90, 130, 200]}"',
    "imitate run ray_config.yaml policy.name=my_policy:NearFirst",
    "imitate run ray_config.yaml loop.metric=my_metric:near_recall",
    "imitate run ray_config.yaml evaluate.operating_threshold=per_category",
)
"""These are run as one, with all their settings: everything of one's own on one's own data."""

OTHER_PROGRAMS = {
    "make run": "a target of the Makefile",
    "make test": "a target of the Makefile",
    "make setup": "a target of the Makefile",
    "pip install": "installs",
    "tensorboard": "a server; test_trackers.py reads what it would show",
    "ray start": "starts a cluster; test_jobs.py does",
    "ray job submit": "needs a cluster; test_jobs.py does it",
    "ray get-auth-token": "needs a cluster; test_jobs.py does it",
    "ray up": "needs a cloud; test_deploy.py checks its file",
    "ray dashboard": "needs a cloud",
    "sudo iptables": "closes a port of this machine",
    "ssh -N": "needs another machine",
    "docker build": "needs Docker; test_deploy.py checks its file",
    "docker tag": "needs Docker and a registry",
    "docker push": "needs Docker and a registry",
    "kubectl": "needs Kubernetes; test_deploy.py checks the files",
    "export RAY_AUTH_MODE": "needs Kubernetes",
    "python examples/classifier.py": "test_examples.py runs it",
    "python -m benchmarks.": "takes minutes to hours; the tests of the benchmarks' parts are elsewhere",
    "python benchmarks/": "takes minutes to hours",
}
"""How command lines of other programs begin, and why they are not run here."""

TEXTS = {
    "architecture.md": ["flowchart"],
    "carla.md": ["./CarlaUE4.sh"],
    "README.md": ["┌──"],
    "comparing.md": ["compare:", "compare.arms=", "data.splits.", "**Detector gate"],
    "guide.md": ["runs/default/"],
    "method.md": ["π* =", "D_0 =", "q_m ~", "P(p_m"],
    "scene.md": [" camera axes"],
    "simulator.md": ["→ "],
    "observing.md": ["cycle 0:", "  cycle 0:", "sum by", "cycle 1:"],
    "sweeps.md": ["runs/kitti-ratio/"],
}
"""How blocks begin that are neither code nor commands: drawings, formulas, folders, output."""

TINY = [
    "world.train=12", "world.val=6", "world.test=6", "world.width=160", "world.height=64",
    "detector.max_width=160", "train.steps=3", "train.batch_size=2", "train.warmup=1", "loop.cycles=1",
    "loop.twin=false", "aggregation.synthetic_per_cycle=0.25", "simulate.actors=1", "report.gallery=1",
    "renderer.supersampling=1",
]  # fmt: skip
NEEDS_RUN = ("runs/default", "model.onnx")
BLOCKS = all_blocks()
ADDING = [block for block in BLOCKS if block.page == "adding.md"]


def plain(command: str) -> str:
    """A command line as the lists above write it."""
    return re.sub(r"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?", "", command)


COMMANDS = list(dict.fromkeys(plain(command) for block in BLOCKS for command in block.commands()))
IMITATE = [command for command in COMMANDS if command.startswith("imitate ")]
RUNNABLE = [command for command in IMITATE if command not in (*NOT_RUN, *ONE_RUN)]


def of_a_run(text: str) -> bool:
    """Whether a snippet works on a run's folder; what a comment says of one does not count."""
    text = re.sub(r"#.*", "", text)
    return any(word in text for word in NEEDS_RUN) or text == "imitate run ray_config.yaml"


# -- what stands in the pages


@pytest.mark.parametrize("command", IMITATE)
def test_every_command_line_is_one_that_we_take(
    command: str, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its arguments are parsed, and its settings checked with the files that it names."""
    monkeypatch.chdir(data.parent)
    monkeypatch.syspath_prepend(str(data.parent))  # where commands of one's own are
    words, options = split_options([placed(word, data) for word in imitate_words(command) or []])
    args = parser().parse_args(words)
    args.options = options
    if args.command == "submit":
        words, own = split_options(list(args.words))
        args.config, options = words[0], [*own, *options]
    config = getattr(args, "config", None) or (args.a if args.command == "compare" and not args.b else None)
    if config is not None and args.command == "inspect" and not config.endswith(".yaml"):
        load_defaults([f"data.root={config}", *options])
    elif config is not None:
        load(config if config == "my.yaml" else ROOT / config, options)
    elif options:
        load_defaults(options)


def test_lists_name_only_what_is_there() -> None:
    assert set(NOT_RUN) | set(ONE_RUN) <= set(IMITATE)
    for page, starts in TEXTS.items():
        for start in starts:
            assert any(b.page == page and b.text.startswith(start) for b in BLOCKS), (page, start)
    for start in OTHER_PROGRAMS:
        assert any(command.startswith(start) for command in COMMANDS), start


def test_every_block_is_run_or_listed() -> None:
    for block in BLOCKS:
        listed = any(block.text.startswith(start) for start in TEXTS.get(block.page, ()))
        known = block.language in ("python", "toml", "yaml") or block.commands() or listed
        assert known, f"{block.where} is neither code, nor commands, nor in TEXTS:\n{block.text}"
    for command in COMMANDS:
        listed = command.startswith("imitate ") or any(command.startswith(start) for start in OTHER_PROGRAMS)
        assert listed, f"{command!r} is of another program; add it to OTHER_PROGRAMS"


def test_steps_print_what_the_page_says_or_are_listed() -> None:
    loose = [plain(command) for b in ADDING if b.language != "console" for command in b.commands()]
    assert not [command for command in loose if command not in (*NOT_RUN, *ONE_RUN)]


def test_targets_of_the_makefile() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {command.split()[1] for command in COMMANDS if command.startswith("make ")} <= set(targets)


@pytest.mark.parametrize("block", [b for b in BLOCKS if b.language == "yaml"], ids=lambda b: b.where)
def test_yaml(block: Block, tmp_path: Path, data: Path) -> None:
    """Configurations are valid; manifests of bodies are read by `test_bodies`, that of an Unreal level by
    test_unreal_manifest.py."""
    if "bodies:" in block.text or block.page == "unreal.md":
        return
    (tmp_path / "mine.yaml").write_text(placed(block.text, data))
    config = load(tmp_path / "mine.yaml")
    assert (
        config.simulate.actors == 32
        or config.sweep.name == "kitti-ratio"
        or [member.label for member in config.simulate.members] == ["opengl", "boxes"]
    )


def table_of(page: str, heading: str) -> list[str]:
    """The names in the first column of the table with that heading."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8").split(f"| `{heading}` | |\n|---|---|\n")[1]
    rows = text.split("\n\n")[0].splitlines()
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


@pytest.mark.parametrize("record", [Scene, Actor, Cuboid])
def test_the_page_lists_every_field(record: type) -> None:
    assert table_of("scene.md", record.__name__) == [field.name for field in fields(record)]


def test_the_drawing_of_yaw_is_right() -> None:
    """What scene.md draws: -pi/2 faces away, 0 to the right, pi/2 towards the camera."""
    for yaw, ahead in ((-math.pi / 2, (0, 1)), (0.0, (1, 0)), (math.pi / 2, (0, -1)), (math.pi, (-1, 0))):
        corners = Cuboid(0.0, 1.65, 20.0, 4.0, 2.0, 1.5, yaw).corners()
        nose = corners[[0, 1]].mean(axis=0) - corners.mean(axis=0)  # the end at +length / 2
        assert (nose[[0, 2]] / 2) == pytest.approx(ahead, abs=1e-9)
        assert corners[:, 1].max() == 1.65  # the bottom face, y down
        assert corners[:, 1].min() == pytest.approx(0.15)
    pixel = Camera(700.0, 700.0, 600.0, 180.0).project(np.array([[1.0, 1.65, 10.0]]))[0]
    assert (pixel[0], pixel[1]) == pytest.approx((670.0, 295.5))  # right of, and below, the middle


# -- made-up data


def placed(text: str, data: Path) -> str:
    """The text with the pages' paths led to the made-up data."""
    return re.sub(r"(?<![\w.])/data/", f"{data}/", text)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made-up data beside what the pages work with: rendered frames as KITTI and as COCO, results,
    evaluations."""
    work = tmp_path_factory.mktemp("docs")
    data = work / "data"
    free = ["render", "--random", "--count", "8", "--size", "320x96", "--time", "12:00", "--weather", "clear"]
    assert main([*free, "--out", str(work / "made"), "free.actors=4"]) == 0
    for layout in ("kitti", "coco"):
        frames = str(work / "made" / "frames.parquet")
        assert main(["export", frames, "--to", layout, "--out", str(data / layout)]) == 0
    (data / "pictures").mkdir()
    Image.new("RGB", (1920, 1080), (90, 110, 130)).save(data / "pictures" / "street.jpg")
    shutil.copy(next((work / "made").glob("free-*.jpg")), work / "photo.jpg")
    (work / "album").mkdir()
    shutil.copy(work / "photo.jpg", work / "album" / "first.jpg")
    shutil.copytree(ROOT / "examples", work / "examples")
    shutil.copy(ROOT / "ray_config.yaml", work)
    (work / "my.yaml").write_text(f"data: {{kind: kitti, root: {data / 'kitti'}}}\n")
    _results(work, data)
    for name, seed in (("evaluation-a", 1), ("evaluation-b", 2), ("evaluation", 3)):
        write_detections(
            evaluated(30, seed), str(work / name / "detections.parquet"), ("car", "van", "person")
        )
    for block in BLOCKS:
        write_file(block, data)
        if block.language == "toml":
            install(block, work)
    return data


def install(block: Block, folder: Path) -> None:
    """What an installer makes of a package's entry points."""
    for group, names in tomllib.loads(block.text)["project"]["entry-points"].items():
        name = f"my_{group.split('.')[-1]}"
        made = folder / f"{name}-1.dist-info"
        made.mkdir(exist_ok=True)
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        lines = "".join(f"{key} = {value}\n" for key, value in names.items())
        (made / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    importlib.invalidate_caches()


def write_file(block: Block, data: Path) -> str | None:
    """Code that a page says is a file becomes one ("my_x.py"), or is added to one ("my_x.py, below"); its
    module's name."""
    named = re.match(r"# (my_\w+)\.py(, below)?\n", block.text)
    if named is None:
        return None
    with open(data.parent / f"{named[1]}.py", "a" if named[2] else "w") as file:
        file.write(placed(block.text, data))
    sys.modules.pop(named[1], None)
    importlib.invalidate_caches()
    return named[1]


def _results(work: Path, data: Path) -> None:
    """Detections of somebody's: the labels, without every third, and scores."""
    shutil.copytree(data / "kitti" / "training" / "label_2", work / "label_2")
    (work / "results").mkdir()
    for k, path in enumerate(sorted((work / "label_2").glob("*.txt"))):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("DontCare")]
        kept = [f"{line} 0.{90 - i}" for i, line in enumerate(lines) if (i + k) % 3]
        (work / "results" / path.name).write_text("".join(f"{line}\n" for line in kept))
    labels = next(
        p for p in sorted((data / "coco").rglob("*.json")) if "annotations" in json.loads(p.read_text())
    )
    told = json.loads(labels.read_text())
    shutil.copy(labels, work / "instances.json")
    found = [
        {k: a[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.5} for a in told["annotations"]
    ]
    (work / "results.json").write_text(json.dumps(found[1:]))


@pytest.fixture
def work(data: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder to work in, as the current one; what a command installs in this process is gone after it."""
    monkeypatch.chdir(data.parent)
    monkeypatch.syspath_prepend(str(data.parent))
    monkeypatch.setitem(families.FAMILIES, "simulator", families.FAMILIES["simulator"])
    sizes = dict(SIZES)
    yield data.parent
    SIZES.clear()
    SIZES.update(sizes)
    install_bodies.cache_clear()
    body_mesh.cache_clear()


# -- what runs


def small(command: str) -> list[str]:
    """What a quick command gets appended so that it is."""
    words = command.split()
    if words[1] == "check":
        return ["detector.backbone=resnet10", "detector.weights=null", "detector.max_width=160"]
    if words[1] != "render" or "--body" in words or "--scene" in words:
        return []
    return ["--count", "1", *(["--size", "320x96"] if "--random" in words else [])]


def run_command(command: str, data: Path, appended: list[str] = []) -> None:  # noqa: B006 (never changed)
    words = [placed(word, data) for word in imitate_words(command) or []]
    out = next((Path(words[i + 1]) for i, word in enumerate(words) if word == "--out" and words[1:]), None)
    if out is not None and out.is_dir():  # the pages use a name twice
        shutil.rmtree(out)
    code = main([*words, *appended])
    problems_are_told = words[0] == "inspect"  # made-up data may have some
    assert code == 0 or problems_are_told, f"{command} ended with {code}"


def run_python(block: Block, data: Path) -> None:
    code = compile(placed(block.text, data), block.where, "exec")
    exec(code, {"__name__": "__main__"})  # noqa: S102 (our own pages)


def steps(pages: tuple[str, ...], slow: bool) -> list[tuple[str, Block | str]]:
    """What is to run of the pages, in their order, each command once."""
    found: list[tuple[str, Block | str]] = []
    seen: set[str] = set()
    for block in BLOCKS:
        if block.page not in pages:
            continue
        if block.language == "python" and of_a_run(block.text) == slow:
            found.append((block.where, block))
        for command in map(plain, block.commands()):
            if command in RUNNABLE and of_a_run(command) == slow and command not in seen:
                seen.add(command)
                found.append((block.where, command))
    return found


def run_all(found: list[tuple[str, Block | str]], data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = []
    for where, step in found:
        try:
            if isinstance(step, Block):
                run_python(step, data)
            else:
                run_command(step, data, small(step))
        except (Exception, SystemExit) as error:  # whatever it is, the next snippets are tried too
            told = capsys.readouterr().err.strip().splitlines()[-1:]
            wrong.append(f"{where}: {step if isinstance(step, str) else 'Python'}: {error!r} {told}")
    assert not wrong, "\n".join(wrong)


def run_printing(block: Block, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A block of commands with what each prints: a part of it, "..." standing for anything."""
    for command, wanted in block.printing():
        capsys.readouterr()
        run_command(plain(command), data)
        printed = capsys.readouterr().out
        options = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        same = doctest.OutputChecker().check_output(f"...{wanted.strip()}...", printed, options)
        assert same, f"{block.where}: {command}\n{printed}\nis not what the page says:\n{wanted}"


QUICK = tuple(dict.fromkeys(b.page for b in BLOCKS if b.page not in ("adding.md", "simulator.md")))


@pytest.mark.parametrize(
    "section",
    [
        pytest.param(section, marks=pytest.mark.slow if section == "A detector" else ())  # a training step
        for section in dict.fromkeys(block.section for block in ADDING)
    ],
)
def test_adding_a_part(section: str, work: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its steps one after the other: what each writes is there for the next, and each prints what it says."""
    for block in ADDING:
        if block.section != section:
            continue
        if block.language == "console":
            run_printing(block, data, capsys)
        elif block.language == "python":
            if (module := write_file(block, data)) is not None:
                importlib.import_module(module)
            else:
                run_python(block, data)


@pytest.mark.slow  # 34 s of a processor; what stands in the pages is parsed by quick ones
@pytest.mark.timeout(900)
def test_snippets_without_a_run(work: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_all(steps(QUICK, slow=False), data, capsys)
    assert (work / "for-my-training").is_dir()  # the last link of mine, render, export


@pytest.mark.slow
def test_bodies(work: Path, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The simulator's page, with the manifest as it stands there."""
    trimesh = pytest.importorskip("trimesh", reason="bodies of one's own are read with trimesh")
    (manifest,) = (b for b in BLOCKS if b.language == "yaml" and "bodies:" in b.text)
    (work / "bodies.yaml").write_text(manifest.text)
    trimesh.creation.box((1.82, 1.5, 4.6)).export(work / "taxi.glb")  # glTF: x right, y up, -z ahead
    run_all(steps(("simulator.md",), slow=False), data, capsys)
    assert "taxi" in capsys.readouterr().out or (work / "body" / "contact-sheet.png").is_file()


def test_the_guides_policy_and_metric_in_a_loop(work: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Through all of a run but Ray and networks (`light_run.py`)."""
    options = [
        "policy.name=my_policy:NearFirst",
        "loop.metric=my_metric:near_recall",
        "evaluate.operating_threshold=per_category",
        "evaluate.threshold_objects=3",
    ]
    light_run.run(str(work / "light"), "run", *options)
    said = capsys.readouterr().out
    told = json.loads((work / "light" / "run" / "summary.json").read_text())
    scores = [cycle["metrics"]["val"]["own"]["my_metric:near_recall"] for cycle in told["cycles"]]
    assert told["best_cycle"] == scores.index(max(scores))  # it decides, not mAP
    checkpoint = json.loads((work / "light" / "run" / "best" / "detector.json").read_text())
    val = told["cycles"][told["best_cycle"]]["metrics"]["val"]
    assert checkpoint["operating_thresholds"] == val["thresholds"]
    assert "car" in val["thresholds"]
    assert "cyclist" not in val["thresholds"]  # there are none on val
    asked = json.loads((work / "light" / "run" / "cycle-001" / "stage-request.json").read_text())["requests"]
    assert {request["policy"] for request in asked} == {"near-first"}
    assert "Operating thresholds by category: car" in said
    assert "Val was judged by my_metric:near_recall" in said


@pytest.mark.slow
def test_snippets_about_a_run(
    work: Path, data: Path, ray_session: None, capsys: pytest.CaptureFixture[str]
) -> None:
    """One tiny run, and everything that the pages do with a run's folder."""
    run_command("imitate run ray_config.yaml", data, TINY)
    assert (work / "runs" / "default" / "best" / "detector.json").is_file()
    shutil.copytree(
        work / "runs/default/cycle-001", work / "runs/default/cycle-002"
    )  # the pages' run has two
    pages = tuple(dict.fromkeys(block.page for block in BLOCKS))
    later = [step for step in steps(pages, slow=True) if step[1] != "imitate run ray_config.yaml"]
    shutil.copytree(work / "runs" / "default", work / "kept")
    run_all(later, data, capsys)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_everything_of_ones_own_in_one_run(work: Path, data: Path) -> None:
    """The guide's detector, simulator, policy, metric and thresholds, on a KITTI folder: as a person starts
    it, in the folder with the code, which Ray's processes must find too."""
    options = list(dict.fromkeys(word for line in ONE_RUN for word in (imitate_words(line) or [])[2:]))
    splits = ["data.splits.train=0.5", "data.splits.val=0.25", "data.splits.test=0.25"]
    program = str(Path(sys.executable).with_name("imitate"))
    words = [*(placed(word, data) for word in options), *TINY, *splits]
    ran = subprocess.run(
        [program, "run", "ray_config.yaml", *words],
        cwd=work,
        env={name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"},
        capture_output=True,
        text=True,
        timeout=840,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    run = work / "runs" / "kitti"
    told = json.loads((run / "summary.json").read_text())
    assert len(told["cycles"]) == 2
    for cycle in told["cycles"]:
        assert 0 <= cycle["metrics"]["val"]["own"]["my_metric:near_recall"] <= 1
    checkpoint = json.loads((run / "best" / "detector.json").read_text())
    assert checkpoint["detector"]["name"] == "my_detector:detector"
    requests = json.loads((run / "cycle-001" / "stage-request.json").read_text())["requests"]
    assert {request["policy"] for request in requests} <= {"near-first"}


def test_what_is_not_known_would_be_found() -> None:
    """The rules above hold against a page with a command that there is not."""
    with pytest.raises(SystemExit):
        parser().parse_args(["rendr", "--random", "--out", "x"])
    with pytest.raises(UserError, match="there is no key"):
        load_defaults(["train.stepz=3"])
    assert isinstance(parser(), argparse.ArgumentParser)
