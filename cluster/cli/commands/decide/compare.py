"""`imitate compare`: arms over seeds, or two runs or evaluations, paired."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Sequence
from pathlib import Path

from cluster.cli.arguments import Commands, positive
from imitation.common.errors import UserError
from imitation.common.formats import old_names


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "compare",
        group="decide",
        help="did it help? arms over seeds, or two of the same frames",
        example="imitate compare evaluation-a evaluation-b",
        description="Did it help? Arms over seeds and folds (CONFIG), or two runs or evaluations of the same "
        "frames (A B).",
    )
    command.add_argument(
        "a", nargs="?", metavar="CONFIG|A", help="a configuration file; or a run's folder, or an evaluation"
    )
    command.add_argument("b", nargs="?", metavar="B", help="another run or evaluation of the same frames")
    command.add_argument(
        "--dry-run", action="store_true", help="arms: print what it would cost, start nothing"
    )
    command.add_argument(
        "--record",
        nargs="+",
        metavar="FOLDER",
        help="write finished comparisons of arms as Markdown to --out",
    )
    command.add_argument(
        "--from-matches",
        nargs="+",
        metavar="FOLDER",
        help="the table again, from the matches that comparisons of arms have kept: of one, or of several "
        "whose seeds differ, as one; --out is a folder for its files",
    )
    command.add_argument(
        "--out", metavar="FILE.md", help="of --record (default: standard output), or of --from-matches"
    )
    command.add_argument(
        "--split",
        type=old_names.asked_split,
        help="A B: the split to compare on (default test, or the one both have)",
    )
    command.add_argument("--resamples", type=positive, help="A B: of the bootstrap (default 1000)")
    command.add_argument("--seed", type=int, help="A B: of the bootstrap's draws (default 0)")
    command.add_argument("--json", action="store_true", help="as JSON, on standard output")
    command.set_defaults(config=None)  # it may take settings
    command.set_defaults(carry_out=compare)


def compare(args: argparse.Namespace) -> None:
    """Arms over seeds and folds where a configuration is named, or two evaluations; or finished comparisons
    as Markdown."""
    if args.record:
        _record(args)
    elif args.from_matches:
        _from_matches(args)
    elif args.b is not None:
        _two(args)
    else:
        _arms(args)


def _arms(args: argparse.Namespace) -> None:
    from cluster.observability.console import Reporter

    if args.a is None:
        raise UserError(
            "name a configuration to compare arms (imitate compare ray_config.yaml), or two evaluations"
        )
    for name in ("split", "resamples", "seed"):
        if getattr(args, name) is not None:
            raise UserError(f"--{name} is for two evaluations; a comparison of arms has compare.{name}=...")
    from cluster.config.parse import load

    config = load(args.a, args.options)
    if args.dry_run:
        from cluster.experiments.compare.command import dry_run
        from imitation.common.text_table import fitted

        print(fitted("\n".join(dry_run(config))))
        return
    from cluster.experiments.compare.command import compare as compare_arms

    comparison = compare_arms(config, Reporter(), command(args.a, args.options), args.json)
    if args.json:
        print(comparison.model_dump_json(by_alias=True, indent=2))


def command(config: str, options: Sequence[str]) -> str:
    """What was typed, as others can type it: without where things lie on this machine."""
    kept = []
    for option in options:
        key, _, value = option.partition("=")
        if key == "data.root":
            kept.append(f"data.root={value.rstrip('/').rpartition('/')[2].upper()}")
        elif key != "run.storage":
            kept.append(option)
    path = Path(config)
    named = path.name if path.is_absolute() or ".." in path.parts else config
    return shlex.join(["imitate", "compare", named, *kept])


def _record(args: argparse.Namespace) -> None:
    from cluster.experiments.compare.command import read_record
    from imitation.common import storage
    from imitation.report.comparison.markdown import as_markdown

    if args.a is not None:
        raise UserError(f"--record takes folders of comparisons alone; {args.a} is one too many")
    text = as_markdown([read_record(folder) for folder in args.record])
    if args.out is None:
        print(text, end="")
    else:
        storage.write_bytes_atomic(args.out, text.encode())
        print(args.out)


def _from_matches(args: argparse.Namespace) -> None:
    from cluster.experiments.compare.command import compare_from_matches
    from imitation.report.comparison.text import as_text

    if args.a is not None:
        raise UserError(f"--from-matches takes folders of comparisons alone; {args.a} is one too many")
    comparison = compare_from_matches(args.from_matches, args.out)
    if args.json:
        print(comparison.model_dump_json(by_alias=True, indent=2))
    else:
        print("\n".join(as_text(comparison)))


def _two(args: argparse.Namespace) -> None:
    """Prints the paired table, or with --json `Comparison.to_dict` and the seed; of a run's folder the
    detector that it chose counts."""
    if args.options or args.dry_run:
        given = args.options[0] if args.options else "--dry-run"
        raise UserError(
            f"{given}: two evaluations take no settings; to compare arms name a configuration alone"
        )
    import numpy as np

    from cluster.cli.commands.decide.evaluation_of_run import taken
    from cluster.cli.text.pair import lines
    from imitation.metrics.statistics.evaluation_side import split_of
    from imitation.metrics.statistics.paired_comparison import compare as compare_evaluations

    seed = args.seed or 0
    (a, why_a), (b, why_b) = taken(args.a), taken(args.b)
    split = args.split or split_of(a, b)
    result = compare_evaluations(a, b, split, np.random.default_rng(seed), resamples=args.resamples or 1000)
    if args.json:
        reasons = {name: why for name, why in (("a", why_a), ("b", why_b)) if why}
        taken_from = {"taken": reasons} if reasons else {}
        print(json.dumps(result.to_dict() | taken_from | {"seed": seed}, indent=2, allow_nan=False))
    else:
        print("\n".join(lines(result, seed, why_a, why_b)))
