"""Hugging Face's datasets: as `datasets` itself writes them, and the forms that its users give boxes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from imitation.common.settings import DataError, UserError
from imitation.data.records import Box, Frame
from imitation.data.splits import SplitSettings
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.registry import open_dataset, recognized
from tests.imitation.datasets.layouts.content import HEIGHT, WIDTH, jpeg, made_up, put, two_lists
from tests.imitation.datasets.layouts.write_hubs import huggingface_objects, write_huggingface


def folder(root: Path, rows: list[dict[str, Any]], page: str = "") -> Path:
    for number, row in enumerate(rows):
        row.setdefault("file_name", f"{number}.jpg")
        (root / f"{number}.jpg").write_bytes(jpeg(number))
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    if page:
        (root / "README.md").write_text(page)
    return root


def frames(root: Path, problems: list[DataError] | None = None, **options: Any) -> list[Frame]:
    reader = open_dataset("huggingface", str(root), SplitSettings(), options)
    reader.keep_lists()
    told = None if problems is None else problems.append
    return [frame for split in ("train", "val", "test") for frame in reader.frames(split, told)]


def one(bbox: Any, **fields: Any) -> dict[str, Any]:
    return {"objects": {"bbox": [bbox], **fields}}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["parquet", "imagefolder"])
def test_what_datasets_writes_is_read_as_datasets_reads_it(form: str, tmp_path: Path) -> None:
    """`datasets` writes (or loads) it with features of its own; what it decodes is what is read here."""
    datasets = pytest.importorskip("datasets", reason="datasets is not installed (make dev)")
    lists = two_lists(np.random.default_rng(0), 7)
    if form == "parquet":
        names = datasets.ClassLabel(names=["car", "pedestrian", "traffic light"])
        boxes = datasets.List(datasets.List(datasets.Value("float32"), length=4))
        features = datasets.Features(
            {
                "image": datasets.Image(),
                "objects": {"bbox": boxes, "category": datasets.List(names)},
                "weather": datasets.Value("string"),
            }
        )
        for name, pictures in lists.items():
            rows = {
                "image": [{"bytes": jpeg(n), "path": f"{p.name}.jpg"} for n, p in enumerate(pictures)],
                "objects": [
                    {key: huggingface_objects(p)[key] for key in ("bbox", "category")} for p in pictures
                ],
                "weather": ["rainy" for _ in pictures],
            }
            made = datasets.Dataset.from_dict(rows, features=features)
            (tmp_path / "data").mkdir(exist_ok=True)
            called = {"val": "validation"}.get(name, name)
            made.to_parquet(str(tmp_path / f"data/{called}-00000-of-00001.parquet"))
        files = {"train": f"{tmp_path}/data/train-*.parquet", "val": f"{tmp_path}/data/validation-*.parquet"}
        theirs = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    else:
        for name, pictures in lists.items():
            place = tmp_path / {"val": "validation"}.get(name, name)
            put(place, pictures)
            rows = [
                {"file_name": f"{p.name}.jpg", "objects": huggingface_objects(p, False)} for p in pictures
            ]
            (place / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        theirs = datasets.load_dataset(
            "imagefolder", data_dir=str(tmp_path), cache_dir=str(tmp_path / "cache")
        )
        theirs["val"] = theirs["validation"]
    reader = open_dataset("huggingface", str(tmp_path))
    reader.keep_lists()
    for name in lists:
        for frame, row in zip(reader.frames(name), theirs[name], strict=True):
            objects = row["objects"]
            label = theirs[name].features["objects"]["category"].feature
            called = [c if isinstance(c, str) else label.int2str(c) for c in objects["category"]]
            assert [obj.category for obj in frame.objects] == called
            four = [(o.box.x1, o.box.y1, o.box.width, o.box.height) for o in frame.objects]
            assert four == [tuple(box) for box in objects["bbox"]]
            assert (frame.width, frame.height) == row["image"].size


def test_a_list_of_objects_is_read_as_lists_side_by_side_are(tmp_path: Path) -> None:
    rows = [{"objects": [{"bbox": [1, 2, 30, 40], "category": "car"}]} for _ in range(3)]
    (frame, *_) = frames(folder(tmp_path, rows))
    assert [(obj.category, obj.box) for obj in frame.objects] == [("car", Box(1, 2, 31, 42))]


@pytest.mark.parametrize(
    "features",
    [
        "    sequence:\n    - name: bbox\n      sequence: float32\n      length: 4\n"
        "    - name: category\n      dtype:\n        class_label:\n          names:\n"
        "            '0': car\n            '1': van\n",
        "    struct:\n    - name: category\n      list:\n        class_label:\n          names: [car, van]\n",
    ],
)
def test_names_of_classes_stand_at_the_head_of_the_page(tmp_path: Path, features: str) -> None:
    page = f"---\nlicense: mit\ndataset_info:\n  features:\n  - name: objects\n{features}---\n# A set\n"
    root = folder(tmp_path, [one([1, 2, 3, 4], category=[1]), one([1, 2, 3, 4], category=[0])], page)
    assert [frame.objects[0].category for frame in frames(root)] == ["van", "car"]
    numbering = open_dataset("huggingface", str(root)).numbering()
    assert numbering is not None
    assert numbering.numbers == {"car": 0, "van": 1}


def test_numbers_without_names_are_their_own(tmp_path: Path) -> None:
    root = folder(tmp_path, [one([1, 2, 3, 4], category=[7])])
    assert frames(root)[0].objects[0].category == "7"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (one([1, 2, 3], category=["car"]), "bbox is [1, 2, 3], not 4 numbers"),
        (one([1, 2, 3, "x"], category=["car"]), "bbox is 'x', not a finite number"),
        (one([1, 2, 3, 4], category=[]), "category has 0 values, but there are 1 boxes"),
        (one([1, 2, 3, 4]), "data.options.category"),
        (one([1, 2, 3, 4], category=[1.5]), "its category is 1.5, neither a name nor a whole number"),
        ({"objects": {"category": ["car"]}}, "objects has no bbox"),
        ({"objects": 5}, "objects is 5, not a list"),
        ({"objects": None}, "its objects is null: nobody labelled the row"),
        ({"objects": {"bbox": None}}, "its bbox is null: nobody labelled the row"),
        ({"objects": [], "file_name": 5}, "has no image"),
        ({"objects": [], "file_name": "none.jpg"}, "none.jpg"),
        ({"objects": [], "width": -5, "height": 5}, "width is -5"),
    ],
)
def test_odd_rows_are_named_by_their_line(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    root = folder(tmp_path, [one([1, 2, 3, 4], category=["car"]), row, one([1, 2, 3, 4], category=["car"])])
    problems: list[DataError] = []
    assert len(frames(root, problems)) == 2
    (problem,) = problems
    assert said in str(problem)
    assert "metadata.jsonl:2" in problem.where or "none.jpg" in problem.where


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    root = folder(tmp_path, [one([1, 2, 3, 4], category=["car"]) for _ in range(3)])
    lines = (root / "metadata.jsonl").read_text().splitlines()
    (root / "metadata.jsonl").write_text("\n".join([lines[0], "{" * 5000, lines[2]]))
    problems: list[DataError] = []
    assert len(frames(root, problems)) == 2
    assert "metadata.jsonl:2: not valid JSON" in str(problems[0])


def test_corners_are_named_and_read_on_request(tmp_path: Path) -> None:
    corners = [[80 + i, 40, 150 + i, 90] for i in range(6)]
    root = folder(tmp_path, [one(box, category=["car"]) for box in corners])
    with pytest.raises(DataError, match=r"are two corners \(xyxy\).*set data\.options\.boxes to xyxy"):
        frames(root)
    assert frames(root, boxes="xyxy")[0].objects[0].box == Box(80, 40, 150, 90)
    shares = [[0.1, 0.25, 0.5, 0.5] for _ in range(6)]
    root = folder(tmp_path, [one(box, category=["car"]) for box in shares])
    with pytest.raises(DataError, match="are shares of the image"):
        frames(root)
    assert frames(root, boxes="xywh_shares")[0].objects[0].box == Box(
        0.1 * WIDTH, 0.25 * HEIGHT, 0.1 * WIDTH + 0.5 * WIDTH, 0.75 * HEIGHT
    )


def test_own_columns_are_named_in_the_options(tmp_path: Path) -> None:
    rows = [{"faces_": {"bbox": [[1, 2, 3, 4]]}, "video": f"v{i // 2}"} for i in range(8)]
    root = folder(tmp_path, rows)
    with pytest.raises(UserError, match=r"no column of boxes .*name it as data\.options\.objects"):
        frames(root)
    found = frames(root, objects="faces_", category="face", sequence="video")
    assert {frame.objects[0].category for frame in found} == {"face"}
    assert [frame.sequence for frame in found] == [f"v{i // 2}" for i in range(8)]


def test_test_takes_the_place_of_a_validation_list(tmp_path: Path) -> None:
    made = two_lists(np.random.default_rng(1))
    write_huggingface(tmp_path, {"train": made["train"], "test": made["val"]})
    splits = open_dataset("huggingface", str(tmp_path)).splits()
    assert (len(splits["train"]), len(splits["val"]) + len(splits["test"])) == (6, 6)
    whole = open_dataset("huggingface", str(tmp_path), SplitSettings(val_from="train")).splits()
    assert len(whole["test"]) == 6


def test_an_image_id_of_each_row_names_its_frame_and_else_its_number(tmp_path: Path) -> None:
    for name, ids in (("own", [5, 9, 7]), ("twice", [5, 5, 7])):
        rows = [
            {"image": {"bytes": jpeg(), "path": None}, "image_id": i, "objects": huggingface_objects(p)}
            for i, p in zip(ids, made_up(np.random.default_rng(2), 3))
        ]
        (tmp_path / name).mkdir()
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name / "all.parquet")
    assert [frame.frame_id for frame in frames(tmp_path / "own")] == ["5", "9", "7"]
    assert [frame.frame_id for frame in frames(tmp_path / "twice")] == ["000000", "000001", "000002"]


def test_parquet_of_ours_is_not_taken_for_it(tmp_path: Path) -> None:
    write_frames([Frame(str(i), WIDTH, HEIGHT, image=jpeg()) for i in range(3)], str(tmp_path / "a.parquet"))
    assert recognized(str(tmp_path)) == "parquet"


def test_pickles_in_parquet_are_refused(tmp_path: Path) -> None:
    table = pa.table({"image": [b"x"], "objects": [b"cos\nsystem\n"]})
    field = table.schema.field("objects").with_metadata(
        {"ARROW:extension:name": "ray.data.arrow_pickled_object", "ARROW:extension:metadata": ""}
    )
    schema = pa.schema([table.schema.field("image"), field])
    pq.write_table(table.cast(schema), tmp_path / "train.parquet")
    with pytest.raises(UserError, match="pickle"):
        frames(tmp_path)


def test_blank_lines_are_counted_as_an_editor_counts_them(tmp_path: Path) -> None:
    root = folder(tmp_path, [one([1, 2, 3, 4], category=["car"]), one([1, 2], category=["car"])])
    lines = (root / "metadata.jsonl").read_text().splitlines()
    (root / "metadata.jsonl").write_text("\n\n".join(lines))
    problems: list[DataError] = []
    assert len(frames(root, problems)) == 1
    assert "metadata.jsonl:3:" in str(problems[0])
