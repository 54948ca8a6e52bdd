"""Options of CARLA: which servers, where in the town, which bodies, and when a label is ignored."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator

from imitation.common.settings import Settings
from sim_actors.simulators.ignoring import IgnoreBelowPx, IgnoreOcclusionAbove

PORTS = 3
"""A server listens at its port and at the two after it."""

Number = Annotated[float, Field(allow_inf_nan=False)]
Place = tuple[Number, Number, Number]
"""Where the camera stands, in CARLA's own axes: x and y, m, and the yaw that it looks along, degrees."""


class CarlaSettings(Settings):
    """What `simulate.options` may say where `simulate.simulator` is `carla`."""

    endpoints: tuple[str, ...] = Field(
        ("127.0.0.1:2000",),
        min_length=1,
        description="the servers, host:port each; one serves one simulator at a time",
    )
    lease_timeout_s: float = Field(
        60.0, ge=0, description="how long a worker waits for a server that no other one holds, s"
    )
    town: str | None = Field(
        None, min_length=1, description="map to load, such as Town10HD_Opt; null: the one that is loaded"
    )
    places: tuple[Place, ...] = Field(
        (),
        description="where scenes may be staged: [x, y, yaw] of the camera, m and degrees in CARLA's axes; "
        "none: the map's own spawn points",
    )
    tries: int = Field(20, ge=1, description="places that are tried for a scene before it is refused")
    blueprints: dict[str, tuple[str, ...]] = Field(
        {},
        description="category: its blueprints, wildcards allowed, in place of those of CARLA's base_type",
    )
    size_tolerance: float = Field(
        0.25,
        gt=0,
        lt=1,
        description="how far length, width and height of a body may lie from those asked for, as a share: "
        "bodies cannot be stretched",
    )
    ground_tolerance_m: float = Field(
        0.3, gt=0, le=0.5, description="how far the ground may lie from where the scene has it, m"
    )
    settle_ticks: int = Field(
        10,
        ge=0,
        le=1000,
        description="ticks before the picture, in which textures load and exposure and shadows settle",
    )
    sun_azimuth_offset_deg: float = Field(
        0.0, ge=-360, le=360, description="added to the sun's azimuth: turn shadows to where the scene's are"
    )
    camera: dict[str, str] = Field(
        {"motion_blur_intensity": "0.0"}, description="further attributes of CARLA's colour camera"
    )
    timeout_s: float = Field(20.0, gt=0, description="how long the server may take to answer a call, s")
    town_timeout_s: float = Field(120.0, gt=0, description="how long it may take to load the map, s")
    ignore_below_px: IgnoreBelowPx = 12
    ignore_occlusion_above: IgnoreOcclusionAbove = 0.9
    client_module: str = Field(
        "carla", min_length=1, description="the Python module of CARLA's client; a fork may have another"
    )

    @field_validator("endpoints", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, str):
            raise ValueError(f"it is a list, one host:port for each server: [{value}], found {value!r}")
        return value

    @field_validator("endpoints")
    @classmethod
    def _apart(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        used: dict[str, list[int]] = {}
        for endpoint in value:
            host, port = address(endpoint)
            for other in used.setdefault(host, []):
                if abs(port - other) < PORTS:
                    raise ValueError(
                        f"{host}:{other} and {endpoint} overlap: a server takes its port and the two after it"
                    )
            used[host].append(port)
        return value

    @field_validator("camera", mode="before")
    @classmethod
    def _texts(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        # YAML reads 0.0 and true as no text
        return {key: str(v).lower() if isinstance(v, bool) else _text(v) for key, v in value.items()}

    @field_validator("camera")
    @classmethod
    def _free(cls, value: dict[str, str]) -> dict[str, str]:
        for name in ("fov", "image_size_x", "image_size_y", "role_name", "sensor_tick"):
            if name in value:
                raise ValueError(f"{name} follows from the scene and cannot be set")
        return value


def address(endpoint: str) -> tuple[str, int]:
    """Host and port of an endpoint. Raises ValueError."""
    host, colon, port = endpoint.strip().rpartition(":")
    if not colon or not host or not port.isdecimal() or not 1 <= int(port) <= 65535 - PORTS + 1:
        raise ValueError(f"a server is named host:port, such as 127.0.0.1:2000, found {endpoint!r}")
    return host.strip("[]"), int(port)


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value
