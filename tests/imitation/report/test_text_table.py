"""Tables and sentences in a terminal: no line wider than it, no word broken, nothing lost."""

from collections.abc import Callable

import pytest

from imitation.common.text_table import (
    MARK,
    Table,
    fitted,
    format_table,
    printable,
    table_lines,
    terminal_width,
    text_width,
    wrapped,
)
from imitation.report.run.record import Summary
from imitation.report.run.table import build_table
from imitation.report.sweep.record import build_table as sweep_table
from tests.imitation.report.sweep.test_html import found  # noqa: F401 (a fixture)

WIDTHS = (40, 60, 80, 110)


def tables(make_summary: Callable[..., Summary], sweep) -> list[Table]:
    many = make_summary([f"vehicle.kind.{i}" for i in range(9)])
    return [
        build_table(make_summary()),
        build_table(many),
        build_table(make_summary(("car", "汽车"))),
        sweep_table(sweep),
        Table((), (("", 1), ("a long name of a group of one", 1)), ("", "x"), (("a", "1"),), -1, ()),
    ]


@pytest.mark.parametrize("width", WIDTHS)
def test_every_table_fits_and_every_word_is_whole(make_summary, found, width):  # noqa: F811
    for table in tables(make_summary, found):
        lines = table_lines(table, width)
        assert max(map(text_width, lines)) <= width, "\n".join(lines)
        words = " ".join(lines).replace(MARK, " ").split()
        shown = [
            word for row in (table.columns, *table.rows) for cell in row for word in printable(cell).split()
        ]
        assert {word for word in shown if text_width(word) < width // 3} <= set(words)
        assert not any("…" in word for word in words), "nothing here is too wide to be shown"


def test_a_table_that_is_too_wide_is_told_in_parts_with_its_rows_named():
    table = Table(
        (),
        (("", 1), ("first", 2), ("second", 2)),
        ("", "a", "b", "c", "d"),
        (("row one", "1", "2", "3", "4"), ("row two", "5", "6", "7", "8888888888888888888888888")),
        1,
        (),
    )
    assert "\n\n" not in format_table(table, 80)
    lines = table_lines(table, 42)
    cut = lines.index("")
    first, second = lines[:cut], lines[cut + 1 :]
    assert [line.split() for line in first if "row" in line] == [
        ["row", "one", "1", "2"],
        [MARK, "row", "two", "5", "6"],
    ]
    assert second[-2].split() == [MARK, "row", "two", "7", "8888888888888888888888888"]
    assert "first" in first[0]
    assert "second" in second[0]


def test_a_word_wider_than_the_terminal_is_cut_and_says_so():
    name = "a" * 200
    lines = table_lines(Table((), (), ("", "x"), ((name, "1"),), -1, ()), 60)
    assert max(map(len, lines)) <= 60
    assert any("a…" in line and line.endswith("1") for line in lines)


def test_sentences_are_broken_between_words_alone():
    text = "the share of 71.8 % is wrong: https://example.org/a/path/that/is/longer/than/the/line of it"
    lines = wrapped(text, 30, "  ")
    assert " ".join(line.strip() for line in lines) == text
    assert not any(line.strip().startswith("%") for line in lines)
    assert all(len(line) <= 30 for line in lines if "https" not in line)


def test_what_fits_stays_as_it_is():
    text = "  a  table   row\n\n    a sentence that is much too long for it"
    told = fitted(text, 24).splitlines()
    assert told[:2] == ["  a  table   row", ""]
    assert all(line.startswith("    ") for line in told[2:])
    assert max(map(len, told)) <= 24


def test_the_width_is_the_terminals(monkeypatch):
    for columns, width in (("60", 60), ("10", 40), ("400", 110), ("", 80)):
        monkeypatch.setenv("COLUMNS", columns)
        assert terminal_width() == width
