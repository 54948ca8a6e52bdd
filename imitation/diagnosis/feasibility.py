"""Why a failure that persists may be out of the simulator's reach."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import Field

from imitation.common.settings import Settings
from imitation.common.wording import counted
from imitation.data.records import Frame
from imitation.evaluation.failures import Failure

REFUSED = "the simulator refuses its scenes"


def out_of_reach(failure: Failure, stageable: frozenset[str] | None) -> str | None:
    """Why the simulator cannot answer this failure, or None if it can."""
    if stageable is None:
        return None
    category = source_category(failure)
    if failure.object_index is not None and category and category.lower() not in stageable:
        return f"the simulator has no asset for category {category!r}"
    return None


def source_category(failure: Failure) -> str | None:
    """The name that the dataset gives the failing object's category, else the detector's."""
    return failure.source_category or failure.category


class ReachSettings(Settings):
    """From where on a failing object is too hard to see for synthetic frames to help."""

    min_height_px: float = Field(12.0, ge=0.0, description="height of an object, px, that a frame must show")
    max_hidden: float = Field(
        0.8, ge=0.0, le=1.0, description="occlusion or truncation up to which an object still shows enough"
    )


@dataclass(frozen=True)
class Reach:
    """What is known of the simulator and of what it rendered.

    `stageable`: categories it can stage, lower case, None if it does not say; `conditions`: values it
    can stage of a condition ("weather" -> {"clear", ...}), lower case; conditions not named here are
    not asked about; `rendered`: failure id -> frames rendered for it, None where none were asked for (a
    split that is not mined); `refused`: ids of failures for which scenes were asked that it cannot stage.
    """

    stageable: frozenset[str] | None = None
    conditions: Mapping[str, frozenset[str]] = field(default_factory=dict)
    rendered: Mapping[str, int] | None = None
    refused: Collection[str] = ()
    settings: ReachSettings = field(default_factory=ReachSettings)

    def reason(self, failure: Failure) -> Reason:
        """The first that holds: no asset for the category, a condition that cannot be staged, scenes that
        were refused, no 3D information, too few pixels, hardly visible; else in reach."""
        for text in (
            out_of_reach(failure, self.stageable),
            self._condition(failure),
            REFUSED if failure.failure_id in self.refused else None,
            self._unseen(failure) if failure.object_box is not None else None,
        ):
            if text is not None:
                return Reason(text, in_reach=False)
        if self.rendered is None:
            return Reason("in reach", in_reach=True)
        return Reason("in reach", in_reach=True, rendered=self.rendered.get(failure.failure_id, 0))

    def _condition(self, failure: Failure) -> str | None:
        for name, value in sorted((failure.conditions or {}).items()):
            if name in self.conditions and value.lower() not in self.conditions[name]:
                return f"the simulator cannot stage {name} {value!r}"
        return None

    def _unseen(self, failure: Failure) -> str | None:
        least, most = self.settings.min_height_px, self.settings.max_hidden
        if failure.distance_m is None:
            return "no 3D information: its place is guessed from its box"
        if failure.height_px < least:
            return f"too few pixels: under {least:g} px high"
        if (failure.truncation or 0.0) > most or (failure.occlusion or 0.0) > most:
            return f"hardly visible: occluded or truncated beyond {most:g}"
        return None


class Reason(NamedTuple):
    """Why a failure persists, as far as the simulator goes; `rendered` frames for it, None if unknown."""

    text: str
    in_reach: bool
    rendered: int | None = None

    @property
    def group(self) -> str:
        """The reason without its numbers: what counts are kept by."""
        if self.rendered is None:
            return self.text
        return "in reach: frames were rendered for it" if self.rendered else "in reach: nothing was rendered"

    def __str__(self) -> str:
        if not self.rendered:
            return self.group
        return f"in reach: rendered {counted(self.rendered, 'frame')} for it"


def frames_rendered(frames: Iterable[Frame]) -> Counter[str]:
    """Failure id -> synthetic frames whose lineage names it; for `Reach.rendered`. Pass the frames of one
    cycle: failure ids are unique in the evaluation that they were asked from."""
    counts: Counter[str] = Counter()
    for frame in frames:
        if frame.origin is not None:
            counts.update(frame.origin.failures)
    return counts
