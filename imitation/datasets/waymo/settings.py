"""What can be set of Waymo's data alone."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import Field

from imitation.common.settings import Settings

CameraName = Literal["FRONT", "FRONT_LEFT", "FRONT_RIGHT", "SIDE_LEFT", "SIDE_RIGHT"]
CAMERAS: tuple[CameraName, ...] = get_args(CameraName)

Cameras = Annotated[
    list[CameraName], Field(min_length=1, description="Waymo: the cameras whose images are frames")
]


class WaymoOptions(Settings):
    """`data.cameras`, or `data.options.cameras`."""

    cameras: Cameras = Field(list(CAMERAS))
