"""Writers of what lies on hubs: Hugging Face's datasets, Open Images."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.imitation.datasets.layouts.content import CATEGORIES, HEIGHT, WIDTH, Lists, Picture, jpeg, put

# --- Hugging Face: Parquet with the features among its metadata, as `datasets` writes it, and ImageFolder


def huggingface_features() -> dict[str, Any]:
    names = {"names": list(CATEGORIES), "_type": "ClassLabel"}
    value = {"dtype": "float32", "_type": "Value"}
    box = {"feature": value, "length": 4, "_type": "Sequence"}
    crowd = {"dtype": "bool", "_type": "Value"}
    objects = {"feature": {"bbox": box, "category": names, "iscrowd": crowd}, "_type": "Sequence"}
    text = {"dtype": "string", "_type": "Value"}
    return {"image": {"_type": "Image"}, "objects": objects, "weather": text, "time_of_day": text}


def huggingface_objects(picture: Picture, number: bool = True) -> dict[str, Any]:
    return {
        "bbox": [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in (thing.box for thing in picture.things)],
        "category": [
            CATEGORIES.index(thing.category) if number else thing.category for thing in picture.things
        ],
        "iscrowd": [thing.crowd for thing in picture.things],
    }


def write_huggingface(root: Path, lists: Lists, rows_per_group: int = 3) -> None:
    (root / "data").mkdir(parents=True, exist_ok=True)
    box = pa.list_(pa.float32(), 4)
    objects = pa.struct(
        {"bbox": pa.list_(box), "category": pa.list_(pa.int64()), "iscrowd": pa.list_(pa.bool_())}.items()
    )
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()}.items())
    columns = {"image": image, "objects": objects, "weather": pa.string(), "time_of_day": pa.string()}
    told = json.dumps({"info": {"features": huggingface_features()}})
    schema = pa.schema(list(columns.items()), metadata={"huggingface": told})
    for name, pictures in lists.items():
        rows = [
            {"image": {"bytes": jpeg(number), "path": f"{picture.name}.jpg"}}
            | {"objects": huggingface_objects(picture)}
            | {"weather": picture.conditions.get("weather")}
            | {"time_of_day": picture.conditions.get("time_of_day")}
            for number, picture in enumerate(pictures)
        ]
        called = {"val": "validation"}.get(name, name)
        table = pa.Table.from_pylist(rows, schema=schema)
        pq.write_table(table, root / f"data/{called}-00000-of-00001.parquet", row_group_size=rows_per_group)


def write_imagefolder(root: Path, lists: Lists) -> None:
    for name, pictures in lists.items():
        folder = root / {"val": "validation"}.get(name, name)
        put(folder, pictures)
        rows = [
            {"file_name": f"{picture.name}.jpg", "objects": huggingface_objects(picture, number=False)}
            | picture.conditions
            for picture in pictures
        ]
        (folder / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


# --- Open Images


def write_openimages(root: Path, lists: Lists) -> None:
    flags = ("IsOccluded", "IsTruncated", "IsGroupOf", "IsDepiction", "IsInside")
    header = ("ImageID", "Source", "LabelName", "Confidence", "XMin", "XMax", "YMin", "YMax", *flags)
    for name, pictures in lists.items():
        called = {"val": "validation"}.get(name, name)
        put(root / called, pictures)
        rows = [",".join(header)]
        for picture in pictures:
            for thing in picture.things:
                x1, y1, x2, y2 = thing.box
                shares = [x1 / WIDTH, x2 / WIDTH, y1 / HEIGHT, y2 / HEIGHT]
                said = [int(thing.occluded), 0, int(thing.crowd), 0, 0]
                label = f"/m/{CATEGORIES.index(thing.category)}"
                rows.append(",".join(map(str, [picture.name, "xclick", label, 1, *shares, *said])))
        rows.append(f"not-here,xclick,/m/0,1,0,1,0,1,{','.join('00000')}")
        (root / f"{called}-annotations-bbox.csv").write_text("\n".join(rows) + "\n")
    names = [f"/m/{number},{name}" for number, name in enumerate(CATEGORIES)]
    (root / "class-descriptions-boxable.csv").write_text("\n".join(names) + "\n")
