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
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.arguments import parser, split_options
from cluster.cli.main import main
from cluster.config.parse import load, load_defaults
from imitation.common.settings import UserError
from imitation.data.records import Camera, Cuboid
from sim_actors.scene.records import Actor, Scene
from tests.cluster import light_run
from tests.cluster.pages.commands import NEEDS_RUN, NOT_RUN, ONE_RUN, OTHER_PROGRAMS, TEXTS, TINY
from tests.cluster.pages.made_up import BLOCKS, placed, write_file
from tests.snippets import ROOT, Block, imitate_words

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
@pytest.mark.long
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
    light_run.run(str(work / "light"), "run", *options, drawn=True)
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
@pytest.mark.long
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
