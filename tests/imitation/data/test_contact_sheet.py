"""Sheets of labelled frames: what is on them, and where."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imitation.common.settings import DataError
from imitation.data.contact_sheet import WIDTH, write_label_sheet
from imitation.data.drawing import category_colour
from imitation.data.images import encode_png
from imitation.data.records import Box, Camera, Cuboid, Frame, Object


def frame(name: str = "a", width: int = 300, height: int = 90) -> Frame:
    pixels = np.full((height, width, 3), 90, np.uint8)
    car = Object("Car", Box(30, 20, 120, 70), cuboid=Cuboid(0, 1, 10, 4, 2, 2, 0.3))
    region = Object("DontCare", Box(200, 10, 280, 60), ignore=True)
    return Frame(
        name, width, height, (car, region), image=encode_png(pixels), camera=Camera(300, 300, 150, 45)
    )


def sheet(frames: list[Frame], path: Path) -> np.ndarray:
    write_label_sheet(frames, str(path), "three frames")
    with Image.open(path) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def test_wide_frames_stand_in_two_columns_others_in_three(tmp_path: Path) -> None:
    wide = sheet([frame(str(i)) for i in range(4)], tmp_path / "wide.png")
    square = sheet([frame(str(i), 100, 100) for i in range(4)], tmp_path / "square.png")
    one = sheet([frame()], tmp_path / "one.png")
    assert wide.shape[1] == pytest.approx(WIDTH, abs=3)
    assert square.shape[1] == pytest.approx(WIDTH, abs=3)
    cell = wide.shape[1] / 2 * 90 / 300
    assert 2 * cell < wide.shape[0] < 2 * cell + 200
    assert 2 * square.shape[1] / 3 < square.shape[0] < 2 * square.shape[1] / 3 + 200
    assert one.shape[0] > one.shape[1] * 90 / 300


def test_labels_are_drawn_at_the_sheets_size(tmp_path: Path) -> None:
    drawn = sheet([frame()], tmp_path / "sheet.png")
    bare = sheet([replace(frame(), objects=())], tmp_path / "bare.png")
    below = slice(-(drawn.shape[1] * 80 // 300), -40)  # the lower part of the picture alone
    coloured = (drawn[below] == category_colour("Car")).all(axis=2)
    assert coloured.any()
    assert not (bare[below] == category_colour("Car")).all(axis=2).any()
    legend = (drawn[:110] == category_colour("Car")).all(axis=2)
    assert legend.sum() >= 12 * 18  # the swatch


def test_long_names_and_frames_of_several_sizes_fit(tmp_path: Path) -> None:
    frames = [
        frame("x" * 200),
        replace(frame("b", 500, 90), conditions={"weather": "fog"}),
        frame("c", 64, 64),
    ]
    assert sheet(frames, tmp_path / "sheet.png").shape[1] == pytest.approx(WIDTH, abs=3)


def test_many_categories_take_several_lines(tmp_path: Path) -> None:
    objects = tuple(Object(f"category_{i:02}", Box(10, 10, 30, 30)) for i in range(60))
    few = sheet([replace(frame(), objects=objects[:1])], tmp_path / "few.png")
    many = sheet([replace(frame(), objects=objects)], tmp_path / "many.png")
    assert many.shape[0] >= few.shape[0] + 3 * 24


def test_no_frames_and_bad_images_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no frames"):
        write_label_sheet([], str(tmp_path / "x.png"), "none")
    with pytest.raises(DataError, match="frame a"):
        write_label_sheet([replace(frame(), image=b"no image")], str(tmp_path / "x.png"), "bad")
    assert not (tmp_path / "x.png").exists()
