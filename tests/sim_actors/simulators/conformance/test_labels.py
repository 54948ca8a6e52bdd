"""Every fault of a simulator is caught and named, by the check that is about it and by no other."""

import pytest

from cluster.checks.simulator import findings as in_a_process
from cluster.config.parse import load_defaults
from imitation.common.contracts import Finding, carried_out
from sim_actors.simulators.conformance.checks import CHECKS, conformance
from sim_actors.simulators.registry import SimulatorSpec

HERE = "tests.sim_actors.simulators.broken_simulators"
CARS = ("car", "pedestrian")


def findings(name: str, categories: tuple[str, ...] = CARS, **options: object) -> list[Finding]:
    simulator = name if name == "opengl" else f"{HERE}:{name}"
    contract = conformance(SimulatorSpec(simulator, options), categories, 30.0, 10.0)
    return list(carried_out("simulator", contract))


def test_the_right_one_passes_everything() -> None:
    found = findings("Right")
    assert {finding.status for finding in found} == {"ok"}
    assert [finding.tried for finding in found[1:-1]] == [check.name for check in CHECKS]


@pytest.mark.slow
def test_the_embedded_one_passes_everything() -> None:
    assert [(f.tried, f.text) for f in findings("opengl") if f.status != "ok"] == []


@pytest.mark.parametrize(
    ("name", "check", "said"),
    [
        ("OwnIds", "frame id and size", "frame_id is '0001'"),
        ("Doubled", "frame id and size", "480x288 px"),
        ("Restless", "determinism", "the labels of one scene change: the amodal_box of object 0"),
        ("Stale", "another scene between", "those of the frame before"),
        ("StalePicture", "another scene between", "other pixels"),
        ("Centimetres", "doubled distance", "another unit"),
        ("OtherFocal", "doubled distance", "1.6 and, at twice the distance, 1.6 times as high"),
        ("Mirrored", "handedness", "is x to the left?"),
        ("Shuffled", "object order", "objects come as actors 1, 0, 2"),
        ("NoPrincipalPoint", "principal point", "the principal point is ignored"),
        ("Degrees", "yaw", "radians taken for degrees"),
        ("Clockwise", "yaw", "the other way round (IoU"),
        ("Capsules", "yaw", "the engine's collision shape"),
        ("Afloat", "cuboid and boxes", "the cuboid's middle is taken for its bottom"),
        ("VisibleBeyond", "cuboid and boxes", "a visible box reaches 9.0 px beyond"),
        ("Fixed", "picture and labels", "the picture shows another scene"),
        ("SwappedDepth", "half hidden", "depth is compared the wrong way"),
        ("VisibleShare", "half hidden", "100% of the far one"),
        ("ClippedAmodal", "cut by the border", "it is clipped to the picture"),
        ("InsideShare", "cut by the border", "it is the share inside"),
        ("Haunted", "empty scene", "2 objects, the first a 'car'"),
        ("Promising", "supports and render", "KeyError: 'snow shader'"),
        ("Credulous", "unknown category", "fails only while it is rendered"),
        ("OnceOnly", "close and restart", "address already in use"),
        ("Leaking", "cost of a frame", "memory grows by 2"),
    ],
)
def test_a_fault_is_named_by_its_check_alone(name: str, check: str, said: str) -> None:
    problems = [finding for finding in findings(name) if finding.status == "problem"]
    assert [finding.tried for finding in problems] == [check], problems
    assert said in problems[0].text


def test_what_it_does_not_offer_is_not_wrong() -> None:
    notes = {finding.tried: finding.text for finding in findings("Modest") if finding.status != "ok"}
    assert set(notes) == {"half hidden", "cut by the border", "supports and render"}
    assert all(text.startswith("not supported: ") for text in notes.values())
    assert "no night here" in notes["supports and render"]


def test_one_without_cars_is_tried_with_what_it_has() -> None:
    found = findings("Right", ("pedestrian",))
    assert [(f.tried, f.text) for f in found if f.status != "ok"] == [
        ("yaw", "not judged: a pedestrian is as wide as long")
    ]


def test_what_was_measured_is_in_the_numbers() -> None:
    found = {finding.tried: finding.to_json()["numbers"] for finding in findings("Right")}
    assert found["determinism"] == {"grade": 2}
    assert found["yaw"]["right"] > 0.99 > found["yaw"]["the other way round"]
    assert set(found["cost of a frame"]) == {"seconds", "cpu_seconds", "mb", "mb_a_frame", "frames"}


def test_one_that_hangs_is_named_with_the_check_in_which_it_does() -> None:
    limits = ["simulate.startup_timeout_s=30", "simulate.scene_timeout_s=1"]
    last = list(in_a_process(load_defaults([f"simulate.simulator={HERE}:Hangs", *limits]), scenes=1))[-1]
    assert (last.tried, last.status) == ("half hidden", "problem")
    assert "no answer within 2 s: half hidden" in last.text
