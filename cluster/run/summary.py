"""From a finished run's folder to summary.json and report.html."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import yaml

from cluster.config.schema import Config
from cluster.observability.cycle_time import time_uri
from cluster.simulation.stream import REJECTED
from cluster.stages.cycle import Evaluation, twin_seed
from cluster.stages.prepare import RealData
from cluster.stages.stageable import feasible, simulates
from cluster.workspace.run_folder import Workspace
from imitation.common import old_names, storage
from imitation.common.names import MAIN, TWIN, cycle_folder, train_stage
from imitation.diagnosis.fates import RUN_FILE
from imitation.loop import Cycle as LoopCycle
from imitation.loop import History
from imitation.report.run.gallery import GalleryItem, collect_gallery, collect_suspects
from imitation.report.run.html import render_report
from imitation.report.run.record import Cycle, Run, Summary, write_summary
from imitation.report.words import BASELINE


def arm_label(config: Config, cycle: int) -> str:
    """The name of a cycle's detector, the same in a run's table and in a comparison's: "baseline",
    "imitation, cycle 1"."""
    if config.loop.sim_only:
        return f"sim, cycle {cycle}" if cycle else "sim"
    if cycle == 0:
        return BASELINE
    arm = "longer" if config.policy.name == "none" else config.policy.name
    return f"{arm}, cycle {cycle}"


SUMMARY = "summary.json"
REPORT = "report.html"
ANALYSED = ("protocols", "errors", "slices", "calibration", "modes", "followed")


def build_summary(
    config: Config,
    workspace: Workspace,
    data: RealData,
    history: History[Evaluation],
    peak_memory_mb: float | None,
) -> Summary:
    """Puts together and writes `summary.json` from the committed stages."""
    told = storage.read_json(workspace.path("run.json"))
    cycles = [_cycle(config, workspace, entry) for entry in history.cycles]
    prepared = storage.read_json(workspace.path("data", "stage-prepare.json"))["seconds"]
    summary = Summary.of(
        run=Run(
            name=config.run.name,
            seed=config.run.seed,
            data_kind=config.data.kind,
            title=_title(config),
            stand_in=config.data.is_stand_in,
            notes=data.notes,
            computed_on=_computed_on(workspace, cycles),
            **told,
        ),
        categories=data.categories.categories,
        splits={split: part.frames for split, part in data.parts.items()},
        cycles=cycles,
        best_cycle=history.best.cycle,
        stop_reason=history.reason,
        problems=data.problems + _errors(workspace, history),
        unmapped=data.unmapped,
        churn=_churn(config, workspace),
        suspected_label_errors=_suspects(workspace, history),
        seconds_total=round(prepared + sum(sum(cycle.seconds.values()) for cycle in cycles), 3),
        peak_memory_mb=peak_memory_mb,
        staging=_staging(config, data),
    )
    write_summary(summary, workspace.path(SUMMARY))
    return summary


def write_report(config: Config, workspace: Workspace, data: RealData, summary: Summary) -> str:
    """Writes `report.html` and returns where it lies."""
    uri = workspace.path(REPORT)
    items = _gallery(config, workspace, data, summary)
    suspects = collect_suspects(
        summary.suspected_label_errors or [],
        data.parts["train"].uri,
        config.report.gallery // 2,
        np.random.default_rng([config.report.seed, 1]),
    )
    text = render_report(
        summary,
        items,
        yaml.safe_dump(config.plain(), sort_keys=False),
        suspects=suspects,
        fates=RUN_FILE if storage.exists(workspace.path(RUN_FILE)) else None,
    )
    storage.write_bytes_atomic(uri, text.encode("utf-8"))
    return uri


def _staging(config: Config, data: RealData) -> dict[str, Any] | None:
    if not simulates(config):
        return None
    told = feasible(config, data.categories, data.labels())
    return {"staged": told.staged, "not_staged": told.missing} if told.known is not None else None


def _title(config: Config) -> str:
    if config.data.is_stand_in:
        return "Demonstration: one seed of an embedded stand-in world"
    name = storage.name_of(config.data.root or "")
    return f"{config.data.dataset.name} folder {name}, one seed"


def _cycle(config: Config, workspace: Workspace, entry: LoopCycle[Evaluation]) -> Cycle:
    folder = cycle_folder(entry.cycle)
    stages = {
        storage.name_of(uri).removeprefix("stage-").removesuffix(".json"): old_names.read_json(uri)
        for uri in storage.list_files(workspace.path(folder), ".json")
        if storage.name_of(uri).startswith("stage-")
    }
    trained = stages[train_stage(MAIN)]
    simulated = None
    if "simulate" in stages:
        report, asked = stages["simulate"], stages.get("request", {})
        simulated = {
            "requests": len(asked["requests"]) if asked else report["asked"],
            "rendered": report["frames"],
            "set_aside": report["set_aside"],
            "frames_per_second": report["frames_per_second"],
            "asked": report["asked"],
            "rejected": sum(scene["kind"] == REJECTED for scene in report["set_aside"]),
            "modes": asked.get("arms"),
        }
    return Cycle.of(
        cycle=entry.cycle,
        label=arm_label(config, entry.cycle),
        val=entry.evaluation.metrics["val"].to_dict(),
        test=entry.evaluation.metrics["test"].to_dict(),
        real_frames=trained["real_frames"],
        synthetic_frames=trained["synthetic_frames"],
        repeated_frames=trained["repeated_frames"],
        steps=trained["steps"],
        images_seen=trained["images_seen"],
        seconds={name: stage["seconds"] for name, stage in stages.items()},
        time=_time(time_uri(workspace, folder)),
        mined=stages["evaluate"].get("mined"),
        simulated=simulated,
        **{name: stages["analyse"][name] for name in ANALYSED},
    )


def _computed_on(workspace: Workspace, cycles: list[Cycle]) -> list[str]:
    """What trained the detectors of the table, each named once."""
    stages = [
        workspace.path(cycle_folder(cycle.cycle), f"stage-{train_stage(MAIN)}.json") for cycle in cycles
    ]
    return sorted({told for uri in stages if (told := storage.read_json(uri).get("computed_on"))})


def _time(uri: str) -> dict[str, Any] | None:
    return storage.read_json(uri) if storage.exists(uri) else None


def _churn(config: Config, workspace: Workspace) -> dict[str, Any] | None:
    """What two seeds of the baseline differ by; None without a second one."""
    judged = old_names.read_json(workspace.path(cycle_folder(0), "stage-evaluate.json"))
    if TWIN not in judged:
        return None
    followed = old_names.read_json(workspace.path(cycle_folder(0), "stage-analyse.json"))["churn"]
    return {
        "seed": twin_seed(config.run.seed),
        "mAP": {split: metrics["map50"] for split, metrics in judged[TWIN].items()},
        "followed": followed,
    }


def _suspects(workspace: Workspace, history: History[Evaluation]) -> list[dict[str, Any]]:
    """Those of the last cycle that was mined: the others are older drafts of the same list."""
    for entry in reversed(history.cycles):
        told = old_names.read_json(workspace.path(cycle_folder(entry.cycle), "stage-analyse.json"))
        if told["suspects"]:
            return list(told["suspects"])
    return []


def _errors(workspace: Workspace, history: History[Evaluation]) -> list[str]:
    """Frames that an evaluation could not read, and that trainings replaced (`on_error: skip`)."""
    found: dict[str, None] = {}
    for entry in history.cycles:
        folder = workspace.path(cycle_folder(entry.cycle))
        for uri in storage.list_files(folder, ".json"):
            stage: dict[str, Any] = storage.read_json(uri)
            found |= dict.fromkeys(stage.get("errors", ()) if isinstance(stage.get("errors"), list) else ())
            found |= {f"{frame}: {why}": None for frame, why in stage.get("skipped", {}).items()}
    return list(found)


def _gallery(config: Config, workspace: Workspace, data: RealData, summary: Summary) -> list[GalleryItem]:
    """Failures of every cycle that was answered, drawn by seed, with the frames rendered for them."""
    answered = [after.cycle for before, after in pairwise(summary.cycles) if before.mined and after.simulated]
    rng = np.random.default_rng(config.report.seed)
    items: list[GalleryItem] = []
    shown: set[str] = set()
    for turn, cycle in enumerate(answered):
        share = (config.report.gallery + turn) // len(answered)  # of unequal shares the later are larger
        later = workspace.path(cycle_folder(cycle), "evaluation", "failures.parquet")
        items += collect_gallery(
            workspace.path(cycle_folder(cycle - 1), "evaluation", "failures.parquet"),
            data.parts["train"].uri,
            [workspace.path(cycle_folder(cycle), "synthetic")],
            share,
            rng,
            later_failures_uri=later if storage.exists(later) else None,
            shown=shown,
        )
    return items
