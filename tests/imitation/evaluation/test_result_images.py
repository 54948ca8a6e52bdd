"""Which image results speak of: the same one, however it is called, and never a guess."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.evaluation.result_images import ImageKeys

FILES = {7: "a/shot_1.jpg", 9: "a/shot_2.png", 12: "b/0042.jpg"}


@pytest.mark.parametrize(
    ("pairs", "ids"),
    [
        ([(7, None), (9, None)], [7, 9]),
        ([(7.0, None), (12, "0042.jpg")], [7, 12]),
        ([("7", None), (9, None), ("12.0", None)], [7, 9, 12]),
        ([("007", None)], [7]),
        ([("shot_1", "shot_1.jpg"), (42, "0042.jpg")], [7, 12]),  # Ultralytics, stems that are digits
        ([("shot_1", None), (42, None), ("0042", None)], [7, 12, 12]),
        ([("shot_1.jpg", None), ("/data/a/shot_2.png", None), ("a\\shot_2", None)], [7, 9, 9]),
        ([("shot_1.webp", None), ("x/0042.PNG", None)], [7, 12]),  # images that were converted
        ([(9, "shot_1.jpg")], [7]),  # the file's name says more than a number
        ([(9, "elsewhere.jpg"), (7, None)], [9, 7]),  # a name that we do not know says nothing
    ],
)
def test_images_are_found_by_what_they_are_called(pairs, ids) -> None:
    naming = ImageKeys(FILES).naming(pairs)
    assert [naming.of(*pair) for pair in pairs] == ids
    by_id = all(isinstance(image, int | float) and image in (7, 9, 12) for image, _ in pairs)
    assert (naming.remark is None) == (by_id and (9, "shot_1.jpg") not in pairs)


@pytest.mark.parametrize(
    "pair",
    [(8, None), ("shot", None), (None, None), (True, None), ([7], None), (float("nan"), None), ("", "")],
)
def test_what_is_no_image_is_none(pair) -> None:
    keys = ImageKeys(FILES)
    naming = keys.naming([(7, None)])
    assert naming.of(*pair) is None
    if isinstance(pair[0], str | int | float):
        assert keys.naming([pair]).of(*pair) is None


def test_a_name_of_two_images_is_none() -> None:
    keys = ImageKeys({1: "left/a.jpg", 2: "right/a.jpg", 3: "01.jpg", 4: "1.png"})
    for pair in (("a", None), ("a.jpg", None), ("x", "a.jpg")):
        assert keys.naming([pair]).of(*pair) is None
    assert keys.naming([("left/a.jpg", None)]).of("left/a.jpg", None) == 1
    assert keys.naming([("01", None)]).of("01", None) == 3, "id 1 is not written so, and a file is"
    naming = keys.naming([("1", None)])
    assert naming.of("1", None) == 1, "the text of an id is meant before a stem"
    assert "as file names they would be other images" in naming.remark


def test_ids_that_are_text_are_found_by_numbers() -> None:
    keys = ImageKeys({"0007": None, "0009": None})
    naming = keys.naming([(7, None), (9, None)])
    assert naming.of(7, None) == "0007"
    assert "is a number and the ids are text" in naming.remark
    assert ImageKeys({"07": None, "007": None}).naming([(7, None)]).of(7, None) is None
    assert ImageKeys({"07": None, "7": None}).naming([(7, None)]).of(7, None) == "7"


@given(st.dictionaries(st.integers(0, 999), st.text(min_size=1, max_size=6), min_size=1, max_size=6))
def test_ids_as_they_stand_are_always_themselves(names) -> None:
    keys = ImageKeys({key: f"{name}.jpg" for key, name in names.items()})
    naming = keys.naming([(key, None) for key in names])
    assert naming.remark is None
    assert [naming.of(key, None) for key in names] == list(names)
