"""Made-up data for what stands in the pages."""

import importlib
import json
import re
import shutil
import sys
import tomllib
from pathlib import Path

from tests.snippets import Block, all_blocks

BLOCKS = all_blocks()


def placed(text: str, data: Path) -> str:
    """The text with the pages' paths led to the made-up data."""
    return re.sub(r"(?<![\w.])/data/", f"{data}/", text)


def install(block: Block, folder: Path) -> None:
    """What an installer makes of a package's entry points."""
    for group, names in tomllib.loads(block.text)["project"]["entry-points"].items():
        name = f"my_{group.split('.')[-1]}"
        made = folder / f"{name}-1.dist-info"
        made.mkdir(exist_ok=True)
        (made / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        lines = "".join(f"{key} = {value}\n" for key, value in names.items())
        (made / "entry_points.txt").write_text(f"[{group}]\n{lines}")
    importlib.invalidate_caches()


def write_file(block: Block, data: Path) -> str | None:
    """Code that a page says is a file becomes one ("my_x.py"), or is added to one ("my_x.py, below"); its
    module's name."""
    named = re.match(r"# (my_\w+)\.py(, below)?\n", block.text)
    if named is None:
        return None
    with open(data.parent / f"{named[1]}.py", "a" if named[2] else "w") as file:
        file.write(placed(block.text, data))
    sys.modules.pop(named[1], None)
    importlib.invalidate_caches()
    return named[1]


def results_of(work: Path, data: Path) -> None:
    """Detections of somebody's: the labels, without every third, and scores."""
    shutil.copytree(data / "kitti" / "training" / "label_2", work / "label_2")
    (work / "results").mkdir()
    for k, path in enumerate(sorted((work / "label_2").glob("*.txt"))):
        lines = [line for line in path.read_text().splitlines() if not line.startswith("DontCare")]
        kept = [f"{line} 0.{90 - i}" for i, line in enumerate(lines) if (i + k) % 3]
        (work / "results" / path.name).write_text("".join(f"{line}\n" for line in kept))
    labels = next(
        p for p in sorted((data / "coco").rglob("*.json")) if "annotations" in json.loads(p.read_text())
    )
    told = json.loads(labels.read_text())
    shutil.copy(labels, work / "instances.json")
    found = [
        {k: a[k] for k in ("image_id", "category_id", "bbox")} | {"score": 0.5} for a in told["annotations"]
    ]
    (work / "results.json").write_text(json.dumps(found[1:]))
