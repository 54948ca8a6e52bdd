"""The asset families by name."""

from sim_actors.opengl.family import Family
from sim_actors.opengl.family_simulator import SIMULATOR
from sim_actors.opengl.family_standin import STANDIN

FAMILIES: dict[str, Family] = {family.name: family for family in (SIMULATOR, STANDIN)}
