"""COCO's twelve numbers against pycocotools."""

import contextlib
import copy
import io
from typing import Any

import numpy as np
import pytest

from imitation.common.settings import DataError
from imitation.metrics.protocols.coco import NAMES, coco_numbers

Truth, Results = dict[str, Any], list[dict[str, Any]]


def random_coco(
    seed: int, images: int, ties: bool, most: int = 30, first_id: int = 1
) -> tuple[Truth, Results]:
    """Annotations with crowds (RLE), polygons and areas of their own, results in no order.

    The last category has no objects; with `ties`, equal scores and overlaps are common.
    """
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    results: Results = []

    def boxes(count: int) -> np.ndarray:
        box = np.concatenate(
            [rng.uniform(0, 300, (count, 2)), np.exp(rng.uniform(1.5, 5.5, (count, 2)))], axis=1
        )
        return np.round(box / 4) * 4 if ties else box

    ids = rng.permutation(1000)[:images].tolist()
    for image in ids:
        m, n = int(rng.integers(0, 8)), int(rng.integers(0, most))
        true, labels, found, said = boxes(m), rng.integers(1, 3, m), boxes(n), rng.integers(1, 4, n)
        if m:
            near, about, shift = rng.random(n) < 0.7, rng.integers(0, m, n), rng.normal(0, 6, (n, 4))
            found[near] = (true[about] + (np.round(shift / 4) * 4 if ties else shift))[near]
            said = np.where(near, labels[about], said)
        for box, label in zip(true.tolist(), labels.tolist()):
            item = {
                "id": len(annotations) + first_id,
                "image_id": image,
                "category_id": 10 * label,
                "bbox": box,
            }
            item |= {
                "area": box[2] * box[3] * float(rng.choice([0.6, 1.0])),
                "iscrowd": int(rng.random() < 0.15),
            }
            if item["iscrowd"]:
                item["segmentation"] = {"counts": [0, 5, 159995], "size": [400, 400]}
            elif rng.random() < 0.5:
                item["segmentation"] = [[0, 0, 1, 0, 1, 1.0]]
            annotations.append(item)
        scores = rng.integers(1, 10, n) / 10 if ties else rng.random(n)
        for box, label, score in zip(np.maximum(found, 0).tolist(), said.tolist(), scores.tolist()):
            results.append({"image_id": image, "category_id": 10 * label, "bbox": box, "score": score})
    order = rng.permutation(len(results))
    categories = [{"id": 10 * k, "name": f"c{k}"} for k in (3, 1, 2)]
    truth = {"images": [{"id": i} for i in ids], "annotations": annotations, "categories": categories}
    return truth, [results[i] for i in order]


def pycocotools(truth: Truth, results: Results) -> dict[str, float]:
    coco = pytest.importorskip("pycocotools.coco")
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    truth, results = copy.deepcopy((truth, results))
    with contextlib.redirect_stdout(io.StringIO()):
        index = coco.COCO()
        index.dataset = truth
        index.createIndex()
        evaluation = cocoeval.COCOeval(index, index.loadRes(results) if results else coco.COCO(), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return dict(zip(NAMES, evaluation.stats.tolist(), strict=True))


@pytest.mark.parametrize("ties", [False, True], ids=["all differ", "ties"])
@pytest.mark.parametrize("seed", range(8))
def test_equals_pycocotools(seed: int, ties: bool) -> None:
    truth, results = random_coco(seed, images=1 + 6 * seed, ties=ties)
    assert coco_numbers(truth, results).numbers == pytest.approx(pycocotools(truth, results), abs=1e-6)


def test_equals_pycocotools_with_more_than_100_detections() -> None:
    truth, results = random_coco(1, images=5, ties=True, most=900)
    assert coco_numbers(truth, results).numbers == pytest.approx(pycocotools(truth, results), abs=1e-6)


def test_no_result_is_zero_everywhere_and_nothing_to_find_minus_one() -> None:
    truth, results = random_coco(3, images=30, ties=False)
    numbers = coco_numbers(truth, []).numbers
    assert numbers == pycocotools(truth, [])
    assert set(numbers.values()) == {0.0}
    assert set(coco_numbers(truth | {"annotations": []}, results).numbers.values()) == {-1.0}
    assert set(coco_numbers(truth | {"annotations": []}, []).numbers.values()) == {-1.0}


def test_area_is_the_boxs_and_crowd_is_no_where_they_are_missing() -> None:
    truth, results = random_coco(4, images=20, ties=False)
    for item in truth["annotations"]:
        item |= {"area": item["bbox"][2] * item["bbox"][3], "iscrowd": 0}
    bare = copy.deepcopy(truth)
    for i, item in enumerate(bare["annotations"]):
        del item["iscrowd"]
        if i % 2:
            del item["area"]
        else:
            item["area"] = None
    assert coco_numbers(bare, results) == coco_numbers(truth, results)
    assert coco_numbers(bare, results).numbers == pytest.approx(pycocotools(truth, results), abs=1e-6)


def test_masks_of_results_and_fields_of_their_own_change_nothing() -> None:
    truth, results = random_coco(5, images=10, ties=True)
    more = [item | {"id": 7, "segmentation": {"counts": "x", "size": [1, 1]}, "area": 3} for item in results]
    assert coco_numbers(truth, more) == coco_numbers(truth, results)


def test_changes_nothing_of_what_it_is_given() -> None:
    given = random_coco(6, images=10, ties=True)
    before = copy.deepcopy(given)
    coco_numbers(*given)
    assert given == before


def test_ids_may_be_strings_and_whole_floats() -> None:
    truth, results = random_coco(7, images=10, ties=False)
    expected = coco_numbers(truth, results).numbers
    for rename in (lambda value: f"{value:06d}", float):
        named, said = copy.deepcopy((truth, results))
        for item in named["images"]:
            item["id"] = rename(item["id"])
        for item in (*named["annotations"], *said):
            item["image_id"] = rename(item["image_id"])
        assert coco_numbers(named, said).numbers == expected


def test_annotation_of_id_0_counts_as_in_pycocotools_and_is_told() -> None:
    truth, results = random_coco(7, images=20, ties=True, first_id=0)
    truth["annotations"][0]["iscrowd"] = 0
    image, category, box = (truth["annotations"][0][key] for key in ("image_id", "category_id", "bbox"))
    results.append({"image_id": image, "category_id": category, "bbox": box, "score": 0.99})
    scored = coco_numbers(truth, results)
    assert scored.numbers == pytest.approx(pycocotools(truth, results), abs=1e-6)
    assert "annotations: pycocotools takes the annotation of id 0" in scored.notes[0]
    for item in truth["annotations"]:
        item["id"] += 1
    assert coco_numbers(truth, results).numbers["AR100"] > scored.numbers["AR100"]


def test_strays_count_nothing_and_are_told() -> None:
    truth, results = random_coco(2, images=10, ties=False)
    box = [0, 0, 5, 5]
    truth["annotations"] += [
        {"id": 7000, "image_id": 5000, "category_id": 10, "bbox": box, "area": 25, "iscrowd": 0},
        {
            "id": 7001,
            "image_id": truth["images"][0]["id"],
            "category_id": 99,
            "bbox": box,
            "area": 25,
            "iscrowd": 0,
        },
    ]
    results += [{"image_id": truth["images"][0]["id"], "category_id": 98, "bbox": box, "score": 0.99}]
    scored = coco_numbers(truth, results)
    assert scored.numbers == pytest.approx(pycocotools(truth, results), abs=1e-6)
    assert [note.split(" count ")[0] for note in scored.notes] == [
        "annotations: 2 annotations of images or categories that the file does not name",
        "results: 1 results of categories that annotations does not name",
    ]
    assert "(first: id 7000)" in scored.notes[0]
    assert "(first: category_id 98)" in scored.notes[1]


TRUTH: Truth = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [{"id": 5, "image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5]}],
    "categories": [{"id": 1, "name": "car"}],
}
RESULT = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 5, 5], "score": 0.5}


@pytest.mark.parametrize(
    ("truth", "results", "message"),
    [
        ({}, [RESULT | {"image_id": 139}], r"results: results\[0\]: image_id 139 is not among the images of"),
        ({}, [RESULT, RESULT | {"image_id": "one"}], r"results\[1\]: image_id 'one' is not among"),
        ({}, [{"image_id": 1, "category_id": 1, "score": 0.5}], r"results\[0\]: has no 'bbox'"),
        ({}, [RESULT | {"score": 10**400}], r"score must be a finite number, is 1000"),
        ({}, [RESULT | {"score": float("nan")}], r"results\[0\]: score must be a finite number, is nan"),
        ({}, [RESULT | {"score": "0.5"}], r"score must be a finite number, is '0.5'"),
        ({}, [RESULT | {"bbox": [0, 0, 5]}], r"bbox is \[0, 0, 5\], not four numbers"),
        ({}, [RESULT | {"bbox": [0, 0, -5, 5]}], r"bbox \[0, 0, -5, 5\] has a negative size"),
        ({}, [RESULT | {"category_id": None}], r"category_id must be a whole number or a string, is None"),
        ({}, ["x"], r"results\[0\]: expected an object, found 'x'"),
        ({"images": [{"id": 1}, {"id": 2}, {"id": 1}]}, [], r"annotations: images: id 1 stands 2 times"),
        ({"categories": TRUTH["categories"] * 2}, [], r"categories: id 1 stands 2 times"),
        ({"annotations": TRUTH["annotations"] * 3}, [], r"annotations: id 5 stands 3 times"),
        ({"images": [{"id": 1}, {"id": "2"}]}, [], r"some ids are numbers and some are strings"),
        ({"images": []}, [], r"images is empty"),
        ({"images": None}, [], r"annotations: has no list 'images'"),
        ({"annotations": [{"image_id": 1}]}, [], r"annotations\[0\]: has no 'id'"),
        (
            {"annotations": [TRUTH["annotations"][0] | {"bbox": [0, 0, 5, float("inf")]}]},
            [],
            r"annotations\[0\] \(id 5\): bbox .*finite",
        ),
        (
            {"annotations": [TRUTH["annotations"][0] | {"area": "big"}]},
            [],
            r"\(id 5\): area must be a finite",
        ),
    ],
)
def test_errors_name_the_file_the_item_and_the_value(truth: Truth, results: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        coco_numbers(TRUTH | truth, results)
