"""What values a scene's fields may have. The types stand in the records' annotations; nothing is checked when
code makes a record, everything when one is read or a simulator is asked whether it can stage a scene."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, ConfigDict, Field

from imitation.data.records import Camera, Cuboid

STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, revalidate_instances="always")
"""No other fields, no infinite numbers; and records that code made are looked into as well."""

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Seed = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=1, le=16384)]
"""Of a picture, px."""
Colour = tuple[float, float, float]
"""Linear red, green and blue; of things in [0, 1]."""


def _solid(cuboid: Cuboid) -> Cuboid:
    if not min(cuboid.length, cuboid.width, cuboid.height) > 0:
        sizes = f"{cuboid.length}, {cuboid.width}, {cuboid.height} m"
        raise ValueError(f"length, width and height must be positive, found {sizes}")
    return cuboid


def _seeing(camera: Camera) -> Camera:
    if not (camera.fx > 0 and camera.fy > 0):
        raise ValueError(f"focal lengths must be positive, found fx {camera.fx}, fy {camera.fy}")
    if camera.height is not None and not camera.height > 0:
        raise ValueError(f"the height over the road must be positive, found {camera.height} m")
    return camera


Solid = Annotated[Cuboid, AfterValidator(_solid)]
Lens = Annotated[Camera, AfterValidator(_seeing)]
