"""Words that messages are made of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.common.wording import counted, did_you_mean, duration, nearest, times


@pytest.mark.parametrize(
    ("count", "noun", "said"),
    [
        (1, "frame", "1 frame"),
        (0, "frame", "0 frames"),
        (1203, "object", "1,203 objects"),
        (2, "box", "2 boxes"),
        (2, "category", "2 categories"),
        (2, "day", "2 days"),
    ],
)
def test_nouns_are_counted(count: int, noun: str, said: str) -> None:
    assert counted(count, noun) == said


def test_tries_are_counted() -> None:
    assert [times(1), times(2)] == ["once", "2 times"]


def test_a_span_of_time_has_two_units() -> None:
    assert [duration(s) for s in (0.4, 59.6, 65, 3600, 12_000)] == [
        "0 s",
        "1 min",
        "1 min 5 s",
        "1 h",
        "3 h 20 min",
    ]


def test_padded_it_keeps_its_width() -> None:
    told = [duration(s, padded=True) for s in (9.4, 60, 150, 3599.6, 3900)]
    assert told == ["9 s", "1 min 00 s", "2 min 30 s", "1 h 00 min", "1 h 05 min"]


@given(st.floats(0, 1e6))
def test_no_unit_is_full_and_little_is_left_out(seconds: float) -> None:
    words = duration(seconds, padded=True).split()
    parts = dict(zip(words[1::2], map(int, words[::2]), strict=True))
    assert parts.get("s", 0) < 60
    assert parts.get("min", 0) < 60
    told = 3600 * parts.get("h", 0) + 60 * parts.get("min", 0) + parts.get("s", 0)
    assert abs(seconds - told) <= (60.5 if "h" in parts else 0.5)


def test_the_nearest_is_found_whatever_its_case() -> None:
    assert did_you_mean("carr", ["Car", "Van"]) == "did you mean 'Car'?"
    assert did_you_mean("carr", ["Car", "Van"], said="the nearest is {!r}") == "the nearest is 'Car'"
    assert nearest("vanss", ["Car", "Vans", "Van"], 2) == ["Vans", "Van"]


def test_where_none_is_near_all_are_named() -> None:
    assert did_you_mean("xyz", ["Car", "Van"]) == "known are Car, Van"
    assert did_you_mean("xyz", ["Car", "Van"], "see the list") == "see the list"
    assert did_you_mean("xyz", [], "") == ""
