"""COCO's twelve numbers of COCO annotations and results, through faster-coco-eval.

They are pycocotools' to rounding (Lin et al., *Microsoft COCO*, ECCV 2014): boxes only, whatever masks
either side has. What pycocotools passes over in silence (annotations of images or categories that the
file does not name, results of unknown categories) is passed over here too, and told in `notes`; what makes
it stop, or count wrongly, is an error that names the file, the item and its id. Two things are read that
pycocotools is not: images that the results name by their file or by the text of an id
(`imitation.evaluation.result_images`), and category ids that are text. `remarks` say what looks wrong.
"""

from __future__ import annotations

import json
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imitation.common.settings import DataError, UserError
from imitation.datasets.coco.text import bbox_fault, is_finite
from imitation.evaluation.result_images import ImageKeys, ImageNaming, Way
from imitation.evaluation.result_remarks import ResultRemarks

NAMES = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl")
"""In pycocotools' order. AP: mean over IoU 0.50:0.05:0.95 and 101 recall points; AP50, AP75: at that IoU;
s, m, l: objects of an area below 32 x 32, up to 96 x 96, and above, px; AR: recall, mean over the IoUs, with
the best 1, 10 or 100 detections of a category in an image (100 unless said)."""


@dataclass(frozen=True)
class CocoNumbers:
    """`numbers` by `NAMES`, in [0, 1], -1 where there is no object to find (pycocotools' convention);
    `notes` are sentences about what counted for nothing, `remarks` about what looks wrong."""

    numbers: dict[str, float]
    notes: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def score_files(annotations: str, results: str) -> CocoNumbers:
    """The numbers of a COCO annotation file and a COCO result file (JSON).

    Raises UserError for a file that cannot be read, DataError for what is wrong inside.
    """
    truth, entries = _load(annotations), _load(results)
    if not isinstance(truth, dict):
        raise DataError(
            annotations, f"expected an object with images, categories, annotations; found {_kind(truth)}"
        )
    if not isinstance(entries, list):
        raise DataError(results, f"expected a list of results; found {_kind(entries)}")
    return coco_numbers(truth, entries, annotations, results)


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
    naming = _image_naming(truth, results)
    detections, strays = _detections(results, images, categories, naming.of, results_name, truth_name)
    dropped = []
    if strays:
        what = f"results of categories that {truth_name} does not name count for nothing"
        dropped.append(f"{results_name}: {len(strays)} {what} (first: category_id {strays[0]['said']!r})")
    remarks = _remarks(truth, images, categories, annotations, [*detections, *strays])
    return CocoNumbers(
        _evaluate(images, categories, annotations, detections),
        (*notes, *dropped),
        (*([naming.remark] if naming.remark else []), *remarks),
    )


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
    if fault := bbox_fault(box):
        raise _Wrong(fault)
    return [float(value) for value in box]


def _number(item: Any, key: str) -> float:
    value = _field(item, key)
    if not is_finite(value):
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
        remark = "annotations of images or categories that the file does not name count for nothing"
        notes.append(f"{name}: {len(strays)} {remark} (first: id {strays[0]!r})")
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
    image_of: Way,
    name: str,
    truth_name: str,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The results, and those of unknown categories: `said` is the id that the file gives."""
    kept: list[dict[str, Any]] = []
    strays: list[dict[str, Any]] = []
    for i, item in enumerate(results):
        try:
            said, category = _id(item, "image_id"), _known(_id(item, "category_id"), categories)
            image = image_of(said, item.get("file_name"))
            if image is None:
                raise _Wrong(f"image_id {said!r} is not among the images of {truth_name}")
            box, score = _box(item), _number(item, "score")
        except _Wrong as wrong:
            raise DataError(f"{name}: results[{i}]", str(wrong)) from None
        detection = {"image_id": images[image], "bbox": box, "score": score, "said": category}
        if category not in categories:
            strays.append(detection)
            continue
        kept.append(
            detection
            | {
                "id": len(kept) + 1,
                "category_id": categories[category],
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
        )
    return kept, strays


def _known(category: int | str, categories: Mapping[int | str, int]) -> int | str:
    """The category that an id means: "3" is 3 where the ids are numbers."""
    if category in categories or not isinstance(category, str) or len(category) > 19:
        return category
    number = int(category) if category.isascii() and category.isdecimal() else None
    return category if number not in categories or number is None else number


def _image_naming(truth: Mapping[str, Any], results: Sequence[Any]) -> ImageNaming:
    """How the results name their images."""
    names = {_id(item, "id"): _text(item.get("file_name")) for item in truth["images"]}
    pairs = (
        (item.get("image_id"), _text(item.get("file_name")))
        for item in results
        if isinstance(item, dict) and isinstance(item.get("image_id"), int | float | str)
    )
    return ImageKeys(names).naming(pairs)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _remarks(
    truth: Mapping[str, Any],
    images: Mapping[int | str, int],
    categories: Mapping[int | str, int],
    annotations: list[dict[str, Any]],
    results: list[dict[str, Any]],
) -> list[str]:
    """What looks wrong with the results, in frames of arrays."""
    numbered = all(isinstance(category, int) for category in categories)
    own = {number: category for category, number in categories.items()}
    names = {_id(item, "id"): str(item.get("name")) for item in truth["categories"]}
    looked = ResultRemarks("xywh", names if numbered else None)  # type: ignore[arg-type]
    objects: dict[int, list[dict[str, Any]]] = defaultdict(list)
    by_image: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for item in annotations:
        if not item["iscrowd"]:
            objects[item["image_id"]].append(item)
    for item in results:
        by_image[item["image_id"]].append(item)

    codes: dict[int | str, int] = {}

    def kinds(values: list[Any]) -> np.ndarray:
        if numbered:
            codes_of = [value if type(value) is int and abs(value) < 2**31 else -1 for value in values]
        else:  # to tell them apart is enough
            codes_of = [codes.setdefault(value, len(codes)) for value in values]
        return np.array(codes_of, dtype=np.int64)

    for image in truth["images"]:
        key = _id(image, "id")
        true, said = objects[images[key]], by_image[images[key]]
        boxes = np.array([item["bbox"] for item in true], dtype=np.float64).reshape(-1, 4)
        boxes[:, 2:] += boxes[:, :2]
        looked.add(
            str(image.get("file_name") or key),
            _size_of(image),
            boxes,
            kinds([own[item["category_id"]] for item in true]),
            np.array([item["bbox"] for item in said], dtype=np.float64).reshape(-1, 4),
            kinds([item["said"] for item in said]),
            np.array([item["score"] for item in said], dtype=np.float64),
        )
    return looked.lines()


def _size_of(image: Mapping[str, Any]) -> tuple[int, int] | None:
    width, height = image.get("width"), image.get("height")
    if type(width) is int and type(height) is int and 0 < width < 2**31 and 0 < height < 2**31:
        return width, height
    return None


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
