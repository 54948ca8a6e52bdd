"""The process that is Blender: started, greeted, and why it cannot be."""

from __future__ import annotations

import contextlib
import tempfile
from functools import cache

from imitation.common.settings import UserError
from sim_actors.simulators.blender.installed import SETUP, command_of, found
from sim_actors.simulators.blender.messages import PROTOCOL, Hello, read
from sim_actors.simulators.blender.settings import BlenderSettings
from sim_actors.simulators.command.program import Program
from sim_actors.simulators.command.settings import CommandSettings


def start(settings: BlenderSettings) -> Program:
    """Starts Blender with our worker in it. Raises UserError where there is none."""
    program = found(settings.blender)
    words = tuple(command_of(program))
    worker = Program(CommandSettings(command=words, hello_timeout_s=settings.hello_timeout_s))
    worker.who = f"Blender ({program})"
    return worker


def greet(worker: Program, folder: str, settings: BlenderSettings, seconds: float | None = None) -> Hello:
    """What a started Blender says of itself; `folder` is for files. Raises UserError where it cannot work."""
    question = {
        "ask": "hello",
        "protocol": PROTOCOL,
        "folder": folder,
        "device": settings.device,
        "denoiser": settings.denoiser,
    }
    hello = read(Hello, worker.ask(question, seconds), worker.who)
    if hello.error is not None:
        raise UserError(f"{worker.who} cannot work: {hello.error}{_remedy(hello.error)}")
    return hello


def greeted(settings: BlenderSettings) -> Hello:
    """Starts Blender, greets it and ends it again. Raises UserError where any of that fails."""
    with tempfile.TemporaryDirectory(prefix="imitation-blender-") as folder:
        worker = start(settings)
        with contextlib.closing(worker):
            return greet(worker, folder, settings, settings.hello_timeout_s)


def refusal(settings_json: str) -> str | None:
    """Why Blender cannot work here, in a sentence; None if it can. Tried once in a process."""
    found = _tried(settings_json)
    return found if isinstance(found, str) else None


def told(settings_json: str) -> str | None:
    """Its version and what it computes on; None where it cannot work here."""
    found = _tried(settings_json)
    return None if isinstance(found, str) else f"Blender {found.blender}, on {found.device}"


@cache
def _tried(settings_json: str) -> Hello | str:
    try:
        return greeted(BlenderSettings.model_validate_json(settings_json))
    except UserError as error:
        return str(error)


def _remedy(error: str) -> str:
    if "No module named" in error:
        return f"; {SETUP}"
    if "cannot open shared object file" in error:
        return "; a library of the system is missing: install the package that has it (apt-file search NAME)"
    return ""
