"""When a label is marked to be ignored: the settings of it that every simulator's options have."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

IgnoreBelowPx = Annotated[
    int, Field(ge=1, description="A labelled object with fewer visible pixels is marked to be ignored.")
]
IgnoreOcclusionAbove = Annotated[
    float, Field(ge=0.0, le=1.0, description="A labelled object that others hide more than this is ignored.")
]
