"""`imitate render`: frames without Ray, one simulator in a process of its own."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.cli.arguments import Commands, positive, share, size, with_config
from cluster.cli.common import config_of
from imitation.common import storage
from imitation.common.errors import UserError

if TYPE_CHECKING:
    from cluster.config.schema import Config
    from cluster.observability.console import Reporter
    from imitation.data.records import Frame
    from imitation.datasets.numbering import Numbering
    from sim_actors.scene.records import Weather
    from sim_actors.simulators.mixture import GuardedMixture
    from sim_actors.simulators.worker import SceneJob

SHOWN = 60  # frames on a contact sheet
LIKE = 12  # frames re-staged, or free scenes, where --count does not say
FREE_SIZE = (1242, 375)  # px


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "render",
        group="look",
        help="render scenes: re-staged, free, or written by hand",
        example="imitate render --like /data/kitti --count 12 --out sheet",
    )
    with_config(command, required=False)
    what = command.add_mutually_exclusive_group(required=True)
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
    command.add_argument("--count", type=positive, help="frames or free scenes (default 12; requests: all)")
    command.add_argument("--variations", type=positive, default=1, help="renderings of each, perturbed anew")
    command.add_argument("--size", type=size, metavar="WxH", help="of free scenes, px (default 1242x375)")
    command.add_argument(
        "--weather", choices=("clear", "overcast", "fog", "rain", "snow"), help="of every scene"
    )
    command.add_argument(
        "--time", metavar="HH:MM|WORD", help="of every scene: 17:30, or day, dusk, night, ..."
    )
    command.add_argument(
        "--strength",
        type=share,
        metavar="0..1",
        help="how far scenes lie from their frames: 0 the same again, 1 anything (randomize.strength)",
    )
    command.add_argument(
        "--backdrop",
        action="store_true",
        help="with --like, --requests: new actors in the frames' own photos (restage.backdrops=1)",
    )
    command.add_argument("--sheet", metavar="FILE", help="the contact sheet (default DIR/contact-sheet.png)")
    command.add_argument("--out", required=True, metavar="DIR", help="where the pictures go")
    command.set_defaults(carry_out=render)


def render(args: argparse.Namespace) -> None:
    """Re-staged frames with a contact sheet, or a scene written by hand; without Ray."""
    from cluster.config.simulator import each_apart, simulators
    from cluster.observability.console import Reporter
    from imitation.datasets.parquet.files import write_frames
    from sim_actors.simulators.mixture import GuardedMixture
    from sim_actors.simulators.registry import SIMULATORS

    config = _config(args)
    mixture, apart = simulators(config), each_apart(config)
    for spec in mixture.specs.values():
        if not SIMULATORS.is_own(spec.simulator) and (reason := spec.ask("preflight")):
            raise UserError(f"simulator {spec.label}: {reason}" if spec.label else reason)
    mixture.catalog()  # reads bodies of one's own: scenes by hand may name them and rely on their sizes
    reporter = Reporter()
    out = Path(args.out)
    storage.check_writable(str(out))
    sheet = Path(args.sheet) if args.sheet else out / "contact-sheet.png"
    hour = _hour(args.time)
    total, jobs = _jobs(args, config, reporter)
    limits = {
        label: (its.simulate.scene_timeout_s, its.simulate.startup_timeout_s) for label, its in apart.items()
    }
    shown: list[tuple[Frame | None, Frame]] = []
    with GuardedMixture(mixture, limits) as host:
        if error := host.start():
            raise UserError(error)
        with reporter.bar("rendering", total) as bar:

            def frames() -> Iterator[Frame]:
                for done, (parent, staged) in enumerate(jobs, start=1):
                    job = _lit(staged, args.weather, hour)
                    frame = _rendered(host, job, reporter)
                    _write(frame, job, out)
                    if len(shown) < SHOWN:
                        shown.append((parent, frame))
                    bar.update(done)
                    yield frame

            numbering = _numbering(args.requests)
            count = write_frames(frames(), str(out / "frames.parquet"), numbering=numbering)
    if not count:
        raise UserError("nothing was rendered: there was no frame to re-stage")
    print(_sheet(shown, sheet, columns=4 if args.body else 1))
    reporter.say(f"{count} labelled frames: {out / 'frames.parquet'}")


def _numbering(requests: str | None) -> Numbering | None:
    """How the dataset behind a requests file numbers its categories: an export of the frames follows it."""
    from imitation.datasets.numbering import Numbering

    content = storage.read_json(requests) if requests else None
    return Numbering.from_json(content.get("numbering")) if isinstance(content, dict) else None


def _jobs(
    args: argparse.Namespace, config: Config, reporter: Reporter
) -> tuple[int, Iterator[tuple[Frame | None, SceneJob]]]:
    """How many scenes there are to render, and they, each with the frame that it re-stages."""
    from cluster.cli.commands.look.render.jobs import body_jobs, free_jobs, like_jobs
    from sim_actors.simulators.worker import SceneJob
    from sim_actors.staging.scene_file import load_scene

    if args.body:
        return body_jobs(args.body, config)
    if args.scene:
        return 1, iter([(None, SceneJob(load_scene(args.scene), policy="by hand"))])
    if args.requests:
        from cluster.simulation.requests_file import requested_jobs

        return requested_jobs(args.requests, config, args.count, reporter)
    count = args.count or LIKE
    if args.random:
        return count, free_jobs(count, args.size or FREE_SIZE, config)
    return like_jobs(count, args.variations, config, reporter.say)


def _config(args: argparse.Namespace) -> Config:
    """The configuration, with the strength and the backdrops that the command line asks for."""
    config = config_of(args)
    if args.body:
        from cluster.cli.commands.look.render.jobs import with_bodies

        config = with_bodies(config)
    if args.like is not None:
        from cluster.cli.commands.look.render.jobs import like_data

        config = like_data(config, args.like, args.options)
    whole = args.random or args.scene or args.body  # no frame is behind these
    if args.backdrop:
        if whole:
            raise UserError("--backdrop sets actors into the photo of a frame (--like, --requests)")
        config = config.model_copy(update={"restage": config.restage.model_copy(update={"backdrops": 1.0})})
    if config.restage.backdrops and (args.weather or args.time) and not whole:
        raise UserError(
            "--weather and --time do not go with backdrops: the photo has its own; set restage.backdrops to 0"
        )
    if args.size and not args.random:
        raise UserError("--size is for free scenes (--random); others have the size of their frame or file")
    if args.strength is None:
        return config
    if whole:
        raise UserError(
            "--strength says how far a scene lies from the frame that it re-stages (--like, --requests); "
            "free and handwritten scenes re-stage none"
        )
    ranges = config.randomize.model_copy(update={"strength": args.strength})
    return config.model_copy(update={"randomize": ranges})


def _hour(text: str | None) -> float | None:
    """The hour of day in [0, 24) that --time means."""
    from sim_actors.scene.appearance import HOUR_WORDS, known_hour

    if text is None or (hour := known_hour(text)) is not None:
        return hour if text else None
    hours, _, minutes = text.partition(":")
    if hours.isdigit() and (minutes or "0").isdigit() and int(hours) < 24 and int(minutes or 0) < 60:
        return int(hours) + int(minutes or 0) / 60
    raise UserError(f"--time {text!r}: write an hour as 17:30, or a word: {', '.join(sorted(HOUR_WORDS))}")


def _lit(job: SceneJob, weather: Weather | None, hour: float | None) -> SceneJob:
    """The job under the weather and at the hour that were asked for."""
    from sim_actors.changes.light import lit

    return replace(job, scene=lit(job.scene, weather, hour))


def _rendered(host: GuardedMixture, job: SceneJob, reporter: Reporter) -> Frame:
    from sim_actors.simulators.worker import decode_frame

    answer = host.render(job)
    if answer.unsupported:
        raise UserError(f"scene {job.scene.scene_id} cannot be staged: {'; '.join(answer.unsupported)}")
    if answer.payload is None:
        error = (answer.error or "").strip()
        *before, last = error.splitlines()
        if before:  # a traceback: what it comes to is said first
            error = f"{last}\n{error}"
        raise UserError(f"scene {job.scene.scene_id} was not rendered: {error}")
    if answer.remark:
        reporter.say(answer.remark)
    return decode_frame(answer.payload)


def _write(frame: Frame, job: SceneJob, out: Path) -> None:
    assert frame.image is not None  # the host checked it
    suffix = ".png" if frame.image.startswith(b"\x89PNG") else ".jpg"
    (out / f"{frame.frame_id}{suffix}").write_bytes(frame.image)
    (out / f"{frame.frame_id}.json").write_text(job.scene.to_json() + "\n", encoding="utf-8")


def _sheet(shown: list[tuple[Frame | None, Frame]], path: Path, columns: int) -> Path:
    from imitation.data.contact_sheet import contact_sheet, gallery

    pairs = [(parent, frame) for parent, frame in shown if parent is not None]
    if pairs:
        contact_sheet(pairs, path)
    else:
        width = 1242 if columns == 1 else 480
        gallery([frame for _, frame in shown], path, columns=columns, cell_width=width, names=columns == 1)
    return path
