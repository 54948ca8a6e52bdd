"""Several candidates rendered for each frame that is asked for, of which the hardest are kept.

What a detector already finds teaches it little (Deliberate Practice: Askari-Hemmat et al., *Improving the
Scaling Laws of Synthetic Data with Deliberate Practice*, ICML 2025). A candidate is accepted as any frame is,
so that what nobody could see is not among them; then the detector of the cycle before says how hard each is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cluster.config.evaluate import EvaluateSettings
from cluster.evaluation.ray_data import EvaluationPart, evaluate
from cluster.stages.context import RunContext
from cluster.stages.synthetic.simulate import Rendering
from imitation.aggregation import Part
from imitation.common import storage
from imitation.common.names import MAIN, cycle_folder, request_of
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.evaluation.detection_files import read_detections
from imitation.evaluation.detections import FrameDetections
from imitation.evaluation.matching import match_correct
from imitation.requests import Request
from sim_actors.staging.acceptance import in_focus

CANDIDATES = "candidates"
SPLIT = "synthetic"


@dataclass(frozen=True)
class Hardest:
    """Renders `candidates` frames for each that is asked for, and keeps one of them, for one run."""

    run: RunContext
    rendering: Rendering
    evaluating: EvaluateSettings
    candidates: int
    placement_timeout_s: float

    def render(self, requests: list[Request], cycle: int) -> Part:
        """The hardest candidates of each request, as many as it asks for, committed as the cycle's frames.
        Raises AllLost where none of all could be rendered."""
        run = self.run
        many = [replace(request, variations=self.candidates * request.variations) for request in requests]
        found = self.rendering.render(many, cycle, CANDIDATES)
        uri = run.path(cycle, "synthetic")

        def work() -> dict[str, Any]:
            report = run.committed(cycle, CANDIDATES)
            hardness = self._judged(found, cycle) if found.frames else {}
            kept = hardest(requests, hardness)
            if kept:
                write_frames(read_frames(found.uri, keep=kept), storage.join(uri, "frames.parquet"))
            return report | {
                "frames": len(kept),
                "asked": sum(request.variations for request in requests),
                "candidates": found.frames,
                "busy_seconds": 0.0,
                "hardness": _means(hardness, kept),
            }

        result = run.commit(cycle, "simulate", work)
        return Part(uri, result["frames"], cycle)

    def _judged(self, found: Part, cycle: int) -> dict[str, float]:
        """How hard each candidate is to the detector of the cycle before."""
        run = self.run
        out = run.path(cycle, f"{CANDIDATES}-detections.parquet")
        checkpoint = run.workspace.path(cycle_folder(cycle - 1), "detector", MAIN)
        run.services.make_room_for_evaluation()
        with run.watch.evaluating(f"cycle {cycle}: judging candidates", found.frames, cycle) as progress:
            evaluate(
                [EvaluationPart(found.uri, SPLIT, (MAIN,))],
                {MAIN: checkpoint},
                run.data.categories,
                out,
                self.evaluating,
                "stop",
                progress,
                self.placement_timeout_s,
            )
        focus = {frame.frame_id: in_focus(frame) for frame in read_frames(found.uri, _SEEN)}
        return {row.frame_id: how_hard(row, focus[row.frame_id]) for row in read_detections(out)}


_SEEN = ("frame_id", "width", "height", "objects", "origin")


def how_hard(row: FrameDetections, focus: Collection[int]) -> float:
    """How hard a frame is to a detector, in [0, 1]: over its objects in `focus` (indices of the frame's
    objects; without: over all that are to be found) the mean of 1 minus the score with which each is found.
    Of a frame that holds none, the score of the most certain false detection."""
    found, not_judged = match_correct(row.detections, row.objects)
    wanted = ~row.objects.ignore
    if focus:
        wanted &= np.isin(row.objects.index, list(focus))
    scores = np.zeros(len(row.objects))
    hits = found >= 0
    scores[found[hits]] = row.detections.scores[hits]
    if wanted.any():
        return float(1.0 - np.clip(scores[wanted], 0.0, 1.0).mean())
    false = row.detections.scores[~hits & ~not_judged]
    return float(np.clip(false.max(), 0.0, 1.0)) if len(false) else 0.0


def hardest(requests: Iterable[Request], hardness: Mapping[str, float]) -> list[str]:
    """Of each request's candidates the hardest, as many as it asks for; of equals the first."""
    by_request: defaultdict[str, list[str]] = defaultdict(list)
    for frame in sorted(hardness, key=lambda name: (-hardness[name], request_of(name))):
        by_request[request_of(frame)[0]].append(frame)
    return [name for r in requests for name in by_request[r.request_id][: r.variations]]


def _means(hardness: Mapping[str, float], kept: Sequence[str]) -> dict[str, float | None]:
    chosen = set(kept)
    groups = {
        "kept": [value for name, value in hardness.items() if name in chosen],
        "left": [value for name, value in hardness.items() if name not in chosen],
    }
    return {name: round(float(np.mean(values)), 4) if values else None for name, values in groups.items()}
