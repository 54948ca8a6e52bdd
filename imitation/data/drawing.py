"""Boxes, cuboids and captions on images, with Pillow alone.

torchvision's `draw_bounding_boxes` and `make_grid` were tried: names lie inside of the boxes, over small
objects, edges at the image's border are lost, and importing it takes 8 s of CPU and 660 MiB.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imitation.data.records import Box, Camera, Cuboid, Object

Rgb = tuple[int, int, int]
Point = tuple[float, float]

IGNORE: Rgb = (150, 150, 150)
BACKGROUND: Rgb = (60, 60, 60)
FINE = 3  # lines are drawn this many times larger, then reduced: Pillow's own are jagged
NEAR_M = 0.1  # cuboids are cut at this distance before the camera
HATCH_PX = 9
NAME_PX = 36  # a name of this width may stand at any box
WIREFRAME_PX = 26  # a box of this height shows its cuboid; in smaller ones it is only clutter
# `Cuboid.corners`: the bottom face and the top one, each front right, front left, rear left, rear right.
_EDGES = tuple(pair for i in range(4) for pair in ((i, (i + 1) % 4), (4 + i, 4 + (i + 1) % 4), (i, i + 4)))
_FRONT = (0, 1, 5, 4)

# Okabe and Ito's palette: told apart by colour-blind readers too.
_NAMED: dict[str, Rgb] = {
    "car": (86, 180, 233),
    "van": (0, 158, 115),
    "truck": (230, 159, 0),
    "vehicle": (86, 180, 233),
    "pedestrian": (240, 228, 66),
    "person": (240, 228, 66),
    "cyclist": (255, 110, 70),
}
_OTHERS: tuple[Rgb, ...] = (
    (204, 121, 167),
    (90, 120, 255),
    (120, 220, 160),
    (255, 170, 200),
    (190, 150, 255),
)


def category_colour(category: str) -> Rgb:
    """The colour of a category, the same in every picture, whatever its case (and without Waymo's TYPE_)."""
    name = category.lower().removeprefix("type_")
    return _NAMED.get(name) or _OTHERS[zlib.crc32(name.encode()) % len(_OTHERS)]


def draw_objects(
    image: Image.Image, objects: Iterable[Object], *, names: bool = True, width: int | None = None
) -> Image.Image:
    """A copy of the image (RGB) with the objects' boxes in their categories' colours; ignored ones grey.

    `names` writes the category at each box; `width` is the line's, px (None: by the image's size).
    """
    canvas, pen = _start(image)
    for obj in sorted(objects, key=lambda o: not o.ignore):
        colour = IGNORE if obj.ignore else category_colour(obj.category)
        _box(pen, obj.box, colour, width or _line(image), obj.category if names and not obj.ignore else "")
    return canvas


def draw_detections(
    image: Image.Image,
    boxes: Sequence[Box],
    labels: Sequence[str],
    scores: Sequence[float],
) -> Image.Image:
    """A copy of the image (RGB) with detections, each captioned with its label and score in [0, 1].

    Raises ValueError if the three differ in length.
    """
    canvas, pen = _start(image)
    for box, label, score in zip(boxes, labels, scores, strict=True):
        _box(pen, box, category_colour(label), _line(image), f"{label} {score:.2f}")
    return canvas


def draw_labels(image: Image.Image, objects: Sequence[Object], camera: Camera | None = None) -> Image.Image:
    """A copy of the image (RGB) with all that labels say: boxes and names in their categories' colours,
    cuboids as wireframes with their front shaded (where `camera` is given and they are large enough to
    be seen), ignored regions hatched.

    A name is left out where it would cover another or is much wider than its box. Boxes and camera are
    in the image's pixels.
    """
    canvas = image.convert("RGB")
    large = canvas.resize((canvas.width * FINE, canvas.height * FINE), Image.Resampling.NEAREST)
    pen = ImageDraw.Draw(large, "RGBA")
    for obj in objects:
        if obj.ignore:
            _hatch(pen, _inside(obj.box, canvas.size))
    far_first = sorted((obj for obj in objects if not obj.ignore), key=lambda o: -_depth(o))
    for obj in far_first:
        box, colour = _inside(obj.box, canvas.size), category_colour(obj.category)
        if obj.cuboid is not None and camera is not None and box.height >= WIREFRAME_PX:
            _wireframe(pen, obj.cuboid, camera, colour)
        pen.rectangle(_enlarged(box), outline=colour, width=2 * FINE)
    drawn = large.reduce(FINE)
    _names(drawn, far_first)
    return drawn


def _depth(obj: Object) -> float:
    """What is drawn first: boxes without cuboid, the large before the small, then the far before the near."""
    return obj.cuboid.z if obj.cuboid is not None else 1e6 + obj.box.area


def _inside(box: Box, size: tuple[int, int]) -> Box:
    """The box as it is drawn: its edges stay visible at the image's borders."""
    x1, y1, x2, y2 = box.clipped(size[0], size[1])
    return Box(x1, y1, max(x1, x2 - 1 / FINE), max(y1, y2 - 1 / FINE))


def _enlarged(box: Box) -> tuple[float, float, float, float]:
    return box.x1 * FINE, box.y1 * FINE, box.x2 * FINE, box.y2 * FINE


def _hatch(pen: ImageDraw.ImageDraw, box: Box) -> None:
    """Grey diagonals, x + y a multiple of the step everywhere: neighbouring regions join."""
    x1, y1, x2, y2 = _enlarged(box)
    pen.rectangle((x1, y1, x2, y2), fill=(*IGNORE, 50))
    step = HATCH_PX * FINE
    for total in range(math.ceil((x1 + y1) / step) * step, math.floor(x2 + y2) + 1, step):
        low, high = max(x1, total - y2), min(x2, total - y1)
        pen.line((low, total - low, high, total - high), fill=(*IGNORE, 190), width=FINE)
    pen.rectangle((x1, y1, x2, y2), outline=IGNORE, width=FINE)


def _wireframe(pen: ImageDraw.ImageDraw, cuboid: Cuboid, camera: Camera, colour: Rgb) -> None:
    corners = cuboid.corners()
    front = corners[list(_FRONT)]
    if (front[:, 2] > NEAR_M).all():
        pen.polygon(_projected(front, camera), fill=(*colour, 60))
    for a, b in _EDGES:
        ends = _before_camera(corners[a], corners[b])
        if ends is not None:
            pen.line(_projected(ends, camera), fill=(*colour, 190), width=FINE)


def _projected(points: np.ndarray, camera: Camera) -> list[Point]:
    """Camera points (N, 3) on the enlarged layer, kept within what Pillow can draw."""
    pixels = np.clip(camera.project(points) * FINE, -1e5, 1e5)
    return [(float(x), float(y)) for x, y in pixels]


def _before_camera(a: np.ndarray, b: np.ndarray) -> np.ndarray | None:
    """The part of an edge that lies before the camera, (2, 3); None if there is none."""
    if max(a[2], b[2]) <= NEAR_M:
        return None
    ends = []
    for end, other in ((a, b), (b, a)):
        share = (NEAR_M - end[2]) / (other[2] - end[2]) if end[2] < NEAR_M else 0.0
        ends.append(end + share * (other - end))
    return np.array(ends)


def _names(canvas: Image.Image, objects: Iterable[Object]) -> None:
    """Names above their boxes, or below or inside; what would collide, or dwarf its box, has its colour."""
    pen = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(11)
    taken: list[Box] = []
    for obj in sorted(objects, key=lambda o: -o.box.area):
        box = obj.box.clipped(canvas.width, canvas.height)
        wide, high = pen.textlength(obj.category, font=font) + 6, 14
        if wide > max(2 * box.width, NAME_PX):
            continue
        x = min(box.x1, max(0, canvas.width - wide))
        for y in (box.y1 - high, box.y2, box.y1):
            tag = Box(x, y, x + wide, y + high)
            if y >= 0 and tag.y2 <= canvas.height and not any(tag.common(other) > 0 for other in taken):
                pen.rectangle(tag, fill=category_colour(obj.category))
                pen.text((x + 3, y + high / 2), obj.category, fill=(0, 0, 0), font=font, anchor="lm")
                taken.append(tag)
                break


def caption(image: Image.Image, text: str, *, height: int = 16) -> Image.Image:
    """The image with a line of text (cut to fit) on a dark strip above it, `height` px."""
    canvas = Image.new("RGB", (image.width, image.height + height), (24, 24, 24))
    canvas.paste(image.convert("RGB"), (0, height))
    font = ImageFont.load_default(height * 0.7)
    while text and font.getlength(text) > image.width - 6:
        text = text[:-1]
    ImageDraw.Draw(canvas).text((3, height / 2), text, fill=(235, 235, 235), font=font, anchor="lm")
    return canvas


def grid(
    images: Sequence[Image.Image], columns: int, *, gap: int = 4, background: Rgb = BACKGROUND
) -> Image.Image:
    """Images in rows of `columns`, `gap` px apart, each cell as large as the largest image.

    Raises ValueError for no images.
    """
    if not images:
        raise ValueError("there are no images to lay out")
    width, height = max(i.width for i in images), max(i.height for i in images)
    rows = -(-len(images) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), background)
    for k, image in enumerate(images):
        sheet.paste(image, ((k % columns) * (width + gap), (k // columns) * (height + gap)))
    return sheet


def _start(image: Image.Image) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    canvas = image.convert("RGB") if image.mode != "RGB" else image.copy()
    return canvas, ImageDraw.Draw(canvas)


def _line(image: Image.Image) -> int:
    return max(1, round(max(image.size) / 600))


def _box(pen: ImageDraw.ImageDraw, box: Box, colour: Rgb, width: int, text: str) -> None:
    pen.rectangle(
        (box.x1, box.y1, max(box.x1, box.x2 - 1), max(box.y1, box.y2 - 1)), outline=colour, width=width
    )
    if not text:
        return
    font = ImageFont.load_default(9 + 2 * width)
    left, top, right, bottom = pen.textbbox((0, 0), text, font=font)
    wide, high = right - left + 2, bottom - top + 2
    x = max(box.x1, 0)
    y = box.y1 - high if box.y1 >= high else max(box.y1, 0)
    pen.rectangle((x, y, x + wide, y + high), fill=colour)
    pen.text((x + 1 - left, y + 1 - top), text, fill=(0, 0, 0), font=font)
