"""Toy trials for sweeps: the real loop, in milliseconds, on stages that know their scores."""

import os
import signal
from pathlib import Path
from typing import Any

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.experiments.drivers import Tell
from cluster.experiments.sweep.trial import cycle_event, trial_folder
from cluster.observability.console import Reporter
from cluster.run.main_job import check
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Dataset, Part
from imitation.common import storage
from imitation.common.names import cycle_folder
from imitation.common.settings import UserError
from imitation.loop import imitate

KEY = "policy.rarity"  # what a toy trial's quality is given by
SECRET = 0.123456789  # every test number of a toy run
BROKEN = 0.5  # a quality that cannot be run beyond its baseline


class _Evaluation:
    def __init__(self, score: float) -> None:
        self.score, self.failures = score, ()


class _Toy:
    """Stages that commit what a sweep's results are read from, and note each training that they do."""

    def __init__(self, config: Config, workspace: Workspace) -> None:
        self.quality, self.workspace = config.policy.rarity, workspace

    def train(self, dataset: Dataset, cycle: int) -> int:
        if self.quality == BROKEN and cycle == 1:
            raise UserError(f"{BROKEN:g} cannot be run")
        place = self.workspace.path(cycle_folder(cycle))

        def trained() -> dict[str, Any]:
            done = 0
            while storage.exists(storage.join(place, f"trained-{done}")):
                done += 1
            storage.write_json(storage.join(place, f"trained-{done}"), {})
            return {"real_frames": 100, "synthetic_frames": dataset.synthetic_frames, "steps": 8}

        self.workspace.stage(f"{cycle_folder(cycle)}/train-main", trained)
        return cycle

    def evaluate(self, detector: int, dataset: Dataset, cycle: int) -> _Evaluation:
        val = {"map50": 0.5 if cycle == 0 else 0.4 + self.quality * cycle / 10}
        told = {"metrics": {"val": val, "test": {"map50": SECRET}}}
        told = self.workspace.stage(f"{cycle_folder(cycle)}/evaluate", lambda: told)
        return _Evaluation(told["metrics"]["val"]["map50"])

    def request(self, evaluation: _Evaluation, cycle: int, budget: int) -> list[int]:
        return [budget]

    def simulate(self, requests: list[int], cycle: int) -> Part:
        return Part(f"synthetic-{cycle}", requests[0], cycle)


def work(arguments: tuple[dict[str, Any], str], mailbox: str | None, label: str, report: Tell) -> None:
    """In place of `cluster.experiments.drivers.drive` with its work. The larger `policy.rarity`, the better a
    trial gets.
    """
    plain, folder = arguments
    config = parse(plain)
    workspace = Workspace(trial_folder(folder, config.run.name))
    workspace.open(config.plain())
    scores: list[float] = []

    def on_cycle(entry: Any) -> None:
        scores.append(entry.evaluation.score)
        report(cycle_event(scores, entry.dataset, check(config, scores, entry.dataset) is not None))

    dataset = Dataset(Part("real", 100), config.aggregation)
    imitate(_Toy(config, workspace), dataset, lambda scores, data: check(config, scores, data), on_cycle)  # type: ignore[arg-type]
    storage.write_json(workspace.path("summary.json"), {"test": SECRET})


def dies_once(plain: dict[str, Any], folder: str, reporter: Reporter, tell: Tell) -> None:
    """A trial of four cycles whose first process is killed after the second."""
    first = not list(Path(folder).glob("driver-*"))
    (Path(folder) / f"driver-{os.getpid()}").touch()
    for cycle in range(4):
        tell({"cycle": cycle})
        if first and cycle == 1:
            os.kill(os.getpid(), signal.SIGKILL)


def cannot(plain: dict[str, Any], folder: str, reporter: Reporter, tell: Tell) -> None:
    raise UserError("it cannot be run")
