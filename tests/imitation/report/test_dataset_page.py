"""The page of a dataset: complete, escaped, loading nothing, and no wider than a phone."""

import html
import re
from pathlib import Path

import numpy as np
from PIL import Image

from imitation.data.categories import CategoryMap
from imitation.datasets.inspection.shapes import GRID, ODDEST, Shapes
from imitation.datasets.inspection.statistics import Inspection, inspect_dataset, listed_frames
from imitation.datasets.registry import open_dataset
from imitation.report.dataset.html import render_dataset
from tests.laid_out import PHONE, widths


def made(root: Path, odd: str = "0 0.5 0.5 0.02 0.9\n") -> tuple[Inspection, str]:
    chance = np.random.default_rng(0)
    for number in range(12):
        split = ("train", "val", "test")[number % 3]
        for folder in ("images", "labels"):
            (root / folder / split).mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 255, (60, 90, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"images/{split}/{number}.png")
        rows = [f"0 {0.4 + number / 100} 0.5 0.2 {0.2 + number / 100}\n", "1 0.3 0.5 0.1 0.1\n"]
        text = odd if number == 4 else "" if number == 5 else "".join(rows)
        (root / f"labels/{split}/{number}.txt").write_text(text)
    (root / "data.yaml").write_text(
        "train: images/train\nval: images/val\ntest: images/test\nnames: ['<b>car</b>', bus]\n"
    )
    (root / "labels/train/stray.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    dataset = open_dataset("yolo", str(root))
    found = inspect_dataset(dataset, listed_frames(dataset), shapes=True)
    return found, render_dataset(found, CategoryMap.identity(["<b>car</b>", "bus"]), dataset)


def test_it_holds_everything_and_loads_nothing(tmp_path: Path) -> None:
    found, page = made(tmp_path)
    assert "default-src 'none'; img-src data:" in page
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)", page)
    assert "<script" not in page
    assert "<b>car</b>" not in page
    for said in ("Balance by split", "Sizes of boxes", "Shapes of boxes", "Where boxes have their middle"):
        assert said in page
    assert "there is no image of this name" in page
    assert found.shapes is not None
    assert found.shapes.empty == {"test": 1}
    assert "test_5" in html.unescape(page).replace("<wbr>", "")


def test_the_oddest_object_is_the_first_that_is_drawn(tmp_path: Path) -> None:
    found, page = made(tmp_path)
    assert found.shapes is not None
    category, (first, *_) = next(iter(found.shapes.oddest()))
    assert (category, first[:2]) == ("<b>car</b>", ("val", "val_4"))
    drawn = re.search(r'<div class="tiles odd">\s*<figure>\s*<img src="(data:image/jpeg;base64,[^"]+)"', page)
    assert drawn
    assert page.count("<img") == sum(len(ones) for _, ones in found.shapes.oddest())


def test_middles_are_counted_where_they_lie_and_crowds_are_told(tmp_path: Path) -> None:
    found, _ = made(tmp_path)
    assert found.shapes is not None
    assert found.shapes.middles.sum() == found.objects
    assert found.shapes.middles[GRID[0] // 2, int(0.3 * GRID[1])] == 10
    assert found.shapes.crowded() is None, "too few to say"
    shapes = Shapes(middles=np.zeros(GRID, np.int64))
    shapes.middles[2, 3], shapes.middles[5, 5] = 40, 60
    assert "60% of all boxes" in str(shapes.crowded())


def test_of_many_objects_the_oddest_are_kept_in_bounded_memory() -> None:
    from imitation.data.records import Box, Frame, Object

    shapes, chance = Shapes(), np.random.default_rng(1)
    for number in range(4000):
        side = 300.0 if number == 2500 else 30 + chance.uniform(-3, 3)
        shapes.add("train", Frame(str(number), 640, 480, (Object("car", Box(9, 9, 9 + side, 9 + side)),)))
    ((_, ones),) = shapes.oddest()
    assert (len(ones), ones[0][1]) == (ODDEST, "2500")
    assert sum(map(len, shapes._boxes.values())) <= 50 * ODDEST + 1


def test_it_is_no_wider_than_a_phone(tmp_path: Path) -> None:
    assert widths([made(tmp_path / "data")[1]], PHONE, tmp_path) == [PHONE]
