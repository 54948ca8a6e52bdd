"""Suspects as labelling tasks: a folder with the pictures, and what CVAT or Label Studio reads.

    DIR/images/...          the pictures
    DIR/audit.json          the suspects, which frame each picture is, and where the frames lie
    DIR/annotations.xml     CVAT for images 1.1, with labels.json, the labels of the task to make
    DIR/tasks.json          Label Studio, with label-config.xml: labels as predictions, to be corrected

Both show what is labelled now, and each suspect as a box of the label `SUSPECT`, with its question. Whoever
corrects gives it its right label or deletes it; what is still called a suspect is no label when it is read
back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

from pydantic import Field

from imitation.audit.suspects import Suspect, question
from imitation.common import storage
from imitation.common.formats.record import Record
from imitation.common.settings import UserError
from imitation.data.images import portable_bytes
from imitation.data.records import Frame

SUSPECT = "suspect"
CVAT, LABEL_STUDIO = "cvat", "label-studio"
TOOLS = (CVAT, LABEL_STUDIO)
AUDIT_FILE, XML_FILE, TASKS_FILE = "audit.json", "annotations.xml", "tasks.json"
PNG = b"\x89PNG"


class Audit(Record):
    """`audit.json`: what was asked, and of which frames."""

    version: int = Field(1, description="of this file")
    frames: str = Field(description="where the frames lie: Parquet")
    split: str = Field(description="their split")
    tool: str = Field(description='"cvat" or "label-studio"')
    images: dict[str, str] = Field(description="name of a picture -> frame id")
    suspects: list[Suspect] = Field(description="the worthiest first")


def write_tasks(
    suspects: Sequence[Suspect],
    frames: Mapping[str, Frame],
    source: str,
    split: str,
    tool: str,
    out: str,
    labels: Iterable[str] = (),
) -> Audit:
    """Writes the suspects of `frames` (by id, with their images) as tasks into the folder `out`. Ignored
    objects are not shown; `labels` may be chosen besides those that are shown. Raises UserError for another
    tool."""
    if tool not in TOOLS:
        raise UserError(f"--to {tool}: tasks can be written for {', '.join(TOOLS)}")
    by_frame: dict[str, list[Suspect]] = {}
    for suspect in suspects:
        if suspect.frame_id in frames:
            by_frame.setdefault(suspect.frame_id, []).append(suspect)
    names: dict[str, str] = {}
    for frame_id in by_frame:
        data = portable_bytes(frames[frame_id])
        name = _name(frame_id, ".png" if data.startswith(PNG) else ".jpg", names)
        names[name] = frame_id
        storage.write_bytes_atomic(storage.join(out, "images", name), data)
    every = sorted({*labels} | {obj.category for f in frames.values() for obj in f.objects if not obj.ignore}
                    | {suspect.category for suspect in suspects})  # fmt: skip
    shown = [(name, frames[frame_id], by_frame[frame_id]) for name, frame_id in names.items()]
    if tool == CVAT:
        storage.write_bytes_atomic(storage.join(out, XML_FILE), _cvat(shown, every))
        spec: list[dict[str, Any]] = [{"name": name, "attributes": []} for name in every]
        attribute = {"name": "question", "mutable": False, "input_type": "text", "values": [""]}
        spec.append({"name": SUSPECT, "attributes": [attribute]})
        storage.write_json(storage.join(out, "labels.json"), spec)
    else:
        tasks = json.dumps(_label_studio(shown), indent=1, ensure_ascii=False)
        storage.write_bytes_atomic(storage.join(out, TASKS_FILE), tasks.encode())
        storage.write_bytes_atomic(storage.join(out, "label-config.xml"), _label_config(every))
    audit = Audit(version=1, frames=source, split=split, tool=tool, images=names, suspects=list(suspects))
    storage.write_json(storage.join(out, AUDIT_FILE), audit.to_dict())
    return audit


def _name(frame_id: str, suffix: str, taken: Mapping[str, str]) -> str:
    stem = re.sub(r"[^A-Za-z0-9._-]+", "_", frame_id).strip("._")[:100] or "frame"
    name, number = f"{stem}{suffix}", 1
    while name in taken:
        name, number = f"{stem}-{number}{suffix}", number + 1
    return name


Shown = Sequence[tuple[str, Frame, Sequence[Suspect]]]


def _cvat(shown: Shown, labels: Sequence[str]) -> bytes:
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    task = ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task")
    ElementTree.SubElement(task, "name").text = "label audit"
    ElementTree.SubElement(task, "size").text = str(len(shown))
    told = ElementTree.SubElement(task, "labels")
    for name in (*labels, SUSPECT):
        label = ElementTree.SubElement(told, "label")
        ElementTree.SubElement(label, "name").text = name
        attributes = ElementTree.SubElement(label, "attributes")
        if name == SUSPECT:
            attribute = ElementTree.SubElement(attributes, "attribute")
            words = {
                "name": "question",
                "mutable": "False",
                "input_type": "text",
                "default_value": "",
                "values": "",
            }
            for tag, text in words.items():
                ElementTree.SubElement(attribute, tag).text = text
    for number, (name, frame, suspects) in enumerate(shown):
        image = ElementTree.SubElement(
            root, "image", id=str(number), name=name, width=str(frame.width), height=str(frame.height)
        )
        for obj in frame.objects:
            if not obj.ignore:
                hidden = "1" if (obj.occlusion_level or 0) >= 1 or (obj.occlusion or 0.0) > 0.3 else "0"
                _box(image, obj.category, obj.box, "manual", hidden)
        for suspect in suspects:
            box = _box(image, SUSPECT, suspect.box, "auto", "0")
            ElementTree.SubElement(box, "attribute", name="question").text = question(suspect)
    ElementTree.indent(root)
    return b'<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "utf-8") + b"\n"


def _box(image: ElementTree.Element, label: str, box: Sequence[float], source: str, hidden: str) -> Any:
    said = {"label": label, "source": source, "occluded": hidden, "z_order": "0"}
    said |= {name: f"{value:.2f}" for name, value in zip(("xtl", "ytl", "xbr", "ybr"), box)}
    return ElementTree.SubElement(image, "box", said)


def _label_studio(shown: Shown) -> list[dict[str, Any]]:
    tasks = []
    for number, (name, frame, suspects) in enumerate(shown, start=1):
        regions = [_region(f"label-{i}", obj.category, obj.box, frame, None)
                   for i, obj in enumerate(frame.objects) if not obj.ignore]  # fmt: skip
        regions += [_region(f"suspect-{i}", SUSPECT, s.box, frame, s) for i, s in enumerate(suspects)]
        asked = "; ".join(map(question, suspects))
        data = {"image": f"/data/local-files/?d=images/{name}", "frame_id": frame.frame_id, "question": asked}
        prediction = {"model_version": "labels and suspects", "score": suspects[0].sure, "result": regions}
        tasks.append({"id": number, "data": data, "predictions": [prediction]})
    return tasks


def _region(
    key: str, label: str, box: Sequence[float], frame: Frame, suspect: Suspect | None
) -> dict[str, Any]:
    x1, y1, x2, y2 = box
    across, down = 100 / frame.width, 100 / frame.height
    value = {"x": x1 * across, "y": y1 * down, "width": (x2 - x1) * across, "height": (y2 - y1) * down}
    region: dict[str, Any] = {
        "id": key,
        "type": "rectanglelabels",
        "from_name": "label",
        "to_name": "image",
        "original_width": frame.width,
        "original_height": frame.height,
        "image_rotation": 0,
        "value": {**value, "rotation": 0, "rectanglelabels": [label]},
    }
    if suspect is not None:
        region |= {"score": suspect.sure, "meta": {"text": [question(suspect)]}}
    return region


def _label_config(labels: Sequence[str]) -> bytes:
    view = ElementTree.Element("View")
    ElementTree.SubElement(view, "Text", name="question", value="$question")
    ElementTree.SubElement(view, "Image", name="image", value="$image")
    choices = ElementTree.SubElement(view, "RectangleLabels", name="label", toName="image")
    for name in (*labels, SUSPECT):
        ElementTree.SubElement(choices, "Label", value=name)
    ElementTree.indent(view)
    return ElementTree.tostring(view, "utf-8") + b"\n"
