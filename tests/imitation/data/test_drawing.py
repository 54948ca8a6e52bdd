from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imitation.data.drawing import (
    IGNORE,
    caption,
    category_colour,
    draw_detections,
    draw_labels,
    draw_objects,
    grid,
)
from imitation.data.records import Box, Camera, Cuboid, Object


def blank() -> Image.Image:
    return Image.new("RGB", (100, 60))


def test_box_lies_on_its_edges_and_nowhere_inside() -> None:
    drawn = np.asarray(draw_objects(blank(), [Object("Car", Box(10, 20, 50, 40))], names=False, width=1))
    colour = category_colour("car")
    lit = np.argwhere((drawn == colour).all(axis=2))
    assert lit.min(axis=0).tolist() == [20, 10]
    assert lit.max(axis=0).tolist() == [39, 49]
    assert not drawn[21:39, 11:49].any()


def test_ignored_is_grey_and_under_the_others() -> None:
    box = Box(10, 20, 50, 40)
    car, region = Object("Car", box), Object("DontCare", Box(5, 20, 50, 40), ignore=True)
    drawn = np.asarray(draw_objects(blank(), [car, region], names=False, width=1))
    assert tuple(drawn[30, 5]) == IGNORE
    assert tuple(drawn[20, 30]) == category_colour("Car")


def test_input_image_stays_untouched() -> None:
    image = blank()
    draw_objects(image, [Object("Car", Box(1, 1, 20, 20))])
    assert not np.asarray(image).any()


def test_detections_need_one_label_and_score_each() -> None:
    with pytest.raises(ValueError, match="zip"):
        draw_detections(blank(), [Box(1, 1, 5, 5)], ["car"], [])
    drawn = draw_detections(blank(), [Box(30, 30, 60, 50)], ["car"], [0.5])
    assert tuple(np.asarray(drawn)[40, 30]) == category_colour("car")


def test_colours_ignore_case_and_tell_kitti_apart() -> None:
    names = ["Car", "Van", "Truck", "Pedestrian", "Cyclist"]
    assert len({category_colour(name) for name in names}) == len(names)
    assert category_colour("TRAM") == category_colour("tram")


def test_grid_holds_every_cell_and_caption_adds_a_strip() -> None:
    cells = [Image.new("RGB", (20, 10), (k, k, k)) for k in (50, 100, 150)]
    sheet = grid(cells, 2, gap=2)
    assert sheet.size == (42, 22)
    assert [sheet.getpixel(at)[0] for at in ((5, 5), (30, 5), (5, 15))] == [50, 100, 150]
    assert caption(cells[0], "a very long caption that cannot fit", height=12).size == (20, 22)
    with pytest.raises(ValueError, match="no images"):
        grid([], 2)


def grey() -> Image.Image:
    return Image.new("RGB", (120, 90), (90, 90, 90))


def test_ignored_regions_are_hatched_inside_alone() -> None:
    region = Object("DontCare", Box(20, 20, 100, 70), ignore=True)
    drawn = np.asarray(draw_labels(grey(), [region])).astype(int)
    inside, outside = drawn[24:66, 24:96], np.delete(drawn, np.s_[19:71], axis=0)
    assert (outside == 90).all()
    assert len(np.unique(inside)) > 2  # stripes
    assert 0.05 < (inside > 115).all(axis=2).mean() < 0.5


def test_a_cuboid_is_drawn_where_the_camera_sees_it() -> None:
    camera = Camera(100, 100, 60, 45)
    cuboid = Cuboid(0, 1, 10, 4, 2, 2, -np.pi / 2)  # heads away: its front is the far face
    car = Object("Car", Box(40, 25, 80, 65), cuboid=cuboid)
    plain = np.asarray(draw_labels(grey(), [car])).astype(int)
    drawn = np.asarray(draw_labels(grey(), [car], camera)).astype(int)
    changed = np.argwhere((plain != drawn).any(axis=2))
    points = camera.project(cuboid.corners())
    assert changed.min(axis=0)[::-1] == pytest.approx(points.min(axis=0), abs=2)
    assert changed.max(axis=0)[::-1] == pytest.approx(points.max(axis=0), abs=2)
    x, y = camera.project(np.array([[0, 0, 12]]))[0]  # the middle of the front
    assert (drawn[round(y), round(x)] != 90).any()
    x, y = camera.project(np.array([[0, 0.85, 8]]))[0]  # on the near face, below the front
    assert (drawn[round(y), round(x)] == 90).all()


def test_a_cuboid_that_reaches_behind_the_camera_is_cut_before_it() -> None:
    camera = Camera(100, 100, 60, 45)
    car = Object("Car", Box(0, 20, 60, 89), cuboid=Cuboid(-1.5, 1.6, 1.0, 4, 1.6, 1.5, np.pi / 2))
    drawn = np.asarray(draw_labels(grey(), [car], camera))
    assert (drawn != 90).any()
    behind = Object("Car", Box(0, 20, 60, 89), cuboid=Cuboid(0, 1, -20, 4, 1.6, 1.5, 0))
    plain = np.asarray(draw_labels(grey(), [replace(behind, cuboid=None)]))
    assert (np.asarray(draw_labels(grey(), [behind], camera)) == plain).all()


def test_names_do_not_cover_each_other() -> None:
    cars = [Object("Car", Box(20, 30 + k, 60, 70 + k)) for k in (0, 2, 4, 6, 8)]
    colour = category_colour("Car")
    drawn = np.asarray(draw_labels(grey(), cars))
    tags = (drawn == colour).all(axis=2)
    alone = (np.asarray(draw_labels(grey(), cars[:1])) == colour).all(axis=2)
    assert tags[:30].sum() == alone[:30].sum()  # above the first box there is one name
    narrow = Object("A_very_long_category", Box(20, 30, 24, 70))
    long_name = (np.asarray(draw_labels(grey(), [narrow])) == category_colour(narrow.category)).all(axis=2)
    assert not long_name[:28].any()


def test_boxes_over_the_edge_keep_their_edges_in_sight() -> None:
    drawn = np.asarray(draw_labels(grey(), [Object("Car", Box(-10, -10, 130, 100))]))
    colour = category_colour("Car")
    assert (drawn[45, 0] == colour).all()
    assert (drawn[45, 119] == colour).all()
    assert (drawn[89, 60] == colour).all()
