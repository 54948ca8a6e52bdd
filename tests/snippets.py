"""The snippets of the Markdown files: Python and YAML blocks, and the command lines of all others."""

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
    """A block of a page: fenced, with its language, or indented (language "")."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}:{self.line}"

    def commands(self) -> list[str]:
        """Its command lines, comments left out, continued ones joined."""
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
    at, before = 0, ""
    while at < len(lines):
        fence = re.match(r"^```(\w*)\s*$", lines[at])
        if fence:
            end = next(i for i in range(at + 1, len(lines)) if lines[i].startswith("```"))
            yield Block(name, at + 1, fence[1], "\n".join(lines[at + 1 : end]) + "\n")
            at, before = end + 1, ""
            continue
        if lines[at].startswith("    ") and not before.strip():
            end = at
            while end < len(lines) and (lines[end].startswith("    ") or not lines[end].strip()):
                end += 1
            text = "\n".join(line[4:] for line in lines[at:end]).rstrip() + "\n"
            yield Block(name, at + 1, "", text)
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
