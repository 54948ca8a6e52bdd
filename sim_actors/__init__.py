"""From a request to labelled pixels: scenes, simulators and the worker that runs one. No torch.

The names below are what code of your own needs; each is loaded when it is asked for.
"""

from typing import TYPE_CHECKING

from imitation.common.lazy import public

if TYPE_CHECKING:
    from sim_actors.scene.projection import projected_box as projected_box
    from sim_actors.scene.records import Actor as Actor
    from sim_actors.scene.records import Environment as Environment
    from sim_actors.scene.records import Road as Road
    from sim_actors.scene.records import Scene as Scene
    from sim_actors.scene.records import Sensor as Sensor
    from sim_actors.simulators.opengl.renderer import OpenGLSimulator as OpenGLSimulator
    from sim_actors.simulators.opengl.settings import RendererSettings as RendererSettings
    from sim_actors.simulators.protocol import Simulator as Simulator
    from sim_actors.simulators.protocol import Traits as Traits
    from sim_actors.simulators.registry import SimulatorSpec as SimulatorSpec
    from sim_actors.simulators.registry import build_simulator as build_simulator

__getattr__, __dir__ = public(
    __name__,
    {
        "Actor": "sim_actors.scene.records",
        "Environment": "sim_actors.scene.records",
        "OpenGLSimulator": "sim_actors.simulators.opengl.renderer",
        "RendererSettings": "sim_actors.simulators.opengl.settings",
        "Road": "sim_actors.scene.records",
        "Scene": "sim_actors.scene.records",
        "Sensor": "sim_actors.scene.records",
        "Simulator": "sim_actors.simulators.protocol",
        "SimulatorSpec": "sim_actors.simulators.registry",
        "Traits": "sim_actors.simulators.protocol",
        "build_simulator": "sim_actors.simulators.registry",
        "projected_box": "sim_actors.scene.projection",
    },
)
