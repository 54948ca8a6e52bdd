"""The simulator that is a program of anybody's, in any language, at the other end of a pipe."""

from __future__ import annotations

import contextlib
import tempfile
from functools import cache

from imitation.common.settings import UserError
from imitation.data.records import Frame
from sim_actors.scene.category_words import spelled
from sim_actors.scene.records import Scene
from sim_actors.simulators.command.labels import frame_of
from sim_actors.simulators.command.messages import PROTOCOL, Answer, Hello, Reasons, Rendered, read
from sim_actors.simulators.command.program import Program, missing
from sim_actors.simulators.command.settings import CommandSettings
from sim_actors.simulators.protocol import Simulator, Traits


class CommandSimulator(Simulator, Traits):
    """Sends scenes to a program and reads its pictures and labels (docs/simulator.md, "A program on a pipe").

    A program that ends, or answers what is no answer, is an error of that scene; another one is started
    for the next. A program that hangs is killed with this process, by the pool's deadlines.
    """

    settings_class = CommandSettings
    tried_first = True

    @staticmethod
    def preflight(settings: CommandSettings) -> str | None:
        """Why the program cannot be started, in a sentence; None where it can be found."""
        return missing(settings)

    @staticmethod
    def here(settings: CommandSettings) -> str:
        """Which program that is, and what it says that it stages."""
        known = CommandSimulator.catalog(settings)
        stages = "" if known is None else f", which stages {', '.join(sorted(known))}"
        return f"{' '.join(settings.command)}{stages}"

    @staticmethod
    def catalog(settings: CommandSettings) -> frozenset[str] | None:
        """What the program says that it can stage. It is started for it, once in a process; where it is not
        on this machine, nothing is known."""
        return None if missing(settings) else _catalog(settings.model_dump_json())

    def __init__(self, settings: CommandSettings) -> None:
        """Starts the program. Raises UserError, with its own words, where it does not."""
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="imitation-pipe-")
        self._closed = False
        self._program: Program | None = None
        try:
            self._hello = self._start()
        except BaseException:  # whatever ends the start, the program and its folder must not stay
            self.close()
            raise
        self.name, self.version = self._hello.name, self._hello.version

    def supports(self, scene: Scene) -> list[str]:
        """Why this scene cannot be staged, a sentence each: what no scene may have, categories that the
        program does not name, and what it answers itself, if it does."""
        if found := scene.problems():
            return found
        if (known := _lower(self._hello)) is not None:
            found = [
                f"actors[{index}].category: the program stages no {actor.category!r}; it stages "
                f"{', '.join(sorted(known))}"
                for index, actor in enumerate(scene.actors)
                if not {actor.category.lower(), spelled(actor.category)} & known
            ]
        if found or not self._hello.supports:
            return found
        return list(self._answer("supports", scene, Reasons).reasons)

    def render(self, scene: Scene) -> Frame:
        """The labelled frame of a scene. Raises UserError for whatever the program does wrong."""
        answer = self._answer("render", scene, Rendered)
        who = f"{self._running().who}, scene {scene.scene_id!r}"
        if answer.error is not None:
            raise UserError(f"{who}: it says: {answer.error}")
        return frame_of(answer, scene, self._settings, who)

    def close(self) -> None:
        """Ends the program. Safe to call twice."""
        self._closed = True
        self._end()
        self._folder.cleanup()

    def _answer(self, question: str, scene: Scene, kind: type[Answer]) -> Answer:
        program = self._running()
        try:
            answer = read(kind, program.ask({"ask": question, "scene": scene.plain()}), program.who)
            if answer.scene_id != scene.scene_id:
                raise UserError(
                    f"{program.who}: asked for scene {scene.scene_id!r}, it answered for "
                    f"{answer.scene_id!r}: each question has one answer, in their order"
                )
        except UserError:
            self._end(polite=False)  # what it answers next may be for another scene
            raise
        return answer

    def _running(self) -> Program:
        if self._closed:
            raise RuntimeError("this CommandSimulator is closed; create another one")
        if self._program is None:
            again = self._start()
            if again != self._hello:
                self._end()
                raise UserError(f"started again, the program says {again!r}, and said {self._hello!r} before")
        assert self._program is not None
        return self._program

    def _start(self) -> Hello:
        self._program = Program(self._settings)
        try:
            return _greeted(self._program, self._folder.name, None)
        except UserError:
            self._end(polite=False)
            raise

    def _end(self, polite: bool = True) -> None:
        program, self._program = self._program, None
        if program is not None:
            program.close(polite)


def _greeted(program: Program, folder: str, seconds: float | None) -> Hello:
    question = {"ask": "hello", "protocol": PROTOCOL, "folder": folder}
    return read(Hello, program.ask(question, seconds), program.who)


def _lower(hello: Hello) -> frozenset[str] | None:
    return None if hello.categories is None else frozenset(name.lower() for name in hello.categories)


@cache
def _catalog(settings_json: str) -> frozenset[str] | None:
    settings = CommandSettings.model_validate_json(settings_json)
    with tempfile.TemporaryDirectory(prefix="imitation-pipe-") as folder:
        program = Program(settings)
        with contextlib.closing(program):
            return _lower(_greeted(program, folder, settings.hello_timeout_s))
