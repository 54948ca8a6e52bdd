"""A sheet of labelled frames: the first look at a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imitation.common import storage
from imitation.common.wording import counted
from imitation.data.drawing import IGNORE, caption, category_colour, draw_labels, draw_objects, grid
from imitation.data.images import encode_png, load_frame_image
from imitation.data.records import Box, Camera, Frame, Object

WIDTH = 1920  # px, of the whole sheet
GAP = 8
CAPTION = 22
MARGIN = 20
DARK = (24, 24, 24)
LIGHT = (235, 235, 235)
LONGEST_NAME = 32  # letters of a frame id; longer ones lose their middle
PANORAMA = 2.2  # width by height: from here on a sheet has two columns, else three


def write_label_sheet(frames: Sequence[Frame], path: str, title: str) -> None:
    """Writes a PNG of frames with boxes, names, cuboids and ignored regions, under a title and a legend
    of the categories with their numbers of objects.

    Raises ValueError for no frames, DataError for an image that cannot be read, StorageError.
    """
    if not frames:
        raise ValueError("there are no frames to draw")
    wide = sum(frame.width / frame.height for frame in frames) / len(frames) >= PANORAMA
    columns = min(2 if wide else 3, len(frames))
    width = (WIDTH - 2 * MARGIN - (columns - 1) * GAP) // columns
    cells = [_cell(frame, width) for frame in frames]
    rows = [cells[start : start + columns] for start in range(0, len(cells), columns)]
    parts = [grid(row, columns, gap=GAP, background=DARK) for row in rows]
    parts.insert(0, _head(title, frames, parts[0].width))
    height = sum(part.height + GAP for part in parts)
    sheet = Image.new("RGB", (parts[0].width + 2 * MARGIN, height + MARGIN), DARK)
    y = 0
    for part in parts:
        sheet.paste(part, (MARGIN, y))
        y += part.height + GAP
    storage.write_bytes_atomic(path, encode_png(np.asarray(sheet)))


def _cell(frame: Frame, width: int) -> Image.Image:
    """Scaled first and drawn on then: lines and letters keep their size."""
    factor = width / frame.width
    size = (width, max(1, round(frame.height * factor)))
    image = Image.fromarray(load_frame_image(frame)).resize(size, Image.Resampling.LANCZOS)
    objects = [_scaled(obj, factor) for obj in frame.objects]
    camera = None if frame.camera is None else _scaled_camera(frame.camera, factor)
    return caption(draw_labels(image, objects, camera), _text(frame), height=CAPTION)


def _scaled(obj: Object, factor: float) -> Object:
    return replace(obj, box=Box(*(v * factor for v in obj.box)))


def _scaled_camera(camera: Camera, factor: float) -> Camera:
    return Camera(*(v * factor for v in (camera.fx, camera.fy, camera.cx, camera.cy)))


def _text(frame: Frame) -> str:
    ignored = sum(obj.ignore for obj in frame.objects)
    name = frame.frame_id
    parts = [
        name if len(name) <= LONGEST_NAME else f"{name[:8]}...{name[11 - LONGEST_NAME :]}",
        f"{frame.width} x {frame.height}",
        counted(len(frame.objects) - ignored, "object"),
    ]
    if ignored:
        parts.append(f"{ignored} ignored")
    parts += [value for _, value in sorted((frame.conditions or {}).items())]
    return "   ".join(parts).replace(" ", "  ")  # the font's blanks are narrow


def _head(title: str, frames: Sequence[Frame], width: int) -> Image.Image:
    """The title, and below it a chip for each category; as many lines as they need."""
    counts = Counter(obj.category for frame in frames for obj in frame.objects if not obj.ignore)
    ignored = sum(obj.ignore for frame in frames for obj in frame.objects)
    font, large = ImageFont.load_default(15), ImageFont.load_default(22)
    chips = [(f"{name} {count}", category_colour(name), False) for name, count in counts.most_common()]
    if ignored:
        chips.append((f"ignored {ignored}", IGNORE, True))
    places: list[tuple[float, float]] = []
    x, y = 0.0, 62.0
    for text, _, _ in chips:
        wide = 28 + font.getlength(text) + 24
        if x and x + wide > width:
            x, y = 0.0, y + 24
        places.append((x, y))
        x += wide
    head = Image.new("RGB", (width, round(y + (26 if chips else 0))), DARK)
    pen = ImageDraw.Draw(head)
    pen.text((0, 32), title, fill=LIGHT, font=large, anchor="lm")
    for (text, colour, hatched), (x, y) in zip(chips, places):
        _swatch(pen, x, y, colour, hatched)
        pen.text((x + 26, y + 6), text, fill=LIGHT, font=font, anchor="lm")
    return head


def _swatch(
    pen: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, int, int], hatched: bool
) -> None:
    pen.rectangle((x, y, x + 18, y + 12), outline=colour, fill=None if hatched else colour)
    if hatched:
        for k in (6, 12, 18):
            pen.line((x + k, y, x + k - 12 if k >= 12 else x, y + 12 if k >= 12 else y + k), fill=colour)


def contact_sheet(
    pairs: Sequence[tuple[Frame, Frame]],
    path: str | Path,
    *,
    cell_width: int = 620,
) -> None:
    """Writes one picture (PNG or JPEG, by the path's suffix): a row a pair, real left, re-staged right,
    boxes drawn (ignored ones grey), captioned with frame ids. Folders are made as needed.

    Raises ValueError for no pairs, DataError for a frame whose image cannot be read.
    """
    cells = []
    for real, staged in pairs:
        cells += [frame_cell(real, f"{real.frame_id}  (real)", cell_width)]
        cells += [frame_cell(staged, f"{staged.frame_id}  ({_kind(staged)})", cell_width)]
    _write(cells, 2, path)


def gallery(
    frames: Sequence[Frame], path: str | Path, *, columns: int = 2, cell_width: int = 620, names: bool = False
) -> None:
    """Writes one picture of frames in rows of `columns`, boxes drawn, captioned with frame ids."""
    _write([frame_cell(frame, frame.frame_id, cell_width, names=names) for frame in frames], columns, path)


def frame_cell(frame: Frame, text: str, width: int, *, names: bool = False) -> Image.Image:
    """A frame's image with its boxes and a caption, scaled to `width` px."""
    drawn = draw_objects(Image.fromarray(load_frame_image(frame)), frame.objects, names=names)
    scaled = drawn.resize(
        (width, max(1, round(drawn.height * width / drawn.width))), Image.Resampling.LANCZOS
    )
    return caption(scaled, text)


def _kind(frame: Frame) -> str:
    """How a frame came to be, as far as its lineage says."""
    in_photo = frame.origin is not None and '"backdrop":{' in frame.origin.scene
    return "set into the photo" if in_photo else "re-staged"


def _write(cells: Sequence[Image.Image], columns: int, path: str | Path) -> None:
    sheet = grid(cells, columns)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path, compress_level=3)  # of a PNG: a third of the time, a twentieth more bytes
