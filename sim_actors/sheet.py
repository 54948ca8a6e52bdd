"""Contact sheets: real frames beside their re-staged ones, to judge by eye."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from imitation.drawing import caption, draw_objects, grid
from imitation.records import Frame
from imitation.settings import DataError


def contact_sheet(
    pairs: Sequence[tuple[Frame, Frame]], path: str | Path, *, cell_width: int = 620, names: bool = False
) -> None:
    """Writes one picture (PNG or JPEG, by the path's suffix): a row a pair, real left, re-staged right,
    boxes drawn (ignored ones grey), captioned with frame ids. Folders are made as needed.

    Raises ValueError for no pairs, DataError for a frame whose image cannot be read.
    """
    cells = []
    for real, staged in pairs:
        cells += [frame_cell(real, f"{real.frame_id}  (real)", cell_width, names=names)]
        cells += [frame_cell(staged, f"{staged.frame_id}  (re-staged)", cell_width, names=names)]
    _write(cells, 2, path)


def gallery(
    frames: Sequence[Frame], path: str | Path, *, columns: int = 2, cell_width: int = 620, names: bool = False
) -> None:
    """Writes one picture of frames in rows of `columns`, boxes drawn, captioned with frame ids."""
    _write([frame_cell(frame, frame.frame_id, cell_width, names=names) for frame in frames], columns, path)


def frame_cell(frame: Frame, text: str, width: int, *, names: bool = False) -> Image.Image:
    """A frame's image with its boxes and a caption, scaled to `width` px."""
    drawn = draw_objects(frame_image(frame), frame.objects, names=names)
    scaled = drawn.resize((width, max(1, round(drawn.height * width / drawn.width))), Image.Resampling.LANCZOS)
    return caption(scaled, text)


def frame_image(frame: Frame) -> Image.Image:
    """The pixels of a frame (RGB), from its bytes or its local file. Raises DataError if unreadable."""
    where = f"frame {frame.frame_id}"
    try:
        if frame.image is not None:
            return Image.open(io.BytesIO(frame.image)).convert("RGB")
        if frame.image_uri is not None:
            where = frame.image_uri
            return Image.open(frame.image_uri.removeprefix("file://")).convert("RGB")
    except OSError as error:
        raise DataError(where, f"the image cannot be read ({error})") from error
    raise DataError(where, "it has neither an image nor an image_uri")


def _write(cells: Sequence[Image.Image], columns: int, path: str | Path) -> None:
    sheet = grid(cells, columns)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
