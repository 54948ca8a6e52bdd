"""`imitate inspect`: what a dataset holds, what is wrong with it, and a corrected copy of it."""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from cluster.cli.arguments import Commands, positive
from cluster.cli.common import config_of
from imitation.common import storage
from imitation.common.errors import DataError, UserError

if TYPE_CHECKING:
    from cluster.config.schema import Config
    from cluster.observability.console import Reporter
    from imitation.datasets.inspection.statistics import Inspection
    from imitation.datasets.mending.mender import Mender
    from imitation.datasets.settings import DataSettings

SPLITS = "splits"
LOG = ".changes.jsonl"
"""Behind a corrected copy's folder: the file of all that was changed."""


def add(commands: Commands) -> None:
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
    command.add_argument(
        "--fix",
        nargs="?",
        const="",
        metavar="OUT",
        help=f"write a corrected copy as the folder OUT, and every change into OUT{LOG}; without OUT nothing "
        "is written, and what would be done is said. The dataset itself is only read",
    )
    command.add_argument(
        "--html",
        metavar="FILE",
        help="write all of it as a page with plots and the oddest objects drawn: one file, which holds "
        "pixels of the dataset",
    )
    command.set_defaults(carry_out=inspect)


def inspect(args: argparse.Namespace) -> int:
    """Reads the configuration's dataset through and says what is in it. Returns 1 if anything is wrong."""
    from cluster.observability.console import Reporter
    from imitation.common.wording import counted
    from imitation.data.contact_sheet import write_label_sheet
    from imitation.datasets.category_map import categories_of
    from imitation.datasets.export import refuse_used
    from imitation.datasets.inspection.statistics import (
        inspect_dataset,
        listed_frames,
        mapping_of,
        problem_of,
    )
    from imitation.datasets.inspection.text import print_inspection

    if args.config and not args.config.endswith((".yaml", ".yml")):
        args.config, args.options = None, [f"data.root={args.config}", *args.options]
    if args.fix:
        refuse_used(args.fix)
    config = config_of(args)
    dataset = config.data.open()
    reporter = Reporter()
    if args.config is None and not any(option.startswith("data.kind=") for option in args.options):
        of = type(dataset)
        found = of.signs(dataset.root) or of.hints(dataset.root)
        reporter.say(f"{dataset.root}: {dataset.title} ({found})")
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
            shapes=bool(args.html),
            progress=bar.update,
        )
    if config.data.on_error == "stop":
        inspection.refused += inspection.problems
    inspection.problems += refused
    inspection.refused += refused
    faults = len(inspection.problems)  # of the data; what a run would refuse besides comes behind
    mapping = mapping_of(inspection, partial(categories_of, config.data)) if listed else None
    if listed:
        mined = None if refused else dataset.splits()["mine"]
        _ask_the_run(config, inspection, mapping, mined)
    mended = _mended(config, args.fix, reporter) if args.fix is not None else None
    lists = None
    if args.fix and mended is not None and not isinstance(mended, UserError):
        copy = {"root": args.fix, "kind": mended.copies_as or config.data.kind}
        copy |= {"options": {}} if mended.copies_as else {}
        lists = _lists(config.data.model_copy(update=copy), args.fix, inspection)
    if args.json:
        told = inspection.to_json(mapping)
        if mended is not None:
            told["fix"] = _fix_json(mended, args.fix) | {"splits": lists and lists[1]}
        print(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print_inspection(inspection, mapping, sys.stdout)
        if mended is None and (faults or inspection.left_out) and storage.is_local(dataset.root):
            print("to see what a corrected copy would have otherwise, add --fix; --fix OUT writes it")
        if mended is not None:
            _print_fix(mended, args.fix, bool(faults))
        if lists is not None:
            print(f"splits: {lists[0]}")
    if args.sheet and inspection.first:
        some = f"the first {len(inspection.first)} of" if len(inspection.first) < inspection.frames else "all"
        title = f"{storage.name_of(dataset.root)}: {some} {counted(inspection.frames, 'frame')}"
        write_label_sheet(inspection.first, args.sheet, title)
        reporter.say(f"sheet: {args.sheet}")
    if args.html:
        from imitation.report.dataset.html import render_dataset

        text = render_dataset(inspection, mapping, dataset)
        storage.write_bytes_atomic(args.html, text.encode("utf-8"))
        reporter.say(f"page: {args.html}")
    return int(bool(inspection.problems))


def _ask_the_run(config: Config, inspection: Inspection, mapping: Any, mined: list[str] | None) -> None:
    """Adds what a run of these settings would say and refuse; `mined` are the frames to mine in, None where
    it refuses how the dataset is split."""
    from cluster.checks.data import refusals, staging_of
    from cluster.data.stageable import other_words
    from imitation.datasets.category_map import asked_for
    from imitation.datasets.inspection.checks import class_notes, run_problems

    asked = run_problems(inspection, mapping, asked_for(config.data), splits=mined is not None)
    if mined is not None:
        asked += refusals(config, inspection, mined, mapping)
    inspection.problems += asked
    inspection.refused += asked
    if mapping is None:
        return
    inspection.notes += class_notes(inspection, mapping)
    if same := other_words(inspection.unmapped(mapping), mapping.categories):
        pairs = ", ".join(f"{name}: {target}" for name, target in same.items())
        inspection.notes.append(f'background only for want of the word: "data.mapping={{{pairs}}}" learns it')
    with suppress(UserError):  # bodies that cannot be read are among the problems
        staging = staging_of(config, inspection, mapping)
        inspection.staging = staging.by_category()
        inspection.notes += [f"staging: {said}" for said in staging.sentences()]


def _mended(config: Config, out: str, reporter: Reporter) -> Mender | UserError:
    """What would be mended, written where there is an `out`; why that cannot be."""
    from imitation.datasets.mending.mender import mend, write_mended

    try:
        mender = mend(config.data.open())
        if out:
            with reporter.bar(f"writing {out}", 0) as bar:
                write_mended(mender, out, bar.update)
            lines = (json.dumps(change.to_json(), ensure_ascii=False) + "\n" for change in mender.changes)
            storage.write_bytes_atomic(out.rstrip("/") + LOG, "".join(lines).encode())
        return mender
    except UserError as error:
        return error


def _lists(data: DataSettings, out: str, inspection: Inspection) -> tuple[str, dict[str, str]] | None:
    """Writes lists of the frames of the copy, which `data` reads, where nothing leaks between splits:
    what is said of them, and the setting that takes them; None where nothing leaks."""
    from imitation.datasets.inspection.leaks import groups_of, recut

    copy = data.open().undivide()
    try:
        splits = copy.splits()
    except UserError:  # it was said of the dataset
        return None
    ids = list(dict.fromkeys(name for names in splits.values() for name in names))
    there = set(ids)
    alike = [one for one in inspection.lookalikes if {one.frame_id, one.like} <= there]
    found = recut(splits, groups_of(ids, inspection.signs, inspection.proposal, alike), data.splits.seed)
    if found is None:
        return None
    lists, how = found
    setting: dict[str, str] = {}
    for split, names in lists.items():
        setting[split] = f"{SPLITS}/{split}.txt"
        text = "".join(f"{name}\n" for name in names)
        storage.write_bytes_atomic(storage.join(out, setting[split]), text.encode())
    sizes = ", ".join(f"{split} {len(names):,}" for split, names in lists.items())
    pairs = ", ".join(f"{split}: {file}" for split, file in setting.items())
    return f'{how} ({sizes}): "data.splits.lists={{{pairs}}}"', setting


def _fix_json(mended: Mender | UserError, out: str) -> dict[str, Any]:
    if isinstance(mended, UserError):
        return {"out": None, "log": None, "refused": str(mended), "changes": []}
    log = out.rstrip("/") + LOG if out else None
    changes = [change.to_json() for change in mended.changes]
    return {"out": out or None, "log": log, "refused": mended.hopeless(), "changes": changes}


def _print_fix(mended: Mender | UserError, out: str, problems: bool) -> None:
    from imitation.datasets.mending.mender import told

    print()
    if isinstance(mended, UserError):
        print(f"fix: nothing was written: {mended}")
        return
    print("\n".join(told(mended, out or None, problems)))
    if out:
        print(f"every change: {out.rstrip('/')}{LOG}")
