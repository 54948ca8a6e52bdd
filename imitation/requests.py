"""Requests: what a policy asks of a simulator, as plain records."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from imitation.common.settings import UserError
from imitation.data.records import Box

_HIDDEN = 0.5
"""Occlusion of an object of which its dataset says a level alone: partly or largely (KITTI's 1, 2)."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What a new actor in a photo is to be like: an object of `category` (its dataset's own), `distance_m`
    > 0 from the camera (None: unknown), `across` its image (the middle of its box, from -0.5 at the left edge
    to 0.5 at the right one; None: unknown), of which `height_px` > 0 showed, hidden by others to `occlusion`
    and cut by the image's edge to `truncation` (shares; 0 where unknown)."""

    category: str
    distance_m: float | None = None
    across: float | None = None
    height_px: float | None = None
    occlusion: float = 0.0
    truncation: float = 0.0

    @classmethod
    def seen(
        cls,
        category: str,
        box: Box | None,
        width: int | None,
        *,
        distance_m: float | None,
        occlusion: float | None,
        occlusion_level: int | None,
        truncation: float | None,
    ) -> Likeness:
        """Of what labels say: its box (px) in an image of that `width` (px), the rest as `Object` has it."""
        return cls(
            category,
            distance_m=distance_m,
            across=(box.x1 + box.x2) / 2 / width - 0.5 if box is not None and width else None,
            height_px=box.height if box is not None and box.height > 0 else None,
            occlusion=occlusion or (_HIDDEN if occlusion_level in (1, 2) else 0.0),
            truncation=truncation or 0.0,
        )


@dataclass(frozen=True, slots=True)
class Request:
    """One order for synthetic frames.

    `parent` is the frame to re-stage (None: a free scene). `failures` are the ids of the failures
    that asked for it, `focus` the indices of the failing objects in the parent's `objects`.
    `clutter` are boxes (px, in the parent's image) where false detections fell: unlabelled clutter
    is staged there. `variations` >= 1 scenes are drawn, all from `seed` >= 0; `policy` names who
    asked. `strength` in [0, 1] is a factor on how strongly the parent's scene is perturbed.
    `likenesses`: the parent is the photo into which new actors like these are set, whatever failed in it
    itself; `failures` are then of other frames.
    Raises ValueError for counts, seeds or strengths out of range.

    >>> request = Request("r1", "000007", ("000007#missed-o2",), (2,), (), variations=3, seed=0, policy="p")
    >>> Request.from_row(request.to_row()) == request
    True
    """

    request_id: str
    parent: str | None
    failures: tuple[str, ...]
    focus: tuple[int, ...]
    clutter: tuple[Box, ...]
    variations: int
    seed: int
    policy: str
    strength: float = 1.0
    likenesses: tuple[Likeness, ...] = ()

    def __post_init__(self) -> None:
        if not self.request_id:
            raise ValueError("request_id is empty")
        if self.variations < 1:
            raise ValueError(
                f"request {self.request_id}: variations is {self.variations}, must be at least 1"
            )
        if self.seed < 0:
            raise ValueError(f"request {self.request_id}: seed is {self.seed}, must not be negative")
        if not 0 <= self.strength <= 1:
            raise ValueError(f"request {self.request_id}: strength is {self.strength}, must be in [0, 1]")
        if self.likenesses and self.parent is None:
            raise ValueError(
                f"request {self.request_id}: likenesses need a parent, whose photo they are set into"
            )

    def to_row(self) -> dict[str, Any]:
        """Plain data for JSON or Parquet; `from_row` reads it back to an equal request."""
        return {
            "request_id": self.request_id,
            "parent": self.parent,
            "failures": list(self.failures),
            "focus": list(self.focus),
            "clutter": [box._asdict() for box in self.clutter],
            "variations": self.variations,
            "seed": self.seed,
            "policy": self.policy,
            "strength": self.strength,
            "likenesses": [asdict(likeness) for likeness in self.likenesses],
        }

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Request:
        """The inverse of `to_row`; rows from before there was a `strength` have 1, from before there were
        `likenesses` none. Raises KeyError for any other absent field."""
        return cls(
            request_id=row["request_id"],
            parent=row["parent"],
            failures=tuple(row["failures"]),
            focus=tuple(row["focus"]),
            clutter=tuple(Box(*(box[name] for name in Box._fields)) for box in row["clutter"]),
            variations=row["variations"],
            seed=row["seed"],
            policy=row["policy"],
            strength=row.get("strength", 1.0),
            likenesses=tuple(Likeness(**likeness) for likeness in row.get("likenesses", ())),
        )


def annealed(requests: Sequence[Request], factor: float) -> list[Request]:
    """The requests with their strength multiplied by a factor in [0, 1]."""
    return [replace(request, strength=request.strength * factor) for request in requests]


def check_requests(requests: Sequence[Request], budget: int, parents: Collection[str], policy: str) -> int:
    """The number of frames that a policy asked for.

    Raises UserError, naming the policy, for what is no list of requests, for more than `budget` frames, for
    a request id that stands twice and for a parent that is not among `parents`, the frames that may be
    re-staged.
    """
    if not isinstance(requests, Sequence):
        raise UserError(f"policy {policy!r} returned {type(requests).__name__}, not a list of Request")
    seen: set[str] = set()
    for request in requests:
        if not isinstance(request, Request):
            raise UserError(f"policy {policy!r} asked with {type(request).__name__}, not with Request")
        about = f"policy {policy!r}: request {request.request_id!r}"
        if request.request_id in seen:
            raise UserError(f"{about} stands twice; give every request an id of its own")
        if request.parent is not None and request.parent not in parents:
            raise UserError(f"{about} is about frame {request.parent!r}, which is not among the mined frames")
        seen.add(request.request_id)
    asked = sum(request.variations for request in requests)
    if asked > budget:
        raise UserError(f"policy {policy!r} asked for {asked} frames, over its budget of {budget}")
    return asked
