"""Does a simulator do it right? Checks over scenes whose answer is known, and a few scenes as in an actor."""

from __future__ import annotations

from collections.abc import Sequence

from imitation.common.contracts import Contract, Found, Step
from imitation.common.import_paths import error_line
from imitation.common.settings import UserError
from imitation.common.wording import counted
from imitation.data.records import Frame
from sim_actors.scene.records import Scene
from sim_actors.simulators.conformance.bench import Bench, Check, Mistaken, NotStaged
from sim_actors.simulators.conformance.conduct import CONDUCT_CHECKS
from sim_actors.simulators.conformance.labels import LABEL_CHECKS
from sim_actors.simulators.contract import pixels_changed, truth_changed
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import Answer, SceneJob, SimulatorHost, decode_frame

CHECKS = (*LABEL_CHECKS, *CONDUCT_CHECKS)


def conformance(spec: SimulatorSpec, categories: Sequence[str], startup_s: float, scene_s: float) -> Contract:
    """Each check of `CHECKS` in turn, on scenes that it makes itself. What is wrong does not end it, but
    where a basic thing is, the checks of labels after it are left out: they would only repeat it.

    `categories` are those of the detector: actors are of the first that the simulator has, cars where it can.
    The times are those of `simulator_contract`.
    """
    yield Step(f"starting {spec.simulator}", startup_s)
    try:
        bench = Bench(spec, categories)
    except UserError:
        raise
    except Exception as error:  # a user's simulator may raise anything
        raise UserError(_of(spec, f"does not start: {error_line(error)}")) from error
    yield Found(f"{bench.simulator.name} {bench.simulator.version}, with render, supports and close")
    unclear = ""
    for number, check in enumerate(CHECKS):
        if check.labels and unclear:
            continue
        yield Step(check.name, check.renders * scene_s + (0.0 if number and check.labels else startup_s))
        found = _judged(check, bench)
        yield found
        if check.basic and found.wrong:
            unclear = check.name
            left = [other.name for other in CHECKS[number + 1 :] if other.labels]
            if left:
                yield Step("what builds on it")
                yield Found(f"not tried before {unclear} is right: {', '.join(left)}", note=True)
    yield Step("closing it", scene_s)
    bench.simulator.close()
    yield Found("closed")


def _judged(check: Check, bench: Bench) -> Found:
    try:
        return check.judge(bench)
    except NotStaged as reason:
        return Found(f"not supported: {reason}", note=True)
    except Mistaken as error:
        return Found(str(error), wrong=True)
    except Exception as error:  # labels of any type may have come back
        return Found(f"cannot be judged: {error_line(error)}", wrong=True)


def simulator_contract(
    spec: SimulatorSpec, scenes: Sequence[Scene], startup_s: float, scene_s: float, enough: int | None = None
) -> Contract:
    """Starts the simulator, asks what of the scenes it supports, renders those (the first `enough` of them),
    and the first of them twice.

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
        wanted = labelled = rendered = 0
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
            rendered += 1
            if rendered == enough:
                break
        if first is None:
            why = "; ".join(dict.fromkeys(refused))
            raise UserError(_of(spec, f"supports none of the {len(scenes)} scenes that were tried: {why}"))
        if wanted and not labelled:
            yield Found(
                f"not one of the {counted(wanted, 'actor')} to be labelled came back as an object: what "
                "has no label is background to the detector",
                note=True,
            )
        yield Step("the first scene again", scene_s)
        again = _frame(host.render(SceneJob(first[0], policy="check")), spec)
        if changed := truth_changed(first[1], again):
            yield Found(f"other labels: {changed}; no frame of it can be trusted", wrong=True)
        elif changed := pixels_changed(first[1], again):
            yield Found(
                "the same labels, other pixels: it is not deterministic, and a run cannot be repeated",
                note=True,
            )
        else:
            yield Found("the same pixels and labels")
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
