"""What a run tries before anything else: whatever of it is somebody's own, in seconds and not after hours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cluster.checks import bodies, detector, policy, simulator
from cluster.config.schema import Config
from cluster.config.simulator import each_apart, own_section, simulator_spec, simulators
from cluster.data.stageable import simulates
from cluster.observability.console import Reporter
from cluster.runtime.ray_address import cluster_address
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.contracts import Finding
from imitation.common.names import cycle_folder
from imitation.common.settings import UserError
from sim_actors.simulators.registry import EMBEDDED, SIMULATORS


def has_judged(workspace: Workspace) -> bool:
    """Whether a run has come through its first evaluation: what it relies on has been tried by then."""
    return storage.exists(workspace.path(cycle_folder(0), "stage-evaluate.json"))


def try_early(configs: Sequence[Config], reporter: Reporter) -> None:
    """Tries what runs of these configurations bring along: detector, policies, simulator, bodies, each once.

    What comes with this project is not tried: its own tests do that. Raises UserError with the first problem;
    what is only odd is said.
    """
    tried: set[object] = set()
    for config in configs:
        for key, what, findings in _checks(config):
            if key in tried:
                continue
            tried.add(key)
            reporter.say(f"trying {what} (imitate check {key[0]} tells more)")
            found = list(findings)  # to their end: then the process that tried it has ended, too
            for finding in found:
                if finding.status == "note":
                    reporter.say(f"note: {finding.about}: {finding.tried}: {finding.text}")
            if problem := next((finding for finding in found if finding.status == "problem"), None):
                raise UserError(problem.text)


def unusable(config: Config) -> Iterator[str]:
    """Why each of the simulators that a run needs cannot render on this machine, if it cannot."""
    if cluster_address(config.ray):
        return
    wanted = [simulator_spec(config, EMBEDDED)] if config.data.is_stand_in else []
    if simulates(config):  # one's own: `try_early`
        named = simulators(config).specs.values()
        wanted += [spec for spec in named if not SIMULATORS.is_own(spec.simulator)]
    for spec in wanted:
        if reason := spec.ask("preflight"):
            yield f"simulator {spec.label}: {reason}" if spec.label else reason


def _checks(config: Config) -> Iterator[tuple[tuple[str, str], str, Iterator[Finding]]]:
    if detector.needs_trying(config):
        name = config.detector.name
        key = (detector.ABOUT, repr(config.detector))
        yield key, f"detector {name}: a step of training and one of prediction", detector.findings(config)
    if policy.needs_trying(config):
        name = config.policy.name
        yield (policy.ABOUT, name), f"policy {name}: a request about toy failures", policy.findings(config)
    for label, apart in each_apart(config).items():
        if simulator.needs_trying(apart):
            found = simulator.findings(apart, scenes=1, brief=True)
            yield (simulator.ABOUT, label), f"simulator {label}: one scene", found
        uri = apart.renderer.bodies
        if uri is not None and own_section(apart) is apart.renderer and simulates(apart):
            yield (bodies.ABOUT, uri), f"bodies of {uri}", bodies.findings(apart)
