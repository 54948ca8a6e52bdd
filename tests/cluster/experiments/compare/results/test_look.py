"""The three pages and the tables as people see them: names, columns, widths, axes, letters."""

import html
import re
from pathlib import Path

import pytest

from cluster.experiments.compare.arms import ARMS
from imitation.common.text_table import table_lines, text_width
from imitation.report import words
from imitation.report.comparison.html import render_comparison
from imitation.report.comparison.text import as_text, main_table, measure_table
from imitation.report.run.html import render_report
from imitation.report.sweep.html import render_sweep
from tests.cluster.experiments.compare.toy import plan_of
from tests.imitation.report.conftest import make_found, make_summary  # noqa: F401 (fixtures)
from tests.imitation.report.sweep.test_html import found  # noqa: F401 (a fixture)
from tests.laid_out import PHONE, widths

WIDTHS = (60, 80)
MADE: dict[str, str] = {}


@pytest.fixture
def pages(told, make_found, found) -> dict[str, str]:  # noqa: F811
    if not MADE:  # once for all tests, though what it is made of is made for each
        MADE["report"] = render_report(make_found(), [], "a: b\n", fates="fates.csv")
        MADE["comparison"] = render_comparison(told, config="a: b")
        MADE["sweep"] = render_sweep(found, best="a: b")
    return MADE


def text_of(page: str) -> str:
    """What a person reads, plots and words for those who cannot see them included."""
    labels = " ".join(re.findall(r'aria-label="([^"]*)"', page))
    body = re.sub(r"<style>.*?</style>|<pre.*?</pre>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body) + labels).split())


def tables_of(page: str) -> list[list[str]]:
    """The heads of each table's columns."""
    heads = re.findall(r"<thead>(.*?)</thead>", page, flags=re.DOTALL)
    rows = [re.findall(r"<tr>(.*?)</tr>", head, flags=re.DOTALL)[-1] for head in heads]
    return [
        [re.sub(r"<[^>]*>", "", cell).strip() for cell in re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row)]
        for row in rows
    ]


def test_every_map_says_its_iou(pages, told):
    shown = {name: text_of(page) for name, page in pages.items()} | {"text": "\n".join(as_text(told))}
    for name, text in shown.items():
        assert "mAP50" in text, name
        bare = re.findall(r".{0,40}\bmAP(?!50|@\[\.5:\.95\]).{0,20}", text)
        assert not bare, f"{name}: {bare}"


def test_plain_words_stand_in_place_of_the_methods(pages):
    for name, page in pages.items():
        text = text_of(page)
        assert "chosen" in text, name
        assert "validation split" in text, f"{name}: who does not know what val is"
        for unsaid in ("best on val</", "stand-in + sim", "real + sim", "classification", "duplicate"):
            assert unsaid not in text, f"{name}: {unsaid}"
    text = text_of(pages["report"])
    assert text.count("0-1 loss") == text.count("the method's 0-1 loss"), "it stands as an explanation alone"
    assert "share of objects and detections that are wrong" in text


def test_the_score_is_the_first_column(pages):
    report, comparison, sweep = (tables_of(pages[name]) for name in ("report", "comparison", "sweep"))
    assert report[0][:2] == ["", "mAP50"]
    assert comparison[0][:2] == ["", "mAP50"]
    assert sweep[0][:2] == ["trial", "mAP50"]
    assert pages["report"].index("<dt>mAP50") < pages["report"].index("<dt>Chosen")


def test_a_detector_is_called_the_same_in_every_table_and_plot(told):
    page = render_comparison(told)
    names = [words.detector_name(row.key) for row in told.rows]
    assert [row[0] for row in main_table(told).rows] == names
    assert [row[0] for row in measure_table(told).rows] == names
    forest = page[page.index("Differences to the baseline, paired. ") :]
    assert all(name in forest for name in names[1:])
    assert {words.arm_name(arm) for arm in ARMS} == set(words.ARMS), "each says what it is trained on"


def test_letters_are_small_and_no_score_lies_below_zero(pages):
    seen = 0
    for name, page in pages.items():
        for title, svg in re.findall(
            r'class="card plot">\s*<h3>(.*?)</h3>.*?(<svg.*?</svg>)', page, re.DOTALL
        ):
            seen += 1
            wide = float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1])
            sizes = [float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg)]
            assert sizes
            assert max(sizes) / wide < 0.035, f"{name}: {title}: letters of a card's width / 30 at most"
            labels = re.findall(r"<text[^>]*>([^<]*)</text>", svg)
            if "Differences" not in title:  # of which some are below 0
                assert not [label for label in labels if re.match(r"[−-]\d", label)], f"{name}: {title}"
    assert seen >= 12
    css = (Path(words.__file__).parent / "report.css").read_text()
    assert re.search(r"\.plot svg \{[^}]*max-width: 5\d\dpx", css), "a plot alone in its row does not grow"


@pytest.mark.parametrize("width", WIDTHS)
def test_a_comparison_fits_the_terminal(told, tmp_path, width, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(width))
    assert max(map(text_width, as_text(told))) <= width
    for table in (main_table(told), measure_table(told)):
        shown = " ".join(table_lines(table)).split()
        cells = [word for row in (table.columns, *table.rows) for cell in row for word in cell.split()]
        assert set(cells) <= set(shown), "a word is broken, or left out"
    plan = [line for line in plan_of(tmp_path).lines() if line.startswith("  ")]
    assert max(map(len, plan)) <= width


def test_nothing_is_wider_than_a_phone(pages, tmp_path):
    """Each page in a frame as wide as a phone: it must not scroll sideways as a whole."""
    assert widths(pages.values(), PHONE, tmp_path) == [PHONE] * len(pages)
