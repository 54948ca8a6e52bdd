"""Names that were changed, and how the old ones are still read: no other module knows them.

The split `val` was called `stop`. Settings and command lines with the old name work and say the new one, once
(`setting`, `settings`, `asked_split`); files of earlier versions are read in silence (`read_json`, `split`,
`split_column`). Nothing is written in old names.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

STOP = "stop"
"""What `val` was called: as a list of a dataset it still stands before a list `val`."""

_SETTINGS = {"data.splits.stop": "data.splits.val", "world.stop": "world.val"}
_LATER: dict[str, Any] = {
    "data.options": {},
    "tracking.trackers": {},
    "detector.trainable_layers": 5,
    "data.splits.stratify": False,
    "data.splits.val_from": "val",
    "data.splits.lists": {},
    "data.splits.leave_out": None,
    "train.precision": "auto",
    "train.real_last": 0.0,
    "train.warm_steps": None,
    "evaluate.precision": "auto",
    "simulate.each": {},
}
"""Settings that were not there once, at what they were then: they are no part of an older checksum. A new
setting whose default changes what a run computes has to stand here too."""
_FIELDS = {"best_stop": "best_val", "twin_stop": "twin_val"}
_HOLD_SPLITS = {
    *("metrics", "twin", "splits", "parts", "protocols", "errors", "slices", "calibration", "modes"),
    *("followed", "churn", "mAP", "cycles", "baselines", "thresholds"),
}  # names of what is by split in JSON files; elsewhere `stop` may be a category


@cache
def _say(old: str, new: str) -> None:
    """Says on standard error, once in a process, what something is called now."""
    print(f"note: {old} is called {new} now; the old name still works", file=sys.stderr, flush=True)


# --- what people write -----------------------------------------------------------------------------------


def setting(key: str) -> str:
    """A setting's name today ("world.stop" is "world.val"); says so where it is another."""
    new = _SETTINGS.get(key, key)
    if new != key:
        _say(key, new)
    return new


def settings(plain: Mapping[str, Any], say: bool = False) -> dict[str, Any]:
    """A configuration as plain data, its settings in today's names; `say`: tells of those that are not.

    Raises UserError where a setting stands there under both names.
    """
    result = dict(plain)
    for old, new in _SETTINGS.items():
        *path, old_leaf = old.split(".")
        sections = _sections(result, path)
        if not sections or old_leaf not in sections[-1]:
            continue
        if say:
            _say(old, new)
        leaf = new.rpartition(".")[2]
        if leaf in sections[-1]:
            from imitation.common.settings import UserError  # the command line starts without pydantic

            raise UserError(f"{old} is called {new} now, and both are given; keep {new}")
        section = {leaf if key == old_leaf else key: value for key, value in sections[-1].items()}
        for name, above in zip(reversed(path), reversed([result, *sections[:-1]])):
            section = {**above, name: section}
        result = section
    return result


def settings_before(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `settings`: for names that earlier versions made of a configuration (its checksum).
    Settings that came later are left out where they say what was so before."""
    result = {
        name: section_before(name, section) if isinstance(section, Mapping) else section
        for name, section in plain.items()
    }
    for old, new in _SETTINGS.items():
        *path, leaf = new.split(".")
        section: dict[str, Any] = result
        for name in path:
            section[name] = dict(section[name])
            section = section[name]
        section[old.rpartition(".")[2]] = section.pop(leaf)
    return result


def before(key: str, default: Any) -> Any:
    """What was so before a setting came: its default today, unless it is noted here otherwise."""
    return _LATER.get(key, default)


def section_before(name: str, section: Mapping[str, Any]) -> dict[str, Any]:
    """A section of settings without those that came later and say what was so before."""
    return {
        key: section_before(f"{name}.{key}", value) if isinstance(value, Mapping) and value else value
        for key, value in section.items()
        if f"{name}.{key}" not in _LATER or value != _LATER[f"{name}.{key}"]
    }


def _sections(plain: Mapping[str, Any], path: list[str]) -> list[Mapping[str, Any]]:
    """The nested sections on a path, from the outermost; none where one of them is not there."""
    found: list[Mapping[str, Any]] = []
    for name in path:
        inner = (found[-1] if found else plain).get(name)
        if not isinstance(inner, Mapping):
            return []
        found.append(inner)
    return found


def asked_split(name: str) -> str:
    """A split that somebody asks for, by its name today; says so where it is another."""
    if name == STOP:
        _say("the split stop", "val")
    return split(name)


# --- what earlier versions wrote -------------------------------------------------------------------------


def split(name: str) -> str:
    """A split's name today."""
    return "val" if name == STOP else name


def spellings(name: str) -> tuple[str, ...]:
    """Every name that a split has had, today's first."""
    return (name, STOP) if name == "val" else (name,)


def split_column(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Rows of a Parquet file, their column `split` in today's names."""
    import pyarrow.compute as pc

    place = batch.schema.get_field_index("split")
    column = pc.replace_substring_regex(batch.column(place), f"^{STOP}$", "val")
    return batch.set_column(place, batch.schema.field(place), column)


def read_json(uri: str) -> Any:
    """A JSON file that this project wrote, in today's names. Raises StorageError and UserError as
    `storage.read_json`."""
    from imitation.common import storage  # commands that read no files start without pyarrow

    return in_todays_names(storage.read_json(uri))


def in_todays_names(value: Any, name: str = "") -> Any:
    """Plain data of a JSON file in today's names; `name` is the key that it stands under."""
    if isinstance(value, list):
        return [in_todays_names(item, name) for item in value]
    if not isinstance(value, dict):
        return split(value) if name == "split" and isinstance(value, str) else value
    by_split = name in _HOLD_SPLITS
    return {
        split(key) if by_split else _FIELDS.get(key, key): in_todays_names(
            inner, name if name == "splits" else key
        )
        for key, inner in value.items()
    }


def and_before(event: Mapping[str, Any]) -> dict[str, Any]:
    """What is told to a record that an earlier version began (of a sweep): under the old names too."""
    return {**event, **{old: event[new] for old, new in _FIELDS.items() if new in event}}
