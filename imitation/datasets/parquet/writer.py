"""Frames out as Parquet, one file a split."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from imitation.common import storage
from imitation.datasets.numbering import Numbering
from imitation.datasets.parquet.files import write_frames
from imitation.datasets.writing import FrameWriter


class ParquetWriter(FrameWriter):
    """`<split>/frames.parquet`, and `<split>/synthetic.parquet` for what was rendered for a run."""

    marks_synthetic = False

    def write(self, splits: Sequence[str]) -> None:
        classes = self.survey.classes
        numbering = classes.own
        if numbering is None and classes.named and not classes.renamed:
            numbering = Numbering.in_order(classes.named)
        for split in splits:
            for file, synthetic in (("frames.parquet", False), ("synthetic.parquet", True)):
                sources = [source for source in self.of(split) if bool(source.synthetic) == synthetic]
                frames = (frame for source in sources for frame, _ in self.frames(source))
                first = next(frames, None)
                if first is not None:
                    uri = storage.join(self.out, split, file)
                    write_frames(chain([first], frames), uri, numbering=numbering)
