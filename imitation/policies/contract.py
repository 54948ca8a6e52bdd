"""Does a policy do what the loop will ask of it? A few requests about a toy set of failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from imitation.common.contracts import Contract, Found, Step, theirs
from imitation.common.names import failure_id
from imitation.data.records import Box
from imitation.evaluation.failures import Failure
from imitation.policies.base import (
    Mined,
    looks_at_failures,
    requested_frames,
    sees_frames,
    what_it_adds,
)
from imitation.policies.registry import build_policy
from imitation.policies.settings import PolicySettings
from imitation.requests import Request, check_requests

BUDGET = 12
FRAMES = 8
SIZE = (640, 192)  # px


def policy_contract(settings: PolicySettings, categories: Sequence[str], seed: int) -> Contract:
    """Builds the policy and asks it twice for frames about the same failures, and once about none."""
    about = f"policy.name: {settings.name!r}"
    yield Step(f"building {settings.name}")
    policy = build_policy(settings)
    adds = what_it_adds(policy)
    looks = "looks at failures" if looks_at_failures(policy) else "is blind to failures"
    yield Found(f"{policy.name}, which {looks}; its requests become {_BECOME[adds]}")
    if adds == "nothing":
        return

    failures = toy_failures(categories)
    parents = {failure.frame_id for failure in failures}
    frames = {
        parent: {0: categories[i % len(categories)], 1: categories[-1]}
        for i, parent in enumerate(sorted(parents))
    }
    counts = Counter({name: 10 * (i + 1) for i, name in enumerate(categories)})

    def ask(failures: Sequence[Failure]) -> list[Request]:
        asked = theirs(
            lambda: policy.request(
                Mined(failures, counts, frames=frames if sees_frames(policy) else {}),
                cycle=1,
                budget=BUDGET,
                rng=np.random.default_rng(seed),
            ),
            f"{about}: its request(mined, cycle=1, budget={BUDGET}, rng=...) about {len(failures)} failures",
        )
        check_requests(asked, BUDGET, parents, policy.name)
        return list(asked)

    yield Step(f"a request about {len(failures)} failures in {FRAMES} frames, budget {BUDGET}")
    first = ask(failures)
    yield Found(f"{len(first)} requests for {requested_frames(first)} frames, all of them possible")
    yield Step("the same again, from the same seed")
    if ask(failures) == first:
        yield Found("the same requests")
    else:
        yield Found(
            "other requests: it draws from something else than the `rng` that it is given, and a run "
            "cannot be "
            "repeated",
            note=True,
        )
    yield Step("a request where nothing failed")
    yield Found(f"{len(ask([]))} requests")


_BECOME = {
    "synthetic": "synthetic frames",
    "repeated": "real frames trained on once more",
    "nothing": "nothing: the real data alone is trained on",
}


def toy_failures(categories: Sequence[str]) -> list[Failure]:
    """Failures of every kind in eight frames, of objects near and far."""
    width, height = SIZE
    found = []
    for index in range(FRAMES):
        category = categories[index % len(categories)]
        frame, side = f"toy-{index}", 20.0 + 8 * index
        box = Box(40.0 + 50 * index, 60.0, 40.0 + 50 * index + side, 60.0 + side)
        common: dict[str, Any] = {
            "frame_id": frame,
            "split": "train",
            "detector": "toy",
            "height_px": side,
            "image_width": width,
            "image_height": height,
        }
        found.append(
            Failure(
                failure_id=f"{frame}#missed-o0",
                kind="missed",
                category=category,
                predicted=None,
                object_index=0,
                object_box=box,
                detection_box=None,
                score=None,
                iou=0.0,
                occlusion=0.1 * index,
                truncation=0.0,
                distance_m=8.0 + 5 * index,
                source_category=category,
                **common,
            )
        )
        kind = ("localization", "classification", "both", "duplicate", "background")[index % 5]
        real = kind != "background"
        found.append(
            Failure(
                failure_id=failure_id(frame, kind, 1),
                kind=kind,
                category=category if real else None,
                predicted=category,
                object_index=1 if real else None,
                object_box=box if real else None,
                detection_box=Box(box.x1 + 9, box.y1, box.x2 + 9, box.y2),
                score=0.8,
                iou=0.3 if real else 0.0,
                source_category=category if real else None,
                **common,
            )
        )
    return found
