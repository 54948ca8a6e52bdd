"""Settings of the embedded renderer, apart from its code: reading a configuration needs no OpenGL."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from imitation.common.settings import Settings
from sim_actors.simulators.ignoring import IgnoreBelowPx, IgnoreOcclusionAbove


class RendererSettings(Settings):
    """Settings of the embedded renderer."""

    supersampling: Literal[1, 2] = Field(
        2, description="Colour samples per pixel and axis; 2 smooths edges, 1 is about twice as fast."
    )
    shadow_map: int = Field(1024, ge=128, le=8192, description="Side of the sun's shadow map, texels.")
    ignore_below_px: IgnoreBelowPx = 12
    ignore_occlusion_above: IgnoreOcclusionAbove = 0.9
    ignore_below_contrast: float = Field(
        2.0,
        ge=0.0,
        le=100.0,
        description="A labelled object that stands out less than this from what is around it is ignored: by "
        "night there are people whom no eye can see. The root mean square difference of its pixels in CIE "
        "lightness (0 to 100); 0: none is.",
    )
    device: Literal["auto"] | Annotated[int, Field(ge=0)] = Field(
        "auto", description="EGL device to render on; auto: the GPU that Ray gave, else the first device."
    )
    threads: int | None = Field(
        None, ge=0, le=16, description="Mesa's software rasterizer threads (0: none beside the caller)."
    )
    bodies: str | None = Field(
        None, description="manifest of your own bodies, OBJ and GLB files (docs/simulator.md); null: none"
    )
