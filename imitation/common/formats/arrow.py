"""Arrow columns of records: a dataclass or a NamedTuple names its fields once, a file's columns follow."""

from __future__ import annotations

import importlib.abc
import sys
import types
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa

KINDS: Mapping[type, pa.DataType] = {
    str: pa.string(),
    bytes: pa.binary(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}
"""Python type -> Arrow type, where nothing else is asked for."""


def fields_of(
    record: type, kinds: Mapping[type, pa.DataType] | None = None, **named: pa.DataType
) -> list[pa.Field]:
    """A field for each of the record's, in its order: for `pa.schema` and `pa.struct`.

    Types follow the annotations, `kinds` in place of `KINDS` (a file may keep float32 of a float), and
    `named` goes before both, by the field's name. A field that may be None is nullable, no other is. A
    record in a record is a struct, a tuple or a list of one type a list; in them everything is nullable.
    Raises TypeError for an annotation that says no Arrow type, naming the field.
    """
    table = {**KINDS, **(kinds or {})}
    found = []
    for name, hint in get_type_hints(record).items():
        plain, optional = _without_none(hint)
        kind = named.get(name)
        if kind is None:
            kind = _kind(plain, table)
        if kind is None:
            raise TypeError(f"{record.__name__}.{name}: {hint} is no Arrow type; give it by name")
        found.append(pa.field(name, kind, nullable=optional))
    if unknown := named.keys() - {field.name for field in found}:
        raise TypeError(f"{record.__name__} has no field {sorted(unknown)[0]!r}")
    return found


def _without_none(hint: Any) -> tuple[Any, bool]:
    if get_origin(hint) not in (Union, types.UnionType):
        return hint, False
    parts = [part for part in get_args(hint) if part is not type(None)]
    return (parts[0] if len(parts) == 1 else hint), len(parts) < len(get_args(hint))


def _kind(hint: Any, table: Mapping[type, pa.DataType]) -> pa.DataType | None:
    if hint in table:
        return table[hint]
    if is_dataclass(hint) or hasattr(hint, "_fields"):
        return pa.struct([field.with_nullable(True) for field in fields_of(hint, table)])
    parts = [part for part in get_args(hint) if part is not Ellipsis]
    if get_origin(hint) is Literal:
        return _kind(type(parts[0]), table)
    if get_origin(hint) in (tuple, list) and len(set(parts)) == 1:
        item = _kind(parts[0], table)
        return None if item is None else pa.list_(item)
    return None


class _NoPandas(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> None:
        if fullname == "pandas":
            raise ModuleNotFoundError("no pandas yet", name="pandas")


def keep_pandas_out() -> None:
    """Lets Arrow look for pandas now and not find it.

    Arrow imports pandas with the first Python value that it converts: 2 s of CPU and 36 MiB of a slow
    machine, in each of hundreds of processes that need none. A simulator that imports pandas itself has
    done so by now, or does so later as ever; Arrow's own `to_pandas` still finds it.
    """
    if "pandas" in sys.modules:
        return
    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([0])
    finally:
        sys.meta_path.remove(finder)
