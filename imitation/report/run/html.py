"""`report.html`: one file with everything in it, to be read without a network, and without a script too."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from imitation.datasets.registry import title_of
from imitation.evaluation.failures import KINDS
from imitation.report.advice.words import advice_section
from imitation.report.page import environment
from imitation.report.probe.section import ProbeSection
from imitation.report.run.finding_plots import build_finding_plots
from imitation.report.run.gallery import GalleryItem
from imitation.report.run.pictures import Entry, build_entry
from imitation.report.run.plots import build_plots
from imitation.report.run.record import StratumFeedback, Summary
from imitation.report.run.sections import build_findings
from imitation.report.run.table import build_table, noise_note, real_word, simulator_rows
from imitation.report.run.threshold.section import build_threshold
from imitation.report.suite.section import SuiteSection
from imitation.report.table import STAND_IN, points

PROBLEMS_SHOWN = 200


def render_report(
    summary: Summary,
    gallery: Sequence[GalleryItem],
    config: str = "",
    suspects: Sequence[GalleryItem] = (),
    fates: str | None = None,
    probe: ProbeSection | None = None,
    suites: Sequence[SuiteSection] = (),
) -> str:
    """The report of a run as HTML; `config` is the run's configuration as YAML text, `suspects` are
    suspected label errors to show (`collect_suspects`), `fates` the name of the file beside the page that has
    the fate of every failure (`imitation.diagnosis.fates`), to be linked; `probe` is what the probe found,
    `suites` how its chosen detector does on regression suites.

    Whatever comes from data is escaped, and the page forbids itself to load anything. The one script, the
    slider of thresholds, is part of it and named by its hash in the page's policy.
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
        threshold=build_threshold(summary.thresholds),
        advice=advice_section(summary.advice),
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
        simulators=simulator_rows(summary),
        set_aside=[
            (entry.cycle, scene)
            for entry in summary.cycles
            if entry.simulated
            for scene in entry.simulated.set_aside
        ],
        problems_shown=PROBLEMS_SHOWN,
        config=config,
        fates=fates,
        probe=probe,
        suites=suites,
    )


def _suspect_entry(item: GalleryItem, stand_in: bool) -> Entry:
    return replace(build_entry(item, stand_in), headline=f"{item.failure.predicted}, not labelled?")


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
    return points(best - base, sign=True)


def _reasons(summary: Summary) -> list[tuple[str, int]]:
    """Why failures were out of the simulator's reach, in the last mined cycle, the most frequent first."""
    mined = [entry.mined for entry in summary.cycles if entry.mined is not None]
    if not mined:
        return []
    return sorted(mined[-1].out_of_reach.items(), key=lambda item: (-item[1], item[0]))


def _learnt(summary: Summary) -> list[StratumFeedback]:
    """What a policy that learns knew when it asked last, given-up strata last."""
    strata = [entry.simulated.modes for entry in summary.cycles if entry.simulated and entry.simulated.modes]
    return sorted(strata[-1], key=lambda one: (one.given_up, -one.failures, one.mode)) if strata else []


def _stages(summary: Summary) -> list[tuple[str, float, float]]:
    """(stage, seconds, share of all) over all cycles, the longest first."""
    totals: Counter[str] = Counter()
    for entry in summary.cycles:
        totals.update(entry.seconds)
    whole = sum(totals.values())
    return [(stage, seconds, seconds / whole if whole else 0.0) for stage, seconds in totals.most_common()]
