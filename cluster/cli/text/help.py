"""Help that fits the terminal: no line wider than it, no word broken, examples as they were written; commands
by what a person wants, each with one line and one example."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

Group = Literal["look", "run", "measure", "decide", "share"]
GROUPS: dict[str, str] = {
    "look": "what do I have, and what is wrong with it?",
    "run": "make better detectors",
    "measure": "how good is it, and where does it fail?",
    "decide": "did it help, may it ship, what next?",
    "share": "for other tools and other people",
}
"""What commands are for, in the order in which help names them."""
OTHERS = "commands of other packages"
_PARTS = re.compile(r"\[[^\[\]]*\]|\S+")  # an option with its value stays in one line


class HelpFormatter(argparse.HelpFormatter):
    """argparse's own, but for what it leaves wider than the terminal."""

    def _format_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None) -> str:
        width, self._width = self._width, 100_000  # in one line; it is broken here
        text = super()._format_usage(usage, actions, groups, prefix).strip()
        self._width = width
        return "\n".join(_wrapped(_PARTS.findall(text), width, "    ")) + "\n\n"

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Sentences are broken between words; indented lines are examples, and one that is too wide goes on
        behind a backslash."""
        lines: list[str] = []
        for line in text.splitlines():
            if not line.startswith(" "):
                lines += _wrapped(line.split(), width, indent)
            elif len(line) <= width:
                lines.append(line)
            else:
                lines += [f"  {part}" for part in _shell_lines(line.strip(), width - 2)]
        return "\n".join(lines)

    def _format_action(self, action: argparse.Action) -> str:
        return self._by_group(action) if isinstance(action, Commands) else super()._format_action(action)

    def _by_group(self, commands: Commands) -> str:
        place, width = " " * self._current_indent, self._width - self._current_indent
        names = max((len(name) for name in commands.told), default=0) + 2
        lines: list[str] = []
        for group, what in [*GROUPS.items(), (None, OTHERS)]:
            told = [(name, each) for name, each in commands.told.items() if each.group == group]
            if told:
                lines += ["", *_wrapped(f"{group}: {what}".split() if group else what.split(), width, "  ")]
            for name, each in told:
                beside = _wrapped(each.line.split(), max(20, width - names - 2), "")
                lines.append(f"  {name:{names}}{beside[0]}")
                lines += [" " * (names + 2) + line for line in beside[1:]]
                if each.example:
                    lines += [f"      {line}" for line in _shell_lines(each.example, width - 6)]
        return "".join(f"{place}{line}".rstrip() + "\n" for line in lines)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return _wrapped(text.split(), width, "")


@dataclass(frozen=True)
class Told:
    """What help says of a command: `group` is None of one that stands in none."""

    group: Group | None
    line: str
    example: str | None


class Commands(argparse._SubParsersAction):
    """What a command adds itself to: argparse's `add_subparsers`, which also learns what a command is for."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.told: dict[str, Told] = {}

    def add_parser(
        self, name: str, *, group: Group | None = None, example: str | None = None, **settings: Any
    ) -> Any:
        """As argparse's own. `help` is the command's one line; it is the description too, where there is no
        other. `example` is a whole command line, shown in both helps. Raises ValueError for a group that is
        not one of `GROUPS`."""
        if group is not None and group not in GROUPS:
            raise ValueError(f"command {name!r}: group {group!r}; the groups are {', '.join(GROUPS)}")
        line = str(settings.get("help", ""))
        self.told[name] = Told(group, line, example)
        settings.setdefault("description", f"{line[:1].upper()}{line[1:]}.".replace("?.", "?"))
        if example and not settings.get("epilog"):
            settings["epilog"] = f"For example\n  {example}"
        return super().add_parser(name, **settings)


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


def _shell_lines(command: str, width: int) -> list[str]:
    """A command line, broken as a shell reads it."""
    lines = _wrapped(command.split(" "), width - 2, "  ")
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]
