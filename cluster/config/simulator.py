"""Which simulators a configuration means, with their options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from imitation.common.formats.validation import sentence
from imitation.common.settings import Settings, UserError
from sim_actors.simulators.mixture import Member, Mixture
from sim_actors.simulators.registry import SIMULATORS, SimulatorSpec

if TYPE_CHECKING:
    from cluster.config.schema import Config
    from cluster.config.simulate import MemberSettings


def simulators(config: Config) -> Mixture:
    """The simulators that the configuration names: several, or the one."""
    if isinstance(config.simulate.simulator, str):
        return Mixture.one(simulator_spec(config))
    return Mixture(
        tuple(
            Member(_labelled(simulator_spec(apart), member.label), member.weight)
            for member, apart in zip(config.simulate.members, each_apart(config).values(), strict=True)
        )
    )


def each_apart(config: Config) -> dict[str, Config]:
    """label -> the configuration with this simulator alone: what is asked or tried of one is asked of it."""
    if isinstance(config.simulate.simulator, str):
        return {config.simulate.simulator: config}
    return {member.label: _apart(config, member) for member in config.simulate.members}


def simulator_spec(config: Config, name: str | None = None) -> SimulatorSpec:
    """The one simulator that the configuration names, or the one of this name. Its options are the section of
    its own settings class (`renderer` for the embedded one), else `simulate.options`."""
    name = name or _the_one(config)
    section = own_section(config, name)
    return SimulatorSpec(name, config.simulate.options if section is None else section.model_dump())


def own_section(config: Config, name: str | None = None) -> Settings | None:
    """The section of the configuration that is the simulator's own; None for one that has none."""
    found = _own_section(config, name or _the_one(config))
    return None if found is None else found[1]


def _own_section(config: Config, name: str) -> tuple[str, Settings] | None:
    if SIMULATORS.is_own(name):
        return None
    settings_class = SimulatorSpec(name).trait("settings_class")
    return next(((key, section) for key, section in config if type(section) is settings_class), None)


def _the_one(config: Config) -> str:
    name = config.simulate.simulator
    assert isinstance(name, str), "several simulators are asked one by one (each_apart)"
    return name


def _labelled(spec: SimulatorSpec, label: str) -> SimulatorSpec:
    return SimulatorSpec(spec.simulator, spec.options, label)


def _apart(config: Config, member: MemberSettings) -> Config:
    own = config.simulate.each.get(member.label)
    changes = {} if own is None else {key: value for key, value in own if value is not None}
    found = _own_section(config, member.name)
    options = member.options if found is None else {}
    settings = config.simulate.model_copy(
        update={"simulator": member.name, "options": options, "each": {}, **changes}
    )
    apart = config.model_copy(update={"simulate": settings})
    if found is None or not member.options:
        return apart
    key, section = found
    try:
        changed = type(section).model_validate({**section.model_dump(), **member.options})
    except ValidationError as error:
        raise UserError(
            f"simulate.simulator: {member.label}: options: {sentence(error, type(section), member.options)}"
        ) from None
    return apart.model_copy(update={key: changed})
