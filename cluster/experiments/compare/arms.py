"""The arms of a comparison: each is a run configuration, at the same compute as the others.

From scratch every detector takes `train.steps`. With a warm start the detector of cycle k has taken
`train.steps` + k * `train.warm_steps`, whatever the arm: every arm but `real` goes through the same cycles,
and so has the same number of candidates for the choice on `val`. What a cycle may add is the same number
of frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.stages.synthetic.taken import TAKEN_FROM
from cluster.workspace.run_folder import Workspace
from imitation.common.settings import UserError
from imitation.common.wording import NEAREST, did_you_mean


@dataclass(frozen=True)
class Arm:
    """What an arm is. `trained_on` says it in a few words; `policy` is its `policy.name`; `budget_of` names
    the arm whose frames it must match, cycle by cycle, if that arm runs too. An arm that `shares_baseline`
    starts from the same cycle 0 as the others; `adds` says whether its cycles add frames. What it has and the
    arm `over` which it stands has not is what it `brings`: a contrast of the report, where both run."""

    name: str
    trained_on: str
    policy: str
    budget_of: str | None = None
    shares_baseline: bool = True
    sim_only: bool = False
    adds: bool = True
    over: str | None = None
    brings: str = ""


ARMS = {
    arm.name: arm
    for arm in (
        Arm("real", "real", "none", adds=False),
        Arm("longer", "real, longer", "none", adds=False),
        Arm("oversample", "real + failing frames once more", "oversample", budget_of="imitation"),
        Arm("sim", "sim", "none", shares_baseline=False, sim_only=True, adds=False),
        Arm("random", "real + random sim", "random", "imitation", over="oversample", brings="a simulator"),
        Arm(
            "untargeted",
            "real + untargeted sim",
            "untargeted",
            "imitation",
            over="random",
            brings="re-staging",
        ),
        Arm("imitation", "real + sim", "imitation", over="untargeted", brings="targeting"),
        Arm("adaptive", "real + adaptive sim", "adaptive", "imitation", over="imitation", brings="learning"),
    )
}
"""In the order of the table. A new arm is an entry here; `imitation.report.words.ARMS` says in a sentence for
readers what it is trained on, where its policy does not say enough."""


def find_arm(name: str) -> Arm:
    """An arm by its name, or that of a policy of one's own by its import path. Raises UserError."""
    if name in ARMS:
        return ARMS[name]
    if ":" in name:
        return Arm(name, f"real + {name.rpartition(':')[2]}", name, budget_of="imitation")
    hint = did_you_mean(name, ARMS, said=NEAREST)
    raise UserError(
        f"there is no arm {name!r}; {hint}, or name a policy of your own, 'package.module:factory'"
    )


def check_arms(config: Config, names: Sequence[str]) -> list[Arm]:
    """The arms of a comparison in the order in which they must run: an arm whose frames others match comes
    before them. Raises UserError for names that are unknown or stand twice, and for arms that make
    no sense with the configuration."""
    if twice := sorted({name for name in names if list(names).count(name) > 1}):
        raise UserError(f"arm {twice[0]!r} stands twice in {', '.join(names)}")
    arms = [find_arm(name) for name in names]
    for arm in arms:
        _check_arm(arm, config.loop.cycles, config.train.warm_start)
    return sorted(arms, key=lambda arm: arm.budget_of in names)


def _check_arm(arm: Arm, cycles: int, warm_start: bool) -> None:
    if arm.name == "longer" and not warm_start:
        raise UserError(
            "arm 'longer' needs train.warm_start=true: from scratch every detector takes the same steps, so "
            "it would equal 'real'; leave it out"
        )
    if not cycles and arm.name not in ("real", "sim"):
        raise UserError(f"arm {arm.name!r} needs imitation cycles, but loop.cycles is 0")


def arm_config(config: Config, arm: Arm, budgets: Sequence[int] | None = None) -> Config:
    """The run configuration of an arm: `config` but for what makes the arm.

    `budgets` are the frames that each cycle may add (what `spent` says of the arm that it must match); their
    number becomes that of the cycles, also for arms that add none. Without them those of `aggregation` hold.
    No arm stops early on convergence: compute would not be equal. Raises UserError as `check_arms`.
    """
    _check_arm(arm, config.loop.cycles, config.train.warm_start)
    cycles = config.loop.cycles if budgets is None else len(budgets)
    if arm.name == "real" or (arm.sim_only and not config.train.warm_start):
        cycles = 0
    plain = config.plain()
    plain["policy"]["name"] = arm.policy
    plain["loop"] |= {"cycles": cycles, "sim_only": arm.sim_only}
    plain["stopping"]["min_cycles"] = max(cycles, config.stopping.min_cycles)
    if budgets is not None and arm.adds:
        plain["aggregation"]["budgets"] = list(budgets)
    return parse(plain, f"arm {arm.name}")


def spent(workspace: Workspace) -> list[int]:
    """The frames that each imitation cycle of a run has added, in order; rejected ones do not count."""
    frames: list[int] = []
    for stages in workspace.cycles(1):
        added = stages.get("simulate") or stages.get("repeat")
        if added is None:
            break
        frames.append(int(added["frames"]))
    return frames


def rendered(workspace: Workspace) -> int:
    """The synthetic frames that a run rendered, those of arm `sim`'s baseline too."""
    simulated = [stages["simulate"] for stages in workspace.cycles() if "simulate" in stages]
    return sum(int(stage["frames"]) for stage in simulated if TAKEN_FROM not in stage)
