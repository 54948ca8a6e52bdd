"""The words for what tables, pages and plots show, in one place: detectors, measures, kinds of failure.

Files for programs keep their own names ("real", "0-1 loss", "localization"); what people read goes through
here, so that a thing has one name wherever it stands.
"""

from __future__ import annotations

import re

from imitation.metrics.own import TITLES

MAP50, MAP = TITLES["map50"], TITLES["map"]
AP50, AP = "AP50", "AP@[.5:.95]"
BASELINE = "baseline"
CHOSEN = "chosen"
WRONG = "wrong"
WRONG_TITLE = "Share that is wrong"
WRONG_MEANS = (
    "share of objects and detections that are wrong at the operating threshold, in %; lower is better"
)
VAL_MEANS = (
    "val: the frames held back to decide with (a validation split). They set the operating threshold, end "
    "the loop and choose the detector"
)
MEASURES = {"map50": MAP50, "map": MAP, "mAP50": MAP50, "mAP": MAP, "0-1 loss": WRONG}
KINDS = {
    "missed": "missed",
    "localization": "badly placed",
    "classification": "wrong category",
    "both": "place and category wrong",
    "duplicate": "found twice",
    "background": "on nothing",
}
KINDS_MEAN = {
    "missed": "an object that nothing finds",
    "localization": "found, but its box fits badly",
    "classification": "taken for another category",
    "both": "both at once",
    "duplicate": "a second detection of a found object",
    "background": "a detection where no object is",
}
TRAITS = {"plain": "nothing special"}
ARMS = {
    BASELINE: "the {real} frames alone",
    "longer": "the {real} frames alone, for as many steps as the others",
    "oversample": "the {real} frames, those with failures once more; no simulator",
    "sim": "synthetic frames alone",
    "random": "{real} frames and synthetic frames of random scenes, blind to failures",
    "untargeted": "{real} frames and synthetic frames staged after frames drawn blindly",
    "imitation": "{real} frames and synthetic frames staged after the failures",
    "adaptive": "as imitation, led by which failures earlier frames fixed",
}
OTHER_ARM = "{real} frames and what this policy asked for"
_OLD = (
    (re.compile(r"^(real|stand-in) \+ random sim(?=,|$)"), "random"),
    (re.compile(r"^(real|stand-in) \+ repeated(?=,|$)"), "oversample"),
    (re.compile(r"^(real|stand-in) \+ sim(?=,|$)"), "imitation"),
    (re.compile(r"^(real|stand-in), longer(?=,|$)"), "longer"),
    (re.compile(r"^(real|stand-in)$"), BASELINE),
    (re.compile(r"^sim, longer(?=,)"), "sim"),
    (re.compile(r"^sim, cycle 0$"), "sim"),
)
"""What runs of earlier versions call their detectors, and files for programs still do."""


def arm_name(arm: str) -> str:
    """An arm's name for people: that of the configuration, but `real` is the baseline (on an embedded
    world nothing is real)."""
    return BASELINE if arm == "real" else arm


def detector_name(label: str) -> str:
    """A detector's name: "baseline", "imitation, cycle 1". `label` is a `Cycle.label` of any version, or the
    key of a comparison's row."""
    for pattern, name in _OLD:
        if pattern.match(label):
            return pattern.sub(name, label)
    return label


def arms_mean(labels: list[str], real: str) -> str:
    """What the arms among these detectors are trained on, as one sentence for below a table; `real` is the
    word for frames that are not synthetic."""
    arms = dict.fromkeys(detector_name(label).split(", ")[0] for label in labels)
    known = [f"{arm}: {ARMS.get(arm, OTHER_ARM).format(real=real)}" for arm in arms]
    return f"Trained on: {'; '.join(known)}."


def measure_name(measure: str) -> str:
    """A measure for people, its IoU in its name: "mAP50", "mAP@[.5:.95]", "wrong", "Car AP50"."""
    return MEASURES.get(measure, f"{measure} {AP50}")


def kind_name(kind: str) -> str:
    """A kind of failure for people."""
    return KINDS.get(kind, kind)


def mode_name(mode: str) -> str:
    """A failure mode for people: its kind in plain words. "car, localization, small" becomes "car, badly
    placed, small"; "car, background, plain" becomes "car on nothing, nothing special"."""
    head, *parts = mode.split(", ")
    if parts and parts[0] == "background":
        head, parts = f"{head} {KINDS['background']}", parts[1:]
    return ", ".join([head, *(KINDS.get(part, TRAITS.get(part, part)) for part in parts)])
