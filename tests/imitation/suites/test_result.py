"""How a result is counted, and what counts as a regression."""

import numpy as np
import pytest

from imitation.common.settings import UserError
from imitation.metrics.operating_point import Operating
from imitation.report.suite.heatmap import heatmap_plots, heatmap_png
from imitation.report.suite.section import suite_section
from imitation.report.suite.text import change_lines, plane_table, result_lines, suite_lines
from imitation.suites.record import Suite, SuiteCase, SuiteScene, read_suite
from imitation.suites.result import SuiteResult, by_case, compare, suite_result

DISTANCES, HIDDEN = (0.7, 1.0, 1.5), (0.0, 0.6)


def suite(cases=8, image="a" * 64):
    names = [f"run-f{c}-o0" for c in range(cases)]
    about = {"run": "run", "why": "fixed in cycle 2", "mode": "cyclist, missed", "category": "cyclist"}
    told = [
        SuiteCase(case=n, failure_id=f"{n}#missed", frame_id=n, left_out={"no room for it": 1}, **about)
        for n in names
    ]
    fixed = {"hour": None, "weather": None, "seed": 1, "object": 0, "image": image, "labels": "b" * 64}
    scenes = [
        SuiteScene(scene_id=f"{n}-d{d:g}-o{o:g}", case=n, distance=d, occlusion=o, **fixed)
        for n in names
        for d in DISTANCES
        for o in HIDDEN
    ]
    plain = {"version": 1, "name": "cases", "simulator": "opengl 1", "settings": {}, "categories": {}}
    return Suite(cases=told, scenes=scenes, **plain)


def result(of, passes, detector="runs/default"):
    fates = {s.scene_id: "found" if passes(s) else "missed" for s in of.scenes}
    return suite_result(of, detector, Operating(0.4), "val", fates)


def test_the_maps_count_passes_by_place():
    of = suite()
    told = result(of, lambda scene: scene.occlusion == 0.0 and scene.distance < 1.5)
    found = {(p.x, p.y): (p.passed, p.scenes) for p in told.maps["distance and occlusion"]}
    assert found == {(d, o): (8 if o == 0.0 and d < 1.5 else 0, 8) for d in DISTANCES for o in HIDDEN}
    assert told.maps["hour and weather"] == []
    assert (told.passed, told.scenes, told.cases_passed, told.cases) == (16, 48, 0, 8)
    assert next(iter(by_case(of, told))) == ("run-f0-o0", 2, 6)
    table = plane_table("distance and occlusion", told.maps["distance and occlusion"])
    assert table.rows[0] == ("0.7 x distance", "8/8", "0/8")
    assert SuiteResult.from_dict(told.to_dict()) == told


def test_scenes_of_which_nothing_is_said_are_left_out():
    of = suite(2)
    told = suite_result(of, "x", Operating(0.4), "given", {of.scenes[0].scene_id: "found"})
    assert (told.passed, told.scenes, told.left_out, told.cases) == (1, 1, 11, 1)


def test_regressions_are_named_by_scene_and_case():
    of = suite()
    before = result(of, lambda scene: scene.distance < 1.5)
    now = result(of, lambda scene: scene.distance < 1.5 and scene.case != "run-f3-o0", "candidate")
    change = compare(of, now, before, np.random.default_rng(0))
    assert change.cases_regressed == {"run-f3-o0": 4}
    assert len(change.regressed) == 4
    assert change.fixed == []
    assert change.difference == pytest.approx(-4 / 48)
    assert change.low <= change.difference <= change.high
    said = "\n".join(change_lines(change))
    assert "4 regressed, 0 fixed" in said
    assert "regressed: run-f3-o0: 4 (d0.7-o0, d0.7-o0.6, d1-o0, d1-o0.6)" in said
    assert compare(of, before, before, np.random.default_rng(0)).regressed == []


def test_other_pictures_under_the_same_names_are_not_compared():
    of, other = suite(3), suite(3, image="c" * 64)
    with pytest.raises(UserError, match="no picture"):
        compare(
            of, result(of, lambda scene: True), result(other, lambda scene: True), np.random.default_rng(0)
        )
    # a suite that has grown since: only what both know counts
    grown = compare(
        suite(5), result(suite(5), lambda s: True), result(of, lambda s: True), np.random.default_rng(0)
    )
    assert grown.scenes == len(of.scenes)


def test_the_digest_is_of_pictures_and_labels_alone():
    of = suite(2)
    assert of.digest == of.model_copy(update={"name": "other", "settings": {"a": 1}}).digest
    assert of.digest != suite(2, image="c" * 64).digest


def test_it_can_be_shown():
    of = suite()
    told = result(of, lambda scene: scene.occlusion == 0.0)
    text = "\n".join([*suite_lines(of, {"first": told}), *result_lines(of, told, None)])
    assert "24 of 48" in text
    assert "passes by distance and occlusion" in text
    assert max(map(len, text.splitlines())) <= 80
    png = heatmap_png(told)
    assert png is not None
    assert png.startswith(b"\x89PNG")
    assert len(heatmap_plots(told)) == 1
    assert suite_section(told).name == "cases"


def test_what_is_no_suite_is_said(tmp_path):
    with pytest.raises(UserError, match="is no suite"):
        read_suite(str(tmp_path))
    (tmp_path / "suite.json").write_text('{"version": 9}')
    with pytest.raises(UserError, match="is of version 9"):
        read_suite(str(tmp_path))
