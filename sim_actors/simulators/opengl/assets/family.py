"""What an asset family is: bodies, materials, textures, light and film, all of it data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from sim_actors.simulators.opengl.assets.bodies.people import Person, pedestrian
from sim_actors.simulators.opengl.assets.bodies.vehicles.assembly import Vehicle, vehicle
from sim_actors.simulators.opengl.assets.materials import BASE, M, Material
from sim_actors.simulators.opengl.assets.shapes import Mesh

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Sun and sky. Colours are linear RGB; atmosphere.py says how bright what is.

    `level` is the light of a clear noon on a white card; `turbidity` is added to the environment's;
    `sun_tint` and `sky_tint` colour both; `saturation` in [0, 1] is how much of the colours of a low
    sun the camera keeps; `fill` scales the light of the sky against the sun's (streets see less than
    the whole sky); `bounce` is the ground's albedo; `cloud_scale` is the size of clouds; `softness`
    blurs the shadows' edges, m; `headlight` scales the lamps of vehicles.
    """

    level: float = 3.1
    turbidity: float = 0.0
    sun_tint: Rgb = (0.95, 1.0, 1.08)
    sky_tint: Rgb = (0.9, 1.0, 1.13)
    saturation: float = 0.72
    lamp: Rgb = (1.0, 0.72, 0.42)
    cloud_scale: float = 0.55
    fill: float = 0.55
    bounce: float = 0.13
    softness: float = 0.05
    headlight: float = 1.0


@dataclass(frozen=True)
class Ground:
    """Colours of the road and what lies beside it, and the contrast of its wear."""

    asphalt: Rgb = (0.085, 0.085, 0.088)
    concrete: Rgb = (0.26, 0.25, 0.235)
    gravel: Rgb = (0.22, 0.19, 0.15)
    pavement: Rgb = (0.25, 0.235, 0.225)
    verge: Rgb = (0.075, 0.115, 0.035)
    soil: Rgb = (0.17, 0.13, 0.085)
    paint: Rgb = (0.62, 0.62, 0.60)
    wear: float = 0.35
    slab: float = 0.6


@dataclass(frozen=True)
class Film:
    """The camera's response: (a x^2 + b x) / (c x^2 + d x + e), then gamma and saturation.

    The default's toe and early white give the spread of brightness that photos of KITTI's train list
    have (their darkest tenth lies below 0.08 of sRGB, their middle at 0.28)."""

    curve: tuple[float, float, float, float, float] = (2.6, 0.1, 1.3, 0.4, 0.8)
    saturation: float = 1.0
    gain: float = 0.62


@dataclass(frozen=True)
class Family:
    """One world's assets. `bodies`: category -> model name -> mesh maker; `props`: kind -> makers;
    `noise` names the texture field: "smooth" (summed gradients) or "cellular"."""

    name: str
    bodies: Mapping[str, Mapping[str, Callable[[], Mesh]]]
    props: Mapping[str, tuple[Callable[[], Mesh], ...]]
    materials: Mapping[M, Material] = field(default_factory=lambda: BASE)
    light: Light = Light()
    ground: Ground = Ground()
    film: Film = Film()
    noise: str = "smooth"
    noise_seed: int = 1
    window: tuple[float, float, float, float] = (2.7, 3.1, 0.42, 0.5)
    skins: tuple[Rgb, ...] = ((0.56, 0.34, 0.24), (0.4, 0.22, 0.14), (0.16, 0.08, 0.05))
    cloths: tuple[Rgb, ...] = (
        (0.03, 0.04, 0.09),
        (0.02, 0.02, 0.025),
        (0.18, 0.15, 0.11),
        (0.08, 0.08, 0.09),
        (0.1, 0.12, 0.2),
    )


def vehicles(table: Mapping[str, Vehicle]) -> dict[str, Callable[[], Mesh]]:
    """Mesh makers by model name, from proportions."""
    return {name: partial(vehicle, v) for name, v in table.items()}


def people(table: Mapping[str, Person]) -> dict[str, Callable[[], Mesh]]:
    """Mesh makers by model name, from poses."""
    return {name: partial(pedestrian, p) for name, p in table.items()}
