"""Things of one kind by name: ours, an installed package's, or anybody's own by import path.

Simulators, datasets, detectors, policies, metrics, factors, trackers and commands are found like this, each
kind in one `Registry`. What a thing knows of itself (title, settings, catalog, preflight) stands on the
thing: whoever needs it asks `load(name)` and never compares names.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Generic, TypeVar, cast

from imitation.common.errors import UserError
from imitation.common.import_paths import check_name, is_import_path, load_factory

T = TypeVar("T")

GROUP = "imitation_training"


class Registry(Generic[T]):
    """What can be named for one setting.

    `entries` are ours, name -> "package.module:attribute", imported when asked for. Another distribution
    adds its own under the entry point group of the plural (`imitation_training.policies`),
    without a line of ours; a name of ours cannot be taken. And whoever writes "package.module:factory" needs
    no name.

    >>> shapes = Registry("shape", "draw.shape", {"path": "pathlib:Path", "ratio": "fractions:Fraction"})
    >>> shapes.load("ratio")
    <class 'fractions.Fraction'>
    >>> shapes.check("rato")
    Traceback (most recent call last):
    ValueError: there is no shape 'rato'; did you mean 'ratio'? (Your own is named 'package.module:factory'.)
    """

    def __init__(self, what: str, setting: str, entries: Mapping[str, str]) -> None:
        """`what`: one of them in a word ("simulator"); `setting`: the key that names it
        ("simulate.simulator"). Both stand in errors."""
        self.what = what
        self.setting = setting
        self._entries = dict(entries)

    def __iter__(self) -> Iterator[str]:
        """The names, ours first."""
        return iter(self._entries | self._installed())

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._installed()

    def check(self, name: str) -> str:
        """The name itself. Raises ValueError, with the nearest name that there is, where it is neither known
        nor an import path: for the validator of a setting."""
        if name in self._entries or is_import_path(name):
            return name
        return check_name(name, tuple(self), self.what)

    def is_own(self, name: str) -> bool:
        """Whether the name is somebody's own, not one of ours."""
        return name not in self._entries

    def load(self, name: str) -> T:
        """What the name stands for: a class, a function or a description, as its kind has it.

        Raises UserError for an unknown name, and for an import path that leads nowhere.
        """
        if (path := self._entries.get(name)) is not None:
            module, _, attribute = path.partition(":")
            return cast(T, getattr(importlib.import_module(module), attribute))
        if is_import_path(name):
            return cast(T, load_factory(name, self.setting))
        if (path := self._installed().get(name)) is not None:
            return cast(T, load_factory(path, self.setting))
        try:
            self.check(name)
        except ValueError as error:
            raise UserError(f"{self.setting}: {error}") from error
        raise AssertionError(name)  # check() refuses every name that is not found above

    def loaded(self) -> dict[str, T]:
        """Each of ours by name, imported."""
        return {name: self.load(name) for name in self._entries}

    def _installed(self) -> dict[str, str]:
        plural = f"{self.what[:-1]}ies" if self.what.endswith("y") else f"{self.what}s"
        places = tuple((place, _changed(place)) for place in sys.path)
        found = _entry_points(f"{GROUP}.{plural}", places)
        return {name: path for name, path in found if name not in self._entries}


@lru_cache(maxsize=32)
def _entry_points(group: str, places: tuple[tuple[str, int], ...]) -> list[tuple[str, str]]:
    """Names and "package.module:attribute" of a group. It reads a file of every distribution, 7 ms each time,
    and a command asks a dozen times. `places`: where Python looks, and when each place last changed."""
    return [(each.name, each.value) for each in entry_points(group=group)]


def _changed(place: str) -> int:
    """When something was last put into a folder, or taken out; 0 of what is not there."""
    try:
        return os.stat(place or ".").st_mtime_ns
    except OSError:
        return 0
