"""Which simulator a configuration means, with its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from imitation.common.settings import Settings
from sim_actors.simulators.registry import SIMULATORS, SimulatorSpec

if TYPE_CHECKING:
    from cluster.config.schema import Config


def simulator_spec(config: Config, name: str | None = None) -> SimulatorSpec:
    """The simulator that the configuration names, or the one of this name. Its options are the section of its
    own settings class (`renderer` for the embedded one), else `simulate.options`."""
    name = name or config.simulate.simulator
    section = own_section(config, name)
    return SimulatorSpec(name, config.simulate.options if section is None else section.model_dump())


def own_section(config: Config, name: str | None = None) -> Settings | None:
    """The section of the configuration that is the simulator's own; None for one that has none."""
    name = name or config.simulate.simulator
    if SIMULATORS.is_own(name):
        return None
    settings_class = SimulatorSpec(name).trait("settings_class")
    return next((section for _, section in config if type(section) is settings_class), None)
