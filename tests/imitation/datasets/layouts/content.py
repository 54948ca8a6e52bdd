"""The same made-up frames for every layout; `writers.py` has what writes each to its published format.

A writer follows the format's own documentation and uses nothing of what it tests. `benchmarks/reading.py`
writes with them as well.
"""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

WIDTH, HEIGHT = 160, 96
CATEGORIES = ("car", "pedestrian", "traffic light")
Lists = dict[str, list["Picture"]]


@dataclass(frozen=True)
class Thing:
    """An object: its category, its box (x1, y1, x2, y2; whole px), whether it is a crowd, and occluded."""

    category: str
    box: tuple[int, int, int, int]
    crowd: bool = False
    occluded: bool = False


@dataclass(frozen=True)
class Picture:
    name: str
    things: tuple[Thing, ...]
    drive: str = "drive-0"
    conditions: dict[str, str] = field(default_factory=lambda: {"weather": "rainy", "time_of_day": "night"})


def jpeg(number: int = 0) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (number % 256, 120, 90)).save(sink, "JPEG")
    return sink.getvalue()


def made_up(rng: np.random.Generator, count: int, objects: int = 5, prefix: str = "a") -> list[Picture]:
    pictures = []
    for number in range(count):
        things: dict[tuple[int, ...], Thing] = {}
        for _ in range(int(rng.integers(0, objects + 1))):
            x1, y1 = (int(rng.integers(0, side - 8)) for side in (WIDTH, HEIGHT))
            x2 = int(rng.integers(x1 + 2, WIDTH + 1))
            y2 = int(rng.integers(y1 + 2, HEIGHT + 1))
            crowd, occluded = bool(rng.random() < 0.2), bool(rng.random() < 0.5)
            name = CATEGORIES[int(rng.integers(len(CATEGORIES)))]
            things[(x1, y1, x2, y2)] = Thing(name, (x1, y1, x2, y2), crowd, occluded)
        pictures.append(Picture(f"{prefix}{number:05d}", tuple(things.values()), f"{prefix}-{number // 4}"))
    return pictures


def two_lists(rng: np.random.Generator, count: int = 6) -> Lists:
    return {"train": made_up(rng, count), "val": made_up(rng, count, prefix="b")}


def put(
    folder: Path, pictures: list[Picture], name: Callable[[Picture], str] = lambda p: f"{p.name}.jpg"
) -> None:
    for number, picture in enumerate(pictures):
        place = folder / name(picture)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(jpeg(number))


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value))


def every(lists: Lists) -> Iterator[tuple[str, Picture]]:
    return ((name, picture) for name, pictures in lists.items() for picture in pictures)


def token(*parts: object) -> str:
    return hashlib.md5("/".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()
