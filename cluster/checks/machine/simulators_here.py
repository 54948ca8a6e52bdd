"""Each simulator that can be named: what it says itself of this machine (`sim_actors.Traits`)."""

from __future__ import annotations

from cluster.config.schema import Config
from cluster.config.simulator import each_apart, own_section, simulators
from cluster.data.stageable import simulates
from cluster.runtime.ray_address import cluster_address
from imitation.common.contracts import Contract, Found, Step
from imitation.common.settings import UserError
from sim_actors.simulators.registry import EMBEDDED, SIMULATORS, MissingVariable, SimulatorSpec


def contract(config: Config) -> Contract:
    """What is asked: first those that the configuration names, then the others with their defaults."""
    elsewhere = cluster_address(config.ray) is not None
    named = dict(zip(each_apart(config), simulators(config).specs.values(), strict=True))
    known = {spec.simulator for spec in named.values()}
    for label, spec in named.items():
        yield Step(f"simulator {label}", config.simulate.startup_timeout_s)
        yield _asked(spec, needed=simulates(config) and not elsewhere, elsewhere=elsewhere)
    for name in SIMULATORS:
        if name in known:
            continue
        yield Step(f"simulator {name}", config.simulate.startup_timeout_s)
        section = own_section(config, name)
        spec = SimulatorSpec(name, {} if section is None else section.model_dump())
        world = name == EMBEDDED and config.data.is_stand_in  # it draws the world, whoever simulates
        yield _asked(spec, needed=world and not elsewhere, elsewhere=elsewhere)


def _asked(spec: SimulatorSpec, needed: bool, elsewhere: bool) -> Found:
    """What a simulator says; whatever it raises is somebody's own."""
    try:
        settings = spec.settings()
    except MissingVariable as error:
        return Found(str(error), note=elsewhere, wrong=needed)
    except UserError as error:
        if needed or spec.options:
            return Found(str(error), note=not needed, wrong=needed)
        return Found(f"not tried, for nothing names it here ({error})")
    try:
        if reason := spec.trait("preflight")(settings):
            more = " (on the cluster its workers say it)" if elsewhere else ""
            return Found(f"cannot be used here{more}: {reason}", note=not needed, wrong=needed)
        told = spec.trait("here")(settings)
    except Exception as error:  # code of a person's own, and drivers
        return Found(f"cannot be used here: {type(error).__name__}: {error}", note=not needed, wrong=needed)
    return Found(f"can be used here{': ' + told if told else ''}")
