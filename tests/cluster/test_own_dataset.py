"""A dataset of one's own: one class in one file, named by its import path, and nothing else is touched."""

import json
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from imitation.common import storage
from imitation.common.settings import DataError, Settings
from imitation.common.texts import lines_of
from imitation.data.categories import CategoryMap
from imitation.data.images import encode_png, size_of_file
from imitation.data.records import Box, Frame, Object
from imitation.datasets.base import DatasetReader, FrameChecker, Splits
from tests.cluster.light_run import run


class ToyOptions(Settings):
    suffix: str = ".png"


class Toy(DatasetReader):
    """A line an object in `boxes.csv` (image, category, x1, y1, x2, y2), and the images beside it."""

    name = "Toy"
    title = "Toy boxes"
    categories = CategoryMap.identity(("car",), ignore=("blur",))
    convention = "visible"
    protocol = "tests.cluster.test_own_dataset:count_rows"
    Options = ToyOptions
    options: ToyOptions

    @cached_property
    def _lines(self) -> dict[str, list[tuple[str, list[str]]]]:
        found: dict[str, list[tuple[str, list[str]]]] = {}
        uri = storage.join(self.root, "boxes.csv")
        for number, line in enumerate(lines_of(storage.read_text(uri)), start=1):
            name, *columns = line.split(",")
            found.setdefault(name, []).append((f"{uri}:{number}", columns))
        return found

    def _cut(self) -> Splits:
        return self._by_seed(dict.fromkeys(self._lines), self.root)

    def _frame(self, split: str, frame_id: str, check: FrameChecker) -> Frame:
        image = storage.join(self.root, frame_id + self.options.suffix)
        objects = []
        for where, (category, *box) in self._lines[frame_id]:
            if len(box) != 4:
                raise DataError(where, f"{len(box)} numbers instead of 4")
            objects.append(Object(category, Box(*map(float, box)), ignore=category == "blur"))
        frame = Frame(frame_id, *size_of_file(image), tuple(objects), image_uri=image)
        check(frame, where)
        return frame


def count_rows(rows, categories):
    return {"rows": sum(1 for row in rows), "categories": list(categories)}


KIND = "data.kind=tests.cluster.test_own_dataset:Toy"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "toys"
    folder.mkdir()
    lines = []
    for i in range(20):
        image = np.random.default_rng(i).integers(0, 256, (64, 160, 3), dtype=np.uint8)
        (folder / f"f{i:02}.pic").write_bytes(encode_png(image))
        lines += [f"f{i:02},car,{10 + i},20,{60 + i},50", f"f{i:02},blur,100,5,140,30"]
    (folder / "boxes.csv").write_text("\n".join(lines) + "\n")
    return folder


def words(root: Path, *more: str) -> list[str]:
    return [KIND, f"data.root={root}", "data.options.suffix=.pic", *more]


def test_it_is_inspected(root, capsys):
    assert main(["inspect", *words(root), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["kind"] == "tests.cluster.test_own_dataset:Toy"
    assert (told["frames"], told["objects"], told["ignored"]) == (20, 20, 20)
    assert told["classes"] == ["car"]
    assert {c["name"]: c["role"] for c in told["categories"]} == {"car": "class", "blur": "ignored"}
    with open(root / "boxes.csv", "a") as file:
        file.write("f03,car,1,2,3\n")
    assert main(["inspect", *words(root), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert problem == {"where": f"{root}/boxes.csv:41", "what": "3 numbers instead of 4"}


def test_it_is_exported(root, tmp_path, capsys):
    assert main(["export", *words(root), "--to", "coco", "--out", str(tmp_path / "coco")]) == 0
    capsys.readouterr()
    assert main(["inspect", "data.kind=coco", f"data.root={tmp_path / 'coco'}", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["frames"], told["objects"], told["ignored"]) == (20, 20, 20)


def test_its_options_are_its_own(root, capsys):
    assert main(["inspect", *words(root), "data.options.sufix=.png"]) == 1
    assert "data.options.sufix: Toy data has no such option; it has suffix" in capsys.readouterr().err
    assert main(["inspect", *words(root), "data.options.suffix=3"]) == 1
    assert "data.options.suffix is 3: Input should be a valid string" in capsys.readouterr().err
    assert main(["inspect", "data.kind=tests.cluster.test_own_dataset:words", f"data.root={root}"]) == 1
    assert (
        "'tests.cluster.test_own_dataset:words' is no dataset; give a subclass of" in capsys.readouterr().err
    )


def test_a_whole_run_is_made_on_it(root, tmp_path):
    options = words(root, "policy.name=random", "aggregation.max_synthetic_ratio=1.0")
    run(str(tmp_path), "toy", *options)
    summary = json.loads((tmp_path / "toy/summary.json").read_text())
    assert summary["run"]["data_kind"] == "tests.cluster.test_own_dataset:Toy"
    assert summary["run"]["title"] == "Toy folder toys, one seed"
    prepared = json.loads((tmp_path / "toy/data/stage-prepare.json").read_text())
    assert prepared["categories"]["ignore"] == ["blur"]
    told = summary["cycles"][1]["protocols"]["test"]["tests.cluster.test_own_dataset:count_rows"]
    assert told == {"rows": 4, "categories": ["car"]}
    assert "Toy folder toys" in (tmp_path / "toy/report.html").read_text()
