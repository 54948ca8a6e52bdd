"""The asset families by name."""

from sim_actors.simulators.opengl.assets.family import Family
from sim_actors.simulators.opengl.assets.family_simulator import SIMULATOR
from sim_actors.simulators.opengl.assets.family_standin import STANDIN

FAMILIES: dict[str, Family] = {family.name: family for family in (SIMULATOR, STANDIN)}
