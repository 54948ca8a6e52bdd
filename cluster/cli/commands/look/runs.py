"""`imitate runs`: what lies in a run storage; one run's table; a frame again; what may go."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cluster.cli.arguments import Commands
from imitation.common import storage
from imitation.common.errors import UserError
from imitation.common.wording import did_you_mean

if TYPE_CHECKING:
    from cluster.inventory.cleaning import Removable

STORAGE = "runs"
"""`run.storage`, as it is where nobody sets it."""
USAGE = """\
imitate runs [STORAGE] [--json]
       imitate runs show RUN [--json]
       imitate runs rerender RUN FRAME [--out FILE]
       imitate runs clean [STORAGE|RUN] [--unfinished] [--yes]"""
EPILOG = """\
A folder that is called show, rerender or clean is named as ./show. For example
  imitate runs                                  # all under ./runs
  imitate runs s3://bucket/runs --json
  imitate runs show runs/default                # its table again
  imitate runs rerender runs/default c01-000012-v00
  imitate runs clean                            # what may go; --yes: it goes
"""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "runs",
        group="look",
        help="what do I have? runs, comparisons, sweeps; what may go",
        example="imitate runs s3://bucket/runs",
        usage=USAGE,
        description="What lies in a run storage, from its folders alone: when, of which data, how it stands, "
        "how well it does, how large it is. show: one run's table, without a report. rerender: a synthetic "
        "frame from its lineage, compared with the stored one; exit status 1 where it differs. clean: what "
        "neither a run nor its continuation needs; nothing is deleted without --yes.",
        epilog=EPILOG,
    )
    command.add_argument(
        "words", nargs="*", metavar="WORD", help="a storage or a run's folder, or one of the three commands"
    )
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.add_argument("--yes", action="store_true", help="clean: delete what it names")
    command.add_argument(
        "--unfinished",
        action="store_true",
        help="clean: also whole runs that failed or were stopped or killed, which could be continued",
    )
    command.add_argument("--out", metavar="FILE", help="rerender: write the picture here")
    command.set_defaults(carry_out=runs)


def runs(args: argparse.Namespace) -> int:
    """Hands over by the first word."""
    what, *rest = args.words or [STORAGE]
    doing = PARTS.get(what)
    if doing is None:
        if rest:
            hint = did_you_mean(what, PARTS, "the commands are show, rerender and clean")
            raise UserError(f"runs {what} {rest[0]}: one storage is listed at a time; {hint}")
        doing, rest = _list, [what]
    for option, used in (("yes", _clean), ("unfinished", _clean), ("out", _rerender)):
        if getattr(args, option) and doing is not used:
            raise UserError(f"--{option} is for imitate runs {'clean' if used is _clean else 'rerender'}")
    return doing(args, *_counted(what, rest))


def _counted(what: str, rest: list[str]) -> list[str]:
    least, most, usage = COUNTS.get(what, (1, 1, "[STORAGE]"))
    if not least <= len(rest) <= most:
        raise UserError(f"imitate runs {what} takes {usage}, and was given {' '.join(rest) or 'nothing'}")
    return rest


def _list(args: argparse.Namespace, place: str) -> int:
    from dataclasses import replace

    from cluster.cli.text.runs import listing
    from cluster.inventory.entries import places, read_entries
    from cluster.inventory.sizes import file_sizes
    from cluster.workspace.holder import Looker

    if place == STORAGE and not storage.is_folder(place):
        raise UserError(f"there is no folder {STORAGE!r} here; name the run.storage: imitate runs FOLDER")
    entries = [
        replace(entry, bytes=sum(file_sizes(entry.uri).values()))
        for entry in read_entries(places(place), Looker(), wait=True)
    ]
    if args.json:
        print(json.dumps([entry.to_json() for entry in entries], indent=2, allow_nan=False))
    else:
        print(listing(entries, place))
    return 0


def _show(args: argparse.Namespace, place: str) -> int:
    from cluster.inventory.told import table_of, told_json

    entry = _entry(place)
    if args.json:
        print(json.dumps(told_json(entry), indent=2, allow_nan=False))
    else:
        print(table_of(entry))
    return 0


def _rerender(args: argparse.Namespace, place: str, frame: str) -> int:
    from cluster.cli.text.runs import rerendered_lines
    from cluster.inventory.rerender import rerender

    result = rerender(_entry(place).uri, frame)
    if args.out:
        assert result.again.image is not None
        storage.write_bytes_atomic(args.out, result.again.image)
    if args.json:
        print(json.dumps(result.to_json(), indent=2))
    else:
        print("\n".join([*rerendered_lines(result), *([f"written: {args.out}"] if args.out else [])]))
    return 0 if result.same else 1


def _clean(args: argparse.Namespace, place: str = STORAGE) -> int:
    from cluster.cli.text.runs import cleaning_lines
    from cluster.inventory.cleaning import bases, removable, remove
    from cluster.inventory.entries import places, read_entries
    from cluster.inventory.sizes import size_text
    from cluster.workspace.holder import Looker

    found = places(place)
    shared = bases(found)
    entries = list(read_entries(found, Looker(), wait=True))
    items = list(removable(entries, shared, args.unfinished))
    gone: list[Removable] = []
    if args.yes:
        try:
            for item in remove(items, shared, args.unfinished):
                gone.append(item)
                if not args.json:
                    print(f"deleted: {item.run}/{item.what}".rstrip("/"), flush=True)
        finally:
            print(f"freed: {size_text(sum(item.bytes for item in gone))}", file=sys.stderr)
    if args.json:
        told: dict[str, Any] = {
            "deleted": args.yes,
            "items": [i.to_json() for i in (gone if args.yes else items)],
        }
        print(json.dumps(told, indent=2))
    elif not args.yes:
        print("\n".join(cleaning_lines(items, entries, args.unfinished)))
    return 0


def _entry(place: str) -> Any:
    """The run, comparison or sweep in a folder; a bare name is looked for under `runs`."""
    from cluster.inventory.entries import kind_of, places, read_entries
    from cluster.workspace.holder import Looker

    under = storage.join(STORAGE, place)
    if not storage.is_folder(place) and "/" not in place and storage.is_folder(under):
        place = under
    if not storage.is_folder(place) or kind_of(storage.absolute(place)) is None:
        here = places(STORAGE) if storage.is_folder(STORAGE) else {}
        hint = did_you_mean(place, here, "imitate runs FOLDER lists what a storage has")
        raise UserError(f"{place}: no run, comparison or sweep here; {hint}")
    name, uri = next(iter(places(place).items()))
    return next(read_entries({name: uri}, Looker(), wait=True))


Part = Callable[..., int]
PARTS: dict[str, Part] = {"show": _show, "rerender": _rerender, "clean": _clean}
COUNTS = {"show": (1, 1, "RUN"), "rerender": (2, 2, "RUN FRAME"), "clean": (0, 1, "[STORAGE|RUN]")}
