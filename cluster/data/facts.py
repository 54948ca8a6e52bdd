"""What policies and free scenes need to know of real frames, gathered while they stream by."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Iterator

from imitation.data.records import Camera, Frame


class Facts:
    """Of the frames seen so far: `sequences` by frame id; `objects` by source category and how many of them
    have a cuboid, ignored ones apart."""

    def __init__(self) -> None:
        self.sequences: dict[str, str | None] = {}
        self.objects: Counter[str] = Counter()
        self.cuboids = 0
        self.cameras: Counter[Camera] = Counter()
        self._sizes: Counter[tuple[int, int]] = Counter()

    def seeing(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Passes the frames on."""
        for frame in frames:
            kept = [obj for obj in frame.objects if not obj.ignore]
            self.objects.update(obj.category for obj in kept)
            self.cuboids += sum(obj.cuboid is not None for obj in kept)
            self._sizes[(frame.width, frame.height)] += 1
            if frame.camera is not None:
                self.cameras[frame.camera] += 1
            self.sequences[frame.frame_id] = frame.sequence
            yield frame

    @property
    def frames(self) -> int:
        return len(self.sequences)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of most frames, px."""
        return self._sizes.most_common(1)[0][0]

    @property
    def camera(self) -> Camera | None:
        """The camera of free scenes: each parameter's median over the frames that have one."""
        if not self.cameras:
            return None

        def median(name: str) -> float | None:
            values = [getattr(camera, name) for camera in self.cameras.elements()]
            known = [value for value in values if value is not None]
            return statistics.median(known) if known else None

        fx, fy, cx, cy = (float(median(name) or 0.0) for name in ("fx", "fy", "cx", "cy"))
        return Camera(fx, fy, cx, cy, median("height"), median("pitch"))
