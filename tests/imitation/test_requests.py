import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.records import Box
from imitation.requests import Request

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
)


@given(requests)
def test_json_round_trip(request: Request) -> None:
    assert Request.from_row(json.loads(json.dumps(request.to_row()))) == request


@pytest.mark.parametrize(("field", "value"), [("variations", 0), ("seed", -1), ("request_id", "")])
def test_refuses_impossible_values(field: str, value: object) -> None:
    row = Request("r", None, (), (), (), 1, 0, "random").to_row()
    with pytest.raises(ValueError, match=field):
        Request.from_row({**row, field: value})


def test_absent_field_is_named() -> None:
    row = Request("r", None, (), (), (), 1, 0, "random").to_row()
    del row["seed"]
    with pytest.raises(KeyError, match="seed"):
        Request.from_row(row)
