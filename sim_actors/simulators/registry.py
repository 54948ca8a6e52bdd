"""From a name to a running simulator: the embedded one, or anybody's by import path."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from imitation.common.import_paths import call_factory, load_factory
from imitation.common.settings import UserError
from imitation.common.wording import did_you_mean
from imitation.data.records import Camera
from sim_actors.scene.records import Scene
from sim_actors.simulators.opengl import torch_first
from sim_actors.simulators.protocol import Simulator


def _opengl(**options: Any) -> Simulator:
    from sim_actors.simulators.opengl.renderer import OpenGLSimulator
    from sim_actors.simulators.opengl.settings import RendererSettings

    simulator = OpenGLSimulator(RendererSettings(**options))
    # It opens its context with the first picture: what is missing must come out now, not scene by scene.
    simulator.render(Scene("warm-up", 32, 16, Camera(32.0, 32.0, 16.0, 8.0)))
    return simulator


_PARTS = ("name", "version", "render", "supports", "close")

SETTING = "simulate.simulator"
SIMULATORS: dict[str, Callable[..., Simulator]] = {"opengl": _opengl}


@dataclass(frozen=True)
class SimulatorSpec:
    """Which simulator to build, as plain data that can be sent to another process.

    `simulator` is a name in `SIMULATORS` or an import path "package.module:factory"; the factory
    (a class or function) is called with `options` as keyword arguments.
    """

    simulator: str = "opengl"
    options: Mapping[str, Any] = field(default_factory=dict)


def check_simulator_name(name: str) -> str:
    """The name itself. Raises ValueError, with the nearest known name, if no simulator can be meant."""
    module, colon, factory = name.partition(":")
    if name in SIMULATORS or (colon and factory and all(part.isidentifier() for part in module.split("."))):
        return name
    hint = did_you_mean(name, sorted(SIMULATORS))
    raise ValueError(f"there is no simulator {name!r}; {hint} Your own is named 'package.module:factory'")


def build_simulator(spec: SimulatorSpec) -> Simulator:
    """Builds the simulator in this process.

    Raises UserError if the import path leads nowhere or to something that is no simulator, and
    whatever the simulator itself raises while it starts.
    """
    name = check_simulator_name(spec.simulator)
    torch_first.load()  # a simulator of one's own may open EGL by itself, and use torch beside it
    factory = SIMULATORS[name] if name in SIMULATORS else _imported(name)
    simulator = factory(**{key: from_environment(key, value) for key, value in spec.options.items()})
    if missing := [part for part in _PARTS if not hasattr(simulator, part)]:
        raise UserError(
            f"simulator {name!r}: its factory gave a value of type {type(simulator).__name__!r}, which lacks "
            f"{', '.join(missing)} of sim_actors.simulators.protocol.Simulator ({', '.join(_PARTS)})"
        )
    for part in ("name", "version"):
        if not isinstance(value := getattr(simulator, part), str):
            raise UserError(
                f"simulator {name!r}: its {part} is {value!r}; a frame's lineage needs a text there"
            )
    return simulator


def from_environment(key: str, value: Any) -> Any:
    """An option with each `${env:NAME}` in it replaced by that variable of this process: a secret never
    stands in a configuration. Raises UserError where there is no such variable."""
    if isinstance(value, Mapping):
        return {name: from_environment(f"{key}.{name}", inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [from_environment(key, inner) for inner in value]
    if not isinstance(value, str):
        return value

    def variable(match: re.Match[str]) -> str:
        if (found := os.environ.get(match[1])) is None:
            raise UserError(
                f"simulate.options.{key} asks for the environment variable {match[1]}, which is not set "
                f"where the simulator runs, on {socket.gethostname()}"
            )
        return found

    return re.sub(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}", variable, value)


def _imported(path: str) -> Callable[..., Simulator]:
    """The factory at an import path; as it is called, it says what is wrong with its signature."""
    factory = load_factory(path, SETTING)

    def called(**options: Any) -> Simulator:
        made: Simulator = call_factory(factory, SETTING, path, options, by_name=True, catch=False)
        return made

    return called
