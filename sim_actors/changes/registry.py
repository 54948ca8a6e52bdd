"""The factors by name: ours, an installed package's (entry points `imitation_training.factors`), or anybody's
own as "package.module:attribute", a `Factor` or a bare function (`sim_actors.changes.factor.Change`)."""

from __future__ import annotations

from collections.abc import Sequence

from imitation.common.registry import Registry
from imitation.common.settings import UserError
from sim_actors.changes.factor import Change, Factor

FACTORS: Registry[Factor | Change] = Registry(
    "factor",
    "--factor",
    {
        "occluder": "sim_actors.changes.occlusion:OCCLUDER",
        "nearer": "sim_actors.changes.place:NEARER",
        "turned": "sim_actors.changes.place:TURNED",
        "mirrored": "sim_actors.changes.place:MIRRORED",
        "noon": "sim_actors.changes.light:NOON",
        "clear": "sim_actors.changes.light:CLEAR",
        "paint": "sim_actors.changes.paint:PAINT",
        "contrast": "sim_actors.changes.paint:CONTRAST",
    },
)


def factors(names: Sequence[str] = ()) -> dict[str, Factor]:
    """The named factors, or all that have a name. Raises UserError for one that is not there or is none."""
    found = {}
    for name in dict.fromkeys(names or FACTORS):
        loaded = FACTORS.load(name)
        if not callable(loaded):
            raise UserError(f"--factor {name}: is {type(loaded).__name__}, not a Factor or a function")
        found[name] = loaded if isinstance(loaded, Factor) else Factor(loaded, f"with {name} changed")
    return found
