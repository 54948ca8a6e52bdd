"""Names that a run gives are read back as they were built, and stand in finished runs as they are here."""

from hypothesis import given
from hypothesis import strategies as st

from imitation.common import names


def test_names_are_those_of_finished_runs() -> None:
    assert (names.MAIN, names.TWIN, names.fold_name(2)) == ("main", "twin", "fold-2")
    assert names.cycle_folder(1) == "cycle-001"
    assert names.train_stage(names.fold_name(0)) == "train-fold-0"
    assert names.request_id(1, "000042") == "c01-000042"
    assert names.scene_id("c01-000042", 12) == "c01-000042-v12"
    assert names.missed_id("000042", 3) == "000042#missed-o3"
    assert names.failure_id("000042", "duplicate", 3) == "000042#duplicate-d3"


@given(st.integers(0, 10_000), st.text())
def test_what_is_built_is_read_back(number: int, text: str) -> None:
    assert names.cycle_of(names.cycle_folder(number)) == number
    assert names.request_of(names.scene_id(text, number)) == (text, number)
    assert names.trained_by(names.train_stage(text)) == text
    assert names.is_fold(names.fold_name(number))


def test_other_folders_and_stages_are_none_of_these() -> None:
    assert [
        names.cycle_of(name) for name in ("cycle-1", "cycle-abc", "cycle-001x", "data", "time-cycle-001.json")
    ] == [None] * 5
    assert names.trained_by("evaluate") is None
    assert not names.is_fold(names.MAIN)
