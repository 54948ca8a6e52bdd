"""The Simulator protocol: what any simulator, ours or a user's, gives to the loop."""

from typing import Protocol, runtime_checkable

from imitation.data.records import Frame
from sim_actors.scene.records import Scene

NO_BACKDROPS = (
    "backdrop: this simulator sets no actors into photos (one that does says so by its attribute "
    "backdrops = True); set restage.backdrops to 0"
)


def unsupported(simulator: "Simulator", scene: Scene) -> list[str]:
    """Why a simulator cannot stage a scene; asks it only for what it can know of."""
    if scene.backdrop is not None and not getattr(simulator, "backdrops", False):
        return [NO_BACKDROPS]
    return simulator.supports(scene)


@runtime_checkable
class Simulator(Protocol):
    """Turns scenes into labelled frames.

    Deterministic: the same scene gives the same bytes on one machine and driver. An instance is
    created in the process, and used from the thread, that renders with it.
    """

    name: str
    version: str

    # A simulator that can set actors into a photo (`Scene.backdrop`) says so with one more attribute,
    #
    #     backdrops = True
    #
    # and then renders such a scene as the photo with the actors in it: all objects of
    # `scene.backdrop.photo` come first, in their order, changed only where an actor newly hides them,
    # then the actors' as below. `supports` may refuse single ones. Without the attribute no scene with
    # a backdrop reaches `supports` or `render`: `unsupported` answers for it.

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene: `frame_id` is the scene's id, `image` JPEG or PNG bytes.

        Every labelled actor with at least one visible pixel becomes an `Object` in actor order,
        with visible and amodal box, occlusion, truncation and cuboid; `origin` is left None
        for the caller, who knows the lineage. What cannot be true of the scene is refused
        (`sim_actors.simulators.contract`).
        Raises any exception for a scene that cannot be staged.
        """
        ...

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each; empty if it can."""
        ...

    def close(self) -> None:
        """Releases what it holds (contexts, sockets, processes). Safe to call twice."""
        ...
