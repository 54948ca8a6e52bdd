"""`report.html`: one file with everything in it, to be read anywhere, without a network or a script."""

from __future__ import annotations

import importlib.resources
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import jinja2
from markupsafe import Markup

from imitation.common.wording import duration
from imitation.datasets.registry import title_of
from imitation.evaluation.failures import KINDS
from imitation.report.run.finding_plots import build_finding_plots
from imitation.report.run.gallery import GalleryItem
from imitation.report.run.pictures import Entry, build_entry
from imitation.report.run.plots import build_plots
from imitation.report.run.record import ModeFeedback, Summary
from imitation.report.run.sections import build_findings
from imitation.report.run.table import build_table, noise_note, real_word
from imitation.report.table import STAND_IN, points
from imitation.report.words import (
    AP,
    AP50,
    CHOSEN,
    MAP,
    MAP50,
    VAL_MEANS,
    WRONG,
    WRONG_MEANS,
    WRONG_TITLE,
    arm_name,
    detector_name,
    kind_name,
    measure_name,
    mode_name,
)

PROBLEMS_SHOWN = 200


def render_report(
    summary: Summary,
    gallery: Sequence[GalleryItem],
    config: str = "",
    suspects: Sequence[GalleryItem] = (),
    fates: str | None = None,
) -> str:
    """The report of a run as HTML; `config` is the run's configuration as YAML text, `suspects` are
    suspected label errors to show (`collect_suspects`), `fates` the name of the file beside the page that has
    the fate of every failure (`imitation.diagnosis.fates`), to be linked.

    Whatever comes from data is escaped, and the page forbids itself to load anything.
    """
    template = environment().get_template("run/page.html.j2")
    return template.render(
        summary=summary,
        run=summary.run,
        best=summary.best,
        baseline=summary.cycles[0],
        table=build_table(summary),
        plots=build_plots(summary) | build_finding_plots(summary),
        **build_findings(summary),
        suspect_entries=[_suspect_entry(item, summary.run.stand_in) for item in suspects],
        entries=[build_entry(item, summary.run.stand_in) for item in gallery],
        drawn_from=_drawn_from(gallery),
        verdicts=any(item.verdict for item in gallery),
        change=_change(summary),
        noise=noise_note(summary),
        stand_in=STAND_IN if summary.run.stand_in else None,
        data_kind=title_of(summary.run.data_kind),
        real_word=real_word(summary),
        kinds=KINDS,
        mined=[entry for entry in summary.cycles if entry.mined is not None],
        reasons=_reasons(summary),
        learnt=_learnt(summary),
        stages=_stages(summary),
        set_aside=[
            (entry.cycle, scene)
            for entry in summary.cycles
            if entry.simulated
            for scene in entry.simulated.set_aside
        ],
        problems_shown=PROBLEMS_SHOWN,
        config=config,
        fates=fates,
    )


def _suspect_entry(item: GalleryItem, stand_in: bool) -> Entry:
    return replace(build_entry(item, stand_in), headline=f"{item.failure.predicted}, not labelled?")


def environment() -> jinja2.Environment:
    folder = importlib.resources.files("imitation.report")
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(lambda name: (folder / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["style"] = Markup((folder / "report.css").read_text(encoding="utf-8"))
    environment.filters |= {
        "points": points,
        "svg": Markup,
        "duration": duration,
        "thousands": "{:,}".format,
        "breakable": breakable,
        "interval": interval,
        "kind": kind_name,
        "mode": mode_name,
        "detector": detector_name,
        "arm": arm_name,
        "measure": measure_name,
    }
    environment.globals |= {
        "MAP50": MAP50,
        "MAP": MAP,
        "AP50": AP50,
        "AP": AP,
        "CHOSEN": CHOSEN,
        "WRONG": WRONG,
        "WRONG_TITLE": WRONG_TITLE,
        "WRONG_MEANS": WRONG_MEANS,
        "VAL_MEANS": VAL_MEANS,
    }
    return environment


def interval(text: str) -> Markup:
    """A value with its interval, "38.0 (22.4 to 54.1)", which stays in one piece behind it or below it."""
    value, space, between = text.partition(" ")
    return (
        Markup('{}{}<span class="ci">{}</span>').format(value, space, between)
        if between
        else Markup.escape(value)
    )


def breakable(text: str) -> Markup:
    """A long name that may go on in a new line behind its dots and underscores."""
    return Markup("<wbr>").join(re.split(r"(?<=[._])", text))


def _drawn_from(gallery: Sequence[GalleryItem]) -> int:
    """How many failures the gallery was drawn among: those of every cycle that is in it."""
    pools = {
        frame.origin.cycle: item.drawn_from for item in gallery for frame in item.synthetic if frame.origin
    }
    return sum(pools.values())


def _change(summary: Summary) -> str | None:
    """By how many points the best cycle's mAP on test lies above the baseline's, signed; None if it is
    the baseline or there is no mAP."""
    best, base = summary.best.mAP, summary.cycles[0].mAP
    if summary.best_cycle == 0 or best is None or base is None:
        return None
    return f"{100 * (best - base):+.1f}".replace("-", "−")


def _reasons(summary: Summary) -> list[tuple[str, int]]:
    """Why failures were out of the simulator's reach, in the last mined cycle, the most frequent first."""
    mined = [entry.mined for entry in summary.cycles if entry.mined is not None]
    if not mined:
        return []
    return sorted(mined[-1].out_of_reach.items(), key=lambda item: (-item[1], item[0]))


def _learnt(summary: Summary) -> list[ModeFeedback]:
    """What a policy that learns knew when it asked last, given-up modes last."""
    told = [entry.simulated.modes for entry in summary.cycles if entry.simulated and entry.simulated.modes]
    return sorted(told[-1], key=lambda mode: (mode.given_up, -mode.failures, mode.mode)) if told else []


def _stages(summary: Summary) -> list[tuple[str, float, float]]:
    """(stage, seconds, share of all) over all cycles, the longest first."""
    totals: Counter[str] = Counter()
    for entry in summary.cycles:
        totals.update(entry.seconds)
    whole = sum(totals.values())
    return [(stage, seconds, seconds / whole if whole else 0.0) for stage, seconds in totals.most_common()]
