"""The Simulator protocol: what any simulator, ours or a user's, gives to the loop."""

from typing import Protocol, runtime_checkable

from imitation.records import Frame
from sim_actors.scene import Scene


@runtime_checkable
class Simulator(Protocol):
    """Turns scenes into labelled frames.

    Deterministic: the same scene gives the same bytes on one machine and driver. An instance is
    created in the process, and used from the thread, that renders with it.
    """

    name: str
    version: str

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene: `frame_id` is the scene's id, `image` JPEG or PNG bytes.

        Every labelled actor with at least one visible pixel becomes an `Object` in actor order,
        with visible and amodal box, occlusion, truncation and cuboid; `origin` is left None
        for the caller, who knows the lineage.
        Raises any exception for a scene that cannot be staged.
        """
        ...

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each; empty if it can."""
        ...

    def close(self) -> None:
        """Releases what it holds (contexts, sockets, processes). Safe to call twice."""
        ...
