"""Which category map a configuration means, for the data that it names."""

from __future__ import annotations

from collections.abc import Iterable

from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.inspection.checks import Asked
from imitation.datasets.parquet.files import read_frames
from imitation.datasets.settings import DataSettings


def category_map(settings: DataSettings, train_uri: str) -> CategoryMap:
    """The kind's own map, or the one that the configuration gives.

    `data.mapping` renames source categories, and classes of the kind's own; classes that nothing is left of
    go, and the names it maps to become classes, unless `data.categories` lists the classes. A neighbour
    class that `data.ignore` no longer lists becomes background, unless the settings name it.
    """
    return categories_of(settings, read_frames(train_uri, ("frame_id", "objects")))


def categories_of(settings: DataSettings, frames: Iterable[Frame]) -> CategoryMap:
    """The category map of training frames; see `category_map`."""
    base = settings.dataset.category_map(frames)
    renamed = settings.mapping
    known = {
        source: renamed.get(source, renamed.get(target, target)) for source, target in base.mapping.items()
    }
    categories = tuple(settings.categories or dict.fromkeys([*known.values(), *renamed.values()]))
    mapping = {source: target for source, target in known.items() if target in categories}
    if settings.ignore is not None:  # a neighbour that is no longer ignored is not of the class either
        dropped = base.ignore - set(settings.ignore)
        mapping = {source: target for source, target in mapping.items() if source not in dropped}
    mapping |= {name: name for name in categories} | renamed
    # A category that is asked for is to be found, whatever the kind's own map makes of it.
    ignore = base.ignore - set(categories) if settings.ignore is None else frozenset(settings.ignore)
    return CategoryMap(categories, mapping, ignore - set(renamed))


def asked_for(settings: DataSettings) -> Asked:
    """The categories that the configuration names, for the checks of an inspection."""
    own = settings.dataset.categories  # without a map of its own, data knows no name beforehand
    known = {*own.mapping, *own.categories, *own.ignore} if own else set()
    return Asked(settings.categories or (), settings.mapping, settings.ignore or (), known)
