import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from imitation.report.run import html
from imitation.report.run.finding_plots import build_finding_plots
from imitation.report.run.gallery import GalleryItem, collect_gallery, collect_suspects
from imitation.report.run.html import render_report
from imitation.report.run.plots import build_plots
from imitation.report.run.record import Summary
from imitation.report.svg import Plot

VOID = {"meta", "img", "br", "link", "input", "hr"}
LOADING = {"src", "href", "xlink:href", "data", "action", "poster", "srcset"}


class Page(HTMLParser):
    """Checks that tags nest, and collects what a test looks at."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]

    def says(self) -> str:
        return " ".join(" ".join(self.text).split())


@pytest.fixture
def unplotted(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests of the page's words: drawing the plots is most of the work."""
    followed = Plot("followed", "", "", "<svg></svg>")
    monkeypatch.setattr(html, "build_plots", lambda summary: {})
    monkeypatch.setattr(html, "build_finding_plots", lambda summary: {"followed": followed})


@pytest.fixture
def gallery(rendered_run: Path) -> list[GalleryItem]:
    paths = [str(rendered_run / name) for name in ("failures.parquet", "real.parquet", "synthetic")]
    return collect_gallery(paths[0], paths[1], paths[2:], 2, np.random.default_rng(0))


def test_the_page_is_whole(make_summary: Callable[..., Summary], gallery: list[GalleryItem]) -> None:
    page = Page(render_report(make_summary(problems=["a.txt:3: bad box"]), gallery, "train:\n  steps: 300\n"))
    text = page.says()
    for part in (
        "KITTI folder, one seed",
        "chosen",
        "all 2 imitation cycles asked for are done",
        "a.txt:3: bad box",
        "hung after 2 attempts",
        "2 × the simulator has no asset for category 'tram'",
        "train: steps: 300",
        "2 of 3 failures",
        "2.60.0",
        "3 min 14 s",
    ):
        assert part in text
    assert len(page.all("img")) == 2 * 3  # two failures, each beside the two frames rendered for it
    assert len(page.all("svg")) == 6
    assert all(attrs["alt"] for attrs in page.all("img"))
    assert [tag for tag, _ in page.tags if tag == "h1"] == ["h1"]


@pytest.mark.usefixtures("unplotted")
def test_what_a_policy_learnt_and_what_was_rejected_is_told(make_summary: Callable[..., Summary]) -> None:
    data = make_summary().to_dict()
    mode = {"failures": 7, "fed": 12.5, "fixed": 2.0, "rise": -0.031, "hope": 0.08, "given_up": True}
    simulated = data["cycles"][2]["simulated"]
    simulated["modes"] = [{"mode": "car, missed, small", **mode}, {"mode": "car, missed, <b>", **mode}]
    simulated["modes"][1]["given_up"] = False
    simulated["set_aside"].append(
        {"scene_id": "c02-9-v00", "kind": "rejected", "reason": "nothing is left to see", "attempts": 1}
    )
    simulated["rejected"] = 1
    text = Page(render_report(Summary.from_dict(data), [])).says()
    assert "car, missed, <b> 7 12.5 2.0 -3.1 8 % car, missed, small 7 12.5 2.0 -3.1 8 % given up" in text
    assert "cycle 2, c02-9-v00: rejected after 1 attempt: nothing is left to see" in text
    assert "set aside rejected" in text
    assert "had learnt" not in Page(render_report(make_summary(), [])).says()


def test_loads_nothing(make_summary: Callable[..., Summary], gallery: list[GalleryItem]) -> None:
    html = render_report(make_summary(), gallery)
    page = Page(html)
    assert not {"script", "link", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    for _, attrs in page.tags:
        for name in LOADING & attrs.keys():
            loaded = (attrs[name] or "").startswith(("data:image/jpeg;base64,", "#"))
            assert loaded or (name == "href" and re.fullmatch(r"[a-z]+\.(csv|json)", attrs[name] or ""))
    assert not re.search(r"@import|url\((?!#)", html)
    (policy,) = (a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert (policy or "").startswith("default-src 'none'")


def test_ids_are_unique_and_references_lead_somewhere(make_found: Callable[..., Summary]) -> None:
    html = render_report(make_found(), [])
    ids = [attrs["id"] for _, attrs in Page(html).tags if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:href="#|url\(#|aria-labelledby=")([^")]+)', html)) <= set(ids)


def test_hostile_text_stays_text(make_summary: Callable[..., Summary]) -> None:
    evil = "<script>alert('1')</script>"
    mined = {
        "split": evil,
        "failures": {},
        "modes": {f"{evil}, missed, $plain": 3, "--><b>x</b>, missed, plain": 2},
        "out_of_reach": {evil: 1},
    }
    data: dict[str, Any] = make_summary((evil, "truck"), problems=[evil], unmapped={evil: 1}).to_dict()
    data["cycles"][0] |= {"mined": mined, "label": evil, "seconds": {evil: 2.0}}
    data["run"] |= {"title": evil, "name": evil, "notes": [evil], "machine": evil, "packages": {evil: evil}}
    html = render_report(Summary.from_dict(data), [], config=f"name: {evil}")
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "b" not in {tag for tag, _ in page.tags}
    assert evil in page.says()
    assert "<script" not in html


@pytest.mark.usefixtures("unplotted")
def test_hostile_failures_stay_text(make_summary: Callable[..., Summary], gallery: list[GalleryItem]) -> None:
    evil = '"><script>'
    items = [
        replace(item, failure=replace(item.failure, category=evil, failure_id=evil), verdict=evil)
        for item in gallery
    ]
    assert "<script" not in render_report(make_summary(), items)


def test_same_summary_same_bytes(make_found: Callable[..., Summary], gallery: list[GalleryItem]) -> None:
    assert render_report(make_found(), gallery) == render_report(make_found(), gallery)


@pytest.mark.usefixtures("unplotted")
def test_a_gallery_of_two_cycles_counts_both_draws(
    make_summary: Callable[..., Summary], gallery: list[GalleryItem]
) -> None:
    later = []
    for item in gallery:
        origins = [(frame, frame.origin) for frame in item.synthetic]
        frames = tuple(replace(f, origin=replace(o, cycle=2)) for f, o in origins if o is not None)
        later.append(replace(item, synthetic=frames, drawn_from=10))
    text = Page(render_report(make_summary(), [*gallery, *later])).says()
    assert "4 of 13 failures that had frames rendered for them" in text


def test_findings_are_told(make_found: Callable[..., Summary]) -> None:
    summary = make_found()
    page = Page(render_report(summary, []))
    text = page.says()
    for part in (
        "another seed moves that by 2.0",
        "KITTI's own counting, AP over 40 recall points, on test baseline cycle 1",
        "car 80.0 60.0 50.0 82.0 62.0 52.0 ",
        "has a mAP50 of 39.5 instead of 37.5 on test. Gains of that size mean nothing",
        "mode mAP50 lost failures mAP50 lost failures of kinds car, right edge 8.1 30 6.1 22 60 22 missed",
        "The detector of cycle 1 on test, by what makes an object hard",
        "attribute value AP50 0 to 100 recall objects frames size under 25 px 24.0 (14.0 to 31.0)",
        "weather rain – – 24 12",
        "test baseline to cycle 1 13 25 3 5 cycle 1 to cycle 2 12 25 3 6 chance: seed 3 to 4 10 29 3 8 mine",
        "Why 40 persist, on mine, cycle 2 in reach: frames were rendered for it 30 75 %",
        "car, right edge 12 25 3 6 10 11",
        "5 confident detections where no object is labelled",
        "f4 car 0.91 80, 20, 120, 45 cycle 2, cycle 1, seed 4",
    ):
        assert part in text
    assert len(page.all("svg")) == 6 + 3 + 3  # plots of the run, of its findings, and intervals of slices
    few = [attrs for attrs in page.all("tr") if "few" in (attrs.get("class") or "").split()]
    assert len(few) == 1


def test_finding_plots_say_their_values(make_found: Callable[..., Summary]) -> None:
    plots = build_finding_plots(make_found())
    assert list(plots) == ["errors", "calibration", "followed"]
    assert (
        "missed: baseline 12.0, cycle 1 10.0, cycle 2 8.0; badly placed: baseline 6.0" in plots["errors"].alt
    )
    assert "means over categories" not in plots["errors"].note, "the summary does not say how many there are"
    assert "baseline, ECE 12.5: 0.15 is 0.10 (36)" in plots["calibration"].alt
    assert "cycle 1, ECE 10.5" in plots["calibration"].alt
    assert plots["followed"].alt.endswith("chance: seed 3 to 4: 10 fixed, 8 regressed, 3 new")
    assert "baseline to cycle 1: 13 fixed, 5 regressed, 3 new" in plots["followed"].alt


def test_what_makes_the_cost_of_errors_jump_is_said_below_the_plot(
    make_found: Callable[..., Summary],
) -> None:
    data = make_found().to_dict()
    bins = data["cycles"][0]["calibration"]["test"]["overall"]["bins"]
    like = data["cycles"][0]["slices"]["test"][0]

    def note(objects: dict[str, int], detected: list[set[str]]) -> str:
        for entry, names in zip(data["cycles"], detected):
            entry["slices"]["test"] = [
                like | {"attribute": "category", "value": name, "objects": count}
                for name, count in objects.items()
            ]
            entry["calibration"]["test"]["categories"] = {
                name: {
                    "ece": None,
                    "bins": [part | {"count": 0} for part in bins] if name not in names else bins,
                }
                for name in objects
            }
        return build_finding_plots(Summary.from_dict(data))["errors"].note

    both = {"car", "truck"}
    said = note({"car": 303, "truck": 4}, [{"car"}, {"car"}, both])
    assert "cycle 2: truck 4 objects, 220 detections; car 303 objects, 220 detections." in said
    assert "Not detected even once: truck (baseline, cycle 1)." in said
    assert "that a line jumps between such a cycle and another need not say more than this" in said
    assert "Not detected" not in note({"car": 303, "truck": 4}, [both] * 3)
    many = {f"sign {i}": 20 - i for i in range(15)}
    said = note(many, [set(many)] * 3)
    assert "its 10 rarest categories, cycle 2: sign 14 6 objects" in said
    assert "sign 4 " not in said


@pytest.mark.usefixtures("unplotted")
def test_without_findings_their_sections_are_left_out(make_summary: Callable[..., Summary]) -> None:
    page = Page(render_report(make_summary(), []))
    ids = {attrs.get("id") for attrs in page.all("h2")}
    assert not {"fails", "slices", "followed", "suspects"} & ids
    assert "seed moves" not in page.says()


@pytest.mark.usefixtures("unplotted")
def test_waymo_is_said_to_be_emulated(make_found: Callable[..., Summary]) -> None:
    data = make_found().to_dict()
    ap = {"level_1": 0.5, "level_2": None, "objects_level_1": 3, "objects_level_2": 9, "iou": 0.7}
    for entry in data["cycles"]:
        entry["protocols"] = {"test": {"waymo": {"car": ap}}}
    text = Page(render_report(Summary.from_dict(data), [])).says()
    assert "Waymo's counting, emulated, on test" in text
    assert "car 50.0 – 50.0 –" in text
    assert "KITTI's own" not in text


def test_without_a_second_seed_chance_is_said_to_be_unknown(make_found: Callable[..., Summary]) -> None:
    page = Page(render_report(make_found(churn=None, suspected_label_errors=[]), []))
    assert "No second seed was trained" in page.says()
    assert "chance alone" not in page.says()
    assert "no confident false detection was made by every detector" in page.says()


@pytest.mark.usefixtures("unplotted")
def test_a_baseline_that_is_best_is_compared_with_the_last_cycle(make_found: Callable[..., Summary]) -> None:
    data = make_found().to_dict()
    data["best_cycle"] = 0
    for entry in data["cycles"]:
        entry["best"] = entry["cycle"] == 0
    text = Page(render_report(Summary.from_dict(data), [])).says()
    assert "The detector of cycle 2 on test" in text
    assert "car, right edge 8.1 30 4.1 14" in text


@pytest.mark.usefixtures("unplotted")
def test_modes_of_one_cycle_alone_are_dashes_in_the_other(make_found: Callable[..., Summary]) -> None:
    data = make_found().to_dict()
    data["cycles"][1]["modes"]["test"].pop(0)
    assert "car, right edge 8.1 30 – –" in Page(render_report(Summary.from_dict(data), [])).says()


def test_hostile_findings_stay_text(make_found: Callable[..., Summary]) -> None:
    evil = "</td><script>alert('1')</script>"
    data = make_found().to_dict()
    data["suspected_label_errors"][0] |= {"frame_id": evil, "predicted": evil, "evaluations": [evil]}
    for entry in data["cycles"]:
        entry["modes"]["test"][0]["mode"] = evil
        entry["slices"]["test"][0] |= {"attribute": evil, "value": evil}
        if entry["followed"]:
            entry["followed"][evil] = entry["followed"]["test"] | {"reasons": {evil: 1}, "by_mode": {}}
    html = render_report(Summary.from_dict(data), [])
    assert "<script" not in html
    assert Page(html).says().count(evil) >= 6


@pytest.mark.usefixtures("unplotted")
def test_suspects_are_shown_in_their_frames(make_found: Callable[..., Summary], rendered_run: Path) -> None:
    summary = make_found()
    assert summary.suspected_label_errors is not None
    items = collect_suspects(
        summary.suspected_label_errors, str(rendered_run / "real.parquet"), 2, np.random.default_rng(0)
    )
    page = Page(render_report(summary, [], suspects=items))
    assert len(page.all("img")) == 2
    assert "2 of them, drawn at random" in page.says()
    assert "car, not labelled? score 0.9" in page.says()
    assert "made by cycle 2, cycle 1, seed 4" in page.says()


@pytest.mark.usefixtures("unplotted")
def test_an_empty_gallery_says_so(make_summary: Callable[..., Summary]) -> None:
    page = Page(render_report(make_summary(), []))
    assert "no failure had frames rendered for it" in page.says()
    assert page.all("img") == []


def test_a_stand_in_is_never_called_real(
    make_summary: Callable[..., Summary], gallery: list[GalleryItem]
) -> None:
    data = make_summary().to_dict()
    data["run"] |= {"stand_in": True, "data_kind": "world", "title": "Demonstration"}
    for number, cycle in enumerate(data["cycles"]):
        cycle["label"] = f"cycle {number}"
    text = Page(render_report(Summary.from_dict(data), gallery)).says()
    assert "demonstration of one seed" in text
    assert "stand-in frame" in text
    assert re.findall(r"(?<!not on )\breal\b", text) == []


def test_no_figure_is_a_dash(make_summary: Callable[..., Summary]) -> None:
    data = make_summary().to_dict()
    for cycle in data["cycles"]:
        cycle["mAP"] = cycle["metrics"]["test"]["map50"] = cycle["metrics"]["val"]["map50"] = None
        for name in cycle["AP"]:
            cycle["AP"][name] = cycle["metrics"]["test"]["ap50"][name] = None
    summary = Summary.from_dict(data)
    text = Page(render_report(summary, [])).says()
    assert "nan" not in text
    assert "None" not in text.replace("None: no failure had", "")
    assert "test: baseline –, cycle 1 –, cycle 2 –" in build_plots(summary)["map"].alt


def test_plots_take_their_colours_from_the_page(make_found: Callable[..., Summary]) -> None:
    for plot in (build_plots(make_found()) | build_finding_plots(make_found())).values():
        root = ElementTree.fromstring(plot.svg)
        assert root.get("viewBox")
        for theme in ("fill: #01", "stroke: #01", "#0a0b"):
            assert theme not in plot.svg
        assert "var(--ink)" in plot.svg


def test_plots_say_their_values(make_summary: Callable[..., Summary]) -> None:
    plots = build_plots(make_summary())
    assert list(plots) == ["map", "loss", "failures", "frames", "modes", "seconds"]
    assert (
        "test: baseline 37.5, cycle 1 48.1, cycle 2 82.5; val: baseline 30.0, cycle 1 60.0"
        in plots["map"].alt
    )
    assert "synthetic: baseline 0, cycle 1 15, cycle 2 30" in plots["frames"].alt
    assert "car, missed, occluded: 8, then 8" in plots["modes"].alt
    assert "train: baseline 60.5 s" in plots["seconds"].alt


def test_a_baseline_alone_has_a_report(make_summary: Callable[..., Summary]) -> None:
    summary = make_summary()
    first = summary.cycles[0].model_copy(update={"mined": None, "seconds": {}})
    alone = make_summary(cycles=[first], best_cycle=0)
    page = Page(render_report(alone, []))
    assert "the baseline itself" in page.says()
    assert len(page.all("svg")) == 4


def test_many_cycles_and_stages(make_summary: Callable[..., Summary]) -> None:
    base = make_summary().cycles[0]
    seconds = {f"stage {i}": float(i) for i in range(12)}
    cycles = [base.model_copy(update={"cycle": i, "seconds": seconds}) for i in range(30)]
    plots = build_plots(make_summary(cycles=cycles, best_cycle=4))
    assert "other: baseline 10.0 s" in plots["seconds"].alt  # stages 0 to 4; eight series in all
    assert "cycle (0: the baseline)" in plots["map"].svg
