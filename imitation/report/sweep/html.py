"""A sweep's results as a page."""

from __future__ import annotations

from collections import Counter

from imitation.datasets.registry import title_of
from imitation.metrics.own import metric_title
from imitation.report.page import environment
from imitation.report.sweep.plots import build_sweep_plots
from imitation.report.sweep.record import SweepResults, build_table, short_names, value_text
from imitation.report.table import STAND_IN, points


def render_sweep(results: SweepResults, best: str | None = None, config: str = "") -> str:
    """The report of a sweep as HTML: one file, without a script, that loads nothing. `best` is the text of
    best.yaml, `config` that of the sweep's configuration."""
    template = environment().get_template("sweep/page.html.j2")
    return template.render(
        results=results,
        table=build_table(results),
        chosen=results.chosen,
        gain=_gain(results),
        plots=build_sweep_plots(results),
        status=Counter(trial.status for trial in results.trials),
        seconds=sum(trial.seconds for trial in results.trials) + sum(b.seconds for b in results.baselines),
        metric=metric_title(results.metric),
        stand_in=STAND_IN if results.stand_in else None,
        data_kind=title_of(results.data_kind),
        best=best,
        config=config,
        value_text=value_text,
        names=short_names(results.settings),
    )


def _gain(results: SweepResults) -> str | None:
    """By how many points the best trial lies above its own baseline on val, signed."""
    chosen = results.chosen
    if chosen is None or chosen.best_val is None:
        return None
    return points(chosen.best_val - chosen.cycles[0].val, sign=True)
