"""`imitate score coco` as a person uses it."""

import json
from pathlib import Path
from typing import Any

import pytest

from cluster.cli.main import main
from imitation.metrics.protocols.coco import NAMES

TRUTH: dict[str, Any] = {
    "images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50], "area": 2500, "iscrowd": 0},
        {"id": 2, "image_id": 2, "category_id": 1, "bbox": [10, 10, 20, 20], "area": 400, "iscrowd": 0},
    ],
    "categories": [{"id": 1, "name": "car"}],
}
RESULTS = [{"image_id": 1, "category_id": 1, "bbox": [10, 10, 50, 50], "score": 0.9}]
HALF = 51 / 101  # recall points up to one of two objects

Files = tuple[Path, Path]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    truth, results = tmp_path / "annotations.json", tmp_path / "results.json"
    truth.write_text(json.dumps(TRUTH))
    results.write_text(json.dumps(RESULTS))
    return truth, results


def test_json_is_the_twelve_numbers(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "coco", *map(str, files), "--json"]) == 0
    told = capsys.readouterr()
    numbers = json.loads(told.out)
    assert numbers.pop("remarks") == [
        "no result for 1 of the 2 images that have objects (such as b.jpg): is the file whole?"
    ]
    assert numbers == pytest.approx(
        {
            **{"AP": HALF, "AP50": HALF, "AP75": HALF, "APs": 0.0, "APm": 1.0, "APl": -1.0},
            **{"AR1": 0.5, "AR10": 0.5, "AR100": 0.5, "ARs": 0.0, "ARm": 1.0, "ARl": -1.0},
        }
    )
    assert told.err == ""


def test_table_names_every_number(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["score", "coco", *map(str, files)]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    rows = {words[0]: words for words in lines if words and words[0] in NAMES}
    assert tuple(rows) == NAMES
    assert rows["AP"] == ["AP", "0.5050", "0.50:0.95", "all", "100"]
    assert rows["AR1"] == ["AR1", "0.5000", "0.50:0.95", "all", "1"]
    assert rows["APl"] == ["APl", "none", "0.50:0.95", "large", "100"]


def test_notes_go_to_standard_error(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files[1].write_text(json.dumps([*RESULTS, RESULTS[0] | {"category_id": 77}]))
    assert main(["score", "coco", *map(str, files), "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["AR100"] == 0.5
    assert any("results of categories" in remark for remark in json.loads(told.out)["remarks"])
    assert f"imitate: {files[1]}: 1 results of categories that {files[0]} does not name" in told.err


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "results.json",
            b'[{"image_id": 9, "category_id": 1, "bbox": [0, 0, 1, 1], "score": 1}]',
            "image_id 9",
        ),
        ("results.json", b"[1,\n2", ":2: is not JSON"),
        ("results.json", b"{}", "expected a list of results; found an object"),
        ("results.json", b"[" * 100_000, "is not JSON"),
        ("results.json", b"[" + b"1" * 5000 + b"]", "is not JSON"),
        ("annotations.json", b"[]", "expected an object with images, categories, annotations; found a list"),
        ("annotations.json", b"{}", "has no list 'images'"),
        ("annotations.json", b'"\xff\xfe\xfd"', "is not JSON"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(
    name: str, content: bytes, message: str, files: Files, capsys: pytest.CaptureFixture[str]
) -> None:
    (files[0].parent / name).write_bytes(content)
    assert main(["score", "coco", *map(str, files)]) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert str(files[0].parent / name) in told.err
    assert message in told.err
    assert "Traceback" not in told.err


def test_missing_file_is_named(files: Files, capsys: pytest.CaptureFixture[str]) -> None:
    files[1].unlink()
    assert main(["score", "coco", *map(str, files)]) == 1
    assert f"imitate: {files[1]}: cannot be read: No such file" in capsys.readouterr().err
