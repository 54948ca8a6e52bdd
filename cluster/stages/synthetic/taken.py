"""Synthetic frames that another run has rendered, taken instead of rendering anew.

A smaller budget's frames are the first of a larger one's, in the order in which its policy would have asked
for fewer: request by request the usual number of variations, then further variations of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cluster.simulation.stream import SimulationReport
from cluster.stages.context import RunContext
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import Part
from imitation.common import storage
from imitation.common.names import cycle_folder, request_of
from imitation.common.settings import UserError
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.requests import Request

TAKEN_FROM = "taken_from"
"""In `stage-simulate.json`: the run whose frames these are."""


@dataclass(frozen=True)
class Taking:
    """Takes for one run the frames of another one on the same baseline, `source`; `variations` is how many of
    a frame the policy asks for at first (`policy.variations`)."""

    run: RunContext
    source: Workspace
    variations: int

    def request(self, cycle: int, budget: int) -> list[Request]:
        """Of the other run's requests those that the first `budget` of its frames are of, each with as many
        variations as are taken. Raises UserError where it has not rendered that cycle."""

        def work() -> dict[str, Any]:
            requests = self._requests(cycle)
            frames = first_frames(requests, self._frames(cycle), budget, self.variations)
            counts = Counter(request_of(frame)[0] for frame in frames)
            kept = [replace(r, variations=counts[r.request_id]) for r in requests if counts[r.request_id]]
            return {
                "budget": budget,
                "frames": len(frames),
                "requests": [request.to_row() for request in kept],
                "taken": frames,
            }

        result = self.run.commit(cycle, "request", work)
        return [Request.from_row(row) for row in result["requests"]]

    def take(self, cycle: int) -> Part:
        """The frames themselves, written as this run's own."""
        uri = self.run.path(cycle, "synthetic")

        def work() -> dict[str, Any]:
            wanted = self.run.committed(cycle, "request")["taken"]
            frames = read_frames(self.source.path(cycle_folder(cycle), "synthetic"), keep=wanted)
            # if there are none no file is written: a run that adds nothing has no part
            count = write_frames(frames, storage.join(uri, "frames.parquet")) if wanted else 0
            report = SimulationReport(frames=count, rendered=0, reused=count).to_json()
            return report | {
                "asked": len(wanted),
                "busy_seconds": 0.0,
                "unmapped": {},
                TAKEN_FROM: storage.name_of(self.source.uri),
            }

        result = self.run.commit(cycle, "simulate", work)
        return Part(uri, result["frames"], cycle)

    def _requests(self, cycle: int) -> list[Request]:
        stages = self.source.committed(cycle_folder(cycle))
        if not {"request", "simulate"} <= stages.keys():
            raise UserError(
                f"aggregation.frames_of: {self.source.uri} has not rendered the frames of cycle {cycle}; "
                "finish that run first"
            )
        return [Request.from_row(row) for row in stages["request"]["requests"]]

    def _frames(self, cycle: int) -> list[str]:
        uri = self.source.path(cycle_folder(cycle), "synthetic")
        return [frame.frame_id for frame in read_frames(uri, ("frame_id",))] if storage.exists(uri) else []


def first_frames(
    requests: Sequence[Request], frames: Collection[str], budget: int, variations: int
) -> list[str]:
    """The first `budget` of the frames that were rendered for requests: first `variations` of each request in
    their order, then as many more of each, and so on. A frame that took a rejected one's place stands there.
    A smaller budget's frames are among a larger one's. Raises KeyError for a frame of no such request."""
    place = {request.request_id: (k, request.variations) for k, request in enumerate(requests)}

    def order(frame: str) -> tuple[int, int, int, int]:
        name, variation = request_of(frame)
        number, asked = place[name]
        first = variation % asked
        return first // variations, number, first, variation

    return sorted(frames, key=order)[:budget]
