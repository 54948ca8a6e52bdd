from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import pyarrow as pa
import pytest

from imitation.common.formats.arrow import fields_of


class Corner(NamedTuple):
    x: float
    y: float


@dataclass
class Thing:
    name: str
    kind: Literal["a", "b"]
    corner: Corner | None
    tags: tuple[str, ...] = ()
    level: int | None = None
    raw: bytes = b""


def test_columns_follow_the_annotations() -> None:
    assert pa.schema(fields_of(Thing)) == pa.schema(
        [
            pa.field("name", pa.string(), nullable=False),
            pa.field("kind", pa.string(), nullable=False),
            ("corner", pa.struct([("x", pa.float64()), ("y", pa.float64())])),
            pa.field("tags", pa.list_(pa.string()), nullable=False),
            ("level", pa.int64()),
            pa.field("raw", pa.binary(), nullable=False),
        ]
    )


def test_types_asked_for_reach_into_structs_and_a_name_goes_first() -> None:
    found = pa.schema(fields_of(Thing, {float: pa.float32(), int: pa.int32()}, level=pa.int8()))
    assert found.field("corner").type == pa.struct([("x", pa.float32()), ("y", pa.float32())])
    assert found.field("level").type == pa.int8()
    assert found.field("level").nullable


def test_what_is_no_column_is_named() -> None:
    @dataclass
    class Open:
        conditions: Mapping[str, str]

    with pytest.raises(TypeError, match=r"Open\.conditions: .* is no Arrow type"):
        fields_of(Open)
    assert fields_of(Open, conditions=pa.string()) == [pa.field("conditions", pa.string(), nullable=False)]
    with pytest.raises(TypeError, match="Thing has no field 'colour'"):
        fields_of(Thing, colour=pa.string())
