"""Options of a program on a pipe: which program, and when what it labels is ignored."""

from __future__ import annotations

import shlex
from typing import Any

from pydantic import Field, field_validator

from imitation.common.settings import Settings
from sim_actors.simulators.ignoring import IgnoreBelowPx, IgnoreOcclusionAbove


class CommandSettings(Settings):
    """What `simulate.options` may say where `simulate.simulator` is `command`."""

    command: tuple[str, ...] = Field(
        min_length=1, description="the program and its arguments, a list of words; no shell reads them"
    )
    cwd: str | None = Field(None, description="folder that the program runs in; null: the current one")
    env: dict[str, str] = Field({}, description="environment variables for it, beside those that there are")
    hello_timeout_s: float = Field(
        60.0,
        gt=0,
        description="how long it may take to say what it can stage, before a run, s; in a worker "
        "simulate.startup_timeout_s holds",
    )
    ignore_below_px: IgnoreBelowPx = 12
    ignore_occlusion_above: IgnoreOcclusionAbove = 0.9

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        if isinstance(value, str):
            try:
                words = shlex.split(value)
            except ValueError:
                words = value.split()
            raise ValueError(
                f"it is a list of words, since no shell reads it: [{', '.join(words)}], found {value!r}"
            )
        if not isinstance(value, list | tuple):
            return value
        # YAML reads a port or a sample count as a number
        return [str(w) if isinstance(w, int | float) and not isinstance(w, bool) else w for w in value]

    @field_validator("command")
    @classmethod
    def _named(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value[0].strip() or any("\0" in word for word in value):
            raise ValueError(
                f"its first word names the program, and no word has a NUL in it; found {value!r}"
            )
        return value
