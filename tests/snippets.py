"""The snippets of the Markdown files: Python and YAML blocks, command lines, and what those print."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
COMMAND = re.compile(
    r"^(?:[A-Z][A-Z_]*=\S+ )*"
    r"(?:\.venv/bin/)?(?:imitate|make|python|pip|ray|docker|kubectl|tensorboard|export|sudo|ssh|rllib|uv) "
)


@dataclass(frozen=True)
class Block:
    """A block of a page: fenced, with its language, or indented (language "").

    `section` is the `##` heading above it. A fenced `console` block has commands after "$ ", each followed by
    what it prints.
    """

    page: str
    section: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    def printing(self) -> list[tuple[str, str]]:
        """The command lines of a `console` block, each with what the page says that it prints."""
        parts = (
            re.split(r"^\$ (.*)\n", self.text, flags=re.MULTILINE)[1:] if self.language == "console" else []
        )
        return list(zip(parts[::2], parts[1::2], strict=True))

    def commands(self) -> list[str]:
        """Its command lines, comments left out, continued ones joined."""
        if self.language == "console":
            return [command for command, _ in self.printing()]
        found = []
        lines = iter(self.text.splitlines())
        for first in lines:
            line = first
            while line.endswith("\\"):
                line = line[:-1].rstrip() + " " + next(lines).strip()
            if COMMAND.match(line):
                found.append(re.split(r"\s+#\s", line)[0].rstrip().removesuffix(" ..."))
        return found


def blocks(path: Path) -> Iterator[Block]:
    """The code blocks of a Markdown file."""
    name, lines = path.name, path.read_text(encoding="utf-8").splitlines()
    at, before, section = 0, "", ""
    while at < len(lines):
        if lines[at].startswith("## "):
            section = lines[at][3:]
        fence = re.match(r"^```(\w*)\s*$", lines[at])
        if fence:
            end = next(i for i in range(at + 1, len(lines)) if lines[i].startswith("```"))
            yield Block(name, section, at + 1, fence[1], "\n".join(lines[at + 1 : end]) + "\n")
            at, before = end + 1, ""
            continue
        if lines[at].startswith("    ") and not before.strip():
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(line[4:] for line in lines[at:end]).rstrip() + "\n"
            yield Block(name, section, at + 1, "", text)
            at, before = end, ""
            continue
        before = lines[at]
        at += 1


def all_blocks() -> list[Block]:
    return [block for path in PAGES for block in blocks(path)]


def words_of(command: str) -> list[str]:
    """A command's words as a shell would split them, without what stands before the program."""
    words = shlex.split(command)
    while "=" in words[0] and words[0].split("=")[0].isupper():
        words = words[1:]
    return words


def imitate_words(command: str) -> list[str] | None:
    """What follows `imitate`; None for another program."""
    words = words_of(command)
    return words[1:] if words[0] in ("imitate", ".venv/bin/imitate") else None
