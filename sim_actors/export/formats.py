"""The formats that a scene can be written in, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol

from imitation.common.registry import Registry

if TYPE_CHECKING:
    from sim_actors.export.content import Content


class SceneFormat(Protocol):
    """`endings` are those of its files, the usual one first."""

    endings: ClassVar[tuple[str, ...]]

    @staticmethod
    def need() -> None:
        """Raises UserError where a package is missing that it is written with."""

    @staticmethod
    def write(content: Content, path: Path) -> list[Path]:
        """Writes a file with one of its endings, and returns what was written, that file first."""


FORMATS: Registry[type[SceneFormat]] = Registry(
    "format", "--to", {"usd": "sim_actors.export.usd:Usd", "glb": "sim_actors.export.glb:Glb"}
)
