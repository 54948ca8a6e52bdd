"""`imitate check`: the contracts of what a configuration brings along, tried out, a line each."""

from __future__ import annotations

import argparse
import importlib
import json
from collections.abc import Iterator
from pathlib import Path

from cluster.cli.common import config_of
from cluster.config.schema import Config
from cluster.observability.console import Reporter
from imitation.common.contracts import Finding
from imitation.common.settings import UserError
from imitation.common.wording import did_you_mean

PARTS = {
    "data": "cluster.checks.data",
    "bodies": "cluster.checks.bodies",
    "policy": "cluster.checks.policy",
    "simulator": "cluster.checks.simulator",
    "detector": "cluster.checks.detector",
    "endpoint": "cluster.experiments.compare.endpoint_check",
}
"""name -> module, in the order in which all are tried: what takes longest comes last."""


def check(args: argparse.Namespace) -> None:
    """Prints what was tried and found. Raises UserError, for the last line, if anything is wrong."""
    words = [word for word in args.words if word is not None]
    parts = [word for word in words if word in PARTS]
    files = [word for word in words if word not in PARTS]
    if len(files) > 1:
        raise UserError(
            f"{files[1]!r} is one word too many: imitate check [{'|'.join(PARTS)}] ... [CONFIG] "
            "[section.key=value ...]"
        )
    if files and not Path(files[0]).exists():
        hint = did_you_mean(files[0], PARTS, f"parts are {', '.join(PARTS)}")
        raise UserError(f"there is no part or file {files[0]!r}; {hint}")
    args.config = files[0] if files else None
    config = config_of(args)
    reporter = Reporter()
    found: list[Finding] = []
    for part in parts or PARTS:
        reporter.say(f"trying {part}")
        for finding in findings(part, config):
            found.append(finding)
            if not args.json:
                for line in _lines(finding):
                    print(line, flush=True)
    problems = [finding for finding in found if finding.status == "problem"]
    if args.json:
        told = {"ok": not problems, "findings": [finding.to_json() for finding in found]}
        print(json.dumps(told, indent=2, ensure_ascii=False), flush=True)
    if problems:
        count = "" if len(problems) == 1 else f"{len(problems)} problems; the first: "
        raise UserError(f"{count}{problems[0].text}")


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


def findings(part: str, config: Config) -> Iterator[Finding]:
    """What a check of one part finds, as it comes."""
    found: Iterator[Finding] = importlib.import_module(PARTS[part]).findings(config)
    return found
