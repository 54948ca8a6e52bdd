"""Which simulator stages a scene: by seed and weight alone, among those that can."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imitation.common.settings import UserError
from sim_actors.simulators import mixture as module
from sim_actors.simulators.mixture import GuardedMixture, Member, Mixture
from sim_actors.simulators.registry import SimulatorSpec
from sim_actors.simulators.worker import Answer, SceneJob, SimulatorHost, decode_frame
from tests.sim_actors.simulators.toy_simulators import PATH, make_jobs, make_scene

LIMITS = (60.0, 60.0)
weights = st.dictionaries(st.sampled_from(["a", "b", "c", "d"]), st.floats(0.01, 100), min_size=1)


def mixture(parts: dict[str, float], **options: dict) -> Mixture:
    return Mixture(
        tuple(Member(SimulatorSpec(PATH, options.get(label, {}), label), w) for label, w in parts.items())
    )


class HostHere(SimulatorHost):
    """Renders in this process; what another process adds is the matter of test_guarded.py."""

    def __init__(self, spec: SimulatorSpec, *limits: float) -> None:
        super().__init__(spec)

    def render(self, job: SceneJob) -> Answer:
        self.start()
        return super().render(job)


@pytest.fixture
def hosts_here(monkeypatch):
    monkeypatch.setattr(module, "GuardedHost", HostHere)


@given(weights, st.integers(0, 2**31), st.text("abc", min_size=1, max_size=5))
def test_the_order_is_the_same_for_ever_and_whatever_the_order_of_naming(parts, seed, scene_id):
    scene = make_scene(scene_id, seed)
    order = mixture(parts).order(scene)
    assert sorted(order) == sorted(parts)
    assert mixture(dict(reversed(parts.items()))).order(scene) == order
    assert mixture({label: 3 * weight for label, weight in parts.items()}).order(scene) == order


@given(weights, st.integers(0, 2**31))
def test_without_one_of_them_the_others_keep_their_order(parts, seed):
    scene = make_scene("s", seed)
    whole = mixture(parts).order(scene)
    for left_out in list(parts)[: len(parts) - 1]:
        rest = mixture({label: weight for label, weight in parts.items() if label != left_out})
        assert rest.order(scene) == tuple(label for label in whole if label != left_out)


def test_scenes_fall_by_weight_and_among_the_rest_by_their_weights():
    parts = {"a": 5.0, "b": 3.0, "c": 2.0}
    several = mixture(parts)
    orders = [several.order(make_scene(f"scene-{i}", seed=i)) for i in range(20_000)]
    firsts = Counter(order[0] for order in orders)
    for label, weight in parts.items():  # five standard errors of a share
        assert firsts[label] / 20_000 == pytest.approx(weight / 10, abs=5 * 0.0035)
    without_a = Counter(next(label for label in order if label != "a") for order in orders)
    assert without_a["b"] / 20_000 == pytest.approx(0.6, abs=5 * 0.0035)


def test_a_greater_weight_only_adds_scenes():
    few, many = mixture({"a": 1.0, "b": 1.0}), mixture({"a": 1.0, "b": 3.0})
    scenes = [make_scene(f"s{i}", seed=i) for i in range(500)]
    before = {scene.scene_id for scene in scenes if few.order(scene)[0] == "b"}
    after = {scene.scene_id for scene in scenes if many.order(scene)[0] == "b"}
    assert before < after


def test_the_catalog_is_that_of_all_and_unknown_where_one_does_not_say(monkeypatch):
    catalogs = {"a": frozenset({"car"}), "b": frozenset({"tram", "car"}), "c": None}
    monkeypatch.setattr(SimulatorSpec, "catalog", lambda spec: catalogs[spec.label])
    assert mixture({"a": 1.0, "b": 1.0}).catalog() == {"car", "tram"}
    assert mixture({"a": 1.0, "c": 1.0}).catalog() is None


@pytest.mark.usefixtures("hosts_here")
def test_frames_name_the_one_of_several_that_rendered_them_and_who_refuses_hands_on():
    jobs = make_jobs(6)
    several = mixture({"a": 1.0, "b": 1.0})
    of_a = next(job.scene.scene_id for job in jobs if several.order(job.scene)[0] == "a")
    several = mixture({"a": 1.0, "b": 1.0}, a={"unsupported": [of_a]})
    with GuardedMixture(several, {"a": LIMITS, "b": LIMITS}) as hosts:
        assert hosts.start() is None
        for job in jobs:
            frame = decode_frame(hosts.render(job).payload)
            first = several.order(job.scene)[0]
            assert frame.origin.simulator_label == ("b" if job.scene.scene_id == of_a else first)
            assert frame.origin.simulator == "toy"


@pytest.mark.usefixtures("hosts_here")
def test_what_all_refuse_says_why_of_each():
    (job,) = make_jobs(1)
    several = mixture({"a": 1.0, "b": 1.0}, a={"unsupported": ["s000"]}, b={"unsupported": ["s000"]})
    with GuardedMixture(several, {"a": LIMITS, "b": LIMITS}) as hosts:
        answer = hosts.render(job)
    assert answer.payload is None
    (reason,) = answer.unsupported
    assert reason.startswith("no simulator stages it: ")
    assert "a: no llamas here" in reason
    assert "b: no llamas here" in reason


@pytest.mark.usefixtures("hosts_here")
def test_one_that_does_not_start_is_named():
    several = mixture({"a": 1.0, "b": 1.0}, b={"start": "user_error"})
    with GuardedMixture(several, {"a": LIMITS, "b": LIMITS}) as hosts:
        assert "libEGL.so.1 is missing" in str(hosts.start())


def test_a_single_one_is_asked_as_ever():
    one = Mixture.one(SimulatorSpec(PATH, {"unsupported": ["s001"]}))
    jobs = make_jobs(2)
    with GuardedMixture(one, {PATH: LIMITS}) as host:
        frame = decode_frame(host.render(jobs[0]).payload)
        assert frame.origin.simulator_label is None
        assert host.render(replace(jobs[1])).unsupported == ("no llamas here",)
    assert one.order(jobs[0].scene) == (PATH,)
    with pytest.raises(UserError, match="there is no simulator 'opengll'"):
        Mixture.one(SimulatorSpec("opengll")).catalog()
