"""From a finished run's folder to summary.json and report.html."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import yaml

from cluster.config.parse import parse
from cluster.config.schema import Config
from cluster.config.sections import ReportSettings
from cluster.data.stageable import feasible, simulates
from cluster.observability.cycle_time import time_uri
from cluster.simulation.stream import REJECTED
from cluster.stages.cycle import Evaluation, twin_seed
from cluster.stages.prepare import RealData
from cluster.stages.synthetic.taken import TAKEN_FROM
from cluster.workspace.run_folder import CONFIG_FILE, REPORT, SUMMARY, Workspace, read_config
from imitation.common import storage
from imitation.common.formats import old_names
from imitation.common.names import MAIN, TWIN, cycle_folder, train_stage
from imitation.datasets.settings import DataSettings
from imitation.diagnosis.counterfactuals import Probe
from imitation.diagnosis.fates import RUN_FILE
from imitation.evaluation.detection_files import FILE, read_detections
from imitation.loop import Cycle as LoopCycle
from imitation.loop import History
from imitation.metrics.threshold_curves import ThresholdCurves, score_grid, threshold_curves
from imitation.report.run.gallery import GalleryItem, collect_gallery, collect_suspects
from imitation.report.run.record import Cycle, Run, Summary, read_summary, write_summary
from imitation.report.words import BASELINE
from imitation.suites.result import read_result

if TYPE_CHECKING:
    from imitation.report.probe.section import ProbeSection
    from imitation.report.suite.section import SuiteSection


def arm_label(config: Config, cycle: int) -> str:
    """The name of a cycle's detector, the same in a run's table and in a comparison's: "baseline",
    "imitation, cycle 1"."""
    if config.loop.sim_only:
        return f"sim, cycle {cycle}" if cycle else "sim"
    if cycle == 0:
        return BASELINE
    arm = "longer" if config.policy.name == "none" else config.policy.name
    return f"{arm}, cycle {cycle}"


SUITES = "suites"
"""The folder of a run that has its results on regression suites (`imitate suite run`)."""
PROBE = "probe"
"""The folder of a run that has its probe, where there was one (`imitate probe`)."""
Stages = dict[str, dict[str, Any]]
"""The committed stages of a cycle, by name."""
ANALYSED = ("protocols", "errors", "slices", "calibration", "modes", "followed")


def build_summary(
    config: Config,
    workspace: Workspace,
    data: RealData,
    history: History[Evaluation],
    peak_memory_mb: float | None,
) -> Summary:
    """Puts together and writes `summary.json` from the committed stages."""
    from cluster.advice.build import build_advice  # scipy: seconds that the start of a run saves

    run_json = storage.read_json(workspace.path("run.json"))
    stages = [workspace.committed(cycle_folder(entry.cycle)) for entry in history.cycles]
    cycles = [
        _cycle(entry, own, arm_label(config, entry.cycle), _time(workspace, entry.cycle))
        for entry, own in zip(history.cycles, stages, strict=True)
    ]
    prepared = workspace.committed("data")["prepare"]["seconds"]
    trained_on = {own[train_stage(MAIN)].get("computed_on") for own in stages}
    summary = Summary.of(
        run=Run(
            name=config.run.name,
            seed=config.run.seed,
            data_kind=config.data.kind,
            title=_title(config.data),
            stand_in=config.data.is_stand_in,
            notes=data.notes,
            computed_on=sorted(filter(None, trained_on)),
            **run_json,
        ),
        categories=data.categories.categories,
        splits={split: part.frames for split, part in data.parts.items()},
        cycles=cycles,
        best_cycle=history.best.cycle,
        stop_reason=history.reason,
        problems=data.problems + _errors(stages),
        unmapped=data.unmapped,
        left_out=data.left_out,
        churn=_churn(config.run.seed, stages[0]),
        suspected_label_errors=_suspects(stages),
        seconds_total=round(prepared + sum(sum(cycle.seconds.values()) for cycle in cycles), 3),
        peak_memory_mb=peak_memory_mb,
        staging=_staging(config, data),
        advice=build_advice(config, workspace),
        thresholds=_thresholds(workspace, history.best, data.categories.categories),
    )
    write_summary(summary, workspace.path(SUMMARY))
    return summary


def write_report(config: Config, workspace: Workspace, data: RealData, summary: Summary) -> str:
    """Writes `report.html` and returns where it lies."""
    from imitation.report.run.html import render_report  # loads matplotlib

    uri = workspace.path(REPORT)
    items = _gallery(config.report, workspace, data, summary)
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
        probe=_probe(workspace),
        suites=_suites(workspace),
    )
    storage.write_bytes_atomic(uri, text.encode("utf-8"))
    return uri


def _thresholds(
    workspace: Workspace, best: LoopCycle[Evaluation], categories: tuple[str, ...]
) -> ThresholdCurves | None:
    """What other thresholds would give the chosen detector, from its detections."""
    uri = workspace.path(cycle_folder(best.cycle), "evaluation", FILE)
    if not storage.exists(uri):
        return None
    operating = best.evaluation.metrics["val"].threshold
    scores = score_grid(operating)
    val, test = (
        threshold_curves(read_detections(uri, split=split, detector=MAIN), categories, scores)
        for split in ("val", "test")
    )
    return ThresholdCurves(scores=scores, operating=operating, val=val, test=test)


def _probe(workspace: Workspace) -> ProbeSection | None:
    uri = workspace.path(PROBE, "probe.json")
    if not storage.exists(uri):
        return None
    sheet = workspace.path(PROBE, "sheet.png")
    picture = storage.read_bytes(sheet) if storage.exists(sheet) else None
    from imitation.report.probe.section import probe_section  # loads matplotlib

    return probe_section(Probe.from_dict(storage.read_json(uri), uri), picture)


def _suites(workspace: Workspace) -> list[SuiteSection]:
    folder = workspace.path(SUITES)
    files = storage.list_files(folder, ".json") if storage.exists(folder) else []
    if not files:
        return []
    from imitation.report.suite.section import suite_section  # loads matplotlib

    return [suite_section(read_result(uri)) for uri in files]


def rewrite_report(workspace: Workspace) -> str:
    """Writes a finished run's report anew, and returns where it lies."""
    config = parse(read_config(workspace.path(CONFIG_FILE)), workspace.path(CONFIG_FILE))
    data = RealData.from_json(old_names.read_json(workspace.path("data", "stage-prepare.json")), workspace)
    return write_report(config, workspace, data, read_summary(workspace.path(SUMMARY)))


def _staging(config: Config, data: RealData) -> dict[str, Any] | None:
    if not simulates(config):
        return None
    staging = feasible(config, data.categories, data.labels())
    return {"staged": staging.staged, "not_staged": staging.missing} if staging.known is not None else None


def _title(data: DataSettings) -> str:
    if data.is_stand_in:
        return "Demonstration: one seed of an embedded stand-in world"
    name = storage.name_of(data.root or "")
    return f"{data.dataset.name} folder {name}, one seed"


def _cycle(entry: LoopCycle[Evaluation], stages: Stages, label: str, time: dict[str, Any] | None) -> Cycle:
    trained = stages[train_stage(MAIN)]
    simulated = None
    if "simulate" in stages:
        report, asked = stages["simulate"], stages.get("request", {})
        simulated = {
            "requests": len(asked["requests"]) if asked else report["asked"],
            "rendered": 0 if TAKEN_FROM in report else report["frames"],
            "set_aside": report["set_aside"],
            "frames_per_second": report["frames_per_second"],
            "asked": report["asked"],
            "rejected": sum(scene["kind"] == REJECTED for scene in report["set_aside"]),
            "modes": asked.get("arms"),
            "by_simulator": report.get("by_simulator"),
        }
    return Cycle.of(
        cycle=entry.cycle,
        label=label,
        val=entry.evaluation.metrics["val"].to_dict(),
        test=entry.evaluation.metrics["test"].to_dict(),
        real_frames=trained["real_frames"],
        synthetic_frames=trained["synthetic_frames"],
        repeated_frames=trained["repeated_frames"],
        steps=trained["steps"],
        images_seen=trained["images_seen"],
        seconds={name: stage["seconds"] for name, stage in stages.items()},
        time=time,
        mined=stages["evaluate"].get("mined"),
        simulated=simulated,
        **{name: stages["analyse"][name] for name in ANALYSED},
    )


def _time(workspace: Workspace, cycle: int) -> dict[str, Any] | None:
    uri = time_uri(workspace, cycle_folder(cycle))
    return storage.read_json(uri) if storage.exists(uri) else None


def _churn(seed: int, baseline: Stages) -> dict[str, Any] | None:
    """What two seeds of the baseline differ by; None without a second one."""
    if TWIN not in baseline["evaluate"]:
        return None
    return {
        "seed": twin_seed(seed),
        "mAP": {split: metrics["map50"] for split, metrics in baseline["evaluate"][TWIN].items()},
        "followed": baseline["analyse"]["churn"],
    }


def _suspects(cycles: list[Stages]) -> list[dict[str, Any]]:
    """Those of the last cycle that was mined: the others are older drafts of the same list."""
    return next((list(last) for stages in reversed(cycles) if (last := stages["analyse"]["suspects"])), [])


def _errors(cycles: list[Stages]) -> list[str]:
    """Frames that an evaluation could not read, and that trainings replaced (`on_error: skip`)."""
    errors: dict[str, None] = {}
    for stage in (stage for stages in cycles for stage in stages.values()):
        errors |= dict.fromkeys(stage.get("errors", ()) if isinstance(stage.get("errors"), list) else ())
        errors |= {f"{frame}: {why}": None for frame, why in stage.get("skipped", {}).items()}
    return list(errors)


def _gallery(
    settings: ReportSettings, workspace: Workspace, data: RealData, summary: Summary
) -> list[GalleryItem]:
    """Failures of every cycle that was answered, drawn by seed, with the frames rendered for them."""
    answered = [after.cycle for before, after in pairwise(summary.cycles) if before.mined and after.simulated]
    rng = np.random.default_rng(settings.seed)
    items: list[GalleryItem] = []
    shown: set[str] = set()
    for turn, cycle in enumerate(answered):
        share = (settings.gallery + turn) // len(answered)  # of unequal shares the later are larger
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
