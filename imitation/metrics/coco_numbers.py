"""COCO's twelve numbers of COCO annotations and results, through faster-coco-eval.

They are pycocotools' to rounding (Lin et al., *Microsoft COCO*, ECCV 2014): boxes only, whatever masks
either side has. What pycocotools passes over in silence (annotations of images or categories that the
file does not name, results of unknown categories) is passed over here too, and told in `notes`; what makes
it stop, or count wrongly, is an error that names the file, the item and its id.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from imitation.settings import DataError, UserError

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""In pycocotools' order. AP: mean over IoU 0.50:0.05:0.95 and 101 recall points; AP50, AP75: at that IoU;
s, m, l: objects of an area below 32 x 32, up to 96 x 96, and above, px; AR: recall, mean over the IoUs, with
the best 1, 10 or 100 detections of a category in an image (100 unless said)."""


@dataclass(frozen=True)
class CocoNumbers:
    """`numbers` by `NAMES`, in [0, 1], -1 where there is no object to find (pycocotools' convention);
    `notes` are sentences about what counted for nothing."""

    numbers: dict[str, float]
    notes: tuple[str, ...] = ()


def score_files(annotations: str, results: str) -> CocoNumbers:
    """The numbers of a COCO annotation file and a COCO result file (JSON).

    Raises UserError for a file that cannot be read, DataError for what is wrong inside.
    """
    truth, found = _load(annotations), _load(results)
    if not isinstance(truth, dict):
        raise DataError(
            annotations, f"expected an object with images, categories, annotations; found {_kind(truth)}"
        )
    if not isinstance(found, list):
        raise DataError(results, f"expected a list of results; found {_kind(found)}")
    return coco_numbers(truth, found, annotations, results)


def coco_numbers(
    truth: Mapping[str, Any],
    results: Sequence[Mapping[str, Any]],
    truth_name: str = "annotations",
    results_name: str = "results",
) -> CocoNumbers:
    """The numbers of parsed COCO annotations and results, neither of which is changed.

    An annotation without `area` takes its box's, one without `iscrowd` is no crowd. The names stand in
    errors. Raises DataError for missing fields, ids that stand twice, results of unknown images, and
    boxes or scores that are not finite numbers or have negative sizes.
    """
    images = _numbered(truth, "images", truth_name)
    categories = _numbered(truth, "categories", truth_name)
    annotations, notes = _annotations(truth, images, categories, truth_name)
    detections, dropped = _detections(results, images, categories, results_name, truth_name)
    return CocoNumbers(_evaluate(images, categories, annotations, detections), (*notes, *dropped))


def _load(path: str) -> Any:
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path}:{error.lineno}", f"is not JSON: {error.msg} at column {error.colno}"
        ) from error
    except UnicodeDecodeError as error:
        raise DataError(path, f"is not JSON: byte {error.start} is not {error.encoding}") from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, endless brackets
        raise DataError(path, f"is not JSON that can be read: {error}") from error


def _kind(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return repr(value)[:40]


def _items(truth: Mapping[str, Any], section: str, name: str) -> list[Any]:
    items = truth.get(section)
    if not isinstance(items, list):
        raise DataError(name, f"has no list {section!r}; is it a COCO annotation file?")
    return items


class _Wrong(Exception):
    """What is wrong with an item; who reads the items knows where."""


def _field(item: Any, key: str) -> Any:
    if not isinstance(item, dict):
        raise _Wrong(f"expected an object, found {_kind(item)}")
    if key not in item:
        raise _Wrong(f"has no {key!r}")
    return item[key]


def _id(item: Any, key: str) -> int | str:
    value = _field(item, key)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int and type(value) is not str:
        raise _Wrong(f"{key} must be a whole number or a string, is {_kind(value)}")
    return value


def _numbered(truth: Mapping[str, Any], section: str, name: str) -> dict[int | str, int]:
    """Their ids, numbered from 1 in sorted order: the order in which pycocotools ranks equal scores."""
    ids: list[int | str] = []
    for i, item in enumerate(_items(truth, section, name)):
        try:
            ids.append(_id(item, "id"))
        except _Wrong as wrong:
            raise DataError(f"{name}: {section}[{i}]", str(wrong)) from None
    if not ids:
        raise DataError(name, f"{section} is empty: there is nothing to score")
    _refuse_doubles(ids, section, name)
    if len({type(value) for value in ids}) > 1:
        raise DataError(name, f"{section}: some ids are numbers and some are strings; make them all one kind")
    return {value: number for number, value in enumerate(sorted(ids), start=1)}


def _refuse_doubles(ids: Sequence[int | str], section: str, name: str) -> None:
    if len(set(ids)) < len(ids):
        value, count = Counter(ids).most_common(1)[0]
        raise DataError(name, f"{section}: id {value!r} stands {count} times; ids must be unique")


def _box(item: Any) -> list[float]:
    box = item.get("bbox")
    if box is None:
        raise _Wrong("has no 'bbox'; only boxes are scored, not masks")
    if not isinstance(box, list | tuple) or len(box) != 4 or not all(map(_finite, box)):
        raise _Wrong(f"bbox must be four finite numbers [x, y, width, height], is {box!r}")
    if box[2] < 0 or box[3] < 0:
        raise _Wrong(f"bbox has a negative width or height: {box!r}")
    return [float(value) for value in box]


def _finite(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) <= sys.float_info.max


def _number(item: Any, key: str) -> float:
    value = _field(item, key)
    if not _finite(value):
        raise _Wrong(f"{key} must be a finite number, is {value!r}")
    return float(value)


def _annotations(
    truth: Mapping[str, Any],
    images: Mapping[int | str, int],
    categories: Mapping[int | str, int],
    name: str,
) -> tuple[list[dict[str, Any]], list[str]]:
    kept: list[dict[str, Any]] = []
    ids: list[int | str] = []
    strays: list[int | str] = []
    for i, item in enumerate(_items(truth, "annotations", name)):
        value: int | str | None = None
        try:
            value = _id(item, "id")
            ids.append(value)
            image, category = _id(item, "image_id"), _id(item, "category_id")
            if image not in images or category not in categories:
                strays.append(value)
                continue
            box = _box(item)
            area = box[2] * box[3] if item.get("area") is None else _number(item, "area")
        except _Wrong as wrong:
            of = "" if value is None else f" (id {value!r})"
            raise DataError(f"{name}: annotations[{i}]{of}", str(wrong)) from None
        kept.append(
            {
                "id": len(kept) + 1 if value != 0 else 0,  # see the note
                "image_id": images[image],
                "category_id": categories[category],
                "bbox": box,
                "area": area,
                "iscrowd": int(bool(item.get("iscrowd"))),
            }
        )
    _refuse_doubles(ids, "annotations", name)
    notes = []
    if strays:
        told = "annotations of images or categories that the file does not name count for nothing"
        notes.append(f"{name}: {len(strays)} {told} (first: id {strays[0]!r})")
    if 0 in ids:
        notes.append(
            f"{name}: pycocotools takes the annotation of id 0 for one that nothing finds, and so do these "
            "numbers; number annotations from 1 for the true ones"
        )
    return kept, notes


def _detections(
    results: Sequence[Any],
    images: Mapping[int | str, int],
    categories: Mapping[int | str, int],
    name: str,
    truth_name: str,
) -> tuple[list[dict[str, Any]], list[str]]:
    kept: list[dict[str, Any]] = []
    strays: list[int | str] = []
    for i, item in enumerate(results):
        try:
            image, category = _id(item, "image_id"), _id(item, "category_id")
            if image not in images:
                raise _Wrong(f"image_id {image!r} is not among the images of {truth_name}")
            box, score = _box(item), _number(item, "score")
        except _Wrong as wrong:
            raise DataError(f"{name}: results[{i}]", str(wrong)) from None
        if category not in categories:
            strays.append(category)
            continue
        kept.append(
            {
                "id": len(kept) + 1,
                "image_id": images[image],
                "category_id": categories[category],
                "bbox": box,
                "area": box[2] * box[3],
                "score": score,
                "iscrowd": 0,
            }
        )
    told = f"results of categories that {truth_name} does not name count for nothing"
    return kept, [f"{name}: {len(strays)} {told} (first: category_id {strays[0]!r})"] if strays else []


def _evaluate(
    images: Mapping[int | str, int],
    categories: Mapping[int | str, int],
    annotations: list[dict[str, Any]],
    detections: list[dict[str, Any]],
) -> dict[str, float]:
    # The import costs a library that only this function needs.
    from faster_coco_eval import COCO, COCOeval_faster

    shared = {
        "images": [{"id": number} for number in images.values()],
        "categories": [{"id": number} for number in categories.values()],
    }
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found annotation id 0")  # a note says it
        truth, found = (COCO({**shared, "annotations": items}) for items in (annotations, detections))
    evaluation = COCOeval_faster(truth, found, "bbox", print_function=lambda *_: None)
    evaluation.run()
    return dict(zip(NAMES, map(float, evaluation.stats)))
