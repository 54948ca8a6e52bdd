"""Help that fits the terminal: no line wider than it, no word broken, examples as they were written."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from typing import Any

_PARTS = re.compile(r"\[[^\[\]]*\]|\S+")  # an option with its value stays in one line


class HelpFormatter(argparse.HelpFormatter):
    """argparse's own, but for what it leaves wider than the terminal."""

    def _format_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None) -> str:
        width, self._width = self._width, 100_000  # in one line; it is broken here
        text = super()._format_usage(usage, actions, groups, prefix).strip()
        self._width = width
        return "\n".join(_wrapped(_PARTS.findall(text), width, "    ")) + "\n\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Sentences are broken between words; indented lines are examples and stay."""
        lines = []
        for line in text.splitlines():
            lines += [line] if line.startswith(" ") else _wrapped(line.split(), width, indent)
        return "\n".join(lines)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(text.split(), width, "")


class Parser(argparse.ArgumentParser):
    """A parser, and those of its commands, with this help."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **{"formatter_class": HelpFormatter} | settings)


def _wrapped(words: Iterable[str], width: int, indent: str) -> list[str]:
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append((indent if lines else "") + word)
    return lines or [""]
