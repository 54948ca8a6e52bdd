"""What an asset family is: bodies, materials, textures, light and film, all of it data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from sim_actors.opengl.materials import BASE, M, Material
from sim_actors.opengl.people import Person, pedestrian
from sim_actors.opengl.shapes import Mesh
from sim_actors.opengl.vehicles import Vehicle, vehicle

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Light:
    """Sun and sky. Colours are linear RGB, relative to a white card in full sun of about 1.

    `sky_exponent` shapes the gradient from horizon to zenith; `clouds` in [0, 1] covers a clear
    sky; `cloud_scale` is their size; `fill` scales the light of the sky against the sun's; `bounce`
    is the light that the ground throws back; `softness` blurs the shadows' edges, m.
    """

    zenith: Rgb = (0.16, 0.34, 0.72)
    horizon: Rgb = (0.78, 0.88, 0.98)
    sun: Rgb = (1.0, 0.93, 0.82)
    low_sun: Rgb = (1.0, 0.48, 0.2)
    lamp: Rgb = (1.0, 0.72, 0.42)
    sky_exponent: float = 0.55
    clouds: float = 0.35
    cloud_scale: float = 0.55
    fill: float = 0.72
    sun_power: float = 3.2
    bounce: float = 0.16
    softness: float = 0.06


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
    """The camera's response: (a x^2 + b x) / (c x^2 + d x + e), then gamma and saturation."""

    curve: tuple[float, float, float, float, float] = (2.51, 0.03, 2.43, 0.59, 0.14)
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
