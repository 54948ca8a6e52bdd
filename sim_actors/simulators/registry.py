"""From a name to a running simulator: ours, an installed package's, or anybody's by import path."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from imitation.common.formats.validation import sentence
from imitation.common.import_paths import MissingModule, call_factory
from imitation.common.registry import Registry
from imitation.common.settings import Settings, UserError
from sim_actors.simulators.opengl import torch_first
from sim_actors.simulators.protocol import Simulator, Traits

SIMULATORS: Registry[Callable[..., Simulator]] = Registry(
    "simulator",
    "simulate.simulator",
    {
        "opengl": "sim_actors.simulators.opengl.renderer:OpenGLSimulator",
        "command": "sim_actors.simulators.command.simulator:CommandSimulator",
        "blender": "sim_actors.simulators.blender.simulator:BlenderSimulator",
        "carla": "sim_actors.simulators.carla.simulator:CarlaSimulator",
        "unrealcv": "sim_actors.simulators.unrealcv.simulator:UnrealSimulator",
    },
)
EMBEDDED = "opengl"
"""The one that comes along and draws the embedded world, whatever else is tried on it."""

_PARTS = ("name", "version", "render", "supports", "close")


@dataclass(frozen=True)
class SimulatorSpec:
    """Which simulator to build, as plain data that can be sent to another process.

    `simulator` is a name in `SIMULATORS` or an import path "package.module:factory". The factory (a class or
    function) is called with its `settings_class` made of the `options`, or with them as keyword arguments
    where it has none. What it says of itself (`Traits`) can be asked without building it. `label` is its name
    among several (`sim_actors.simulators.mixture`), which the frames' lineage keeps; "" where it is alone.
    """

    simulator: str = EMBEDDED
    options: Mapping[str, Any] = field(default_factory=dict)
    label: str = ""

    @property
    def shown(self) -> str:
        """What it is called in messages."""
        return self.label or self.simulator

    def trait(self, name: str) -> Any:
        """One attribute of `sim_actors.simulators.protocol.Traits`: the simulator's own, or the default, as
        also where its module is not on this machine.

        Raises UserError for an unknown simulator, and where its module fails while it is imported.
        """
        try:
            factory: Any = _factory(self.simulator)
        except MissingModule:
            factory = Traits
        return getattr(factory, name, getattr(Traits, name))

    def settings(self) -> Settings | dict[str, Any]:
        """The options, with the environment's variables in them, as an instance of the simulator's settings
        class if it has one. Raises UserError naming a wrong option, and the nearest right one."""
        options = {key: from_environment(key, value) for key, value in self.options.items()}
        settings_class: type[Settings] | None = self.trait("settings_class")
        if settings_class is None:
            return options
        try:
            return settings_class.model_validate(options)
        except ValidationError as error:
            # the values as they were given: those of the environment may be secrets
            raise UserError(f"simulate.options: {sentence(error, settings_class, self.options)}") from None

    def ask(self, name: str) -> Any:
        """What a trait that is a function answers for these options; its default where a variable of the
        environment that they need is set elsewhere only, where the simulator runs."""
        try:
            settings = self.settings()
        except MissingVariable:
            return getattr(Traits, name)(self.options)
        return self.trait(name)(settings)

    def catalog(self) -> frozenset[str] | None:
        """The categories that it can stage, lower case; None where it does not say."""
        found = self.ask("catalog")
        return None if found is None else frozenset(found)

    def side_by_side(self) -> int | None:
        """How many can run at once, on all machines together; None: as many as there is room for, or it
        cannot be asked here: where it runs, it says itself what is wrong."""
        try:
            found: int | None = self.ask("side_by_side")
        except UserError:
            return None
        return found


def build_simulator(spec: SimulatorSpec) -> Simulator:
    """Builds the simulator in this process, ready to render.

    Raises UserError if the import path leads nowhere or to something that is no simulator, for a wrong
    option, and where the simulator says what is missing on this machine; and whatever the simulator itself
    raises while it starts.
    """
    name, settings = spec.simulator, spec.settings()
    factory = _factory(name)
    try:
        simulator = _made(factory, name, settings)
        if hasattr(simulator, "warm_up"):
            simulator.warm_up()
    except UserError:
        raise
    except Exception as error:  # a user's simulator may raise anything
        if reason := spec.ask("preflight"):
            raise UserError(reason) from error
        raise
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


def _factory(name: str) -> Callable[..., Simulator]:
    torch_first.load()  # a simulator of one's own may open EGL by itself, and use torch beside it
    return SIMULATORS.load(name)


def _made(factory: Callable[..., Simulator], name: str, settings: Settings | dict[str, Any]) -> Any:
    by_name = not isinstance(settings, Settings)
    arguments = settings if isinstance(settings, dict) else {"settings": settings}
    return call_factory(factory, SIMULATORS.setting, name, arguments, by_name=by_name, catch=False)


class MissingVariable(UserError):
    """A variable of the environment that is not set on this machine; it may be where the simulator runs."""


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
            raise MissingVariable(
                f"simulate.options.{key} asks for the environment variable {match[1]}, which is not set "
                f"where the simulator runs, on {socket.gethostname()}"
            )
        return found

    return re.sub(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}", variable, value)
