import copy
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from imitation.common.settings import UserError
from imitation.report.run.record import Summary, read_summary, write_summary
from imitation.report.run.schema import described

DOCS = Path(__file__).parents[4] / "docs" / "summary.md"


def test_written_and_read_back(make_summary: Callable[..., Summary], tmp_path: Path) -> None:
    summary = make_summary()
    write_summary(summary, str(tmp_path / "summary.json"))
    assert read_summary(str(tmp_path / "summary.json")) == summary
    plain = json.loads((tmp_path / "summary.json").read_text())
    assert plain["schema"] == 1
    assert [entry["best"] for entry in plain["cycles"]] == [False, True, False]
    assert [entry["stop_reason"] for entry in plain["cycles"]] == [None, None, summary.stop_reason]
    assert plain["cycles"][1]["mAP"] == pytest.approx((0.612 + 0.35) / 2)
    assert plain["cycles"][1]["synthetic_ratio"] == 15 / 60


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("cycles", 1, "steps"), "300", "cycles.1.steps is '300'"),
        (("cycles", 1, "steps"), -1, "cycles.1.steps is -1"),
        (("cycles", 0, "mAP"), 0.9, "metrics.test says"),
        (("cycles", 0, "metrics", "val", "failures"), {"lost": 1}, "'lost' is no kind of failure"),
        (("cycles", 0, "metrics", "val", "recall"), 1.2, "cycles.0.metrics.val.recall is 1.2"),
        (("cycles", 2, "cycle"), 7, "numbered [0, 1, 7]"),
        (("best_cycle",), 2, "best_cycle is 2"),
        (("cycles", 0, "stop_reason"), "early", "stop_reason stands on the last cycle alone"),
        (("categories",), ["car"], "categories are ['car']"),
        (("schema",), 2, "schema is 2"),
        (("surprise",), 1, "surprise is 1"),
        (("seconds_total",), float("nan"), "seconds_total is nan"),
    ],
)
def test_contradictions_and_wrong_types_are_refused(
    make_summary: Callable[..., Summary], path: tuple[str | int, ...], value: object, named: str
) -> None:
    data = copy.deepcopy(make_summary().to_dict())
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(UserError, match=re.escape(named)) as caught:
        Summary.from_dict(data, "runs/x/summary.json")
    assert str(caught.value).startswith("runs/x/summary.json: ")


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("cycles", 0, "errors", "test", "lost", "missed"), 1.5, "cycles.0.errors.test.lost.missed is 1.5"),
        (("cycles", 1, "modes", "test", 0, "kinds"), {"lost": 1}, "'lost' is no kind of failure"),
        (("cycles", 1, "followed", "test", "fixed"), -1, "cycles.1.followed.test.fixed is -1"),
        (("cycles", 1, "slices", "test", 0, "few"), "no", "cycles.1.slices.test.0.few is 'no'"),
        (("churn", "mAP", "test"), float("inf"), "churn.mAP.test is inf"),
        (("suspected_label_errors", 0, "box"), [1.0, 2.0], "suspected_label_errors.0.box is [1.0, 2.0]"),
    ],
)
def test_findings_are_checked(
    make_found: Callable[..., Summary], path: tuple[str | int, ...], value: object, named: str
) -> None:
    data = copy.deepcopy(make_found().to_dict())
    assert Summary.from_dict(data) == make_found()
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    with pytest.raises(UserError, match=re.escape(named)):
        Summary.from_dict(data)


def test_older_summaries_have_no_findings(make_summary: Callable[..., Summary]) -> None:
    data = make_summary().to_dict()
    del data["churn"], data["suspected_label_errors"]
    for entry in data["cycles"]:
        for name in ("errors", "slices", "calibration", "modes", "followed"):
            del entry[name]
    summary = Summary.from_dict(data)
    assert summary == make_summary()
    assert summary.churn is None
    assert summary.cycles[1].modes is None


def test_frozen(make_summary: Callable[..., Summary]) -> None:
    with pytest.raises(ValidationError):
        make_summary().best_cycle = 0


def test_docs_are_the_records() -> None:
    page = DOCS.read_text(encoding="utf-8")
    assert described(page) == page, f"run: python -m imitation.report.run.schema {DOCS}"
    assert page.count("\n## ") > 20
    assert "| `AP` | object: string → number or null | category -> AP; null without objects |" in page


def test_a_field_that_is_missing_is_named_and_not_all_that_is_there(
    make_summary: Callable[..., Summary],
) -> None:
    data = make_summary().to_dict()
    del data["cycles"][1]["steps"]
    with pytest.raises(UserError, match=r"^here: cycles\.1\.steps: Field required; see docs/summary\.md$"):
        Summary.from_dict(data, "here")
