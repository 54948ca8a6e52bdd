"""Whether cheaper folds mine the same failures: each way beside whole folds, on the same data, by seed.

    python -m benchmarks.folds --keep DIR [--seeds 5] [SETTING ...]

For each seed a baseline is computed (data, cycle 0) and the synthetic frames of cycle 1 are rendered, once.
Then every way trains the folds' detectors of cycle 1 on the same frames, and they mine. The ways: `whole`
(the defaults), `again` (the same from another seed: what chance alone changes), and those given by
`--way NAME=mining.key=value,...`; by default `warm` (from their own weights, a third of the steps), `short`
(from scratch, half of the steps) and `resting` (those of cycle 0 mine again, which costs nothing).

Agreement with `whole` is over objects that are wrong (missed, badly placed, of the wrong class): Jaccard
index, and the share of `whole`'s that the way finds too; `request` is the overlap (1 minus the total
variation distance) of the frames that the policy asks for, by stratum. `difference`: the Jaccard index minus
that of `again`, mean over seeds with its paired 95 % interval (Student's t). A way that costs less may be
adopted where that interval lies above -`--margin`. `--keep` keeps what is finished: the same command goes on.
SETTING are `section.key=value` of a run. Prints a table, then one JSON object as the last line.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from cluster.config.parse import load_defaults
from cluster.config.schema import Config
from cluster.data.stageable import catalog
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.run.baseline import ensure_baseline
from cluster.runtime.ray_session import end_ray
from cluster.stages.cluster_stages import ClusterStages
from cluster.stages.context import RunContext
from cluster.stages.cycle import Detectors, Evaluation
from cluster.stages.diagnose import MINE
from cluster.stages.evaluate import judge
from cluster.stages.prepare import RealData
from cluster.stages.request import ask
from cluster.stages.services import Services
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Dataset, Part
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.names import MAIN, fold_name, train_stage
from imitation.evaluation.detection_files import FILE
from imitation.evaluation.failures import Failure, read_failures
from imitation.policies import Mined, build_policy, stratum_name

WAYS = {
    "warm": "mining.fold_start=before,mining.later_fold_steps=0.2",
    "short": "mining.later_fold_steps=0.3",
    "resting": "mining.folds_every=2",
}
CYCLE = 1


def configured(settings: list[str], seed: int, keep: str, name: str) -> Config:
    return load_defaults(
        [
            *("loop.cycles=2", "loop.twin=false", *settings),
            *(f"run.seed={seed}", f"run.storage={keep}", f"run.name={name}"),
        ]
    )


def mined(config: Config, base: str, source: str | None, reporter: Reporter) -> dict[str, Any]:
    """What the folds of cycle 1 mine in a run on `base`, and their steps. The synthetic frames are those of
    `source`, a run that has rendered them; None: they are rendered, and committed in this one."""
    workspace = Workspace(storage.join(config.run.storage, config.run.name), base)
    done = workspace.path("folds.json")
    failures = workspace.path("failures.parquet")
    if not storage.exists(done):
        workspace.open(config.plain())
        data = RealData.from_json(
            old_names.read_json(workspace.path("data", "stage-prepare.json")), workspace
        )
        with Services(config) as services:
            services.start()
            run = RunContext(config.run.seed, workspace, data, services, Watch(reporter), catalog(config))
            stages = ClusterStages(config, run, build_policy(config.policy))
            dataset = Dataset(data.parts["train"], config.aggregation)
            before = run.path(0, "evaluation", "failures.parquet")
            if source is None:
                part = stages.simulate(
                    stages.request(Evaluation({}, before, 0.0), CYCLE, dataset.room_for_synthetic()), CYCLE
                )
            else:
                rendered = Workspace(source).committed("cycle-001")["simulate"]["frames"]
                part = Part(Workspace(source).path("cycle-001", "synthetic"), rendered, CYCLE)
            assert part is not None
            folds = stages.training.folds(dataset.aggregate(part), CYCLE)
            names = {fold_name(k): uri for k, uri in enumerate(folds)}
            fold_of = {i: fold_name(k) for k, ids in enumerate(data.folds) for i in ids}
            main = run.path(0, "detector", MAIN)
            detections = workspace.path(FILE)
            evaluate(
                [
                    EvaluationPart(data.parts["val"].uri, "val", (*names, MAIN)),
                    EvaluationPart(data.parts["test"].uri, "test", (MAIN,)),
                    EvaluationPart(data.parts["train"].uri, MINE, only=fold_of),
                ],
                {**names, MAIN: main},
                data.categories,
                detections,
                config.evaluate,
            )
            judge(detections, failures, Detectors(main, folds), run.categories, run.reach)
            seen = Mined(list(read_failures(failures)), data.category_counts, run.reach)
            asked, _ = ask(
                stages.policy,
                seen,
                cycle=CYCLE + 1,
                budget=dataset.aggregate(part).room_for_synthetic(),
                parents=run.mined,
                strength=config.policy.strength,
                rng=np.random.default_rng(0),
            )
            trained = workspace.committed("cycle-001")
            own = config.mining.trained_in(CYCLE) == CYCLE  # a warm start's own, without those before it
            steps = own * len(names) * config.mining.steps_of_fold(config.train.steps, CYCLE)
            seconds = sum(trained[train_stage(n)]["work_seconds"] for n in names if train_stage(n) in trained)
            strata = _strata(read_failures(failures), [request.to_row() for request in asked])
            storage.write_json(done, {"steps": steps, "seconds": seconds, "requested": strata})
    return storage.read_json(done) | {"wrong": _wrong(failures), "uri": workspace.uri}


def _wrong(uri: str) -> set[tuple[str, int]]:
    """The objects that are wrong: frame and index."""
    return {(f.frame_id, f.object_index) for f in read_failures(uri) if f.object_index is not None}


def _strata(failures: Any, requests: list[dict[str, Any]]) -> dict[str, float]:
    """Frames that the policy asks for by stratum of the failures that they are for."""
    by_id: Mapping[str, Failure] = {failure.failure_id: failure for failure in failures}
    counts: Counter[str] = Counter()
    for request in requests:
        names = [stratum_name(by_id[i]) for i in request["failures"] if i in by_id]
        for name in names:
            counts[name] += request["variations"] / len(names)
    return dict(counts)


def overlap(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    """Of two distributions: 1 where they are the same, 0 where they share nothing."""
    shares = [{k: v / sum(each.values()) for k, v in each.items()} for each in (a, b)]
    return (
        sum(min(shares[0].get(k, 0.0), shares[1].get(k, 0.0)) for k in shares[0]) if a and b else float("nan")
    )


def agreement(way: dict[str, Any], whole: dict[str, Any]) -> dict[str, float]:
    both = way["wrong"] & whole["wrong"]
    return {
        "jaccard": len(both) / max(1, len(way["wrong"] | whole["wrong"])),
        "found": len(both) / max(1, len(whole["wrong"])),
        "request": overlap(way["requested"], whole["requested"]),
        "steps": way["steps"] / max(1, whole["steps"]),
    }


def measure(options: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    reporter = Reporter()
    ways = dict(word.split("=", 1) for word in options.way) or WAYS
    found: dict[str, list[dict[str, float]]] = {}
    for seed in range(options.seeds):
        folder = storage.absolute(storage.join(options.keep, f"seed-{seed}"))
        base = ensure_baseline(configured(options.settings, seed, folder, "whole"), folder, reporter)
        whole = mined(configured(options.settings, seed, folder, "whole"), base, None, reporter)
        # another seed of the folds' trainings alone: data, folds and synthetic frames are the same
        again = configured(options.settings, seed, folder, "again")
        results = {"again": mined(_reseeded(again), base, whole["uri"], reporter)}
        for name, words in ways.items():
            config = configured([*options.settings, *words.split(",")], seed, folder, name)
            results[name] = mined(config, base, whole["uri"], reporter)
        for name, result in results.items():
            found.setdefault(name, []).append(agreement(result, whole))
            print(f"seed {seed}, {name}: {found[name][-1]}", flush=True)
    return found


def _reseeded(config: Config) -> Config:
    run = config.run.model_copy(update={"seed": config.run.seed + 1000})
    return config.model_copy(update={"run": run})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("settings", nargs="*", metavar="SETTING")
    parser.add_argument("--keep", required=True, metavar="DIR", help="folder of what is finished")
    parser.add_argument("--way", action="append", default=[], metavar="NAME=SETTINGS")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--margin", type=float, default=0.05)
    options = parser.parse_intermixed_args()
    try:
        found = measure(options)
    finally:
        end_ray()
    table = {}
    head = f"{'way':10}{'steps':>7}{'jaccard':>9}{'found':>7}{'request':>9}"
    print(f"{head}{'difference':>12}{'95 % interval':>18}")
    for name, parts in found.items():
        means = {key: statistics.fmean(part[key] for part in parts) for key in parts[0]}
        rises = np.array([a["jaccard"] - b["jaccard"] for a, b in zip(parts, found["again"], strict=True)])
        spread = float(rises.std(ddof=1)) / len(rises) ** 0.5 if len(rises) > 1 else float("nan")
        reach = float(stats.t.ppf(0.975, len(rises) - 1)) * spread if len(rises) > 1 else float("nan")
        low, high = float(rises.mean()) - reach, float(rises.mean()) + reach
        print(
            f"{name:10}{means['steps']:>7.2f}{means['jaccard']:>9.3f}{means['found']:>7.2f}"
            f"{means['request']:>9.2f}{rises.mean():>+12.3f}{f'{low:+.3f} to {high:+.3f}':>18}"
        )
        equal = len(rises) > 1 and low > -options.margin
        table[name] = means | {"difference": float(rises.mean()), "low": low, "high": high, "equal": equal}
    print(json.dumps({"benchmark": "folds", "settings": vars(options), "ways": table}))


if __name__ == "__main__":
    main()
