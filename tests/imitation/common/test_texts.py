"""Text files as people and tools leave them."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.common.texts import ShallowJson, lines_of, parse_json, parse_yaml, shown, text_of


def test_a_byte_order_mark_is_no_text() -> None:
    assert text_of("\ufeffé".encode(), "x") == "é"
    assert text_of(b"", "x") == ""


@pytest.mark.parametrize(
    ("data", "line"), [(b"\xff", 1), (b"\xef\xbb\xbfa\n\nb \xe9 c\nd", 3), (b"a\n\xc3", 2)]
)
def test_what_is_not_utf8_is_named_by_line(data: bytes, line: int) -> None:
    with pytest.raises(DataError, match=rf"^x:{line}: not UTF-8 text"):
        text_of(data, "x")


def test_lines_are_those_that_an_editor_counts() -> None:
    assert lines_of("a\x0c\x0b\x1c\x85\u2028b\nc\r\nd\re") == ["a\x0c\x0b\x1c\x85\u2028b", "c", "d", "e"]
    assert lines_of("") == []
    assert lines_of("\n\na") == ["", "", "a"]


SWELLS: list[object] = ["x"] * 9
for _ in range(9):
    SWELLS = [SWELLS] * 9


@given(
    st.one_of(
        st.text(), st.integers(), st.binary(), st.just("x" * 100_000), st.just(10**6000), st.just(SWELLS)
    )
)
def test_what_is_shown_is_short_and_on_one_line(value: object) -> None:
    assert len(shown(value)) <= 80
    assert shown(value).isprintable()


@pytest.mark.parametrize("text", ["[" * 5000, '{"a":' * 5000, "[" * 5000 + "]" * 5000])
def test_deep_nesting_is_refused(text: str) -> None:
    for parse in (parse_json, parse_yaml):
        with pytest.raises(UserError, match=r"^x: not valid .*nested too deeply"):
            parse(text, "x")


@pytest.mark.parametrize("text", ["a: 2024-13-45", "a: " + "9" * 5000, "a: [", "!!python/name:os.system x"])
def test_what_is_no_yaml(text: str) -> None:
    with pytest.raises(UserError, match=r"^x: not valid YAML"):
        parse_yaml(text, "x")


def test_a_number_without_end_is_no_json() -> None:
    with pytest.raises(UserError, match=r"^x: not valid JSON"):
        parse_json("9" * 5000, "x")


def read(text: bytes, size: int) -> bytes:
    source, parts = ShallowJson(io.BytesIO(text), "x"), []
    while part := source.read(size):
        parts.append(part)
    return b"".join(parts)


JSON = st.recursive(
    st.none() | st.text('[]{}"\\é', max_size=8) | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('[{"\\', max_size=5), inner, max_size=3)
    ),
)


@given(JSON, st.integers(1, 9), st.booleans())
def test_depth_is_counted_outside_strings_wherever_blocks_end(value: object, size: int, ascii_: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_).encode()
    room = ShallowJson.LIMIT - deepest(value)
    shallow, deep = b"[" * room + text, b"[" * (room + 1) + text
    assert read(shallow, size) == shallow
    with pytest.raises(DataError, match="x: not valid: its JSON is nested more than 100 deep"):
        read(deep, size)


def deepest(value: object) -> int:
    if isinstance(value, dict | list):
        members = value.values() if isinstance(value, dict) else value
        return 1 + max(map(deepest, members), default=0)
    return 0
