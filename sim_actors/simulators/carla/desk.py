"""The child that has CARLA's client in it: what it is asked, and what it answers (process.py asks)."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import signal
import sys
import traceback
from multiprocessing.connection import Connection
from typing import Any

from imitation.common.settings import UserError
from imitation.data.records import Frame
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla.leases import Taken
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.carla.town import bodies
from sim_actors.simulators.carla.town.actors import SKY_M, Actors
from sim_actors.simulators.carla.town.server import connected
from sim_actors.simulators.carla.town.stage import Stage

_PDEATHSIG = 1  # prctl(2)
_ELSEWHERE_M = 4 * SKY_M  # where bodies are measured beside a worker that keeps its own below


def client_module(name: str) -> Any:
    """CARLA's Python module. Raises UserError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"CARLA's client {name!r} cannot be imported ({error})") from None


def serve() -> None:
    """The child: answers questions until its caller ends, or lets it end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        # At once, without giving the world back: another worker may have the server by then.
        ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL)
    pipe = Connection(int(sys.argv[1]))
    desk = _Desk()
    with contextlib.suppress(EOFError, BrokenPipeError):  # the caller is gone
        while True:
            what, arguments = pipe.recv()
            pipe.send(desk.answer(what, arguments))
            if what == "end":
                break


class _Desk:
    """What the child is asked."""

    def __init__(self) -> None:
        self._endpoint = ""
        self._stage: Stage | None = None
        self._names: frozenset[str] = frozenset()

    def answer(self, what: str, arguments: Any) -> tuple[str, Any]:
        """Whether it was "done", with the answer; else what was wrong: "refused"; "broken", or the server
        "taken", and of no use any more; or an "error" of ours."""
        try:
            return "done", getattr(self, f"do_{what}")(*arguments)
        except Taken as error:
            return "taken", str(error)
        except UserError as error:
            return ("refused" if self._stage is not None else "broken"), str(error)
        except RuntimeError as error:  # what CARLA's client raises: time-outs, and what the server refuses
            return "broken", f"CARLA at {self._endpoint}: {error}"
        except Exception:  # the other process has to hear of a mistake of ours, whatever it is
            return "error", traceback.format_exc()

    def do_begin(self, settings: CarlaSettings, endpoint: str, version: str, mark: str | None) -> None:
        self._endpoint = endpoint
        carla = client_module(settings.client_module)
        if mark is not None:
            self._stage = Stage(carla, settings, endpoint, version, mark)
            return
        client = connected(carla, settings, endpoint, version)
        world = client.get_world()
        found = bodies.catalog(world.get_blueprint_library(), settings.blueprints, version)
        known, _ = bodies.sizes(Actors(carla, client, world, _ELSEWHERE_M), found)
        self._names = bodies.names(name for name, some in known.items() if some)

    def do_names(self) -> frozenset[str]:
        return self._names

    def do_reasons(self, scene: Scene) -> list[str]:
        assert self._stage is not None
        return self._stage.reasons(scene)

    def do_render(self, scene: Scene) -> Frame:
        assert self._stage is not None
        return self._stage.render(scene)

    def do_end(self) -> None:
        if self._stage is not None:
            self._stage.close()
