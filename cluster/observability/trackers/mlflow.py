"""MLflow: one MLflow run a run, whichever driver continues it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import Field

from cluster.observability.callbacks import Broken
from cluster.observability.trackers.base import Tracked, Tracker, Values, remember, remembered
from imitation.common import storage
from imitation.common.settings import Settings

# set before MLflow is imported: a server that is down costs seconds, not the minutes of its defaults
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "20")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

MEMORY = "mlflow"
PARAMS_A_CALL = 100
LONGEST_PARAM = 6000


class MlflowSettings(Settings):
    """Where the figures go."""

    uri: str = Field(
        min_length=1, description="a server (http://...), or a folder or sqlite:/// file on this machine"
    )


class MlflowTracker(Tracker):
    """Cycles are metrics over cycles, "val/map50"; trainings over steps, "cycle-001/main/train/loss".

    What MLflow has of a curve already is asked for once, and not sent again.
    """

    name = "MLflow"
    package = extra = "mlflow"
    settings_class = MlflowSettings

    def __init__(self, settings: MlflowSettings, run: Tracked) -> None:
        from mlflow.entities import Metric, Param

        self._metric, self._param = Metric, Param
        self._client = _client(settings.uri)
        self._last: dict[str, int] = {}
        if (known := _known(settings.uri, run.folder)) is not None:
            self.run_id = known
            self._client.update_run(self.run_id, status="RUNNING")
            return
        found = self._client.get_experiment_by_name(run.experiment)
        at = found.experiment_id if found else self._client.create_experiment(run.experiment)
        made = self._client.create_run(at, run_name=run.name, tags={"imitation.folder": run.folder})
        self.run_id = made.info.run_id
        uri = storage.without_secrets(_tracking_uri(settings.uri))
        remember(run.folder, MEMORY, {"uri": uri, "run_id": self.run_id})
        params = (Param(key, str(value)[:LONGEST_PARAM]) for key, value in run.config.items())
        while some := list(islice(params, PARAMS_A_CALL)):
            self._client.log_batch(self.run_id, params=some)

    @classmethod
    def end_killed(cls, settings: MlflowSettings, folder: str) -> None:
        if (known := _known(settings.uri, folder)) is not None:
            _client(settings.uri).set_terminated(known, "KILLED")

    def point(self, curve: str, step: int, values: Values) -> None:
        self._log({f"{curve}/{tag}": value for tag, value in values.items()}, step)

    def cycle(self, cycle: int, values: Values) -> None:
        self._log(values, cycle)

    def sync(self) -> None:
        """Everything was sent as it came."""

    def finish(self, files: Mapping[str, str]) -> None:
        for name, uri in files.items():
            _log_file(self._client, self.run_id, name, uri)
        self._client.set_terminated(self.run_id, "FINISHED")

    def close(self, broken: Broken | None = None) -> None:
        """A run that is not complete ends as FAILED or KILLED; the driver that continues it makes it RUNNING
        again."""
        if broken is not None:
            self._client.set_terminated(self.run_id, {"failed": "FAILED", "stopped": "KILLED"}[broken])

    def _log(self, values: Values, step: int) -> None:
        now = int(1000 * time.time())
        metrics = [
            self._metric(_key(tag), value, now, step)
            for tag, value in values.items()
            if step > self._last_step(_key(tag))
        ]
        if metrics:
            self._client.log_batch(self.run_id, metrics=metrics)
            self._last |= {metric.key: step for metric in metrics}

    def _last_step(self, key: str) -> int:
        if key not in self._last:
            history = self._client.get_metric_history(self.run_id, key)
            self._last[key] = max((metric.step for metric in history), default=-1)
        return self._last[key]


def _client(where: str) -> Any:
    uri = _tracking_uri(where)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def _known(where: str, folder: str) -> str | None:
    """The MLflow run that goes on with the run in `folder`, if there is one at this server."""
    known = remembered(folder, MEMORY)
    same = known is not None and known["uri"] == storage.without_secrets(_tracking_uri(where))
    return str(known["run_id"]) if known is not None and same else None


def _tracking_uri(text: str) -> str:
    """A folder as MLflow's file store, which it keeps but no longer opens unasked."""
    if "://" in text or text in ("databricks", "uc") or text.startswith(("file:", "sqlite:")):
        uri = text
    else:
        uri = Path(text).expanduser().absolute().as_uri()
    if uri.startswith("file:"):
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    return uri


def _key(tag: str) -> str:
    """MLflow's names take letters, digits and "_-. :/" alone; categories are named by people."""
    return "".join(c if c.isalnum() or c in "_-. :/" else "_" for c in tag)


def _log_file(client: Any, run_id: str, name: str, uri: str) -> None:
    import tempfile

    with tempfile.TemporaryDirectory(prefix="imitation-mlflow-") as folder:
        path = Path(folder) / name
        path.write_bytes(storage.read_bytes(uri))
        client.log_artifact(run_id, str(path))
