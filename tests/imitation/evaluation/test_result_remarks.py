"""Odd result files: each is remarked for what is wrong with it, and a good one is not."""

import copy
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imitation.evaluation.result_remarks import ResultRemarks
from imitation.metrics.protocols.coco import CocoNumbers, coco_numbers, score_files

HERE = Path(__file__).parent
TRUTH = json.loads((HERE / "odd_results" / "annotations.json").read_text())
GOOD = json.loads((HERE / "odd_results" / "good.json").read_text())
SHARED = HERE.parents[3] / "shared" / "data" / "odd_results"
Result = dict[str, Any]
W, H = 640, 360


def scored(spoil: Callable[[Result], Result] | None = None, of: list[Result] | None = None) -> CocoNumbers:
    results = copy.deepcopy(GOOD if of is None else of)
    return coco_numbers(TRUTH, results if spoil is None else [spoil(item) for item in results])


def boxed(change: Callable[[float, float, float, float], tuple[float, ...]]) -> Callable[[Result], Result]:
    return lambda item: item | {"bbox": list(change(*item["bbox"]))}


def test_a_good_file_has_no_remark() -> None:
    assert scored().remarks == ()


@pytest.mark.parametrize(
    "share", [0.95, 0.5], ids=["a few results left out", "as many results as a strict detector has"]
)
def test_fewer_but_not_worse_results_have_none(share: float) -> None:
    """The best of every image, and of the others a share: nothing is cut off, no image is left out."""
    rng = np.random.default_rng(0)
    seen: set[int] = set()
    kept = []
    for item in sorted(GOOD, key=lambda item: -item["score"]):
        if item["image_id"] not in seen or rng.random() < share:
            seen.add(item["image_id"])
            kept.append(item)
    lowest = min(GOOD, key=lambda item: item["score"])
    assert scored(of=[*kept, lowest][: len(GOOD)]).remarks == ()


@pytest.mark.parametrize(
    "name",
    [
        lambda item: {
            "image_id": f"shot_{item['image_id']:04}",
            "file_name": f"shot_{item['image_id']:04}.jpg",
        },
        lambda item: {"image_id": f"shot_{item['image_id']:04}"},
        lambda item: {"image_id": f"images/val/shot_{item['image_id']:04}.jpg"},
        lambda item: {"image_id": 13 - item["image_id"], "file_name": f"shot_{item['image_id']:04}.jpg"},
        lambda item: {"image_id": float(item["image_id"])},
        lambda item: {"image_id": str(item["image_id"])},
        lambda item: {"image_id": f"{item['image_id']:012}"},
        lambda item: {"category_id": str(item["category_id"])},
        lambda item: {"category_id": float(item["category_id"])},
    ],
)
def test_images_and_categories_by_other_names_score_the_same(name: Callable[[Result], Result]) -> None:
    assert scored(lambda item: item | name(item)).numbers == scored().numbers


ODD: dict[str, tuple[Callable[[], CocoNumbers], str]] = {
    "shares": (lambda: scored(boxed(lambda x, y, w, h: (x / W, y / H, w / W, h / H))), "normalised"),
    "shares, centres": (
        lambda: scored(boxed(lambda x, y, w, h: ((x + w / 2) / W, (y + h / 2) / H, w / W, h / H))),
        "normalised (shares of the image, 0 to 1), as centres",
    ),
    "shares, corners": (
        lambda: scored(boxed(lambda x, y, w, h: (x / W, y / H, (x + w) / W, (y + h) / H))),
        "normalised (shares of the image, 0 to 1), as corners",
    ),
    "corners": (lambda: scored(boxed(lambda x, y, w, h: (x, y, x + w, y + h))), "like corners"),
    "corners, y first": (lambda: scored(boxed(lambda x, y, w, h: (y, x, y + h, x + w))), "with y first"),
    "centres": (lambda: scored(boxed(lambda x, y, w, h: (x + w / 2, y + h / 2, w, h))), "like centres"),
    "twice": (lambda: scored(of=GOOD * 2), "stand twice"),
    "three times": (lambda: scored(of=GOOD * 3), "repeat another"),
    "some twice": (lambda: scored(of=[*GOOD, *GOOD[:8]]), "8 of the 81 results repeat another"),
    "a quarter of the images": (
        lambda: scored(of=[item for item in GOOD if item["image_id"] <= 3]),
        "no result for 9 of the 12 images",
    ),
    "one image less": (
        lambda: scored(of=[item for item in GOOD if item["image_id"] != 5]),
        "no result for 1 of the 12 images",
    ),
    "nothing": (lambda: scored(of=[]), "no result for 12 of the 12 images"),
    "categories in another order": (
        lambda: scored(lambda item: item | {"category_id": item["category_id"] % 3 + 1}),
        "the category ids look shifted, or are in another order",
    ),
    "categories from 0": (
        lambda: scored(lambda item: item | {"category_id": item["category_id"] - 1}),
        "the category ids look shifted by 1: 0 stands on what the labels call 1 (car)",
    ),
    "categories from 2": (
        lambda: scored(lambda item: item | {"category_id": item["category_id"] + 1}),
        "the category ids look shifted by 1",
    ),
    "shares, and categories from 0": (
        lambda: scored(
            lambda item: (
                item
                | {"category_id": item["category_id"] - 1}
                | {"bbox": [value / side for value, side in zip(item["bbox"], [W, H] * 2)]}
            )
        ),
        "the category ids look shifted by 1",
    ),
    "confident ones": (
        lambda: scored(of=[item for item in GOOD if item["score"] >= 0.25]),
        "the lowest score is 0.25",
    ),
    "confident ones alone, and so an image less": (
        lambda: scored(of=[item for item in GOOD if item["score"] >= 0.5]),
        "the lowest score is 0.5",
    ),
    "equal scores": (lambda: scored(lambda item: item | {"score": 1.0}), "all scores are equal (1.0)"),
    "equal low scores": (lambda: scored(lambda item: item | {"score": 0.3}), "all scores are equal (0.3)"),
}  # fmt: skip


@pytest.mark.parametrize("case", ODD)
def test_what_is_odd_is_remarked(case: str) -> None:
    remarks = scored_remarks(case)
    assert any(ODD[case][1] in remark for remark in remarks), remarks
    assert len(remarks) == (2 if " and " in case else 1), remarks


def scored_remarks(case: str) -> tuple[str, ...]:
    return ODD[case][0]().remarks


def test_a_bad_detector_is_not_called_a_wrong_file() -> None:
    """Boxes at random, and categories at random: bad, but what they say."""
    rng = np.random.default_rng(3)
    results = []
    for image in range(1, 13):
        for _ in range(20):
            x, y, w, h = rng.uniform(0, [W / 2, H / 2, W / 2, H / 2]).tolist()
            category, score = int(rng.integers(1, 4)), float(rng.random())
            results.append({"image_id": image, "category_id": category, "bbox": [x, y, w, h], "score": score})
    assert scored(of=results).remarks == ()
    confused = [item | {"category_id": int(rng.integers(1, 4))} for item in GOOD]
    assert scored(of=confused).remarks == ()


def test_numbers_of_any_size_cost_no_warning() -> None:
    looked = ResultRemarks("xywh", {1: "car"})
    boxes = np.array([[1e308, -1e308, 1e308, 1e308], [0, 0, 0, 0]])
    looked.add("a", (10, 10), np.array([[0, 0, 5, 5.0]]), np.array([1]), boxes, np.array([1, 1]), np.zeros(2))
    looked.add("b", None, np.zeros((0, 4)), np.zeros(0), np.zeros((0, 4)), np.zeros(0), np.zeros(0))
    assert looked.lines() == []
    assert ResultRemarks().lines() == []


@pytest.mark.skipif(not SHARED.exists(), reason="the odd result files are not at hand")
def test_the_files_at_hand() -> None:
    def told(name: str) -> CocoNumbers:
        return score_files(str(SHARED / "annotations.json"), str(SHARED / name))

    good = told("good.json")
    assert good.remarks == ()
    for case in json.loads((SHARED / "manifest.json").read_text())["cases"]:
        found = told(case["file"])
        if (like := case["expect"].get("ap_like")) is not None:
            assert math.isclose(found.numbers["AP"], told(like).numbers["AP"])
        if words := case["expect"].get("remark"):
            assert any(word in remark for remark in found.remarks for word in words), case


def test_a_box_of_two_categories_is_not_repeated_whatever_the_ids_are() -> None:
    truth, results = copy.deepcopy((TRUTH, GOOD))
    for category in truth["categories"]:
        category["id"] = category["name"]
    for item in (*truth["annotations"], *results):
        item["category_id"] = TRUTH["categories"][item["category_id"] - 1]["name"]
    others = [item | {"category_id": "person"} for item in results if item["category_id"] != "person"]
    scored = coco_numbers(truth, [*results, *others])
    assert scored.remarks == ()
