"""`imitate inspect` and `imitate export`: what a dataset holds, and its frames in another layout."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from cluster.cli.arguments import Commands, positive
from cluster.cli.common import config_of, wrapped
from imitation.common import storage
from imitation.common.errors import DataError, UserError
from imitation.common.names import cycle_of

if TYPE_CHECKING:
    from imitation.data.categories import CategoryMap
    from imitation.datasets.export import Survey, Which
    from imitation.datasets.export_sources import Source
    from imitation.datasets.numbering import Classes


def add_inspect(commands: Commands) -> None:
    command = commands.add_parser(
        "inspect",
        group="look",
        help="read a dataset through, and say what is in it",
        example="imitate inspect /data/kitti --sheet sheet.png",
    )
    command.add_argument(
        "config",
        nargs="?",
        metavar="CONFIG|FOLDER",
        help="a configuration file, or the dataset itself: what kind it is is found out",
    )
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.add_argument("--sheet", metavar="FILE", help="draw the first frames on a sheet (PNG)")
    command.add_argument("--count", type=positive, default=12, help="frames on the sheet (default 12)")
    command.set_defaults(carry_out=inspect)


def inspect(args: argparse.Namespace) -> int:
    """Reads the configuration's dataset through and says what is in it. Returns 1 if anything is wrong."""
    from cluster.checks.data import refusals, staging_of
    from cluster.data.stageable import other_words
    from cluster.observability.console import Reporter
    from imitation.common.wording import counted
    from imitation.data.contact_sheet import write_label_sheet
    from imitation.datasets.category_map import asked_for, categories_of
    from imitation.datasets.inspection.checks import class_notes, run_problems
    from imitation.datasets.inspection.statistics import (
        inspect_dataset,
        listed_frames,
        mapping_of,
        problem_of,
    )
    from imitation.datasets.inspection.text import print_inspection

    if args.config and not args.config.endswith((".yaml", ".yml")):
        args.config, args.options = None, [f"data.root={args.config}", *args.options]
    config = config_of(args)
    dataset = config.data.open()
    reporter = Reporter()
    if args.config is None and not any(option.startswith("data.kind=") for option in args.options):
        reporter.say(f"{dataset.root}: {dataset.title} ({type(dataset).signs(dataset.root)})")
    listed: dict[str, list[str]] = {}
    refused: list[DataError] = []  # told with the result: who reads the JSON finds it where all problems are
    try:
        dataset.splits()
    except UserError as error:
        refused.append(problem_of(error, dataset.root))
    try:
        listed = listed_frames(dataset)
    except UserError as error:
        if str(error) not in map(str, refused):
            refused.append(problem_of(error, dataset.root))
    with reporter.bar(f"inspecting {dataset.root}", sum(map(len, listed.values()))) as bar:
        inspection = inspect_dataset(
            dataset,
            listed,
            verify_images=config.data.verify_images,
            limit=config.data.limit,
            keep=args.count if args.sheet else 0,
            progress=bar.update,
        )
    inspection.problems += refused
    mapping = mapping_of(inspection, partial(categories_of, config.data)) if listed else None
    if listed:
        inspection.problems += run_problems(inspection, mapping, asked_for(config.data), splits=not refused)
        if not refused:
            inspection.problems += refusals(config, inspection, dataset.splits()["mine"], mapping)
    if mapping is not None:
        inspection.notes += class_notes(inspection, mapping)
        if same := other_words(inspection.unmapped(mapping), mapping.categories):
            pairs = ", ".join(f"{name}: {target}" for name, target in same.items())
            inspection.notes.append(
                f'background only for want of the word: "data.mapping={{{pairs}}}" learns it'
            )
        with suppress(UserError):  # bodies that cannot be read are among the problems
            inspection.notes += [
                f"staging: {said}" for said in staging_of(config, inspection, mapping).sentences()
            ]
    if args.json:
        print(json.dumps(inspection.to_json(mapping), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_inspection(inspection, mapping, sys.stdout)
    if args.sheet and inspection.first:
        some = f"the first {len(inspection.first)} of" if len(inspection.first) < inspection.frames else "all"
        title = f"{storage.name_of(dataset.root)}: {some} {counted(inspection.frames, 'frame')}"
        write_label_sheet(inspection.first, args.sheet, title)
        reporter.say(f"sheet: {args.sheet}")
    return int(bool(inspection.problems))


def add_export(commands: Commands) -> None:
    command = commands.add_parser(
        "export",
        group="share",
        help="frames in another layout; scenes as USD or glTF",
        example="imitate export runs/default --to coco --out coco",
        description="Frames of a run, or of any dataset, in another layout; scenes as USD or glTF.",
    )
    command.add_argument(
        "source",
        nargs="?",
        metavar="RUN|PARQUET|CONFIG|SCENE|REQUESTS",
        help="a run's folder, Parquet frames, or a configuration file whose dataset is meant; without it "
        "data.kind=... data.root=... name the dataset. Of scenes: a run's folder, Parquet frames that were "
        "rendered, a scene (YAML or JSON), or the requests.json of imitate mine",
    )
    command.set_defaults(config=None)  # it may take settings
    command.add_argument(
        "--to",
        required=True,
        metavar="LAYOUT",
        help="frames: coco, kitti, yolo, parquet, or a dataset of your own, package.module:Class; scenes: "
        "usd, glb",
    )
    command.add_argument(
        "--out", required=True, metavar="DIR|FILE", help="the folder to write; of one scene also a file"
    )
    command.add_argument(
        "--frames",
        default="all",
        choices=("all", "real", "synthetic"),
        help="of a run: its real frames, its synthetic ones, or all (default)",
    )
    command.add_argument("--count", type=positive, help="of scenes: the first so many (default all)")
    command.set_defaults(carry_out=export)


def export(args: argparse.Namespace) -> None:
    """Writes the frames of a run, of Parquet or of any dataset in another layout, and says what that could
    not hold; or scenes."""
    from cluster.observability.console import Reporter
    from imitation.datasets.export import export as export_frames
    from imitation.datasets.export import refuse_used, writer_of
    from sim_actors.export.formats import FORMATS

    if args.to in FORMATS:
        from cluster.cli.commands.export_scenes import export_scenes

        return export_scenes(args)
    if args.count:
        raise UserError("--count is of scenes (--to usd, --to glb); data.limit reads the first frames")
    writer_of(args.to)
    refuse_used(args.out)
    is_settings = args.source is None or args.source.endswith((".yaml", ".yml"))
    if args.options and not is_settings:
        raise UserError(
            f"{args.options[0]}: a run and Parquet frames take no settings; leave {args.source} out to "
            "export the dataset that they name"
        )
    survey = _survey_dataset(args) if is_settings else _survey(args.source, args.frames)
    with Reporter().bar(f"exporting {survey.sources[0].uri}", survey.total) as bar:
        report = export_frames(survey, args.to, args.out, bar.update)
    print("\n".join(wrapped(report.lines())))


def _survey_dataset(args: argparse.Namespace) -> Survey:
    """The dataset that the settings name, in its own lists and categories."""
    from imitation.datasets.export import survey_frames
    from imitation.datasets.export_sources import dataset_sources

    args.config = args.source
    config = config_of(args)
    data = config.data
    dataset = data.open()
    sources = dataset_sources(dataset, data.limit)
    # its first sentence: whether a run's splits would mix drives is no matter of an export
    notes = [dataset.note().partition(". ")[0] + "."]
    if data.categories or data.mapping or data.ignore is not None:
        notes.append("categories: the dataset's own (data.categories, mapping, ignore: a detector's)")
    skip = data.on_error == "skip"
    classes = _classes(sources, data.dataset.categories)
    return survey_frames(sources, args.frames, classes=classes, notes=notes, skip=skip)


def _survey(place: str, which: Which) -> Survey:
    """A run's frames, synthetic ones among those of train, or the splits of a Parquet dataset."""
    from cluster.stages.prepare import SPLITS
    from cluster.workspace.run_folder import CONFIG_FILE, Workspace
    from imitation.data.categories import CategoryMap
    from imitation.datasets.export import survey_frames
    from imitation.datasets.export_sources import Source, left_out, parquet_sources

    workspace = Workspace(place)
    if not storage.exists(workspace.path(CONFIG_FILE)):
        found = parquet_sources(place)
        return survey_frames(found, which, left_out(place, found))
    if not storage.exists(workspace.path("data", "stage-prepare.json")):
        raise UserError(f"{place}: the run ended before its data was prepared; there are no frames yet")
    sources = [Source(split, workspace.split(split), synthetic=False) for split in SPLITS]
    rendered = [
        Source("train", uri, synthetic=True)
        for folder in storage.list_folders(workspace.uri)
        if cycle_of(storage.name_of(folder)) is not None
        and storage.exists(uri := storage.join(folder, "synthetic"))
        and storage.list_files(uri, ".parquet")
    ]
    every = [sources[0], *rendered, *sources[1:]]
    categories = storage.read_json(workspace.path("data", "stage-prepare.json")).get("categories")
    classes = _classes(every, CategoryMap.from_json(categories) if categories else None)
    return survey_frames(every, which, classes=classes)


def _classes(sources: list[Source], known: CategoryMap | None) -> Classes:
    """How the categories are numbered: as the dataset does, else in the order of the detector's list."""
    from imitation.datasets.export_sources import classes_of

    classes = classes_of(sources)
    if known is None:
        return classes
    renamed = {
        source: target
        for source, target in known.mapping.items()
        if source != target and source not in known.ignore  # a neighbour class keeps its name
    }
    return replace(classes, named=known.categories, renamed=renamed)
