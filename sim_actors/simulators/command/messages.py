"""What a program on a pipe is asked and what it answers: docs/simulator.md has it line by line."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field, ValidationError, model_validator

from imitation.common.formats.validation import sentence
from imitation.common.settings import Settings, UserError
from imitation.data.records import Cuboid
from sim_actors.scene.ranges import Share

PROTOCOL = 1


def _ordered(edges: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    x1, y1, x2, y2 = edges
    if not (x1 < x2 and y1 < y2):
        raise ValueError(
            f"a box is [x1, y1, x2, y2] with x1 < x2 and y1 < y2, px (not x, y, width, height), found "
            f"{list(edges)}"
        )
    return edges


Edges = Annotated[tuple[float, float, float, float], AfterValidator(_ordered)]
"""Left, top, right and bottom of a box, px."""


class Hello(Settings):
    """What a program says of itself. `categories`: what it can stage, in lower case; None: anything, and
    `supports`: whether it answers the question of that name."""

    protocol: int
    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    categories: tuple[str, ...] | None = None
    supports: bool = False

    @model_validator(mode="after")
    def _known(self) -> Hello:
        if self.protocol != PROTOCOL:
            raise ValueError(f"it speaks protocol {self.protocol}, and we protocol {PROTOCOL}")
        return self


class Reasons(Settings):
    """Why a scene cannot be staged, a sentence each; none where it can."""

    scene_id: str
    reasons: tuple[str, ...]


class Thing(Settings):
    """What is seen of the scene's actor of this index. `pixels`: how many it would show inside the image were
    nothing before it; shares in [0, 1]; the rest as `imitation.data.records.Object` has it."""

    actor: int = Field(ge=0)
    visible_box: Edges | None = None
    amodal_box: Edges | None = None
    pixels: int | None = Field(None, ge=1)
    occlusion: Share | None = None
    truncation: Share | None = None
    cuboid: Cuboid | None = None
    ignore: bool = False


class Rendered(Settings):
    """A scene's picture and truth, or its `error`. Pictures are paths, or bytes in base64."""

    scene_id: str
    image: str | None = None
    image_base64: str | None = None
    ids: str | None = None
    ids_base64: str | None = None
    objects: tuple[Thing, ...] = ()
    error: str | None = None


Answer = TypeVar("Answer", Reasons, Rendered)
Message = TypeVar("Message", Hello, Reasons, Rendered)


def read(kind: type[Message], data: Any, who: str) -> Message:
    """An answer's fields. Raises UserError that names the wrong one."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{who}: its answer: {sentence(error, kind)}") from None
