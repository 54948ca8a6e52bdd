"""The numbers of categories: a dataset's own, and those that an export writes.

Labels of YOLO and COCO say numbers, not names. Who merges an export into data of one's own has wrong labels
without a word if the two number differently. So a dataset's own numbers go with its frames (in the metadata
of Parquet files), and an export takes them; without them it takes a run's categories in their order. What it
numbers never depends on which frames are exported.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from imitation.common import storage
from imitation.common.settings import DataError
from imitation.datasets.common.paths import files_below
from imitation.datasets.parquet.columns import open_parquet

METADATA = b"imitation.numbering"
RUN = "run"
LOOKED_AT = 8  # files of a folder: a set of many shards says it in each or in none
FIRST = {"yolo": 0, "coco": 1}
"""The number of the first category, where a layout numbers them anew."""


@dataclass(frozen=True)
class Numbering:
    """Category -> number, as a dataset of this `kind` ("coco" or "yolo") has them; of the kind "run" they say
    the order of a run's categories."""

    kind: str
    numbers: Mapping[str, int]

    @classmethod
    def in_order(cls, names: Sequence[str]) -> Numbering:
        """A run's categories."""
        return cls(RUN, {name: number for number, name in enumerate(names)})

    @classmethod
    def of_digits(cls, names: Iterable[str]) -> Numbering:
        """Of a YOLO dataset without names: a class is called by its number."""
        return cls("yolo", {name: int(name) for name in names if _is_number(name)})

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "numbers": dict(self.numbers)}

    @classmethod
    def from_json(cls, plain: Any) -> Numbering | None:
        """The inverse of `to_json`; None for what is no numbering."""
        try:
            kind, numbers = plain["kind"], dict(plain["numbers"])
        except (KeyError, TypeError, ValueError):
            return None
        sound = all(type(number) is int and number >= 0 for number in numbers.values())
        unique = sound and len(set(numbers.values())) == len(numbers)
        return cls(kind, numbers) if unique and kind in (*FIRST, RUN) else None


@dataclass(frozen=True)
class Classes:
    """What an export knows of its categories: the dataset's `own` numbers, else the `named` categories of a
    run in their order, and which source categories those are called by another name (`renamed`)."""

    own: Numbering | None = None
    named: Sequence[str] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)

    def called(self, category: str) -> str:
        """The name under which a source category is numbered."""
        return category if self.own else self.renamed.get(category, category)

    def numbers(self, kind: str, seen: Iterable[str]) -> dict[str, int]:
        """Name -> number in a layout of this kind: the dataset's own numbers (as they are in the same kind,
        in their order in the other) or the run's categories; the names `seen` besides follow by name."""
        first = FIRST[kind]
        if self.own and self.own.kind == kind:
            numbers = dict(self.own.numbers)
        else:
            known = sorted(self.own.numbers, key=self.own.numbers.__getitem__) if self.own else self.named
            numbers = {name: number for number, name in enumerate(known, start=first)}
        rest = sorted({self.called(name) for name in seen} - numbers.keys())
        if not numbers and rest and all(_is_number(name) for name in rest):
            # a YOLO dataset without names: its classes are called by their numbers
            last = max(map(int, rest))
            return {str(number): number + first for number in range(last + 1)}
        after = max(numbers.values(), default=first - 1) + 1
        return numbers | {name: number for number, name in enumerate(rest, start=after)}

    def origin(self, kind: str) -> str:
        """Where the numbers come from, in a few words."""
        if self.own and self.own.kind != RUN:
            same = self.own.kind == kind
            return f"the dataset's own {'numbers' if same else f'order ({self.own.kind})'}"
        if self.own or self.named:
            return "the detector's categories first, in their order"
        return "by name: nothing says their order"


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdecimal() and len(name) < 4 and str(int(name)) == name


def parquet_numbering(uri: str) -> Numbering | None:
    """The numbering that a Parquet file carries, or one of the first in a folder. Files that cannot be read
    say none: who reads the frames tells of them."""
    if not storage.exists(uri):
        return None
    files = [uri]
    if storage.is_folder(uri):
        below = files_below(uri, hidden="._")[0]
        files = [file for file in below if storage.name_of(file).endswith(".parquet")]
    for file in files[:LOOKED_AT]:
        try:
            with open_parquet(file) as opened:
                metadata = opened.schema_arrow.metadata or {}
        except DataError:
            continue
        if METADATA in metadata and (found := _parsed(metadata[METADATA])):
            return found
    return None


def _parsed(text: bytes) -> Numbering | None:
    try:
        return Numbering.from_json(json.loads(text))
    except (ValueError, RecursionError):
        return None


def with_numbering(schema: pa.Schema, numbering: Numbering | None) -> pa.Schema:
    """The schema with the numbering among its metadata."""
    if numbering is None:
        return schema
    return schema.with_metadata(
        {**(schema.metadata or {}), METADATA: json.dumps(numbering.to_json()).encode()}
    )
