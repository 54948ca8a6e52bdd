"""The Simulator protocol: what any simulator, ours or a user's, gives to the loop."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

from imitation.common.settings import Settings
from imitation.data.records import Frame
from sim_actors.scene.records import Scene

NO_BACKDROPS = (
    "backdrop: this simulator sets no actors into photos (one that does says so by its attribute "
    "backdrops = True); set restage.backdrops and policy.elsewhere to 0"
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


class Traits:
    """What a simulator says of itself before one is built: attributes of its class (or factory), all of them
    optional. These are the defaults; inheriting from this class is one way to have them.

    Each function gets the settings: an instance of `settings_class`, or the options as they are where there
    is none.
    """

    settings_class: ClassVar[type[Settings] | None] = None
    """Its options: it is then built with one instance of them, and not with keyword arguments. They are
    `simulate.options`, or the section of the configuration that is of this class."""

    backdrops: ClassVar[bool] = False
    """Whether it can set actors into a photo (`Scene.backdrop`): it renders such a scene as the photo with
    the actors in it. All objects of `scene.backdrop.photo` come first, in their order, changed only where an
    actor newly hides them; then the actors' own. `supports` may refuse single scenes."""

    waits: ClassVar[bool | None] = None
    """Whether it only waits for something that renders elsewhere, so that several can share one process and
    its CPU (`simulate.scenes_per_actor`), or computes; None: it does not say."""

    tried_first: ClassVar[bool] = False
    """Whether a run renders one scene with it before anything else: what runs behind it is somebody's own.
    (One that is named by its import path is tried in any case.)"""

    @staticmethod
    def preflight(settings: Any) -> str | None:
        """Why it cannot run on this machine, in a sentence that names what to install; None if it can. Leaves
        nothing open in this process."""
        return None

    @staticmethod
    def here(settings: Any) -> str | None:
        """What it would use on this machine, in a few words (a device, a version, endpoints), where
        `preflight` has nothing against it. None: nothing worth a word. Leaves nothing open here."""
        return None

    @staticmethod
    def catalog(settings: Any) -> Collection[str] | None:
        """The categories that it can stage, lower case; None: it is asked scene by scene."""
        return None

    @staticmethod
    def own_categories(settings: Any) -> Sequence[str]:
        """Those of the catalog that a person's settings bring in; free scenes show some of them."""
        return ()

    @staticmethod
    def side_by_side(settings: Any) -> int | None:
        """How many of it can run at once, on all machines together: licences, servers; None: as many as there
        is room for."""
        return None

    @staticmethod
    def bodies(settings: Any) -> Mapping[str, Sequence[str]]:
        """Category -> its models, for `imitate render --body`; empty: it shows no single one."""
        return {}

    @staticmethod
    def body_size(category: str, model: str) -> tuple[float, float, float]:
        """Length, width and height of a model, m."""
        raise NotImplementedError
