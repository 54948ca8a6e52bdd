"""The rival explanation of targeting: re-staging as the paper does it, of frames drawn blindly."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from imitation.common.names import request_id
from imitation.policies.base import Adds, Mined
from imitation.policies.imitation import even_shares, interleaved, photos
from imitation.policies.settings import PolicySettings
from imitation.requests import Likeness, Request


class UntargetedPolicy:
    """Re-stages frames as `imitation` does, but draws them at random, each at most once, from all frames that
    may be mined and hold something that can be staged: `imitation` minus this is what targeting brings. What
    appears elsewhere (`policy.elsewhere`) is like objects drawn at random from all of them.

    Nobody says which objects are at fault, so the focus is drawn too: one to all of a frame's objects that
    can be staged. There are no false detections to make clutter of.
    """

    name = "untargeted"
    mines = False
    sees_frames = True
    adds: Adds = "synthetic"

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings

    def request(self, mined: Mined, *, cycle: int, budget: int, rng: np.random.Generator) -> list[Request]:
        frames = stageable_frames(mined)
        if not frames or budget <= 0:
            return []
        elsewhere = round(self.settings.elsewhere * budget)
        here = self._here(frames, cycle, budget - elsewhere, rng) if elsewhere < budget else []
        return interleaved(here, self._elsewhere(mined, frames, cycle, elsewhere, rng) if elsewhere else [])

    def _elsewhere(
        self,
        mined: Mined,
        frames: Mapping[str, list[int]],
        cycle: int,
        budget: int,
        rng: np.random.Generator,
    ) -> list[Request]:
        like = [
            mined.likenesses.get(frame, {}).get(i) or Likeness(mined.frames[frame][i])
            for frame in sorted(frames)
            for i in frames[frame]
        ]
        return [
            Request(
                request_id=name,
                parent=photo,
                failures=(),
                focus=(),
                clutter=(),
                variations=1,
                seed=int(rng.integers(2**31)),
                policy=self.name,
                likenesses=tuple(
                    like[i] for i in rng.integers(len(like), size=self.settings.elsewhere_actors)
                ),
            )
            for photo, name in photos(mined, cycle, budget, rng)
        ]

    def _here(
        self, frames: Mapping[str, list[int]], cycle: int, budget: int, rng: np.random.Generator
    ) -> list[Request]:
        names = sorted(frames)
        wanted = min(math.ceil(budget / self.settings.variations), len(names))
        # a whole permutation, so that a smaller budget draws the first frames of a larger one
        parents = [names[i] for i in rng.permutation(len(names))[:wanted]]
        return [
            self._ask(parent, frames[parent], share, cycle, rng)
            for parent, share in zip(parents, even_shares(budget, len(parents)), strict=True)
            if share
        ]

    def _ask(
        self, parent: str, objects: list[int], share: int, cycle: int, rng: np.random.Generator
    ) -> Request:
        count = int(rng.integers(1, len(objects) + 1))
        focus = sorted(int(i) for i in rng.choice(objects, count, replace=False))
        return Request(
            request_id=request_id(cycle, parent),
            parent=parent,
            failures=(),
            focus=tuple(focus),
            clutter=(),
            variations=share,
            seed=int(rng.integers(2**31)),
            policy=self.name,
        )


def stageable_frames(mined: Mined) -> Mapping[str, list[int]]:
    """The mined frames with an object to be found that the simulator can stage: frame id -> those objects'
    indices, ascending."""
    known = mined.stageable
    frames = {
        frame: sorted(i for i, name in objects.items() if known is None or name.lower() in known)
        for frame, objects in mined.frames.items()
    }
    return {frame: objects for frame, objects in frames.items() if objects}
