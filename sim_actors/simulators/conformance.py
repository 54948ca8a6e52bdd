"""Does a simulator keep to the protocol? It is started as in an actor, and renders a few scenes."""

from __future__ import annotations

from collections.abc import Sequence

from imitation.common.contracts import Contract, Found, Step
from imitation.common.settings import UserError
from imitation.common.wording import counted
from imitation.data.records import Frame
from sim_actors.scene.records import Scene
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import Answer, SceneJob, SimulatorHost, decode_frame


def simulator_contract(
    spec: SimulatorSpec, scenes: Sequence[Scene], startup_s: float, scene_s: float
) -> Contract:
    """Starts the simulator, asks what of the scenes it supports, renders those, and the first of them twice.

    `startup_s` is the time for it to start and for the first scene, `scene_s` for each further one. In a
    process of its own: a simulator may hang, crash, or open what other code must not meet.
    """
    host = SimulatorHost(spec)
    yield Step(f"starting {spec.simulator}", startup_s)
    started = host.start()
    if started.error is not None:
        known = started.user_error
        raise UserError(started.error if known else _of(spec, f"does not start: {_last_line(started.error)}"))
    yield Found(f"{started.simulator} {started.version}, with render, supports and close")
    try:
        first: tuple[Scene, Frame] | None = None
        refused: list[str] = []
        wanted = labelled = 0
        for number, scene in enumerate(scenes, start=1):
            yield Step(
                f"scene {number} of {len(scenes)}: {_told(scene)}", startup_s if number == 1 else scene_s
            )
            answer = host.render(SceneJob(scene, policy="check"))
            if answer.unsupported:
                refused += answer.unsupported
                yield Found(f"not supported: {'; '.join(answer.unsupported)}", note=True)
                continue
            frame = _frame(answer, spec)
            first = first or (scene, frame)
            wanted += sum(actor.labelled for actor in scene.actors)
            labelled += len(frame.objects)
            yield Found(f"rendered and labelled: {_labels(frame)}, in {answer.seconds:.2f} s")
        if first is None:
            why = "; ".join(dict.fromkeys(refused))
            raise UserError(_of(spec, f"supports none of the {len(scenes)} scenes that were tried: {why}"))
        if wanted and not labelled:
            yield Found(
                f"not one of the {counted(wanted, 'actor')} to be labelled came back as an object: what "
                f"has no "
                "label is background to the detector",
                note=True,
            )
        yield Step("the first scene again", scene_s)
        again = _frame(host.render(SceneJob(first[0], policy="check")), spec)
        if (again.image, again.objects) == (first[1].image, first[1].objects):
            yield Found("the same pixels and labels")
        else:
            what = "other labels" if again.objects != first[1].objects else "the same labels, other pixels"
            yield Found(f"{what}: it is not deterministic, and a run cannot be repeated", note=True)
        yield Step("closing it", scene_s)
    finally:
        host.close()
    yield Found("closed")


def _frame(answer: Answer, spec: SimulatorSpec) -> Frame:
    if answer.payload is None:
        reason = answer.error or "; ".join(answer.unsupported)
        raise UserError(_of(spec, f"scene {answer.scene_id} could not be rendered: {_last_line(reason)}"))
    return decode_frame(answer.payload)


def _of(spec: SimulatorSpec, what: str) -> str:
    return f"simulate.simulator: {spec.simulator!r} {what}"


def _last_line(error: str) -> str:
    """What an error was, and the line of code that raised it: the end of a traceback's text."""
    lines = [line.strip() for line in error.strip().splitlines()]
    places = [line for line in lines[:-1] if line.startswith('File "')]
    return f"{lines[-1]} ({places[-1]})" if places else lines[-1]


def _told(scene: Scene) -> str:
    names = ", ".join(sorted({actor.category for actor in scene.actors})) or "no actor"
    return f"{scene.width}x{scene.height} px, {counted(len(scene.actors), 'actor')} ({names})"


def _labels(frame: Frame) -> str:
    names = ", ".join(sorted({obj.category for obj in frame.objects}))
    return counted(len(frame.objects), "object") + (f" ({names})" if names else "")
