"""Weights & Biases: one W&B run a run, whichever driver continues it."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from cluster.observability.callbacks import Broken
from cluster.observability.trackers.base import Tracked, Tracker, Values, remember, remembered
from cluster.observability.trackers.mirrored_folder import MirroredFolder
from imitation.common import storage
from imitation.common.settings import Settings

os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

MEMORY = "wandb"
LOGIN_TIMEOUT_S = 60  # of its question at a terminal where nobody is logged in


class WandbSettings(Settings):
    """Where the figures go."""

    project: str = Field(min_length=1, description="a project, or entity/project")


class WandbTracker(Tracker):
    """Cycles are metrics over "cycle", trainings over their own "cycle-001/main/step".

    W&B's own summary of a run that continues tells how far a curve has come; what it has is not sent
    again. Offline (WANDB_MODE=offline) there is no server to ask, and a few points may come twice.
    """

    name = "Weights & Biases"
    package = extra = "wandb"
    settings_class = WandbSettings

    def __init__(self, settings: WandbSettings, run: Tracked) -> None:
        import wandb

        entity, _, project = settings.project.rpartition("/")
        known = remembered(run.folder, MEMORY)
        run_id = known["run_id"] if known else uuid.uuid4().hex[:12]
        self._folder = MirroredFolder(storage.join(run.folder, "wandb"))
        self._folder.path.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            entity=entity or None,
            project=project,
            group=run.experiment,
            name=run.name,
            id=run_id,
            resume="allow",
            config=dict(run.config),
            dir=str(self._folder.path),
            settings=wandb.Settings(
                console="off",  # the log is not W&B's
                silent=True,
                disable_git=True,
                disable_code=True,
                save_code=False,
                x_disable_meta=True,  # the command line, which may hold what is nobody's business
                x_save_requirements=False,
                login_timeout=LOGIN_TIMEOUT_S,
            ),
        )
        remember(run.folder, MEMORY, {"run_id": run_id})
        self._run.define_metric("cycle", hidden=True)
        for part in ("val/*", "test/*", "mined/*", "data/*", "seconds/*", "simulated/*"):
            self._run.define_metric(part, step_metric="cycle")
        self._curves: set[str] = set()
        self._last: dict[str, int] = {}

    def point(self, curve: str, step: int, values: Values) -> None:
        along = f"{curve}/step"
        if curve not in self._curves:
            self._curves.add(curve)
            self._run.define_metric(along, hidden=True)
            self._run.define_metric(f"{curve}/*", step_metric=along)
        self._log(along, step, {f"{curve}/{tag}": value for tag, value in values.items()})

    def cycle(self, cycle: int, values: Values) -> None:
        self._log("cycle", cycle, values)

    def sync(self) -> None:
        self._folder.push()

    def finish(self, files: Mapping[str, str]) -> None:
        for name, uri in files.items():
            path = Path(self._run.dir) / name
            path.write_bytes(storage.read_bytes(uri))
            self._run.save(str(path), base_path=self._run.dir, policy="now")
        self._run.finish(exit_code=0)

    def close(self, broken: Broken | None = None) -> None:
        self._run.finish(exit_code=1 if broken else 0)
        self._folder.push()
        self._folder.close()

    def _log(self, along: str, step: int, values: Values) -> None:
        if along not in self._last:
            self._last[along] = int(self._run.summary.get(along, -1))
        if step > self._last[along]:
            self._run.log({along: step, **values})
            self._last[along] = step
