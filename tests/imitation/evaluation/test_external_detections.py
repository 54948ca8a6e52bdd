"""Other people's detections: read as they are meant, refused by name where they are not."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.data.categories import CategoryMap
from imitation.data.records import Frame
from imitation.datasets.kitti.reader import KittiReader
from imitation.evaluation.detection_files import write_detections
from imitation.evaluation.detections import Detections, FrameDetections
from imitation.evaluation.external_detections import CocoResults, EvaluatedResults, KittiResults

KITTI = KittiReader.categories

LINE = "Car -1 -1 -10 10.00 20.00 60.50 70.00 -1 -1 -1 -1000 -1000 -1000 -10 0.875"


def frame(name: str) -> Frame:
    return Frame(name, 100, 100)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.txt").write_text(LINE + "\n" + LINE.replace("Car", "Tram") + "\n\n")
    (tmp_path / "b.txt").write_text("")
    return tmp_path


def test_a_kitti_folder_speaks_of_the_frames_that_it_has_files_for(folder):
    results = KittiResults(str(folder), KITTI)
    (found,) = [results.of(frame("a"))]
    assert found.boxes.tolist() == [[10.0, 20.0, 60.5, 70.0]]
    assert (found.scores.tolist(), found.labels.tolist()) == ([0.875], [1])
    assert len(results.of(frame("b"))) == 0, "an empty file: nothing was found"
    assert results.of(frame("c")) is None, "no file: not evaluated"
    assert results.unmapped == {"Tram": 1}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LINE.rsplit(" ", 1)[0], "15 columns instead of 16 (a label file, without scores?)"),
        ("Car 1 2", "3 columns"),
        (LINE.replace("60.50", "wide"), "'wide'"),
        (LINE.replace("0.875", "nan"), "score is nan, not a finite number"),
        (LINE.replace("60.50", "5.00"), "inverted"),
        (LINE.replace("60.50", "x" * 100_000), "box x2 is 'xxx"),
    ],
)
def test_a_line_that_is_no_result_is_named(folder, line, said):
    (folder / "a.txt").write_text(LINE + "\n" + line + "\n")
    with pytest.raises(DataError) as error:
        KittiResults(str(folder), KITTI).of(frame("a"))
    assert "a.txt:2" in str(error.value)
    assert said in str(error.value)
    assert len(error.value.what) < 200


def test_byte_order_marks_and_form_feeds_change_nothing(folder):
    plain = KittiResults(str(folder), KITTI).of(frame("a"))
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbf" + LINE.encode() + b"\x0c\r\nCar 1 2")
    with pytest.raises(DataError, match=r"a\.txt:2: 3 columns"):
        KittiResults(str(folder), KITTI).of(frame("a"))
    (folder / "a.txt").write_bytes(b"\xef\xbb\xbf" + LINE.encode())
    assert KittiResults(str(folder), KITTI).of(frame("a")).scores.tolist() == plain.scores.tolist()


def test_text_that_is_none_is_named(folder):
    (folder / "a.txt").write_bytes(b"\xff\xfe\x00Car")
    with pytest.raises(DataError, match=r"a\.txt"):
        KittiResults(str(folder), KITTI).of(frame("a"))


def test_a_folder_without_results_is_refused(tmp_path):
    with pytest.raises(UserError, match="no result file"):
        KittiResults(str(tmp_path), KITTI)


IDS = {"x": 10, "y": 20, "z": 30}
NAMES = {1: "car", 7: "person", 9: "kite"}
MAP = CategoryMap.identity(("person", "car"))
entries = st.fixed_dictionaries(
    {
        "image_id": st.sampled_from(sorted(IDS.values())),
        "category_id": st.sampled_from(sorted(NAMES)),
        "bbox": st.lists(st.floats(0, 900, width=32), min_size=4, max_size=4),
        "score": st.floats(0, 1, width=32),
    }
)


def coco(tmp_path: Path, content: object) -> CocoResults:
    path = tmp_path / "results.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return CocoResults(str(path), IDS, NAMES, MAP)


@settings(max_examples=40, deadline=None)
@given(st.lists(entries, max_size=20))
def test_every_coco_entry_comes_back_in_its_frame(tmp_path_factory, given_entries):
    results = coco(tmp_path_factory.mktemp("coco"), given_entries)
    for name, image in IDS.items():
        mine = [e for e in given_entries if e["image_id"] == image and e["category_id"] != 9]
        found = results.of(frame(name))
        assert found.labels.tolist() == [2 if e["category_id"] == 1 else 1 for e in mine]
        assert found.scores.tolist() == [e["score"] for e in mine]
        expected = [[x, y, x + w, y + h] for x, y, w, h in (e["bbox"] for e in mine)]
        np.testing.assert_allclose(found.boxes, np.array(expected).reshape(-1, 4), rtol=1e-6)
    assert results.unmapped["kite"] == sum(e["category_id"] == 9 for e in given_entries)
    assert results.of(frame("elsewhere")) is None


GOOD = {"image_id": 10, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([GOOD, GOOD | {"image_id": 11}], "entry 1: image_id 11 is not in the dataset"),
        ([GOOD | {"category_id": 2}], "entry 0: category_id 2 is not in the dataset"),
        ([GOOD | {"bbox": [1, 2, 3]}], "entry 0: is no detection"),
        ([GOOD | {"bbox": [1, 2, -3, 4]}], "entry 0: the box"),
        ([{"image_id": 10}], "entry 0: is no detection"),
        ([7], "entry 0: is no detection"),
        ([GOOD | {"image_id": [1]}], "entry 0: is no detection"),
        ([GOOD | {"category_id": {}}], "entry 0: is no detection"),
        ('[{"image_id": 10, ', "cut short"),
        ("[" * 200_000, "nested more than 100 deep"),
        ('[{"image_id": ' + "[" * 3000 + "]" * 3000 + "}]", "nested more than 100 deep"),
        ([GOOD | {"score": "9" * 5000}, GOOD | {"image_id": "9" * 5000}], "entry 0: box"),
        ([GOOD | {"image_id": "9" * 5000}], "entry 0: is no detection"),
        ([GOOD | {"category_id": "9" * 4000}], "entry 0: category_id 999"),
        ({"annotations": []}, "is no list"),
        ("", "is no list"),
    ],
)
def test_what_is_no_coco_result_is_named(tmp_path, content, said):
    with pytest.raises(DataError) as error:
        coco(tmp_path, content)
    assert said in str(error.value)
    assert "results.json" in str(error.value)
    assert len(error.value.what) < 400


def test_results_of_images_that_are_not_asked_for_are_passed_over(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("\ufeff" + json.dumps([GOOD | {"image_id": 99}, GOOD]))
    results = CocoResults(str(path), IDS, NAMES, MAP, known={10, 99})
    assert len(results.of(frame("x"))) == 1


def test_of_an_evaluation_of_several_detectors_one_is_taken(tmp_path):
    def rows(detector: str, count: int) -> list[FrameDetections]:
        boxes = np.tile([1.0, 2.0, 30.0, 40.0], (count, 1))
        found = Detections(boxes, np.full(count, 0.5), np.ones(count))
        return [FrameDetections("x", "test", detector, 100, 100, found)]

    several, others = str(tmp_path / "several.parquet"), str(tmp_path / "others.parquet")
    write_detections([*rows("main", 2), *rows("fold-0", 1)], several, ["car"])
    write_detections([*rows("a", 2), *rows("b", 1)], others, ["car"])
    assert len(EvaluatedResults(several, MAP).of(frame("x"))) == 2
    found = EvaluatedResults(several, MAP, "fold-0").of(frame("x"))
    assert found.labels.tolist() == [2], "the label of car in the map that is asked for"
    with pytest.raises(UserError, match="holds rows of a, b; name one"):
        EvaluatedResults(others, MAP)
    with pytest.raises(UserError, match="there is no 'twin'"):
        EvaluatedResults(several, MAP, "twin")
