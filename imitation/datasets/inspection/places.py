"""Boxes that are read and cannot be meant: shares read as pixels, and what reaches out of its image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from imitation.common.settings import DataError
from imitation.common.texts import shown
from imitation.data.records import Frame
from imitation.datasets.common.box_forms import LEAST, LEAVING, SLACK

CORNER = 0.011  # share of the image that boxes lie in which are read a hundred times too small
SMALLEST = 2.0  # px; what lies within is read as shares of 1


@dataclass
class Places:
    """Counts of the boxes of a dataset, ignored ones too."""

    boxes: int = 0
    in_corner: int = 0
    beyond: int = 0
    first: str = ""

    def add(self, frame: Frame) -> None:
        across, down = (max(SMALLEST, CORNER * side) for side in (frame.width, frame.height))
        for obj in frame.objects:
            x1, y1, x2, y2 = obj.box
            self.boxes += 1
            self.in_corner += x2 <= across and y2 <= down
            reach = max(-x1, -y1, x2 - frame.width, y2 - frame.height)
            if reach > SLACK:
                box = ", ".join(f"{side:g}" for side in obj.box)
                self.first = self.first or (
                    f"frame {shown(frame.frame_id)[1:-1]}: ({box}) in {frame.width}x{frame.height} px"
                )
                self.beyond += 1

    def problems(self, root: str) -> Iterator[DataError]:
        if self.boxes >= LEAST and self.in_corner == self.boxes:
            yield DataError(
                root,
                f"all its {self.boxes:,} boxes lie in the upper left hundredth of their images: are shares "
                "(0 to 1) written where pixels or percent are expected?",
            )

    def notes(self) -> Iterator[str]:
        if not self.beyond:
            return
        doubt = ""
        if self.boxes >= LEAST and self.beyond >= LEAVING * self.boxes:
            doubt = (
                "; are their numbers of another kind than expected (two corners; a corner, or the middle, "
                "and a size)?"
            )
        verb = "reaches" if self.beyond == 1 else "reach"
        yield (
            f"{self.beyond:,} of {self.boxes:,} boxes {verb} more than {SLACK:g} px beyond their image "
            f"({self.first}){doubt}"
        )
