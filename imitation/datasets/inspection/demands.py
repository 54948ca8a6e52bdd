"""What a run demands of its data: the refusals, for who trains on it and who only looks at it."""

from __future__ import annotations

from collections.abc import Mapping

from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap

USED = {"train": ("train", "mine"), "val": ("val",), "test": ("test",)}
"""The splits of a run, and those of the dataset that each is made of."""


def no_frame(root: str, split: str, listed: int, problems: int) -> UserError:
    """A split in which no frame can be used."""
    return UserError(
        f"{root}: no frame of split {split!r} can be used ({listed:,} listed, {problems:,} problems so far); "
        f"a run needs at least one in each of {', '.join(USED)}"
    )


def no_object(split: str, categories: CategoryMap, train: Mapping[str, int]) -> UserError:
    """A split without an object to be found; `train` are the objects of train by source category."""
    return UserError(
        f"split {split!r} has no object of {', '.join(categories.categories)}: nothing to learn or to score "
        f"(train has {dict(train)}). Give it more frames, or set data.categories."
    )
