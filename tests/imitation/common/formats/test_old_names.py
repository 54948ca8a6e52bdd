"""Names that were changed: what is read, what is said, and what is left alone."""

import json

import pyarrow as pa
import pytest

from cluster.config.parse import load_defaults
from imitation.common.formats import old_names
from imitation.common.settings import UserError


@pytest.fixture(autouse=True)
def _nothing_said() -> None:
    old_names._say.cache_clear()


def test_settings_get_todays_names_and_keep_their_order(capsys: pytest.CaptureFixture[str]) -> None:
    before = {
        "run": {"name": "a"},
        "data": {"splits": {"train": 0.5, "stop": 0.3}, "kind": "kitti"},
        "world": {"stop": 4},
    }
    after = {
        "run": {"name": "a"},
        "data": {"splits": {"train": 0.5, "val": 0.3}, "kind": "kitti"},
        "world": {"val": 4},
    }
    told = json.dumps(before)
    assert json.dumps(old_names.settings(before)) == json.dumps(after)
    assert json.dumps(before) == told, "what was given is left as it was"
    assert capsys.readouterr().err == ""
    assert old_names.settings(before, say=True) == after
    assert capsys.readouterr().err.splitlines() == [
        "note: data.splits.stop is called data.splits.val now; the old name still works",
        "note: world.stop is called world.val now; the old name still works",
    ]
    old_names.settings(before, say=True)
    assert capsys.readouterr().err == "", "said once"


@pytest.mark.parametrize(
    "plain", [{}, {"world": None}, {"data": {"kind": "coco"}}, {"data": {"on_error": "stop"}}]
)
def test_other_settings_are_left_alone(plain: dict[str, object]) -> None:
    assert old_names.settings(plain, say=True) == plain


def test_a_setting_under_both_names_is_refused() -> None:
    with pytest.raises(UserError, match=r"world\.stop is called world\.val now, and both are given"):
        old_names.settings({"world": {"stop": 4, "val": 5}})


def test_settings_before_is_the_inverse() -> None:
    plain = {
        "data": {"splits": {"val": 0.2, "test": 0.3}, "on_error": "stop"},
        "world": {"val": 64, "test": 80},
    }
    before = old_names.settings_before(plain)
    assert before["data"]["splits"] == {"stop": 0.2, "test": 0.3}
    assert before["world"] == {"stop": 64, "test": 80}
    assert old_names.settings(before) == plain


def test_splits_in_json_get_todays_names_and_categories_keep_theirs() -> None:
    signs = {"split": "stop", "map50": 0.5, "ap50": {"stop": 0.5, "yield": 0.5}, "failures": {"missed": 1}}
    before = {
        "metrics": {"stop": signs, "test": {**signs, "split": "test"}},
        "splits": {"all": {"train": 3, "stop": 1}},
        "modes": {"stop": [{"mode": "stop, missed", "category": "stop"}]},
        "unmapped": {"stop": 3},
        "trials": [{"best_stop": 0.4, "cycles": [{"cycle": 0, "stop": 0.4}]}],
        "stop_reason": "done",
    }
    now = old_names.in_todays_names(before)
    assert now == {
        "metrics": {"val": {**signs, "split": "val"}, "test": {**signs, "split": "test"}},
        "splits": {"all": {"train": 3, "val": 1}},
        "modes": {"val": [{"mode": "stop, missed", "category": "stop"}]},
        "unmapped": {"stop": 3},
        "trials": [{"best_val": 0.4, "cycles": [{"cycle": 0, "val": 0.4}]}],
        "stop_reason": "done",
    }
    assert old_names.in_todays_names(now) == now


def test_a_column_of_splits_gets_todays_names_whatever_else_says_stop() -> None:
    batch = pa.RecordBatch.from_pydict(
        {"split": ["stop", "test", "stop"], "category": ["stop", "a", "non-stop"]}
    )
    assert old_names.split_column(batch).to_pydict() == {
        "split": ["val", "test", "val"],
        "category": ["stop", "a", "non-stop"],
    }


def test_settings_that_came_later_are_no_part_of_an_older_checksum() -> None:
    plain = {
        "data": {"splits": {"val": 0.2}, "options": {}},
        "world": {"val": 4},
        "detector": {"name": "grid", "trainable_layers": 2},
        "train": {"steps": 3, "precision": "auto"},
        "evaluate": {"precision": "bf16"},
    }
    told = json.dumps(plain)
    assert old_names.settings_before(plain) == {
        "data": {"splits": {"stop": 0.2}},
        "world": {"stop": 4},
        "detector": {"name": "grid", "trainable_layers": 2},
        "train": {"steps": 3},
        "evaluate": {"precision": "bf16"},
    }
    assert json.dumps(plain) == told, "what was given is left as it was"


def test_later_settings_are_settings_at_their_defaults() -> None:
    plain = load_defaults(["detector.trainable_layers=5"]).plain()  # null is not what it was then
    for key, value in old_names._LATER.items():
        found = plain
        for name in key.split("."):
            found = found[name]
        assert found == value, key
