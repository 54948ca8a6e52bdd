"""`imitate export`: frames of a run or of any dataset in another layout."""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING

from cluster.cli.arguments import Commands, positive
from cluster.cli.common import config_of, wrapped
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.names import cycle_of

if TYPE_CHECKING:
    from imitation.data.categories import CategoryMap
    from imitation.datasets.export import Survey, Which
    from imitation.datasets.export_sources import Source
    from imitation.datasets.numbering import Classes


def add(commands: Commands) -> None:
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
        from cluster.cli.commands.share.export_scenes import export_scenes

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
