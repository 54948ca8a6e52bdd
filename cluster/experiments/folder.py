"""The folder of many runs, of a sweep or a comparison.

<run.storage>/<name>/
  sweep.yaml or comparison.yaml   the configuration; another one is refused
  run.json                        versions and machine; commits that went on later
  baselines/<key>/                data and cycle 0, for all runs that share them
  trials/<name>/                  a run each
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import yaml

from cluster.checks.early import try_early, unusable
from cluster.config.schema import Config
from cluster.data.leaks import leaks
from cluster.data.stageable import outlook
from cluster.observability.console import Reporter
from cluster.observability.trackers.registry import check_tracking
from cluster.run.baseline import has_baseline
from cluster.run.storage_checks import check_lasting, in_job
from cluster.workspace.driven import driven
from cluster.workspace.lock import RunLock
from cluster.workspace.run_folder import (
    FREE_KEYS,
    RUN_JSON,
    TRIALS,
    Workspace,
    differences,
    environment,
    read_config,
)
from imitation.common import storage
from imitation.common.settings import UserError
from imitation.common.storage import retry


@dataclass(frozen=True)
class Folder:
    """Where many runs of one kind lie: `kind` is their word ("sweep"), `section` the section that describes
    them, `may_change` those of its settings that another start may change."""

    uri: str
    kind: str
    section: str
    may_change: tuple[str, ...] = ()

    @property
    def config_file(self) -> str:
        return storage.join(self.uri, f"{self.kind}.yaml")

    def trial(self, name: str, base: str | None = None) -> Workspace:
        """A run's folder."""
        return Workspace(storage.join(self.uri, TRIALS, name), base)

    def open(self, config: Config) -> bool:
        """Creates the folder, or reopens it; True if it continues what an earlier start began. `config` has
        absolute places. Raises UserError where the folder holds runs of another configuration, naming what
        differs."""
        storage.check_writable(self.uri)
        plain = config.plain()
        record = storage.join(self.uri, RUN_JSON)
        if not storage.exists(self.config_file):
            storage.write_json(record, environment())
            text = yaml.safe_dump(plain, sort_keys=False)
            storage.write_bytes_atomic(self.config_file, text.encode())
            return False
        free = (*(key for key in FREE_KEYS if key != self.section), *self.may_change)
        if changes := differences(read_config(self.config_file), plain, free):
            raise UserError(
                f"{self.uri} holds a {self.kind} of another configuration ({'; '.join(changes[:8])}). Give "
                f"the new one another {self.section}.name, or the old settings to continue the old one."
            )
        if storage.exists(record):  # sweeps of earlier versions have none
            _note_version(record)
        return True


def _note_version(uri: str) -> None:
    """Adds the commit of the code that continues, if it is not the one that began."""
    record, now = storage.read_json(uri), environment()["commit"]
    later = record.get("later_commits", [])
    if now not in (record["commit"], *later):
        storage.write_json(uri, record | {"later_commits": [*later, now]})


def refusals(runs: Iterable[Config]) -> list[str]:
    """Why runs of these configurations would not start here, for a plan that is only printed."""
    reasons = dict.fromkeys(reason for run in runs for reason in unusable(run))
    return [f"It would not start here: {reason}" for reason in reasons]


@contextmanager
def opened(
    folder: Folder, config: Config, runs: Sequence[Config], plan: Iterable[str], reporter: Reporter
) -> Iterator[None]:
    """The folder, checked, locked and opened, with the `plan` said; `runs` are configurations of the runs in
    it, one of each sort. Raises UserError for whatever could not work, before anything is computed."""
    from cluster.run.main_job import check_renderer

    if in_job():
        check_lasting(config)
    for run in runs:  # whether any has to render
        check_renderer(run)
    check_tracking(config.tracking)
    retry.allow(config.run.storage_patience_s)
    if not has_baseline(folder.uri):
        try_early(runs, reporter)
    staging = [*outlook(runs), *leaks(runs)]
    with RunLock(folder.uri, reporter.say) as held:
        continues = folder.open(config)
        reporter.say(f"{'continuing' if continues else 'starting'} {folder.kind} {folder.uri}")
        for line in (*plan, *staging):
            reporter.say(line)
        with driven(folder.uri, held.check):
            yield
