"""Contracts of what people bring along, tried out: a step is announced, and then what it showed.

A contract is a generator. It yields a `Step` before it does something that somebody else's code may fail
at, crash in or never return from, and a `Found` after it; where the contract is broken it raises UserError.
Whoever runs it, in this process or in a child that may be killed, knows at every moment what is being tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from imitation.common.errors import UserError
from imitation.common.import_paths import error_line

Status = Literal["ok", "note", "problem"]
STEP_S = 120.0  # s that a step may take, where nothing else is said


@dataclass(frozen=True)
class Step:
    """What is about to be tried, in a few words, and how long it may take, s."""

    what: str
    seconds: float = STEP_S


@dataclass(frozen=True)
class Found:
    """What the step before showed. `note`: allowed, but a person should know of it. `wrong`: it is a problem,
    and what follows is tried all the same. `numbers`: what was measured, by name."""

    text: str
    note: bool = False
    wrong: bool = False
    numbers: Mapping[str, float] = field(default_factory=dict)


Contract = Iterator[Step | Found]


@dataclass(frozen=True)
class Finding:
    """A line of a check: of what (`about`: "detector", ...), what was tried, and what came of it."""

    about: str
    tried: str
    status: Status
    text: str
    numbers: Mapping[str, float] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Plain data: `about`, `tried`, `status`, `text`, `numbers`."""
        return asdict(self)


def carried_out(about: str, contract: Iterable[Step | Found]) -> Iterator[Finding]:
    """The findings of a contract that is tried in this process, as they come; a UserError ends it."""
    tried = about
    try:
        for event in contract:
            if isinstance(event, Step):
                tried = event.what
            else:
                status: Status = "problem" if event.wrong else "note" if event.note else "ok"
                yield Finding(about, tried, status, event.text, dict(event.numbers))
    except UserError as error:
        yield Finding(about, tried, "problem", str(error))


def theirs(call: Callable[[], Any], what: str) -> Any:
    """What a call of somebody's own code gives. Raises UserError, beginning with `what`, for whatever it
    raises, with the line of theirs that raised it; a UserError of its own passes."""
    try:
        return call()
    except UserError:
        raise
    except Exception as error:  # somebody's own code may raise anything
        raise UserError(f"{what} failed: {error_line(error)}") from error
