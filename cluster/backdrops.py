"""Photos for scenes that are set into them: which frames may serve, and their image where it is needed."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from imitation.datasets.parquet import read_frames
from imitation.records import Frame
from imitation.requests import Request
from imitation.settings import UserError
from sim_actors.staging import StagingSettings


def check_backdrops(requests: Iterable[Request], allowed: Collection[str], settings: StagingSettings) -> None:
    """Raises UserError where variations are to be set into the photo of a frame that is not among
    `allowed`, the frames of train and mine: a detector would be trained on pixels that it is judged by."""
    if settings.restage.backdrops == 0:
        return
    for request in requests:
        if request.parent is not None and request.parent not in allowed:
            raise UserError(
                f"request {request.request_id!r}: frame {request.parent!r} is of neither train nor mine, and "
                "no other may serve as a backdrop (its pixels would be trained on); ask for frames of those, "
                "or set restage.backdrops to 0"
            )


def with_photo(frame: Frame, uri: str) -> Frame:
    """A frame read for its labels, with the image that its Parquet at `uri` holds or names."""
    if frame.image is not None or frame.image_uri is not None:
        return frame
    for found in read_frames(uri, ("image", "image_uri"), keep={frame.frame_id}):
        return replace(frame, image=found.image, image_uri=found.image_uri)
    raise UserError(f"{uri}: frame {frame.frame_id!r} is no longer there; its photo is needed as a backdrop")
