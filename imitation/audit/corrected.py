"""Corrected tasks, read back: which labels each audited frame has now, and the frames with them.

A label that was not moved keeps all that its dataset says of it (occlusion, cuboid, ...). One whose box was
moved keeps what does not depend on the box; a new one is a box and a category. Ignored objects stay as they
are.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import numpy as np
from scipy.optimize import linear_sum_assignment

from imitation.audit.tasks import AUDIT_FILE, SUSPECT, Audit
from imitation.common import storage
from imitation.common.settings import DataError, UserError
from imitation.data.boxes import pairwise_iou
from imitation.data.records import Box, Frame, Object

UNMOVED_PX = 1.0
"""How far a coordinate may move by formats of percent and of hundredths alone."""
SAME_OBJECT = 0.3
_PREFIX = re.compile(r"^[0-9a-f]{6,8}-")
Labels = list[tuple[str, Box]]


@dataclass
class Changes:
    """What was corrected, over all frames: labels kept, moved, of another category, new, removed;
    `untouched`: audited frames that the corrected file does not have, or nobody annotated."""

    counts: Counter[str] = field(default_factory=Counter)
    untouched: int = 0

    def __str__(self) -> str:
        words = ("kept", "moved", "renamed", "added", "removed")
        told = ", ".join(f"{self.counts[word]} {word}" for word in words)
        return f"labels of audited frames: {told}; {self.untouched} frames untouched"


def read_audit(folder: str) -> Audit:
    """`audit.json` of a folder of tasks. Raises UserError where there is none."""
    uri = storage.join(folder, AUDIT_FILE)
    if not storage.exists(uri):
        raise UserError(f"{folder}: has no {AUDIT_FILE}; give the folder that imitate audit --out wrote")
    return Audit.from_dict(storage.read_json(uri), uri)


def read_corrected(uri: str, images: Mapping[str, str]) -> dict[str, Labels]:
    """Frame id -> its labels in a corrected file: CVAT's XML (for images 1.1) or Label Studio's JSON export.
    `images` are the audit's. Pictures that are none of its, and tasks that nobody annotated, are passed over.
    Raises DataError for a file that is neither, and for a label that cannot be read."""
    data = storage.read_bytes(uri)
    start = data.lstrip()[:1]
    if start == b"<":
        return dict(_of_cvat(uri, data, images))
    if start == b"[":
        return dict(_of_label_studio(uri, data, images))
    raise DataError(uri, "is neither CVAT's XML nor a list of Label Studio's tasks (export as JSON)")


def _of_cvat(uri: str, data: bytes, images: Mapping[str, str]) -> Iterator[tuple[str, Labels]]:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise DataError(uri, "has a document type, which CVAT does not write")
    try:
        root = ElementTree.fromstring(data)
    except ElementTree.ParseError as error:
        raise DataError(uri, f"is no XML: {error}") from None
    if root.tag != "annotations":
        raise DataError(uri, f"begins with <{root.tag}>, not <annotations>: export as CVAT for images 1.1")
    for image in root.iter("image"):
        name = image.get("name", "")
        frame_id = images.get(name.replace("\\", "/").rpartition("/")[2])
        if frame_id is None:
            continue
        labels = []
        for place, shape in enumerate(image.iter("box")):
            where = f"{uri}: image {name!r}: box {place}"
            values = [_number(shape.get(key), key, where) for key in ("xtl", "ytl", "xbr", "ybr")]
            labels += _label(shape.get("label"), values, where)
        yield frame_id, labels


def _of_label_studio(uri: str, data: bytes, images: Mapping[str, str]) -> Iterator[tuple[str, Labels]]:
    try:
        tasks = json.loads(data)
    except ValueError as error:
        raise DataError(uri, f"is no JSON: {error}") from None
    for place, task in enumerate(tasks):
        where = f"{uri}: task {place}"
        if not (isinstance(task, dict) and isinstance(task.get("data"), dict)):
            raise DataError(where, "has no data: export as JSON, not as JSON-MIN")
        frame_id = images.get(_picture(str(task["data"].get("image", "")), images))
        done = [one for one in task.get("annotations") or () if not one.get("was_cancelled")]
        if frame_id is None or not done:
            continue
        newest = max(done, key=lambda one: (bool(one.get("ground_truth")), str(one.get("updated_at") or "")))
        labels: Labels = []
        for number, region in enumerate(newest.get("result") or ()):
            value = region.get("value") or {}
            if not value.get("rectanglelabels"):
                continue
            there = f"{where}: region {number}"
            size = [
                _number(region.get(f"original_{side}"), side, there) / 100 for side in ("width", "height")
            ]
            x, y, w, h = (_number(value.get(key), key, there) for key in ("x", "y", "width", "height"))
            corners = [x * size[0], y * size[1], (x + w) * size[0], (y + h) * size[1]]
            labels += _label(value["rectanglelabels"][0], corners, there)
        yield frame_id, labels


def _picture(url: str, images: Mapping[str, str]) -> str:
    """The name of a picture behind a URL of Label Studio's, without its prefix of uploads."""
    parts = urlsplit(url)
    path = unquote((parse_qs(parts.query).get("d") or [parts.path])[0])
    name = path.replace("\\", "/").rpartition("/")[2]
    return name if name in images else _PREFIX.sub("", name, count=1)


def _number(text: Any, name: str, where: str) -> float:
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise DataError(where, f"its {name} is {text!r}, not a number") from None
    if not np.isfinite(value):
        raise DataError(where, f"its {name} is {text!r}, not a number")
    return value


def _label(name: str | None, corners: list[float], where: str) -> Labels:
    if not name:
        raise DataError(where, "has no label")
    if name == SUSPECT:
        return []
    box = Box(*corners)
    if box.width <= 0 or box.height <= 0:
        raise DataError(where, f"its box {tuple(round(v, 2) for v in corners)} has no area")
    return [(name, box)]


def corrected_frames(
    frames: Iterable[Frame], corrected: Mapping[str, Labels], audited: Iterable[str], changes: Changes
) -> Iterator[Frame]:
    """The frames, those that were corrected with their new labels; counts into `changes`."""
    asked = set(audited)
    changes.untouched = len(asked - corrected.keys())
    for frame in frames:
        labels = corrected.get(frame.frame_id)
        yield frame if labels is None else replace(frame, objects=_merged(frame, labels, changes.counts))


def _merged(frame: Frame, labels: Labels, counts: Counter[str]) -> tuple[Object, ...]:
    """The frame's objects with these labels: each old one is the new one that overlaps it most."""
    old = [i for i, obj in enumerate(frame.objects) if not obj.ignore]
    was = np.array([frame.objects[i].box for i in old], dtype=np.float64).reshape(-1, 4)
    now = np.array([box for _, box in labels], dtype=np.float64).reshape(-1, 4)
    overlap = pairwise_iou(was, now) if len(was) and len(now) else np.zeros((len(was), len(now)))
    same = np.array([[frame.objects[i].category == name for name, _ in labels] for i in old]).reshape(
        overlap.shape
    )
    rows, columns = linear_sum_assignment(-(overlap + 0.01 * same))
    partner = {old[r]: c for r, c in zip(rows, columns) if overlap[r, c] >= SAME_OBJECT}
    result = []
    for i, obj in enumerate(frame.objects):
        if obj.ignore:
            result.append(obj)
        elif i in partner:
            name, box = labels[partner[i]]
            result.append(_changed(obj, name, box, counts))
        else:
            counts["removed"] += 1
    for c, (name, box) in enumerate(labels):
        if c not in partner.values():
            counts["added"] += 1
            result.append(Object(name, box.clipped(frame.width, frame.height)))
    return tuple(result)


def _changed(obj: Object, name: str, box: Box, counts: Counter[str]) -> Object:
    moved = max(abs(a - b) for a, b in zip(obj.box, box)) > UNMOVED_PX
    counts["moved" if moved else "renamed" if name != obj.category else "kept"] += 1
    if moved:  # what was measured with the old box no longer holds
        return replace(
            obj, category=name, box=box, visible_box=None, amodal_box=None, cuboid=None, alpha=None
        )
    return obj if name == obj.category else replace(obj, category=name)
