"""Tasks for CVAT and Label Studio, corrected as a person would, and read back."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from imitation.audit.corrected import Changes, corrected_frames, read_audit, read_corrected
from imitation.audit.suspects import Suspect
from imitation.audit.tasks import SUSPECT, write_tasks
from imitation.common.settings import DataError, UserError
from imitation.data.images import encode_png
from imitation.data.records import Box, Cuboid, Frame, Object

CUBOID = Cuboid(0, 1.5, 20, 4, 1.6, 1.8, 0.1)
CAR = Object("Car", Box(10, 20, 30, 40), occlusion=0.5, cuboid=CUBOID)
VAN = Object("Van", Box(40, 20, 60, 40), visible_box=Box(40, 20, 60, 35))
GHOST = Object("Car", Box(70, 5, 90, 15))
REGION = Object("DontCare", Box(0, 0, 9, 9), ignore=True)


def frame(name: str) -> Frame:
    picture = encode_png(np.full((50, 100, 3), 90, np.uint8))
    return Frame(name, 100, 50, (CAR, REGION, VAN, GHOST), image=picture)


FRAMES = {name: frame(name) for name in ("a/1", "a_1", "untouched")}


def suspect(frame_id: str, kind: Any, box: Box) -> Suspect:
    return Suspect(
        frame_id=frame_id, kind=kind, category="Pedestrian", labelled=None, object_index=None, box=list(box),
        score=0.9, agree=1, others=2, sure=0.8, at_stake=0.01,
    )  # fmt: skip


SUSPECTS = [
    suspect("a/1", "missing", Box(5, 1, 9, 17)),
    suspect("a_1", "missing", Box(80, 30, 95, 45)),
    suspect("untouched", "missing", Box(1, 1, 5, 5)),
]


def written(folder: Path, tool: str) -> Path:
    audit = write_tasks(SUSPECTS, FRAMES, "frames.parquet", "mine", tool, str(folder), {"Tram"})
    assert read_audit(str(folder)) == audit
    assert len(set(audit.images)) == 3
    assert all((folder / "images" / name).read_bytes().startswith(b"\x89PNG") for name in audit.images)
    return folder


def by_hand_in_cvat(folder: Path) -> Path:
    """Accepts the first suspect, moves a car, renames a van, takes the ghost away; leaves the second as a
    suspect; the third picture is not in the file."""
    root = ElementTree.parse(folder / "annotations.xml").getroot()
    assert [label.findtext("name") for label in root.iter("label")] == [
        "Car", "Pedestrian", "Tram", "Van", SUSPECT,
    ]  # fmt: skip
    first, second, third = root.findall("image")
    root.remove(third)
    boxes = first.findall("box")
    assert [box.get("label") for box in boxes] == ["Car", "Van", "Car", SUSPECT]
    assert "Pedestrian without a label? (1 of 2" in (boxes[3].findtext("attribute") or "")
    boxes[0].set("xtl", "14.00")
    boxes[1].set("label", "Tram")
    first.remove(boxes[2])
    boxes[3].set("label", "Pedestrian")
    assert [box.get("label") for box in second.findall("box")][-1] == SUSPECT
    return save(folder / "corrected.xml", ElementTree.tostring(root))


def by_hand_in_label_studio(folder: Path) -> Path:
    tasks = json.loads((folder / "tasks.json").read_text())
    first, second, _ = tasks
    config = ElementTree.parse(folder / "label-config.xml")
    assert [label.get("value") for label in config.iter("Label")] == [
        "Car",
        "Pedestrian",
        "Tram",
        "Van",
        SUSPECT,
    ]
    first["data"]["image"] = "/data/upload/1/3f2a9bcd-" + first["data"]["image"].rpartition("/")[2]
    regions = first["predictions"][0]["result"]
    assert regions[0]["value"] | {} == {
        "x": 10.0, "y": 40.0, "width": 20.0, "height": 40.0, "rotation": 0, "rectanglelabels": ["Car"],
    }  # fmt: skip
    regions[0]["value"] |= {"x": 14.0, "width": 16.0}
    regions[1]["value"]["rectanglelabels"] = ["Tram"]
    regions[3]["value"]["rectanglelabels"] = ["Pedestrian"]
    del regions[2]
    for task in (first, second):
        result = task.pop("predictions")[0]["result"]
        task["annotations"] = [
            {"result": [], "was_cancelled": True, "updated_at": "2031"},
            {"result": [], "updated_at": "2029"},
            {"result": result, "updated_at": "2030"},
        ]
    return save(folder / "corrected.json", json.dumps(tasks).encode())


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("tool", "correct"), [("cvat", by_hand_in_cvat), ("label-studio", by_hand_in_label_studio)]
)
def test_what_was_corrected_comes_back_and_the_rest_stays(
    tool: str, correct: Callable[[Path], Path], tmp_path: Path
) -> None:
    folder = written(tmp_path / "tasks", tool)
    audit = read_audit(str(folder))
    corrected = read_corrected(str(correct(folder)), audit.images)
    assert set(corrected) == {"a/1", "a_1"}
    changes = Changes()
    first, second, third = corrected_frames(FRAMES.values(), corrected, audit.images.values(), changes)
    car, region, tram, person = first.objects
    assert (car.category, car.cuboid, car.occlusion) == ("Car", None, 0.5)  # its box was moved
    assert np.allclose(car.box, (14, 20, 30, 40), atol=0.01)
    assert region == REGION
    assert (tram.category, tram.box, tram.visible_box) == ("Tram", VAN.box, VAN.visible_box)
    assert person.category == "Pedestrian"
    assert np.allclose(person.box, (5, 1, 9, 17), atol=0.01)
    assert second == FRAMES["a_1"], (
        "what is still called a suspect is no label, and all else stays to the bit"
    )
    assert third == FRAMES["untouched"]
    assert dict(changes.counts) == {"kept": 3, "moved": 1, "renamed": 1, "added": 1, "removed": 1}
    assert changes.untouched == 1


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    folder = written(tmp_path / "tasks", "cvat")
    images = read_audit(str(folder)).images
    name = next(iter(images))
    box = '<box label="Car" xtl="1" ytl="2" xbr="{}" ybr="9"/>'
    for text, said in (
        ("hello", "neither CVAT's XML nor a list"),
        ("<annotations>", "is no XML"),
        ("<other/>", "begins with <other>"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><annotations/>', "has a document type"),
        (f'<annotations><image name="{name}">{box.format("x")}</image></annotations>', "its xbr is 'x'"),
        (f'<annotations><image name="{name}">{box.format(1)}</image></annotations>', "has no area"),
        ("[3]", "has no data: export as JSON"),
        ("[", "is no JSON"),
    ):
        path = save(tmp_path / "file", text.encode())
        with pytest.raises(DataError, match=said):
            read_corrected(str(path), images)
    with pytest.raises(UserError, match=r"has no audit\.json"):
        read_audit(str(tmp_path))
    with pytest.raises(UserError, match="can be written for cvat, label-studio"):
        write_tasks([], {}, "", "mine", "paint", str(tmp_path / "other"))
