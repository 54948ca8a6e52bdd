"""One baseline for many runs: the real data and cycle 0, computed once for all that share their settings.

Runs that differ only in what acts after cycle 0 (the trials of a sweep, the arms of a comparison) start
from the same data, detector, folds and failures. `ensure_baseline` computes these once, in a folder of
their own; a run then names it as its `base` (`cluster.workspace.run_folder.Workspace`) and copies nothing.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.config.simulator import simulator_spec
from cluster.observability.console import Reporter
from cluster.workspace.lock import RunLock
from cluster.workspace.run_folder import CONFIG_FILE, Workspace, covers, differences, read_config
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.settings import UserError
from imitation.metrics.own import is_own


def has_baseline(folder: str) -> bool:
    """Whether a sweep or a comparison in this folder has finished a baseline."""
    bases = storage.join(folder, FOLDER)
    return storage.exists(bases) and any(
        storage.exists(storage.join(base, DONE)) for base in storage.list_folders(bases)
    )


DONE = "baseline.json"
FOLDER = "baselines"
POLL_S = 2.0

ACTS_LATER = (
    "run.storage",  # where, not what
    "run.name",
    "train.synthetic_share",  # there is no synthetic frame in cycle 0
    "train.schedule",
    "train.pretrain_share",
    "train.real_last",
    "train.synthetic_weight",
    "train.synthetic_boxes",
    "train.warm_start",  # cycle 0 has no cycle before it
    "train.warm_steps",
    "mining.max_failures",  # drawn when the first request is made
    "mining.fold_start",  # cycle 0 has no cycle before it
    "mining.later_fold_steps",
    "mining.folds_every",
    "mining.reach",  # reasons are given to failures that persist, from cycle 1 on
    "policy",
    "aggregation",
    "stopping",
    "loop.cycles",  # but whether there are any: without, no folds are trained
    "loop.metric",  # which number of an evaluation counts, not the evaluation
    "restage",
    "randomize",
    "free",
    "acceptance",
    "sweep",
    "compare",
)
"""Settings, or whole sections, that change nothing in the data and in cycle 0. The embedded stand-in world
has ranges of its own: `randomize` and `free` do not reach it. `simulate.simulator` is not among them: what
it can stage is counted with the baseline's failures. `renderer` draws the stand-in world, so it acts later
only where the data is not that (`ACTS_LATER_ON_REAL_DATA`)."""

ACTS_LATER_ON_REAL_DATA = (
    "simulate.options",
    "renderer.supersampling",
    "renderer.shadow_map",
    "renderer.ignore_below_px",
    "renderer.ignore_occlusion_above",
    "renderer.ignore_below_contrast",
    "renderer.device",
    "renderer.threads",
)

NO_RESULT = (
    "ray",
    "report",
    "tracking",
    "run.storage_patience_s",
    "data.parallel_from",
    "evaluate.actors",
    "evaluate.max_attempts",
    "simulate.each",
    "simulate.actors",
    "simulate.cpus_per_actor",
    "simulate.gpus_per_actor",
    "simulate.scenes_per_actor",
    "simulate.max_actors",
    "simulate.max_in_flight",
    "simulate.scene_timeout_s",
    "simulate.startup_timeout_s",
    "simulate.placement_timeout_s",
    "simulate.max_attempts",
    "simulate.recycle_after",
    "simulate.max_rss_mb",
    "simulate.frames_per_file",
    "train.decode_threads",
    "train.cache_mb",
    "train.checkpoint_every",
    "train.report_every",
    "train.max_restarts",
)
"""Settings that say how the work is carried out, and change none of its results."""


def may_differ(config: Config) -> tuple[str, ...]:
    """The settings in which runs may differ that share this configuration's baseline; all others count."""
    real: tuple[str, ...] = () if config.data.is_stand_in else ACTS_LATER_ON_REAL_DATA
    if _options_say_what_is_staged(config):
        real = tuple(key for key in real if key != "simulate.options")
    # a metric of one's own is measured with the evaluation
    later = [key for key in ACTS_LATER if key != "loop.metric" or not is_own(config.loop.metric)]
    return (*later, *NO_RESULT, *real)


def _options_say_what_is_staged(config: Config) -> bool:
    """Whether a simulator's options change what it can stage: which program it is, say. That is counted with
    the baseline's failures."""
    if not config.simulate.options or isinstance(config.simulate.simulator, tuple):
        return False
    spec = simulator_spec(config)
    try:
        return replace(spec, options={}).catalog() != spec.catalog()
    except Exception:  # whatever a simulator of one's own makes of options that it needs
        return True


def baseline_key(config: Config) -> str:
    """A name for the baseline of this configuration: 12 hex digits, the same for all that share it."""
    text = json.dumps(old_names.settings_before(baseline_config(config).plain()), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def baseline_config(config: Config, *, as_carried_out: bool = False) -> Config:
    """The configuration of the baseline alone: what may differ has its default (`as_carried_out`: the
    settings of `NO_RESULT` stay). With any imitation cycles it mines for one, whatever their cap.

    Raises UserError for `loop.sim_only`, whose cycle 0 is made of what the others meet later.
    """
    if config.loop.sim_only:
        raise UserError("loop.sim_only trains on no real data: such a run shares its baseline with no other")
    reset = [key for key in may_differ(config) if not (as_carried_out and key in NO_RESULT)]
    plain = _without(config.plain(), reset)
    if isinstance(several := plain["simulate"]["simulator"], list):  # who renders what comes later
        plain["simulate"]["simulator"] = [member | {"weight": 1.0} for member in several]
    plain["loop"]["cycles"] = min(1, config.loop.cycles)
    plain["aggregation"] = {"max_synthetic_ratio": 1.0}  # room for a frame even where there is one real one
    return parse(plain, "baseline")


def _without(plain: dict[str, Any], keys: list[str], prefix: str = "") -> dict[str, Any]:
    return {
        name: _without(value, keys, f"{prefix}{name}.") if isinstance(value, dict) else value
        for name, value in plain.items()
        if not any(covers(key, prefix + name) for key in keys)
    }


def ensure_baseline(
    config: Config,
    folder: str,
    reporter: Reporter,
    compute: Callable[[Config, Workspace, Reporter], None] | None = None,
) -> str:
    """The base for runs with this configuration: `<folder>/baselines/<key>`, computed if it is not there.

    Any number of processes may ask at the same time, on any machine that reaches the folder: one computes,
    the others wait, and another takes over where it is killed; what it had committed is not done again.
    Raises UserError as a run does. `compute` is for tests.
    """
    base = Workspace(storage.join(folder, FOLDER, baseline_key(config)))
    if not storage.exists(base.path(DONE)):
        with patient_lock(base.uri, reporter) as held:
            base.check = held.check
            if not storage.exists(base.path(DONE)):
                base.open(baseline_config(config).plain())
                (compute or _compute)(baseline_config(config, as_carried_out=True), base, reporter)
                storage.write_json(base.path(DONE), {"key": baseline_key(config)})
    return base.uri


@contextmanager
def patient_lock(uri: str, reporter: Reporter) -> Iterator[RunLock]:
    """A folder's `RunLock`, waited for while another process holds it."""
    with ExitStack() as stack:
        waiting = False
        while True:
            try:
                held = stack.enter_context(RunLock(uri))
                break
            except storage.StorageError:
                raise
            except UserError as refusal:
                if not waiting:
                    reporter.say(f"waiting: {refusal}")
                waiting = True
                time.sleep(POLL_S)
        yield held


def _compute(config: Config, base: Workspace, reporter: Reporter) -> None:
    from cluster.observability.callbacks import Watch
    from cluster.observability.progress_file import ProgressFile
    from cluster.run.loop import loop

    reporter.say(f"computing the baseline {base.uri}")
    watch = Watch(reporter, [ProgressFile(base.uri)])
    watch.open()
    try:
        loop(config, base, watch, lambda scores, dataset: "the baseline alone.", lambda entry: None)
    finally:
        watch.close()


def check_base(config: Config, base: str) -> None:
    """Raises UserError where `base` is no finished baseline, or not that of this configuration."""
    if not storage.exists(storage.join(base, DONE)):
        raise UserError(f"{base}: no finished baseline lies there ({DONE} is missing)")
    made_with = read_config(storage.join(base, CONFIG_FILE))
    changes = differences(made_with, baseline_config(config).plain(), free=("loop.cycles",))
    if changes or made_with["loop"]["cycles"] < min(1, config.loop.cycles):
        what = "; ".join(changes[:8]) or "it was not mined for imitation cycles"
        raise UserError(f"{base} is the baseline of another configuration ({what}); it cannot serve this run")
