"""The host of one simulator: rows out, errors as values. No Ray here."""

import io
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from imitation.data.records import Box, Frame, Object
from sim_actors.scene.records import Scene
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import (
    SceneJob,
    SeveralHosts,
    SimulatorHost,
    decode_frame,
    encode_frame,
    private_memory_mb,
)
from tests.sim_actors.simulators.toy_simulators import PATH, ToySimulator, make_scene, renders


def small_png(width: int, height: int) -> bytes:
    sink = io.BytesIO()
    Image.new("RGB", (width, height)).save(sink, "PNG")
    return sink.getvalue()


def started(**options: object) -> SimulatorHost:
    host = SimulatorHost(SimulatorSpec(PATH, options))
    assert host.start().error is None
    return host


def test_a_job_becomes_a_frame_with_its_lineage():
    job = SceneJob(make_scene("a", seed=77), 3, "000012", ("f1", "f2"), "imitation", seed=5)
    answer = started().render(job)
    assert answer.error is None
    frame = decode_frame(answer.payload)
    direct = ToySimulator().render(job.scene)
    assert (frame.image, frame.objects, frame.camera) == (direct.image, direct.objects, direct.camera)
    origin = frame.origin
    assert (origin.cycle, origin.parent, origin.failures, origin.policy, origin.seed) == (
        3, "000012", ("f1", "f2"), "imitation", 5,
    )  # fmt: skip
    assert (origin.simulator, origin.simulator_version) == ("toy", "1")
    assert Scene.from_json(origin.scene) == job.scene
    assert Image.open(io.BytesIO(frame.image)).getpixel((0, 0)) == (77, 10, 20)


def test_jobs_specs_and_answers_can_be_sent():
    job = SceneJob(make_scene("a"))
    answer = started().render(job)
    spec = SimulatorSpec(PATH, {"delay_s": 0.5})
    for value in (job, spec, answer):
        assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301


def test_an_exception_is_an_answer_with_its_traceback():
    host = started(raises=("bad",))
    answer = host.render(SceneJob(make_scene("bad")))
    assert answer.scene_id == "bad"
    assert answer.payload is None
    assert "the wheel fell off" in answer.error
    assert "in render" in answer.error
    assert host.render(SceneJob(make_scene("good"))).error is None


def test_an_unsupported_scene_is_not_rendered(tmp_path):
    log = tmp_path / "log"
    answer = started(unsupported=("u",), log=str(log)).render(SceneJob(make_scene("u")))
    assert answer.unsupported == ("no llamas here",)
    assert answer.payload is None
    assert renders(log) == []


def test_a_frame_of_another_scene_is_refused():
    answer = started(wrong=("w",)).render(SceneJob(make_scene("w")))
    assert answer.payload is None
    assert "frame 'other' for scene 'w'" in answer.error


def test_a_frame_without_image_is_refused(monkeypatch):
    monkeypatch.setattr(ToySimulator, "render", lambda self, scene: Frame(scene.scene_id, 2, 2))
    host = SimulatorHost(SimulatorSpec("test:x"))
    host._simulator, host._thread = ToySimulator(), threading.get_ident()
    assert "without an image" in host.render(SceneJob(make_scene("a"))).error


def test_a_value_that_the_schema_refuses_is_an_error_of_its_scene(monkeypatch):
    bad = {"weather": 3}
    image = small_png(24, 16)
    monkeypatch.setattr(
        ToySimulator, "render", lambda self, scene: Frame(scene.scene_id, 24, 16, image=image, conditions=bad)
    )
    host = SimulatorHost(SimulatorSpec("test:x"))
    host._simulator, host._thread = ToySimulator(), threading.get_ident()
    answer = host.render(SceneJob(make_scene("a")))
    assert answer.payload is None
    assert "Arrow" in answer.error


def test_rendering_in_another_thread_is_refused():
    host = started()
    answers = []
    thread = threading.Thread(target=lambda: answers.append(host.render(SceneJob(make_scene("a")))))
    thread.start()
    thread.join()
    assert answers[0].payload is None
    assert "in the thread that started it" in answers[0].error


def test_rendering_before_start_or_after_close_is_an_error():
    host = SimulatorHost(SimulatorSpec(PATH))
    assert "start() comes before" in host.render(SceneJob(make_scene("a"))).error
    host.start()
    simulator = host._simulator
    host.close()
    host.close()
    assert simulator.closed == 1
    assert "start() comes before" in host.render(SceneJob(make_scene("a"))).error


def test_a_simulator_that_does_not_start_says_why():
    raised = SimulatorHost(SimulatorSpec(PATH, {"start": "raise"})).start()
    assert "RuntimeError: no such driver" in raised.error
    assert not raised.user_error
    missing = SimulatorHost(SimulatorSpec(PATH, {"start": "user_error"})).start()
    assert missing.error == "libEGL.so.1 is missing; install libegl1"
    assert missing.user_error


def test_a_simulator_that_runs_is_not_started_again(tmp_path):
    host = SimulatorHost(SimulatorSpec(PATH))
    host.start()
    simulator = host._simulator
    assert host.start() == host.ping()
    assert host._simulator is simulator
    host.close()
    assert host.start().error is None
    assert host._simulator is not simulator


def test_ping_answers_before_and_after_start():
    host = SimulatorHost(SimulatorSpec(PATH))
    assert host.ping().simulator == ""
    host.start()
    assert (host.ping().simulator, host.ping().version) == ("toy", "1")


def test_memory_and_times_are_reported():
    host = started(leak_mb=64)
    before = private_memory_mb()
    answer = host.render(SceneJob(make_scene("a")))
    assert answer.rss_mb > before + 32
    assert answer.seconds > 0
    assert answer.cpu_seconds > 0


def test_numpy_numbers_in_labels_survive_the_trip():
    box = Box(*np.array([1, 2, 3, 4], dtype=np.float32))
    frame = Frame("a", 4, 4, (Object("Car", box, truncation=np.float64(0.25)),), image=b"png")
    again = decode_frame(encode_frame(frame))
    assert again.objects[0].box == (1.0, 2.0, 3.0, 4.0)
    assert again.objects[0].truncation == 0.25


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 48}, "48x16 px for scene 'a', which is 24x16"),
        ({"image": b"no picture"}, "not a JPEG or PNG"),
        ({"image": small_png(12, 16)}, "the image is 12x16 px"),
        ({"objects": (Object("Car", Box(9.0, 2.0, 1.0, 8.0)),)}, "inverted"),
        ({"objects": (Object("", Box(1.0, 2.0, 9.0, 8.0)),)}, "category is empty"),
    ],
)
def test_a_frame_that_could_not_be_trained_on_is_not_accepted(change, said):
    host = started()
    good = host._simulator.render
    host._simulator.render = lambda scene: replace(good(scene), **change)
    answer = host.render(SceneJob(make_scene("a")))
    assert answer.payload is None
    assert said in answer.error


def test_several_simulators_in_one_process_render_side_by_side():
    hosts = SeveralHosts(SimulatorSpec(PATH, {"together": 4}), threads=1, scenes=4)
    started = hosts.start()
    assert (started.error, started.simulator) == (None, "toy")
    jobs = [SceneJob(make_scene(f"s{i}", seed=i)) for i in range(12)]
    with ThreadPoolExecutor(4) as callers:  # each render waits for three others at the same time
        answers = list(callers.map(hosts.render, jobs))
    assert [answer.error for answer in answers] == [None] * 12
    direct = SimulatorHost(SimulatorSpec(PATH))
    direct.start()
    assert [answer.payload for answer in answers] == [direct.render(job).payload for job in jobs]
    simulators = [host._simulator for host, _ in hosts._all]
    hosts.close()
    hosts.close()
    assert [simulator.closed for simulator in simulators] == [1] * 4
    assert "start() comes before" in hosts.render(jobs[0]).error


def test_of_several_simulators_one_that_does_not_start_says_why():
    started = SeveralHosts(SimulatorSpec(PATH, {"start": "raise"}), threads=1, scenes=3).start()
    assert "RuntimeError: no such driver" in started.error


def test_a_simulator_that_waits_beside_others_is_not_charged_their_time():
    hosts = SeveralHosts(SimulatorSpec(PATH, {"delay_s": 0.2}), threads=1, scenes=2)
    hosts.start()
    spin = threading.Event()

    def work():
        while not spin.is_set():
            pass

    other = threading.Thread(target=work)
    other.start()
    before = time.process_time()
    answer = hosts.render(SceneJob(make_scene("a")))
    spent = time.process_time() - before
    spin.set()
    other.join()
    assert answer.cpu_seconds < spent / 2  # of the process's CPU time the other thread took the most


def test_a_process_of_simulators_does_not_load_pandas_but_may():
    code = """
import sys
from sim_actors.simulators.worker import SceneJob, SimulatorHost, decode_table
from sim_actors.simulators.registry import SimulatorSpec
from tests.sim_actors.simulators.toy_simulators import PATH, make_scene
host = SimulatorHost(SimulatorSpec(PATH))
host.start()
payload = host.render(SceneJob(make_scene("a"))).payload
print("pandas" in sys.modules, "torch" in sys.modules)
import pandas
print(decode_table(payload).to_pandas().frame_id[0], len([f for f in sys.meta_path if "Pandas" in repr(f)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout.split() == ["False", "False", "a", "0"]
