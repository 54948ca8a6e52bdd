"""CARLA as a simulator: scenes are staged in a running server's town."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import time
from functools import cache

from imitation.common.settings import UserError
from imitation.data.records import Frame
from sim_actors.scene.records import Scene
from sim_actors.simulators.carla import leases
from sim_actors.simulators.carla.process import Client
from sim_actors.simulators.carla.settings import CarlaSettings
from sim_actors.simulators.carla.versions import INSTALL, server_version
from sim_actors.simulators.protocol import Simulator, Traits

VERSION = "1"
"""Of what is done here: changes whenever the same scene may give other pixels or labels."""
_AGAIN_S = 1.0  # between tries, where other workers have all servers
_LOOK_S = 5.0  # how long a server may take to say its version, before a run


class CarlaSimulator(Simulator, Traits):
    """Stages scenes in CARLA (docs/carla.md). CARLA's client runs in a child process; whatever becomes of it
    is an error of one scene, and another is started for the next."""

    name = "carla"
    settings_class = CarlaSettings
    waits = True

    @staticmethod
    def preflight(settings: CarlaSettings) -> str | None:
        """Why no server of the options can be used from here, in a sentence; None if one can."""
        for module in ("msgpack", settings.client_module):
            try:
                there = importlib.util.find_spec(module) is not None
            except (ImportError, ValueError):
                there = False
            if not there:
                return (
                    f"CARLA's client needs the Python module {module!r}, which is not installed: run "
                    f"{INSTALL} (CARLA's wheels are for Linux and Windows on x86-64)"
                )
        return _usable(settings, min(settings.timeout_s, _LOOK_S))

    @staticmethod
    def here(settings: CarlaSettings) -> str:
        """Where it would be."""
        return f"at {', '.join(settings.endpoints)}"

    @staticmethod
    def catalog(settings: CarlaSettings) -> frozenset[str] | None:
        """The categories that the first server has bodies for; None where none answers. It is only looked at,
        once in a process: whoever renders with it is not disturbed."""
        return _catalog(settings.model_dump_json())

    @staticmethod
    def side_by_side(settings: CarlaSettings) -> int:
        """One for each server: the pool starts no more."""
        return len(settings.endpoints)

    def __init__(self, settings: CarlaSettings) -> None:
        """Takes a server that is free. Raises UserError where there is none to use."""
        self._settings = settings
        self._client: Client | None = None
        self._closed = False
        self._held = contextlib.ExitStack()
        self._endpoint, self._mark, self._server = self._taken()
        self.version = f"{VERSION} with CARLA {self._server}"

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each: what CARLA lacks, where the town has no room."""
        found: list[str] = self._running().ask("reasons", scene)
        return found

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene. Raises UserError for whatever goes wrong with the server."""
        frame: Frame = self._running().ask("render", scene)
        return frame

    def close(self) -> None:
        """Gives the server back as it was. Safe to call twice."""
        self._closed = True
        client, self._client = self._client, None
        if client is not None:
            client.close()
        self._held.close()

    def _running(self) -> Client:
        if self._closed:
            raise RuntimeError("this CarlaSimulator is closed; create another one")
        if self._client is None or not self._client.alive:
            again = server_version(self._endpoint, self._settings.timeout_s)
            if again != self._server:
                raise UserError(
                    f"CARLA at {self._endpoint} is version {again} now, and was {self._server} before"
                )
            self._client = Client(self._settings, self._endpoint, self._server, self._mark)
        return self._client

    def _taken(self) -> tuple[str, str, str]:
        """The first server that is free, taken: endpoint, mark and version."""
        settings, deadline = self._settings, time.monotonic() + self._settings.lease_timeout_s
        begin = os.getpid() % len(settings.endpoints)  # else all workers would begin with the same one
        endpoints = (*settings.endpoints[begin:], *settings.endpoints[:begin])
        while True:
            why: list[UserError] = []
            for endpoint in endpoints:
                with contextlib.ExitStack() as held:
                    try:
                        mark = held.enter_context(leases.held(endpoint))
                        version = server_version(endpoint, settings.timeout_s)
                        self._client = Client(settings, endpoint, version, mark)
                    except UserError as error:
                        why.append(error)
                    else:
                        self._held.push(held.pop_all())
                        return endpoint, mark, version
            if time.monotonic() >= deadline or not any(isinstance(error, leases.Taken) for error in why):
                more = " (simulate.options.endpoints, lease_timeout_s)" if len(why) > 1 else ""
                raise UserError("; ".join(map(str, why)) + more)
            time.sleep(_AGAIN_S)


def _usable(settings: CarlaSettings, seconds: float) -> str | None:
    """Why none of the servers can be used, in a sentence; None where one can."""
    why = []
    for endpoint in settings.endpoints:
        try:
            server_version(endpoint, seconds)
        except UserError as error:
            why.append(str(error))
        else:
            return None
    return "; ".join(why)


@cache
def _catalog(settings_json: str) -> frozenset[str] | None:
    settings = CarlaSettings.model_validate_json(settings_json)
    for endpoint in settings.endpoints:
        try:
            version = server_version(endpoint, min(settings.timeout_s, _LOOK_S))
        except UserError:
            continue
        client = Client(settings, endpoint, version)
        with contextlib.closing(client):
            names: frozenset[str] = client.ask("names")
        return names
    return None
