"""What the worker is asked and what it answers, each a line of JSON; arrays are in .npz files.

hello: `folder`, for files, `device` and `denoiser`. Answer: `blender`, its version, and `device`, what it
computes on.

render: `data` names the file in the folder; the rest is a camera (its `pose` is one of Blender's), the
settings, the sun and the lamps. Arrays: `positions` (V, 3) and `triangles` (T, 3); of each vertex `plain`
(V, 3) albedo, `finish` (V, 3) gloss, reflectance and share of light that comes through, `body` and
`identity`; the same with `ground_` before it, whose body and identity are 0; `looks` and `shown`, the
pictures that are projected (`triangles.py`); `sky`, a panorama.
Answer: `data`, a file with `light` (H, W, 4), radiance and coverage, and `ids` (H, W).

Whatever fails is an `error` in the answer.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import Field, ValidationError, model_validator

from imitation.common.formats.validation import sentence
from imitation.common.settings import Settings, UserError

PROTOCOL = 1


class Hello(Settings):
    """What a worker says of itself, or why it cannot work."""

    protocol: int
    blender: str = ""
    device: str = ""
    scene_id: None = None
    error: str | None = None

    @model_validator(mode="after")
    def _known(self) -> Hello:
        if self.protocol != PROTOCOL:
            raise ValueError(f"it speaks protocol {self.protocol}, and we protocol {PROTOCOL}")
        return self


class Rendered(Settings):
    """Where the arrays of a scene lie, or its `error`."""

    scene_id: str
    data: str = Field("", description="path")
    device: str = ""
    error: str | None = None


Message = TypeVar("Message", Hello, Rendered)


def read(kind: type[Message], data: Any, who: str) -> Message:
    """An answer's fields. Raises UserError that names the wrong one."""
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        raise UserError(f"{who}: its answer: {sentence(error, kind)}") from None
