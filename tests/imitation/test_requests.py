import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.common.settings import UserError
from imitation.data.records import Box
from imitation.requests import Likeness, Request, annealed, check_requests

boxes = st.tuples(*[st.floats(0, 2000)] * 4).map(lambda b: Box(*b))
requests = st.builds(
    Request,
    request_id=st.text(min_size=1),
    parent=st.none() | st.text(),
    failures=st.lists(st.text()).map(tuple),
    focus=st.lists(st.integers(0, 50)).map(tuple),
    clutter=st.lists(boxes, max_size=3).map(tuple),
    variations=st.integers(1, 100),
    seed=st.integers(0, 2**31),
    policy=st.text(),
    strength=st.floats(0, 1),
) | st.builds(
    Request,
    *map(st.just, ("r", "a", (), (), (), 1, 0, "imitation", 1.0)),
    likenesses=st.lists(
        st.builds(
            Likeness,
            st.text(),
            st.none() | st.floats(1, 99),
            st.none() | st.floats(1, 999),
            st.floats(0, 1),
            st.floats(0, 1),
        ),
        max_size=3,
    ).map(tuple),
)


@given(requests)
def test_json_round_trip(request: Request) -> None:
    assert Request.from_row(json.loads(json.dumps(request.to_row()))) == request


@pytest.mark.parametrize(
    ("field", "value"), [("variations", 0), ("seed", -1), ("request_id", ""), ("strength", 1.5)]
)
def test_refuses_impossible_values(field: str, value: object) -> None:
    row = Request("r", None, (), (), (), 1, 0, "random").to_row()
    with pytest.raises(ValueError, match=field):
        Request.from_row({**row, field: value})


def test_likenesses_need_a_photo() -> None:
    with pytest.raises(ValueError, match="need a parent"):
        Request("r", None, (), (), (), 1, 0, "random", likenesses=(Likeness("car"),))


def test_absent_field_is_named() -> None:
    row = Request("r", None, (), (), (), 1, 0, "random").to_row()
    del row["seed"]
    with pytest.raises(KeyError, match="seed"):
        Request.from_row(row)


def order(request_id: str, parent: str | None = "a", variations: int = 2) -> Request:
    return Request(request_id, parent, (), (), (), variations, 0, "mine")


def test_what_a_policy_asks_for_is_checked_before_anything_is_rendered() -> None:
    assert check_requests([order("r1"), order("r2", None)], 4, {"a"}, "mine") == 4
    for asked, said in (
        ([order("r1"), order("r1")], "'r1' stands twice"),
        ([order("r1", "z")], "'z', which is not among the mined frames"),
        ([order("r1", variations=5)], "asked for 5 frames, over its budget of 4"),
    ):
        with pytest.raises(UserError, match=said):
            check_requests(asked, 4, {"a"}, "mine")
    for answer, said in (
        (None, "returned NoneType"),
        ([{"parent": "a"}], "asked with dict, not with"),
    ):
        with pytest.raises(UserError, match=said):
            check_requests(answer, 4, {"a"}, "mine")


def test_strength_is_carried_and_multiplied() -> None:
    row = order("r1").to_row()
    del row["strength"], row["likenesses"]
    read = Request.from_row(row)
    assert (read.strength, read.likenesses) == (1.0, ()), "files from before there was one"
    (once,) = annealed([order("r1")], 0.5)
    (twice,) = annealed([once], 0.5)
    assert (once.strength, twice.strength) == (0.5, 0.25)
