"""Where the threshold is: a section that says it without a script, and a slider that works offline."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from imitation.metrics.threshold_curves import ThresholdCurves, score_grid, threshold_curves
from imitation.report.run import html as run_html
from imitation.report.run.html import render_report
from imitation.report.run.record import Summary
from imitation.report.run.threshold.section import build_threshold
from tests.imitation.metrics.driving import evaluated
from tests.imitation.report.run.test_html import Page
from tests.laid_out import BROWSER, told_by

NAMES = ("car", "truck", "person")
AT = 0.375


def made(names: tuple[str, ...] = NAMES) -> ThresholdCurves:
    grid = score_grid(AT)
    parts = [threshold_curves(evaluated(25, seed), names, grid) for seed in (1, 2)]
    return ThresholdCurves(scores=grid, operating=AT, val=parts[0], test=parts[1])


@pytest.fixture
def page(make_summary: Callable[..., Summary], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(run_html, "build_plots", lambda summary: {})
    monkeypatch.setattr(run_html, "build_finding_plots", lambda summary: {})
    return render_report(make_summary().model_copy(update={"thresholds": made()}), [])


def test_the_one_script_is_the_one_that_the_policy_names(page: str) -> None:
    tags = Page(page)
    assert tags.all("script") == [{}]
    (script,) = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = (a["content"] for a in tags.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert policy.endswith(f"; script-src 'sha256-{digest}'")
    assert not re.search(r"\b(fetch|XMLHttpRequest|import|eval|innerHTML|localStorage)\b", script)


def test_without_a_script_the_table_and_the_plot_say_it(page: str) -> None:
    section = build_threshold(made())
    assert section is not None
    curves = made()
    at = curves.scores.index(AT)
    shares = [f"{100 * share:.1f}" for share in curves.val[0].at(at) if share is not None]
    text = Page(page).says()
    assert f"all, on val {curves.val[0].objects} {' '.join(shares)}" in text
    for name in (*NAMES, "all, on test", "weather", "fog", "160 px and more"):
        assert name in text
    assert 'id="threshold-slider" hidden' in page, "without its script it would be a dead slider"
    assert f"on val at {AT:.3f}: precision {shares[0]}, recall {shares[1]}" in section.plot.alt
    assert "least wrong, " in section.plot.alt


def test_a_summary_without_curves_has_neither_section_nor_script(
    make_summary: Callable[..., Summary],
) -> None:
    assert build_threshold(None) is None
    empty = ThresholdCurves(
        scores=[0.0, AT], operating=AT, val=threshold_curves([], NAMES, [0.0, AT]), test=[]
    )
    assert build_threshold(empty) is None
    summary = make_summary().model_copy(update={"thresholds": made(("<script>alert(1)</script>", "b", "c"))})
    again = Summary.from_dict(summary.to_dict())
    assert again.thresholds == summary.thresholds
    section = build_threshold(again.thresholds)
    assert section is not None
    assert "<script>alert" not in section.plot.svg


@pytest.mark.slow
@pytest.mark.skipif(BROWSER is None, reason="no browser (chromium) is at hand to move the slider")
@pytest.mark.parametrize("width", [390, 1200])
def test_the_slider_moves_table_and_marker(page: str, tmp_path: Path, width: int) -> None:
    """A real browser, under the page's own policy: at a score of 0.8 the table says what the curves say."""
    script = """
onload = () => {
  const page = document.querySelector('iframe').contentDocument;
  const input = page.querySelector('#threshold-score'), box = page.querySelector('#threshold-slider');
  const row = () => [...page.querySelectorAll('.thresholds tbody tr')].slice(0, 3)
    .map(row => [...row.querySelectorAll('td.share')].map(cell => cell.textContent));
  const told = {shown: !box.hidden, before: row(), wide: page.documentElement.scrollWidth};
  const x = () => Number(page.querySelector('#threshold-now').getAttribute('x1'));
  told.x = [x()];
  input.value = input.dataset.scores.split(' ').indexOf('0.8');
  input.dispatchEvent(new Event('input'));
  told.after = row(); told.said = page.querySelector('output').value; told.x.push(x());
  box.querySelector('button').click();
  told.back = row();
  document.title = JSON.stringify(told);
};"""
    told = json.loads(told_by([page], width, script, tmp_path))
    curves = made()

    def rows(score: float) -> list[list[str]]:
        i = curves.scores.index(score)
        parts = (curves.val[0], curves.test[0], curves.val[1])
        return [["–" if share is None else f"{100 * share:.1f}" for share in part.at(i)] for part in parts]

    assert told["shown"]
    assert told["wide"] == width, "the page must not scroll sideways as a whole"
    assert told["before"] == told["back"] == rows(AT)
    assert told["after"] == rows(0.8)
    assert told["said"] == "0.8"
    assert told["x"][0] < told["x"][1]
