"""A backdrop: the real photo that a scene's actors are set into, and what is known of it.

After Abu Alhaija, Mustikovela, Mescheder, Geiger, Rother, "Augmented Reality Meets Computer Vision",
IJCV 2018: rendered actors in real photos teach more than wholly rendered frames, because everything
else in the picture is real.

The photo itself never becomes part of a scene's JSON: a thousand variations would hold it a thousand
times. The JSON names the frame and the SHA-256 of its image file; the frame, with its bytes, rides
beside it in `Backdrop.photo` as far as the simulator. To render an old scene again, give it back:

    scene = Scene.from_json(frame.origin.scene)
    scene = scene.replace(backdrop=scene.backdrop.of(parent))   # refuses another photo than that one
    again = simulator.render(scene)                             # the same pixels
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, field, replace
from typing import Annotated, Any

from pydantic import Field, SkipValidation

from imitation.common.settings import DataError
from imitation.data.images import read_image_bytes
from imitation.data.records import Frame
from sim_actors.scene.ranges import NotNegative, Share, Solid


@dataclass(frozen=True)
class Occluder:
    """A photographed thing whose place is known: it hides rendered actors that stand behind it.

    `index` is its place in the photo's `objects`; `cuboid` the label's own or an estimate; a body of
    `category` (the simulator's name; one it lacks is a box) posed there stands for its silhouette, and
    `seed` chooses between bodies that fit alike.
    """

    index: int
    category: str
    cuboid: Solid
    seed: int = 0


@dataclass(frozen=True)
class Look:
    """The photo's light and grain, measured from its pixels (photo.py).

    `ground`: linear RGB in [0, 1] of the lit road, as developed; `contrast` >= 1: light of the road in
    the sun over that of the road in the shade, 1 where there is none; `noise`: the sensor's, standard
    deviation as a share of full scale.
    """

    ground: tuple[Share, Share, Share] = (0.18, 0.18, 0.18)
    contrast: Annotated[float, Field(ge=1)] = 1.0
    noise: NotNegative = 0.006


@dataclass(frozen=True)
class Backdrop:
    """Which photo, and what a simulator must know of it.

    `frame_id` and `digest` (SHA-256 of the image file) say which frame. `shadow` in [0, 1]: how much of
    their full depth the shadows of rendered actors have; `shaded`: indices of actors that stand in a
    photographed shadow, out of the sun. `photo`, the frame with its image bytes and its own labels, is
    left out of JSON and of comparisons; None until `of` brings it.
    """

    frame_id: str
    digest: str
    occluders: tuple[Occluder, ...] = ()
    look: Look = field(default_factory=Look)
    shadow: Share = 1.0
    shaded: tuple[int, ...] = ()
    photo: SkipValidation[Frame | None] = field(default=None, compare=False, repr=False)

    def of(self, frame: Frame) -> Backdrop:
        """The backdrop with its photo. Raises DataError if the frame or its image file is another one."""
        if frame.frame_id != self.frame_id:
            raise DataError(f"frame {frame.frame_id}", f"the scene is set into frame {self.frame_id}")
        data = read_image_bytes(frame)
        if digest_of(data) != self.digest:
            raise DataError(
                frame.image_uri or f"frame {frame.frame_id}",
                f"is not the image that the scene was set into (SHA-256 {digest_of(data)}, not "
                f"{self.digest}); its pixels cannot be rendered again",
            )
        return replace(self, photo=replace(frame, image=data, image_uri=None))

    def plain(self) -> dict[str, Any]:
        """Plain data for JSON, without the photo."""
        data = asdict(replace(self, photo=None))
        del data["photo"]
        return data


def digest_of(data: bytes) -> str:
    """SHA-256 of an image file, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
