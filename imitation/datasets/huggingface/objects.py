"""What a row of a Hugging Face dataset says of its objects and of its conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.datasets.common.left_out import BOXES as NO_BOX
from imitation.datasets.common.left_out import refuse
from imitation.datasets.common.values import condition, flag, numbers, sequence
from imitation.datasets.huggingface.features import CATEGORIES

OBJECTS = ("objects", "annotations", "object", "faces", "detections")
BOXES = ("bbox", "bboxes", "boxes", "box")
CROWD = ("iscrowd", "is_crowd", "crowd", "ignore", "difficult")
CONDITIONS = {
    **{name: name for name in ("weather", "time_of_day", "scene", "location", "camera")},
    **{"timeofday": "time_of_day"},
}
UNLABELLED = "nobody labelled the row; an empty list says that nothing is there"


def holds_boxes(columns: Sequence[str]) -> bool:
    """Whether a file of these columns has boxes in one that is known."""
    return any(name in columns for name in (*OBJECTS, *BOXES))


def boxes_of(
    said: Mapping[str, Any],
    column: str | None,
    classes: Mapping[str, Sequence[str]],
    only: str | None,
    where: str,
    bad: Callable[[DataError], None] = refuse,
) -> Iterator[tuple[list[float], str, bool]]:
    """Each object's four numbers, its category, and whether it is ignored.

    `column` holds the objects, None: one of `OBJECTS`, or the row itself. `classes` are the names of a
    field's numbers, `only` is the name of all objects where there are no categories. `bad` gets the
    `DataError` of a single object, and raises it or goes on without. Raises `DataError` where there are no
    objects to be found.
    """
    column = column or _first(OBJECTS, said)
    objects = said if column is None else said.get(column)
    if objects is None:
        raise DataError(where, f"its {column} is null: {UNLABELLED}")
    if isinstance(objects, Mapping):
        objects = _one_by_one(objects, column or "it", where)
    for place, obj in enumerate(sequence(objects, column or "it", where)):
        there = f"{where}: object {place}"
        try:
            if not isinstance(obj, Mapping) or (key := _first(BOXES, obj)) is None:
                raise DataError(there, f"has no {' or '.join(BOXES)}: {shown(obj)}", NO_BOX)
            ignore = any(flag(obj.get(name), name, there) for name in CROWD)
            found = numbers(obj[key], 4, key, there), _category(obj, classes, only, there), ignore
        except DataError as error:
            bad(error)
            continue
        yield found


def _one_by_one(objects: Mapping[str, Any], called: str, where: str) -> list[dict[str, Any]]:
    """Objects from lists side by side."""
    if (key := _first(BOXES, objects)) is None:
        raise DataError(where, f"{called} has no {' or '.join(BOXES)}: {shown(dict(objects))}")
    if objects[key] is None:
        raise DataError(where, f"its {key} is null: {UNLABELLED}")
    boxes = sequence(objects[key], key, where)
    lists = {name: objects[name] for name in (*CATEGORIES, *CROWD) if isinstance(objects.get(name), list)}
    for name, values in lists.items():
        if len(values) != len(boxes):
            raise DataError(where, f"{name} has {len(values)} values, but there are {len(boxes)} boxes")
    return [
        {key: box} | {name: values[place] for name, values in lists.items()}
        for place, box in enumerate(boxes)
    ]


def _category(
    obj: Mapping[str, Any], classes: Mapping[str, Sequence[str]], only: str | None, where: str
) -> str:
    name = _first(CATEGORIES, obj)
    value = None if name is None else obj[name]
    if name is None or value is None:
        if only is not None:
            return only
        what = f"has no category ({', '.join(CATEGORIES[:6])}, ...)"
        raise DataError(where, f"{what}; data.options.category is one name for all objects of such data")
    if isinstance(value, str) and value.strip():
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(where, f"its {name} is {shown(value)}, neither a name nor a whole number")
    if (known := classes.get(name)) is None:
        return str(value)
    if value not in range(len(known)):
        raise DataError(where, f"its {name} is {value}, but the features name {len(known)} classes, 0 first")
    return known[value]


def conditions_of(said: Mapping[str, Any], classes: Mapping[str, Sequence[str]]) -> dict[str, str] | None:
    """The conditions among a row's columns, as text or as numbers of classes; None where it has none."""
    found: dict[str, str] = {}
    for theirs, ours in CONDITIONS.items():
        value = said.get(theirs)
        if isinstance(value, int) and value in range(len(classes.get(theirs, ()))):
            value = classes[theirs][value]
        if (told := condition(value)) is not None:
            found[ours] = told
    return found or None


def _first(names: Sequence[str], there: Mapping[str, Any]) -> str | None:
    return next((name for name in names if name in there), None)
