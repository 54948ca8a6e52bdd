"""Options of Unreal Engine as a simulator: where it listens, what it has, how it is photographed."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from imitation.common.settings import Settings
from sim_actors.simulators.ignoring import IgnoreBelowPx, IgnoreOcclusionAbove


class UnrealSettings(Settings):
    """What `simulate.options` may say where `simulate.simulator` is `unrealcv`."""

    manifest: str = Field(
        min_length=1, description="YAML file that says which actors the level has (docs/unreal.md)"
    )
    endpoints: tuple[str, ...] = Field(
        ("127.0.0.1:9000",),
        min_length=1,
        description='"host:port" of each running Unreal with the plugin; each serves one worker at a time',
    )
    lease_timeout_s: float = Field(
        60.0, gt=0, description="how long a worker waits for an endpoint that no other one holds, s"
    )
    request_timeout_s: float = Field(
        60.0, gt=0, description="how long the engine may take to answer one command, s"
    )
    camera: int = Field(0, ge=0, description="number of the camera in the level; 0 is the pawn's")
    amodal: Literal["auto", "oneobjmask", "move"] = Field(
        "auto",
        description="how what others hide of an actor is seen: by the command oneobjmask, where the plugin "
        "has it, or by moving the actor to an empty place; auto: the first where it is there",
    )
    lift: float = Field(
        1000.0, gt=10, le=5000, description="how high above the place of the scenes the level is empty, m"
    )
    depth: bool = Field(
        True,
        description="a depth image tells what stands before an actor and is not in the mask, as a landscape "
        "or foliage is",
    )
    warm_frames: int = Field(
        4,
        ge=0,
        le=200,
        description="pictures thrown away before the one that is kept: light settles over frames",
    )
    exposure: float | None = Field(
        0.0,
        ge=-15,
        le=15,
        description="exposure bias of a manual exposure, EV, to which a scene's own is added; null: the "
        "level's exposure, whatever it adapts to",
    )
    lumen: bool = Field(True, description="light and reflections of the pictures by Lumen")
    stretch: float = Field(
        1.5, ge=1, le=4, description="how far a model may be scaled along an axis to fill an actor's cuboid"
    )
    ignore_below_px: IgnoreBelowPx = 12
    ignore_occlusion_above: IgnoreOcclusionAbove = 0.9

    @field_validator("endpoints")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for endpoint in value:
            address(endpoint)
        if doubled := next((each for each in value if value.count(each) > 1), None):
            raise ValueError(f"each endpoint stands once, and serves one worker; {doubled!r} stands twice")
        return value


def address(endpoint: str) -> tuple[str, int]:
    """Host and port of "host:port". Raises ValueError for anything else.

    >>> address("render-3:9000")
    ('render-3', 9000)
    >>> address("[::1]:9000")
    ('::1', 9000)
    """
    host, colon, port = endpoint.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon and port.isdecimal() and 0 < int(port) < 65536):
        raise ValueError(f'an endpoint is "host:port", such as "127.0.0.1:9000", found {endpoint!r}')
    return host, int(port)
