"""The analysis of each cycle's evaluation: the cost of errors, failure modes, and failures over cycles.

Two results act on the next cycle. Detections that every cycle repeats where nothing is labelled are suspected
label errors, and the next requests leave them out. Policies that learn get, by stratum, how many of the
failures that they answered were fixed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from cluster.simulation.stream import part_files
from cluster.stages.context import RunContext
from imitation.common.names import MAIN, TWIN, request_of
from imitation.datasets.parquet.files import read_frames
from imitation.diagnosis.cycle_analysis import analyse, by_protocol
from imitation.diagnosis.failure_modes import Modes, Rows, Threshold, count_modes, find_modes
from imitation.diagnosis.failure_tracking import Followed, Judge, count_followed, follow
from imitation.diagnosis.fates import CYCLE_FILE, RUN_FILE, FateWriter, write_run_fates
from imitation.diagnosis.feasibility import Reach, ReachSettings, frames_rendered, out_of_reach
from imitation.diagnosis.label_errors import Evaluated, suspected_label_errors
from imitation.diagnosis.settings import MiningSettings
from imitation.evaluation.detection_files import FILE, read_detections
from imitation.evaluation.detections import Cutoff, FrameDetections
from imitation.metrics.summary import Metrics
from imitation.policies import stratum_name
from imitation.policies.feedback import ChanceCounter, FeedbackCounter
from sim_actors.scene.appearance import HOUR_WORDS, WEATHER_WORDS

MINE = "mine"
"""The baseline once more, with another seed: what two of its evaluations differ by is chance."""


@dataclass(frozen=True)
class Judged:
    """One cycle's evaluation file and the operating thresholds of its detectors by name; `mined`: whether
    the folds judged the mined frames."""

    cycle: int
    detections: str
    thresholds: dict[str, Cutoff]
    mined: bool

    @classmethod
    def of(cls, run: RunContext, cycle: int) -> Judged:
        """A cycle's committed evaluation."""
        evaluation = run.committed(cycle, "evaluate")
        thresholds = {MAIN: Metrics.from_dict(evaluation["metrics"]["val"]).cutoff}
        thresholds |= evaluation.get("fold_thresholds", {})
        if TWIN in evaluation:
            thresholds[TWIN] = Metrics.from_dict(evaluation[TWIN]["val"]).cutoff
        return cls(cycle, run.path(cycle, "evaluation", FILE), thresholds, mined="mined" in evaluation)

    def rows(self, split: str, detector: str | None = None) -> Rows:
        """The rows of a split, by one detector or (the mined frames) by the fold of each."""
        return partial(self._rows, split, detector)

    def _rows(self, split: str, detector: str | None) -> Iterator[FrameDetections]:
        return read_detections(self.detections, split=split, detector=detector)

    def threshold(self, split: str) -> Threshold:
        return self.thresholds if split == MINE else self.thresholds[MAIN]

    def splits(self) -> tuple[str, ...]:
        """Splits of which every frame was judged once by this cycle's detector, or its folds."""
        return ("val", "test", *((MINE,) if self.mined else ()))

    def main_rows(self, split: str) -> Rows:
        return self.rows(split, None if split == MINE else MAIN)


@dataclass(frozen=True)
class Diagnosis:
    """Diagnoses for one run; `protocol` is that of its kind of data."""

    run: RunContext
    mining: MiningSettings
    protocol: str | None

    def analyse(self, cycle: int) -> None:
        """What is said of the cycle beyond its metrics; committed as a stage of its own."""
        run = self.run

        def work() -> dict[str, Any]:
            judged = [Judged.of(run, earlier) for earlier in range(cycle + 1)]
            files = [run.path(k, CYCLE_FILE) for k in range(cycle + 1)]
            synthetic = run.path(cycle, "synthetic")
            result = analyse_cycle(
                self.protocol,
                self.mining,
                run.categories,
                judged[-1],
                judged[:-1],
                Modes.from_json(run.committed(0, "analyse")["found_modes"]) if cycle else None,
                run.reach,
                synthetic if part_files(synthetic) else None,
                run.rng("analyse", cycle),
                suspected_failures(run, cycle - 1) if cycle else frozenset(),
                (files[-1], files[-2] if cycle else None),
                refused_failures(run, cycle),
            )
            write_run_fates(files, run.workspace.path(RUN_FILE))
            return result

        run.commit(cycle, "analyse", work)


def suspected_failures(run: RunContext, cycle: int) -> frozenset[str]:
    """Ids of a cycle's failures that may be label errors."""
    return frozenset(suspect["failure_id"] for suspect in run.committed(cycle, "analyse")["suspects"])


def refused_failures(run: RunContext, cycle: int) -> frozenset[str]:
    """Ids of the failures for which a cycle asked scenes, of which the simulator stages none."""
    if not (run.has_committed(cycle, "simulate") and run.has_committed(cycle, "request")):
        return frozenset()
    lost = run.committed(cycle, "simulate")["set_aside"]
    refused = {request_of(scene["scene_id"])[0] for scene in lost if scene["kind"] == "unsupported"}
    if not refused:
        return frozenset()
    rows = run.committed(cycle, "request")["requests"]
    asked = {failure for row in rows if row["request_id"] in refused for failure in row["failures"]}
    return frozenset(
        asked - frames_rendered(read_frames(run.path(cycle, "synthetic"), ("frame_id", "origin"))).keys()
    )


def analyse_cycle(
    protocol: str | None,
    mining: MiningSettings,
    categories: tuple[str, ...],
    now: Judged,
    before: list[Judged],
    modes: Modes | None,
    reach: frozenset[str] | None,
    synthetic: str | None,
    rng: np.random.Generator,
    suspected: frozenset[str] = frozenset(),
    fates: tuple[str, str | None] | None = None,
    refused: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """Plain data for the cycle's `stage-analyse.json`; the keys are those of `docs/summary.md`.

    `before` are the earlier cycles, in order; `modes` those of the baseline (None: this is it, and they
    are found here); `synthetic` the frames rendered for the failures of the cycle before; `suspected` ids of
    those among them that may be label errors. `feedback` and `chance` are for policies alone. `fates`: where
    the fate of every failure is written, and where that of the cycle before lies
    (`imitation.diagnosis.fates`). `refused`: ids of the failures before whose scenes cannot be staged.
    """
    if modes is None:
        looked_at = MINE if now.mined else "val"
        modes = find_modes(now.main_rows(looked_at), categories, now.threshold(looked_at), mining.modes)
    analysis = analyse(now.rows("test", MAIN), categories, now.thresholds[MAIN], rng)
    result: dict[str, Any] = {
        "protocols": {"test": by_protocol(protocol, now.rows("test", MAIN)(), categories)},
        "errors": {"test": analysis["errors"]},
        "slices": {"test": analysis["slices"]},
        "calibration": {"test": analysis["calibration"]},
        "found_modes": modes.to_json(),
        "modes": {
            split: [
                counts.to_dict()
                for counts in count_modes(modes, now.main_rows(split), categories, now.threshold(split))
            ]
            for split in now.splits()
            if split != "val"
        },
        "followed": None,
        "churn": None,
        "suspects": [],
        "feedback": [],
        "chance": {},
    }
    rendered = frames_rendered(read_frames(synthetic, ("frame_id", "origin"))) if synthetic else {}
    if before:
        feedback = FeedbackCounter(
            now.cycle,
            rendered,
            stratum_name,
            lambda failure: (
                failure.failure_id in suspected | refused or out_of_reach(failure, reach) is not None
            ),
        )
        result["followed"] = {}
        with _written_down(fates, now.cycle, modes, rendered) as written:
            for split in now.splits():
                if split in before[-1].splits():
                    reasons = _reasons(mining.reach, reach, rendered, split, refused)
                    followed = written(split, _follow(before[-1], now, split, categories), reasons)
                    seen = feedback.seeing(followed) if split == MINE else followed
                    result["followed"][split] = count_followed(seen, modes.of, reasons)
        result["feedback"] = [row.to_row() for row in feedback.rows()]
        if now.mined:
            named = [Evaluated(_name(j), j.rows(MINE), Judge(categories, j.thresholds))
                     for j in (now, *reversed(before)) if j.mined]  # fmt: skip
            result["suspects"] = [suspect.to_dict() for suspect in suspected_label_errors(named)]
        return result
    with _written_down(fates, now.cycle, modes, {}) as written:
        for split in now.splits():
            judge = Judge(categories, now.threshold(split))
            deque(written(split, follow((), now.main_rows(split)(), judge), None), maxlen=0)
    if TWIN in now.thresholds:
        chance = ChanceCounter(stratum_name)
        result["churn"] = {}
        for split in ("val", "test"):
            followed = _follow_twin(now, split, categories)
            seen = chance.seeing(followed) if split == "val" else followed  # test decides nothing
            result["churn"][split] = count_followed(seen, modes.of)
        result["chance"] = chance.tallies()
    return result


Written = Callable[[str, Iterator[Followed], Callable[[Followed], str] | None], Iterator[Followed]]


@contextmanager
def _written_down(
    fates: tuple[str, str | None] | None, cycle: int, modes: Modes, rendered: dict[str, int]
) -> Iterator[Written]:
    """Gives a function that passes failures on and writes the fate of each, if `fates` says where."""
    if fates is None:
        yield lambda split, followed, reasons: followed
        return
    uri, earlier = fates
    with FateWriter(uri, cycle, modes.of, earlier, rendered, MINE) as writer:
        yield writer.seeing


def _name(judged: Judged) -> str:
    return f"cycle {judged.cycle}"


def _reasons(
    settings: ReachSettings,
    reach: frozenset[str] | None,
    rendered: dict[str, int],
    split: str,
    refused: frozenset[str],
) -> Callable[[Followed], str]:
    known = Reach(
        stageable=reach,
        conditions={} if reach is None else {"weather": WEATHER_WORDS, "time_of_day": HOUR_WORDS},
        rendered=rendered if split == MINE else None,
        refused=refused if split == MINE else (),
        settings=settings,
    )

    def reason(followed: Followed) -> str:
        assert followed.before is not None  # it persists
        return known.reason(followed.before).group

    return reason


def _follow(before: Judged, now: Judged, split: str, categories: tuple[str, ...]) -> Iterator[Followed]:
    return follow(
        before.main_rows(split)(),
        now.main_rows(split)(),
        Judge(categories, before.threshold(split)),
        Judge(categories, now.threshold(split)),
    )


def _follow_twin(now: Judged, split: str, categories: tuple[str, ...]) -> Iterator[Followed]:
    """From the baseline to another seed of it."""
    return follow(
        now.rows(split, MAIN)(),
        now.rows(split, TWIN)(),
        Judge(categories, now.thresholds[MAIN]),
        Judge(categories, now.thresholds[TWIN]),
    )
