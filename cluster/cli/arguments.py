"""The words of the command line: every command, its flags and what they mean."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence

from cluster.cli.text.help import Parser
from imitation.common import old_names

Commands = argparse._SubParsersAction
"""What `add_subparsers` gives."""


OPTION = re.compile(r"[a-z_]+(\.[a-z0-9_]+)+=")


EPILOG = """\
Settings are given after the configuration file as section.key=value, for example
  imitate run ray_config.yaml data.kind=kitti \\
    data.root=/data/kitti train.steps=2000
ray_config.yaml holds every setting with its default and what it means.
"""


def parser() -> argparse.ArgumentParser:
    main = Parser(
        prog="imitate",
        description="Imitation training: mine a detector's failures, re-stage them in a simulator, retrain.",
        epilog=EPILOG,
    )
    main.add_argument("--version", action=_Version, nargs=0, help="print the version and end")
    main.add_argument("--traceback", action="store_true", help="show the traceback of an error")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND")
    _run_and_render(commands)
    _data(commands)
    _measures(commands)
    _products(commands)
    return main


def _run_and_render(commands: Commands) -> None:
    run = commands.add_parser("run", help="the main job: baseline, imitation cycles, report")
    _config(run)

    sweep = commands.add_parser("sweep", help="trials of other settings: what sweep.space names, by Ray Tune")
    _config(sweep)
    sweep.add_argument("--dry-run", action="store_true", help="print what it would do, and start nothing")

    submit = commands.add_parser(
        "submit",
        help="a command as a job of a Ray cluster",
        usage="imitate submit [--address URL] [--no-wait] [--env KEY ...] "
        "(CONFIG [section.key=value ...] | -- COMMAND ...)",
        description="Packs the current folder, submits the command as a Ray job and follows its log. The "
        "same command again follows a job that still runs, and continues one that has ended.",
    )
    submit.add_argument(
        "words",
        nargs="+",
        metavar="COMMAND",
        help="a run's configuration file with its section.key=value, or any command: -- report s3://...",
    )
    submit.add_argument(
        "--address",
        metavar="URL",
        help="the head's dashboard (default: RAY_API_SERVER_ADDRESS, RAY_ADDRESS, or this machine's Ray)",
    )
    submit.add_argument("--no-wait", action="store_true", help="do not follow the log")
    submit.add_argument(
        "--env",
        action="append",
        default=[],
        metavar="KEY",
        help="hand this environment variable on to the job, with its value here; may be repeated",
    )

    render = commands.add_parser("render", help="render scenes: re-staged, free, or written by hand")
    _config(render, required=False)
    what = render.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--like",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="re-stage frames of a dataset: the one that data.kind and data.root name, or this folder "
        "(KITTI's layout where no data.kind is set)",
    )
    what.add_argument("--scene", metavar="FILE", help="stage a scene written by hand (YAML or JSON)")
    what.add_argument(
        "--requests", metavar="FILE", help="stage what `imitate mine` asked for; data.* names its dataset"
    )
    what.add_argument(
        "--random", action="store_true", help="stage free scenes of the whole randomization range"
    )
    what.add_argument(
        "--body", metavar="NAME", help="one body from all sides: a category, a model, or category/model"
    )
    render.add_argument("--count", type=_positive, help="frames or free scenes (default 12; requests: all)")
    render.add_argument("--variations", type=_positive, default=1, help="renderings of each, perturbed anew")
    render.add_argument("--size", type=_size, metavar="WxH", help="of free scenes, px (default 1242x375)")
    render.add_argument(
        "--weather", choices=("clear", "overcast", "fog", "rain", "snow"), help="of every scene"
    )
    render.add_argument(
        "--time", metavar="HH:MM|WORD", help="of every scene: 17:30, or day, dusk, night, ..."
    )
    render.add_argument(
        "--strength",
        type=_share,
        metavar="0..1",
        help="how far scenes lie from their frames: 0 the same again, 1 anything (randomize.strength)",
    )
    render.add_argument(
        "--backdrop",
        action="store_true",
        help="with --like, --requests: new actors in the frames' own photos (restage.backdrops=1)",
    )
    render.add_argument("--sheet", metavar="FILE", help="the contact sheet (default DIR/contact-sheet.png)")
    render.add_argument("--out", required=True, metavar="DIR", help="where the pictures go")


def _data(commands: Commands) -> None:
    inspect = commands.add_parser("inspect", help="read a dataset through, and say what is in it")
    _config(inspect, required=False)
    inspect.add_argument("--json", action="store_true", help="as JSON, on standard output")
    inspect.add_argument("--sheet", metavar="FILE", help="draw the first frames on a sheet (PNG)")
    inspect.add_argument("--count", type=_positive, default=12, help="frames on the sheet (default 12)")

    check = commands.add_parser(
        "check",
        help="try what a configuration brings along: detector, policy, simulator, bodies, data",
        usage="imitate check [detector|policy|simulator|bodies|data|endpoint ...] [CONFIG] "
        "[section.key=value ...]",
        description="Tries the contracts alone, in seconds and without Ray: a step of training and one of "
        "prediction, a request about toy failures, a few rendered scenes, ... Code of your own runs in a "
        "process that may hang or die. Exit status 1 if anything is wrong.",
    )
    check.add_argument(
        "words", nargs="*", metavar="PART|CONFIG", help="what to try (default: all), and a configuration file"
    )
    check.add_argument("--json", action="store_true", help="as JSON, on standard output")
    check.set_defaults(config=None)  # it takes settings

    export = commands.add_parser("export", help="frames of a run, or of any dataset, in another layout")
    export.add_argument(
        "source",
        nargs="?",
        metavar="RUN|PARQUET|CONFIG",
        help="a run's folder, Parquet frames, or a configuration file whose dataset is meant; without it "
        "data.kind=... data.root=... name the dataset",
    )
    export.set_defaults(config=None)  # it may take settings
    export.add_argument(
        "--to",
        required=True,
        metavar="LAYOUT",
        help="coco, kitti, yolo, parquet, or a dataset of your own, package.module:Class",
    )
    export.add_argument("--out", required=True, metavar="DIR", help="the folder to write")
    export.add_argument(
        "--frames",
        default="all",
        choices=("all", "real", "synthetic"),
        help="of a run: its real frames, its synthetic ones, or all (default)",
    )

    mine = commands.add_parser("mine", help="failures and requests from anyone's detections")
    _config(mine, required=False)
    mine.add_argument(
        "--detections",
        required=True,
        metavar="FILE|DIR",
        help="COCO results, a KITTI result folder, an evaluation",
    )
    mine.add_argument(
        "--split",
        default="train",
        type=old_names.asked_split,
        choices=("train", "mine", "val", "test", "all"),
    )
    mine.add_argument("--detector", metavar="NAME", help="of an evaluation of several (default: main)")
    mine.add_argument("--threshold", type=float, help="score threshold (default: of greatest F1 on them)")
    mine.add_argument("--budget", type=_positive, help="frames to ask for (default: the cap's share)")
    mine.add_argument("--out", required=True, metavar="DIR", help="where failures and requests go")
    mine.add_argument("--json", action="store_true", help="as JSON, on standard output")


def _measures(commands: Commands) -> None:
    evaluate = commands.add_parser("evaluate", help="metrics and failures of a checkpoint on a split")
    evaluate.add_argument("checkpoint", help="a product folder, such as runs/default/best")
    _config(evaluate, required=False)
    evaluate.add_argument(
        "--split", default="test", type=old_names.asked_split, choices=("train", "val", "test", "all")
    )
    evaluate.add_argument("--json", action="store_true", help="everything as JSON, on standard output")
    evaluate.add_argument(
        "--out", metavar="DIR", help="also write detections.parquet, failures.parquet and metrics.json here"
    )

    score = commands.add_parser("score", help="the field's metrics of anyone's detections")
    protocols = score.add_subparsers(dest="protocol", required=True, metavar="PROTOCOL")
    kitti = protocols.add_parser("kitti", help="KITTI 2D: easy, moderate, hard; 40 and 11 recall points")
    kitti.add_argument("labels", metavar="LABEL_DIR", help="folder of label files (label_2)")
    kitti.add_argument("results", metavar="RESULT_DIR", help="folder of result files, with scores")
    coco = protocols.add_parser("coco", help="COCO's twelve numbers")
    coco.add_argument("annotations", metavar="ANNOTATIONS.json")
    coco.add_argument("results", metavar="RESULTS.json")
    waymo = protocols.add_parser("waymo", help="an emulation of Waymo's 2D detection metrics")
    waymo.add_argument("evaluation", metavar="EVALUATION", help="a folder that `evaluate --out` wrote")
    for protocol in (kitti, coco, waymo):
        protocol.add_argument("--json", action="store_true", help="as JSON, on standard output")

    compare = commands.add_parser(
        "compare",
        help="did it help? arms over seeds and folds (CONFIG), or two runs or evaluations of the same frames "
        "(A B)",
    )
    compare.add_argument(
        "a", nargs="?", metavar="CONFIG|A", help="a configuration file; or a run's folder, or an evaluation"
    )
    compare.add_argument("b", nargs="?", metavar="B", help="another run or evaluation of the same frames")
    compare.add_argument(
        "--dry-run", action="store_true", help="arms: print what it would cost, start nothing"
    )
    compare.add_argument(
        "--record",
        nargs="+",
        metavar="FOLDER",
        help="write finished comparisons of arms as Markdown to --out",
    )
    compare.add_argument("--out", metavar="FILE.md", help="of --record (default: standard output)")
    compare.add_argument(
        "--split",
        type=old_names.asked_split,
        help="A B: the split to compare on (default test, or the one both have)",
    )
    compare.add_argument("--resamples", type=_positive, help="A B: of the bootstrap (default 1000)")
    compare.add_argument("--seed", type=int, help="A B: of the bootstrap's draws (default 0)")
    compare.add_argument("--json", action="store_true", help="as JSON, on standard output")
    compare.set_defaults(config=None)  # it may take settings

    merge = commands.add_parser("merge", help="evaluations of different frames as one")
    merge.add_argument("evaluations", nargs="+", metavar="EVAL", help="what `evaluate --out` or `mine` wrote")
    merge.add_argument("--out", required=True, metavar="DIR", help="the folder of the merged evaluation")


def _products(commands: Commands) -> None:
    predict = commands.add_parser("predict", help="detections in pictures, as JSON and drawn")
    predict.add_argument("checkpoint", help="a product folder, such as runs/default/best")
    predict.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE|DIR",
        help="pictures, or folders of them (JPEG, PNG; searched through)",
    )
    predict.add_argument("--threshold", type=float, help="score threshold (default: the operating threshold)")
    predict.add_argument(
        "--out", metavar="DIR", help="write the drawn pictures here; those of a folder as they lie in it"
    )

    export = commands.add_parser("export-model", help="a detector as ONNX: pictures in, detections out")
    export.add_argument("checkpoint", help="a product folder, such as runs/default/best")
    export.add_argument("--out", default="model.onnx", metavar="FILE")
    export.add_argument("--raw", action="store_true", help="the network alone, up to its proposals")

    report = commands.add_parser("report", help="write a run's report.html anew")
    report.add_argument("run", help="a run's folder, such as runs/default")

    commands.add_parser("defaults", help="every setting with its default, as a configuration file")


class _Version(argparse.Action):
    """Looks the version up only when it is asked for: --help stays instant."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            told = version("imitation-training")
        except PackageNotFoundError:  # a checkout that is run without being installed
            told = "(not installed)"
        print(f"imitate {told}")
        parser.exit()


def _config(command: argparse.ArgumentParser, required: bool = True) -> None:
    command.add_argument(
        "config",
        nargs=None if required else "?",
        metavar="CONFIG",
        help="configuration file, such as ray_config.yaml",
    )


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, is {value}")
    return value


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.lower().partition("x")
    if not (cross and width.isdigit() and height.isdigit() and int(width) >= 64 and int(height) >= 32):
        raise argparse.ArgumentTypeError(f"write WIDTHxHEIGHT of at least 64x32 px, not {text!r}")
    return int(width), int(height)


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must lie in 0 to 1, is {text}")
    return value


def split_options(argv: Sequence[str]) -> tuple[list[str], list[str]]:
    """Takes the `section.key=value` words out, wherever they stand among the flags."""
    options = [word for word in argv if OPTION.match(word)]
    return [word for word in argv if not OPTION.match(word)], options
