"""A quick look at whether splits share what they show, which runs are told before they begin."""

from __future__ import annotations

from collections.abc import Sequence

from cluster.config.schema import Config
from imitation.common.settings import UserError
from imitation.datasets.base import DatasetReader
from imitation.datasets.inspection.lookalikes import quick_look


def look_for_leaks(dataset: DatasetReader) -> list[str]:
    """A sentence where frames of val and test look like some to train on, by a few hundred of each split.
    What cannot be read is passed over: whoever reads the data in earnest tells it."""
    found = quick_look(
        dataset.splits(), lambda split, names: dataset.frames(split, lambda problem: None, names)
    )
    return [] if found is None else [found]


def leaks(configs: Sequence[Config]) -> list[str]:
    """`look_for_leaks` in the data of runs that share it."""
    config = configs[0]
    if config.data.is_stand_in:
        return []
    try:
        return [f"note: {said}" for said in look_for_leaks(config.data.open())]
    except UserError:  # which the first run tells
        return []
