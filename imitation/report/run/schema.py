"""The tables of docs/summary.md, from the records themselves.

    python -m imitation.report.run.schema docs/summary.md

writes them anew under the page's own words; a test holds them equal.
"""

from __future__ import annotations

import inspect
import sys
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from imitation.common.formats.record import Record
from imitation.report.run.record import Summary

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


def described(page: str, root: type[Record] = Summary) -> str:
    """The page with a section for `root` and each record it is made of, in the order in which they are
    named; what stands before the first section stays."""
    words = page.split("\n## ", 1)[0].rstrip("\n")
    return "\n\n".join([words, *map(_section, _records(root))]) + "\n"


def _records(root: type[Record]) -> list[type[Record]]:
    records = [root]
    for record in records:  # grows as it is read
        for field in record.model_fields.values():
            records += [part for part in dict.fromkeys(_parts(field.annotation)) if part not in records]
    return records


def _parts(annotation: Any) -> list[type[Record]]:
    if inspect.isclass(annotation) and issubclass(annotation, Record):
        return [annotation]
    return [part for each in get_args(annotation) for part in _parts(each)]


def _section(record: type[Record]) -> str:
    rows = [
        f"| `{field.alias or name}` | {_type(field.annotation)} | {field.description} |"
        for name, field in record.model_fields.items()
    ]
    table = "\n".join(["| field | type | what |", "|---|---|---|", *rows])
    return f"## {record.__name__}\n\n{inspect.cleandoc(record.__doc__ or '')}\n\n{table}"


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return " or ".join(map(_type, parts))
    if origin is Annotated:
        return _type(parts[0])
    if origin is Literal:
        return ", ".join(f"`{value}`" if isinstance(value, int) else f'`"{value}"`' for value in parts)
    if origin is list:
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"object: string → {_type(parts[1])}"
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    return f"[{annotation.__name__}](#{annotation.__name__.lower()})"


if __name__ == "__main__":
    for place in map(Path, sys.argv[1:]):
        place.write_text(described(place.read_text(encoding="utf-8")), encoding="utf-8")
