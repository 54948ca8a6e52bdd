from collections.abc import Callable

from imitation.common.text_table import MARK, format_table, text_width
from imitation.report.run.html import render_report
from imitation.report.run.record import Summary
from imitation.report.run.table import build_table
from imitation.report.table import DASH, STAND_IN, points


def test_points() -> None:
    assert points(0.61249) == "61.2"
    assert points(1.0) == "100.0"
    assert points(None) == DASH
    assert [points(value, sign=True) for value in (0.0123, -0.0123, 0.0)] == ["+1.2", "−1.2", "+0.0"]
    assert points(-0.0001) == "0.0"


def test_rows_and_columns(make_summary: Callable[..., Summary]) -> None:
    table = build_table(make_summary())
    assert table.columns == ("", "mAP50", "car", "truck", "wrong", "mAP50", "real", "synthetic", "steps")
    assert table.rows[1] == ("imitation, cycle 1", "48.1", "61.2", "35.0", "50.0", "60.0", "60", "15", "300")
    assert table.rows[0][0] == "baseline"
    assert sum(span for _, span in table.groups) == len(table.columns)
    assert table.best == 1  # chosen on val: on test the second cycle is better


def test_a_metric_of_ones_own_stands_beside_map_on_val(make_summary: Callable[..., Summary]) -> None:
    data = make_summary().to_dict()
    for entry, value in zip(data["cycles"], (0.25, 0.5, 0.75), strict=True):
        for split in ("val", "test"):
            entry["metrics"][split]["own"] = {"mine:recall": value}
    table = build_table(Summary.from_dict(data))
    place = table.columns.index("recall")
    assert [row[place] for row in table.rows] == ["25.0", "50.0", "75.0"]
    assert table.columns[place - 1] == "mAP50"
    assert ("val", 2) in table.groups
    assert sum(span for _, span in table.groups) == len(table.columns) == len(table.rows[0])
    assert any("mine:recall (loop.metric)" in note for note in table.notes)


def test_text_marks_the_best_row_and_aligns(make_summary: Callable[..., Summary]) -> None:
    lines = format_table(build_table(make_summary())).splitlines()
    assert lines[0] == "KITTI folder, one seed"
    head = next(i for i, line in enumerate(lines) if " wrong " in line)
    rows = lines[head + 2 : head + 5]
    assert [line.startswith(MARK) for line in rows] == [False, True, False]
    for name in ("mAP50", "car", "wrong"):
        end = lines[head].index(name) + len(name)
        assert all(line[end - 1].isdigit() and line[end : end + 2].strip() == "" for line in rows)


def test_notes_are_honest(make_summary: Callable[..., Summary]) -> None:
    text = " ".join(format_table(build_table(make_summary())).split())
    assert "One seed, 40 frames to test on" in text
    assert "test (40 frames, 100 objects)" in text
    assert "standard error of 5.0 points" in text  # sqrt(0.5 * 0.5 / 100)
    assert "stand-in" not in text


def test_what_could_not_be_staged_stands_below(make_summary: Callable[..., Summary]) -> None:
    staged = {"person": 20}
    some = make_summary(staging={"staged": staged, "not_staged": {"forklift": 3, "pallet": 1}})
    text = " ".join(format_table(build_table(some)).split())
    assert "cannot: forklift (3 objects in train), pallet (1 object in train)." in text
    assert "Nothing was rendered for their failures" in text
    for staging in (None, {"staged": staged, "not_staged": {}}):
        assert "Not staged" not in format_table(build_table(make_summary(staging=staging)))


def test_a_stand_in_is_headed_as_a_demonstration(make_summary: Callable[..., Summary]) -> None:
    real = make_summary()
    stand_in = real.model_copy(update={"run": real.run.model_copy(update={"stand_in": True})})
    table = build_table(stand_in)
    assert "demonstration of one seed" in table.heading[1]
    assert "stand-in" in table.columns
    assert "real" not in table.columns


def test_the_heading_claims_no_more_than_is_known() -> None:
    assert "one seed is no evidence either way" in STAND_IN
    assert "within noise" not in STAND_IN
    assert "acceptable" not in STAND_IN


def test_no_value_is_a_dash(make_summary: Callable[..., Summary]) -> None:
    data = make_summary(("car", "truck", "tram")).to_dict()
    for cycle in data["cycles"]:
        cycle["AP"]["tram"] = cycle["metrics"]["test"]["ap50"]["tram"] = None
    table = build_table(Summary.from_dict(data))
    assert [row[table.columns.index("tram")] for row in table.rows] == [DASH] * 3
    assert any(note.startswith(DASH) for note in table.notes)


def test_many_categories_leave_the_mean(make_summary: Callable[..., Summary]) -> None:
    table = build_table(make_summary([f"thing {i}" for i in range(80)]))
    assert table.columns == ("", "mAP50", "wrong", "mAP50", "real", "synthetic", "steps")
    assert any("80 categories" in note for note in table.notes)


def test_hostile_and_wide_names_keep_the_terminal_straight(make_summary: Callable[..., Summary]) -> None:
    lines = format_table(build_table(make_summary(("\x1b[2Jcar\n", "汽车")))).splitlines()
    assert not any("\x1b" in line for line in lines)
    head = next(i for i, line in enumerate(lines) if " wrong " in line)
    assert len({text_width(line) for line in lines[head : head + 6]}) == 1


def test_another_seed_stands_below(make_found: Callable[..., Summary]) -> None:
    text = " ".join(format_table(build_table(make_found())).split())
    assert (
        "trained again on the same data, from seed 4, the baseline has a mAP50 of 39.5 instead of 37.5"
        in text
    )


def test_the_processor_stands_below(make_summary: Callable[..., Summary]) -> None:
    data = make_summary(("car",)).to_dict()
    assert "Trained on Some" not in format_table(build_table(Summary.from_dict(data)))
    data["run"]["computed_on"] = ["Some CPU @ 2 GHz, 2 threads"]
    text = " ".join(format_table(build_table(Summary.from_dict(data))).split())
    assert "Trained on Some CPU @ 2 GHz, 2 threads. Another processor model or number of threads" in text


def test_a_baseline_that_finds_nothing_is_said_to(make_summary: Callable[..., Summary]) -> None:
    data = make_summary().to_dict()
    assert "finds nothing" not in " ".join(build_table(Summary.from_dict(data)).notes)
    data["cycles"][0]["metrics"]["val"]["map50"] = 0.0
    table = build_table(Summary.from_dict(data))
    assert table.best == 1
    assert "The baseline finds nothing on val (mAP50 0.0)" in " ".join(table.notes)
    assert "The baseline finds nothing on val" in render_report(Summary.from_dict(data), [])


def test_where_nothing_is_found_no_row_is_crowned(make_summary: Callable[..., Summary]) -> None:
    data = make_summary().to_dict()
    data["best_cycle"] = 0
    for cycle in data["cycles"]:
        cycle["metrics"]["val"]["map50"] = 0.0
        cycle["best"] = cycle["cycle"] == 0
    summary = Summary.from_dict(data)
    assert build_table(summary).best == -1
    text = format_table(build_table(summary))
    assert MARK not in text
    assert "No detector finds anything on val" in text
    page = render_report(summary, [])
    assert "chosen</span>" not in page
    assert "<dt>Chosen detector</dt><dd>none<small>nothing is found on val" in page
