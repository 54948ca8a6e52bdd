"""The advice on a run, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from imitation.advice.record import Advice, AdviceRow
from imitation.common.text_table import Table, table_lines, wrapped
from imitation.report.advice.words import SHOWN, cost, head, mends, row_name, sentences


def lines(advice: Advice) -> Iterator[str]:
    """As wide as the terminal; the modes of most failures are shown, those with an effect first."""
    yield from wrapped(head(advice))
    yield ""
    yield from table_lines(_table(advice))
    if (left := len(advice.rows) - SHOWN) > 0:
        yield f"{left} more in --json."
    yield ""
    for sentence in sentences(advice):
        yield from wrapped(sentence, indent="  ")


def _table(advice: Advice) -> Table:
    columns = (
        "",
        "failures",
        "do",
        "rendering mends",
        *(("cost",) if advice.costs else ()),
        "real frames mend",
    )
    columns += ("cost",) if advice.costs else ()
    rows = tuple(tuple(_cells(row, advice)) for row in (*advice.rows[:SHOWN], advice.total))
    return Table((), (), columns, rows, -1, (), (0, 2))


def _cells(row: AdviceRow, advice: Advice) -> Iterator[str]:
    yield row_name(row)
    yield f"{row.failures:,}"
    yield row.advice
    for estimate, price in ((row.synthetic, row.synthetic_cost), (row.real, row.real_cost)):
        yield mends(estimate)
        if advice.costs:
            yield cost(price)
