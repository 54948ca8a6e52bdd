"""One trial of a sweep: a run on a shared baseline that tells Tune its score after every cycle.

Tune places a trial in a placement group of its own, which has no room for what the trial starts. So what
Tune runs only passes messages on. The run's driver is outside of that group, and what it starts (trainer,
simulators, evaluation) is placed as for any run.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.experiments.drivers import Event, Tell
from cluster.experiments.folder import TRIALS
from cluster.experiments.sweep.search_space import trial_id, with_settings
from cluster.observability.console import Reporter
from cluster.run.baseline import ensure_baseline, patient_lock
from cluster.run.storage_checks import absolute_places
from cluster.workspace.run_folder import Workspace
from imitation.common import storage
from imitation.common.storage import retry


def trial_folder(folder: str, name: str) -> str:
    """Where a trial of the sweep in `folder` lies."""
    return storage.join(folder, TRIALS, name)


def trial_config(config: Config, folder: str, settings: dict[str, Any]) -> Config:
    """The run of one trial; nothing in it speaks of the sweep."""
    plain = with_settings(absolute_places(config), settings).plain()
    plain["run"] |= {"storage": storage.join(folder, TRIALS), "name": trial_id(settings)}
    del plain["sweep"]
    return parse(plain, "trial")


def run_trial(plain: dict[str, Any], folder: str, reporter: Reporter, tell: Tell) -> None:
    """A whole trial: its baseline, if no other has computed it, then its run; what is committed is not
    done again. `tell` gets an event after every cycle, the baseline first, without any number of `test`.

    Raises UserError as a run does.
    """
    from cluster.run.main_job import carry_out, check, check_renderer

    config = parse(plain, "trial")
    retry.allow(config.run.storage_patience_s)
    check_renderer(config)
    base = ensure_baseline(config, folder, reporter)
    workspace = Workspace(trial_folder(folder, config.run.name), base)
    scores: list[float] = []

    def on_cycle(entry: Any) -> None:
        scores.append(entry.evaluation.score)
        tell(cycle_event(scores, entry.dataset, last=check(config, scores, entry.dataset) is not None))

    # waits: two trials may have the same settings, and so the same folder
    lock = partial(patient_lock, reporter=reporter)
    carry_out(config, workspace, reporter, on_cycle, lock=lock, hide_test=True)


def cycle_event(scores: list[float], dataset: Any, last: bool) -> Event:
    """What Tune is told after a cycle. `best_val` is what trials are compared by."""
    best = max(scores)
    return {
        "cycle": len(scores) - 1,
        "val": scores[-1],
        "best_val": best,
        "best_cycle": scores.index(best),
        "synthetic_frames": dataset.synthetic_frames,
        "synthetic_ratio": dataset.synthetic_frames / max(1, dataset.real.frames),
        "last": last,
    }
