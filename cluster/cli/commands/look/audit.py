"""`imitate audit`: which labels look wrong? As tasks for CVAT or Label Studio, and read back corrected."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from cluster.cli.arguments import Commands, positive
from imitation.common.errors import UserError
from imitation.common.formats import old_names

if TYPE_CHECKING:
    from imitation.audit.suspects import Suspect

EPILOG = """\
For example, to look, to export tasks, and to read them back as a dataset:
  imitate audit runs/default
  imitate audit runs/default --tasks 50 --out tasks --to cvat
  imitate audit apply tasks corrected.xml --out corrected --to coco
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "audit",
        group="look",
        help="which labels look wrong? tasks for CVAT or Label Studio",
        example="imitate audit runs/default --out tasks --to cvat",
        description="Which labels look wrong? Suspects by the AP at stake, as tasks for CVAT or Label "
        "Studio, read back as corrected labels.",
        epilog=EPILOG,
    )
    command.add_argument(
        "words",
        nargs="+",
        metavar="RUN|EVAL",
        help="a run's folder, or an evaluation (several: the first counts, the others agree or not); or: "
        "apply DIR CORRECTED, the folder of tasks and what CVAT (for images 1.1) or Label Studio (JSON) has "
        "exported",
    )
    command.add_argument("--tasks", type=positive, default=50, help="suspects, the worthiest (default 50)")
    command.add_argument("--out", metavar="DIR", help="a folder for the tasks, or for the corrected dataset")
    command.add_argument(
        "--to",
        metavar="TOOL|LAYOUT",
        help="of tasks: cvat (default) or label-studio; of corrected labels: parquet (default), coco, ...",
    )
    command.add_argument(
        "--split",
        type=old_names.asked_split,
        help="of the frames (default: those mined, of train, else test)",
    )
    command.add_argument(
        "--frames", metavar="PARQUET", help="of evaluations: where their frames lie, for the pictures"
    )
    command.add_argument("--json", action="store_true", help="the suspects as JSON, on standard output")
    command.set_defaults(carry_out=audit)


def audit(args: argparse.Namespace) -> None:
    """Prints the suspects and writes tasks, or applies corrected ones."""
    if args.words[0] == "apply":
        return _apply(args)
    from cluster.audit.evaluations import evaluations_of
    from cluster.cli.text.audit import lines
    from imitation.audit.suspects import find_suspects
    from imitation.datasets.export import refuse_used

    if args.out:
        refuse_used(args.out)
    audited = evaluations_of(args.words, args.split)
    suspects = find_suspects(audited.evaluations, audited.categories, args.tasks)
    if args.json:
        print(json.dumps([suspect.to_dict() for suspect in suspects], indent=2))
    else:
        print("\n".join(lines(suspects, audited.split, [one.name for one in audited.evaluations])))
    if args.out:
        _write(args, suspects, audited.split, args.frames or audited.frames)
    return None


def _write(args: argparse.Namespace, suspects: list[Suspect], split: str, source: str | None) -> None:
    import sys

    from imitation.audit.tasks import CVAT, TASKS_FILE, XML_FILE, write_tasks
    from imitation.common import storage
    from imitation.datasets.parquet.files import read_frames

    if source is None:
        raise UserError(
            "an evaluation holds no pixels: name the Parquet frames that it was made of with --frames "
            "(imitate export writes any dataset as Parquet)"
        )
    wanted = {suspect.frame_id for suspect in suspects}
    frames, labels = {}, set()
    for frame in read_frames(source):
        labels |= {obj.category for obj in frame.objects if not obj.ignore}
        if frame.frame_id in wanted:
            frames[frame.frame_id] = frame
    if missing := sorted(wanted - frames.keys()):
        raise UserError(
            f"{source}: has no frame {missing[0]!r}, nor {len(missing) - 1} more of the suspects'"
        )
    tool = args.to or CVAT
    done = write_tasks(suspects, frames, storage.absolute(source), split, tool, args.out, labels)
    file = XML_FILE if tool == CVAT else TASKS_FILE
    told = f"{args.out}: {len(suspects)} suspects in {len(done.images)} pictures, {file} for {tool}"
    print(told, file=sys.stderr if args.json else sys.stdout)


def _apply(args: argparse.Namespace) -> None:
    """Writes the audited split with its corrected labels, and says what was changed."""
    import tempfile

    from cluster.cli.common import wrapped
    from imitation.audit.corrected import Changes, corrected_frames, read_audit, read_corrected
    from imitation.common import storage
    from imitation.datasets.export import export, refuse_used, survey_frames, writer_of
    from imitation.datasets.export_sources import parquet_sources
    from imitation.datasets.parquet.files import read_frames, write_frames

    if len(args.words) != 3 or not args.out:
        raise UserError("write imitate audit apply DIR CORRECTED --out DIR")
    layout = args.to or "parquet"
    writer_of(layout)
    refuse_used(args.out)
    _, folder, file = args.words
    asked = read_audit(folder)
    corrected = read_corrected(file, asked.images)
    if not corrected:
        raise UserError(
            f"{file}: holds none of the {len(asked.images)} pictures of {folder} with annotations"
        )
    changes = Changes()
    split = {"mine": "train"}.get(asked.split, asked.split)
    with tempfile.TemporaryDirectory() as place:
        frames = corrected_frames(read_frames(asked.frames), corrected, asked.images.values(), changes)
        write_frames(frames, storage.join(place, f"{split}.parquet"))
        report = export(survey_frames(parquet_sources(place), "all"), layout, args.out)
    print("\n".join(wrapped([f"{changes}", *report.lines()])))
