"""`imitate check`: the contracts of what a configuration brings along, tried out, a line each."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from cluster.cli.arguments import Commands
from cluster.cli.common import config_of
from imitation.common.errors import UserError
from imitation.common.registry import Registry
from imitation.common.wording import did_you_mean

if TYPE_CHECKING:
    from imitation.common.contracts import Finding

PARTS: Registry[Callable[..., Iterator[Finding]]] = Registry(
    "check",
    "imitate check",
    {
        "machine": "cluster.checks.machine:findings",
        "data": "cluster.checks.data:findings",
        "bodies": "cluster.checks.bodies:findings",
        "policy": "cluster.checks.policy:findings",
        "tracker": "cluster.checks.tracker:findings",
        "simulator": "cluster.checks.simulator:findings",
        "detector": "cluster.checks.detector:findings",
        "endpoint": "cluster.experiments.compare.endpoint_check:findings",
    },
)
"""What finds out about each part, in the order in which all are tried: what takes longest comes last."""
BY_NAME = frozenset({"machine"})
"""Parts that are tried only where they are named: what is here, and not what a configuration brings along."""


def add(commands: Commands) -> None:
    command = commands.add_parser(
        "check",
        group="look",
        help="try what a configuration brings along, or this machine",
        example="imitate check data.root=/data/kitti",
        usage="imitate check [detector|policy|simulator [NAME]|tracker|bodies|data|endpoint|machine ...] "
        "[CONFIG] [section.key=value ...]",
        description="Tries what a configuration brings along (detector, policy, simulator, tracker, bodies, "
        "data): the contracts alone, in seconds and without Ray: a step of training and one of "
        "prediction, a request about toy failures, scenes whose labels are known, ... Code of your own runs "
        "in a process that may hang or die. machine, only by its name: what can be used here, and what is "
        "missing. Exit status 1 if anything is wrong.",
    )
    command.add_argument(
        "words",
        nargs="*",
        metavar="PART|CONFIG",
        help="what to try (default: all but machine), and a configuration file; behind simulator also which "
        "one (mine:Boxes, for simulate.simulator=mine:Boxes)",
    )
    command.add_argument(
        "--scenes", type=int, metavar="N", help="free scenes that the simulator renders besides (default: 3)"
    )
    command.add_argument("--json", action="store_true", help="as JSON, with what was measured")
    command.set_defaults(config=None)  # it takes settings
    command.set_defaults(carry_out=check)


def check(args: argparse.Namespace) -> None:
    """Prints what was tried and found. Raises UserError, for the last line, if anything is wrong."""
    from cluster.observability.console import Reporter

    words = [word for word in args.words if word is not None]
    parts = [word for word in words if word in PARTS]
    names = [b for a, b in pairwise(words) if a == "simulator" and _is_simulator(b)]
    files = [word for word in words if word not in PARTS and word not in names]
    if len(files) > 1:
        raise UserError(
            f"{files[1]!r} is one word too many: imitate check [{'|'.join(PARTS)}] ... [CONFIG] "
            "[section.key=value ...]"
        )
    if files and not Path(files[0]).exists():
        hint = did_you_mean(files[0], PARTS, f"parts are {', '.join(PARTS)}")
        raise UserError(f"there is no part or file {files[0]!r}; {hint}")
    if args.scenes is not None and (args.scenes < 1 or (parts and "simulator" not in parts)):
        raise UserError(f"--scenes {args.scenes}: a number of scenes, 1 or more, for check simulator")
    args.config = files[0] if files else None
    args.options = [*args.options, *(f"simulate.simulator={name}" for name in names)]
    config = config_of(args)
    reporter = Reporter()
    findings: list[Finding] = []
    for part in parts or [part for part in PARTS if part not in BY_NAME]:
        reporter.say(f"trying {part}")
        options = {} if part != "simulator" or args.scenes is None else {"scenes": args.scenes}
        for finding in PARTS.load(part)(config, **options):
            findings.append(finding)
            if not args.json:
                for line in _lines(finding):
                    print(line, flush=True)
    problems = [finding for finding in findings if finding.status == "problem"]
    if args.json:
        result = {"ok": not problems, "findings": [finding.to_json() for finding in findings]}
        print(json.dumps(result, indent=2, ensure_ascii=False), flush=True)
    if problems:
        count = "" if len(problems) == 1 else f"{len(problems)} problems; the first: "
        raise UserError(f"{count}{problems[0].text}")


def _is_simulator(word: str) -> bool:
    from imitation.common.import_paths import is_import_path
    from sim_actors.simulators.registry import SIMULATORS

    return word not in PARTS and (is_import_path(word) or word in SIMULATORS)


def _lines(finding: Finding) -> Iterator[str]:
    """At most 80 columns, but for words that are longer."""
    import textwrap

    head = f"{finding.about:9} {finding.status:7} "
    yield from textwrap.wrap(
        f"{finding.tried}: {finding.text}",
        80,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    )
