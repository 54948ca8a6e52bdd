"""Options of Blender: which one, how much light it gathers, on what, and when what it shows is ignored."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from imitation.common.settings import Settings
from sim_actors.simulators.ignoring import IgnoreBelowPx, IgnoreOcclusionAbove
from sim_actors.simulators.opengl.settings import RendererSettings


class BlenderSettings(Settings):
    """What `simulate.options` may say where `simulate.simulator` is `blender`."""

    blender: str | None = Field(
        None,
        description="a folder that `imitate setup blender` made, a Python that has bpy, or Blender's own "
        "program; null: the folder that `imitate setup blender` makes, or else blender on the PATH",
    )
    samples: int = Field(
        16, ge=1, le=65536, description="Paths of light a pixel; more are less noise, and as much more time."
    )
    denoiser: Literal["oidn", "optix", "none"] = Field(
        "oidn",
        description="What takes the noise of few samples away: Intel's (any machine), NVIDIA's, or nothing.",
    )
    bounces: int = Field(4, ge=0, le=128, description="How often light is reflected on its way, at most.")
    clamp_indirect: float = Field(
        8.0, ge=0.0, description="Reflected light of a path above this is cut, against fireflies; 0: none is."
    )
    device: Literal["auto", "cpu", "optix", "cuda", "hip", "metal", "oneapi"] = Field(
        "auto",
        description="What Cycles computes on; auto: a GPU if there is one. Pixels differ between them.",
    )
    threads: int = Field(
        1, ge=1, le=1024, description="Processors of one Blender; actors side by side share the machine."
    )
    hello_timeout_s: float = Field(
        180.0,
        gt=0,
        description="how long Blender may take to start, before a run, s; in a worker "
        "simulate.startup_timeout_s holds",
    )
    ignore_below_px: IgnoreBelowPx = 12
    ignore_occlusion_above: IgnoreOcclusionAbove = 0.9
    ignore_below_contrast: float = Field(
        2.0,
        ge=0.0,
        le=100.0,
        description="A labelled object that stands out less than this from what is around it is ignored "
        "(renderer.ignore_below_contrast has more).",
    )
    bodies: str | None = Field(
        None, description="manifest of your own bodies, OBJ and GLB files (docs/simulator.md); null: none"
    )

    def renderer(self) -> RendererSettings:
        """The embedded renderer's settings that stage and label alike."""
        return RendererSettings(
            ignore_below_px=self.ignore_below_px,
            ignore_occlusion_above=self.ignore_occlusion_above,
            ignore_below_contrast=self.ignore_below_contrast,
            bodies=self.bodies,
            threads=0,
        )
