"""KITTI's 2D average precision, written to be read: the oracle of `imitation.metrics.protocols.kitti`.

Frame after frame, class after class, threshold after threshold, as the development kit's program goes
through them (`cleanData`, `computeStatistics`, `getThresholds`, `eval_class`), with NumPy for the boxes
of a frame. And random frames with everything that the rules speak of.
"""

from dataclasses import dataclass

import numpy as np

CLASSES = {"Car": 0.7, "Pedestrian": 0.5, "Cyclist": 0.5}  # with the overlap that a match must exceed
NEIGHBOURS = {"Car": "van", "Pedestrian": "person_sitting", "Cyclist": None}
LEVELS = {"easy": (40, 0, 0.15), "moderate": (25, 1, 0.30), "hard": (25, 2, 0.50)}


@dataclass
class PlainFrame:
    """Types in lower case; boxes (M, 4) and (N, 4)."""

    object_types: list[str]
    objects: np.ndarray
    truncation: list[float]
    occlusion: list[int]
    detection_types: list[str]
    detections: np.ndarray
    scores: list[float]

    def __post_init__(self) -> None:
        shared = intersections(self.detections, self.objects)
        area, other = areas(self.detections)[:, None], areas(self.objects)[None, :]
        with np.errstate(invalid="ignore", divide="ignore"):
            self.overlap = np.where(shared > 0, shared / (area + other - shared), 0)
            self.covered = np.where(shared > 0, shared / np.broadcast_to(area, shared.shape), 0)


def areas(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def intersections(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    sides = np.maximum(np.minimum(a[:, None, 2:], b[None, :, 2:]) - low, 0)
    return sides[..., 0] * sides[..., 1]


def parse_plain(label: str, result: str) -> PlainFrame:
    true = [line.split() for line in label.splitlines()]
    found = [line.split() for line in result.splitlines()]
    return PlainFrame(
        object_types=[words[0].lower() for words in true],
        objects=np.array([[float(v) for v in words[4:8]] for words in true]).reshape(-1, 4),
        truncation=[float(words[1]) for words in true],
        occlusion=[int(words[2]) for words in true],
        detection_types=[words[0].lower() for words in found],
        detections=np.array([[float(v) for v in words[4:8]] for words in found]).reshape(-1, 4),
        scores=[float(words[15]) for words in found],
    )


@dataclass
class Cleaned:
    """A frame as one class at one difficulty sees it: rows of `frame`, in file order."""

    frame: PlainFrame
    min_overlap: float
    objects: list[int]
    object_ignored: list[bool]
    detections: list[int]
    detection_ignored: list[bool]
    dont_care: list[int]


def clean(frame: PlainFrame, name: str, level: str) -> Cleaned:
    min_height, max_occlusion, max_truncation = LEVELS[level]
    cleaned = Cleaned(frame, CLASSES[name], [], [], [], [], [])
    for i, kind in enumerate(frame.object_types):
        height = frame.objects[i, 3] - frame.objects[i, 1]
        beyond = (
            frame.occlusion[i] > max_occlusion or frame.truncation[i] > max_truncation or height < min_height
        )
        if kind in (name.lower(), NEIGHBOURS[name]):
            cleaned.objects.append(i)
            cleaned.object_ignored.append(kind != name.lower() or bool(beyond))
        elif kind == "dontcare":
            cleaned.dont_care.append(i)
    for i, kind in enumerate(frame.detection_types):
        low = int(abs(frame.detections[i, 1] - frame.detections[i, 3])) < min_height
        if low or kind == name.lower():
            cleaned.detections.append(i)
            cleaned.detection_ignored.append(low)
    return cleaned


def scores_found(cleaned: Cleaned) -> list[float]:
    """First pass: the true positives' scores, each object taking the free candidate of best score."""
    scores, taken = [], set()
    for i, ignored in zip(cleaned.objects, cleaned.object_ignored):
        best, best_score, best_ignored = None, -1e7, False
        for j, low in zip(cleaned.detections, cleaned.detection_ignored):
            near = cleaned.frame.overlap[j, i] > cleaned.min_overlap
            if j not in taken and near and cleaned.frame.scores[j] > best_score:
                best, best_score, best_ignored = j, cleaned.frame.scores[j], low
        if best is not None:
            taken.add(best)
            if not ignored and not best_ignored:
                scores.append(best_score)
    return scores


def count(cleaned: Cleaned, threshold: float) -> tuple[int, int]:
    """Second pass: true and false positives of the detections that reach the threshold."""
    there = [
        (j, low)
        for j, low in zip(cleaned.detections, cleaned.detection_ignored)
        if cleaned.frame.scores[j] >= threshold
    ]
    right, taken = 0, set()
    for i, ignored in zip(cleaned.objects, cleaned.object_ignored):
        best, best_overlap, best_low = None, 0.0, False
        for j, low in there:
            overlap = cleaned.frame.overlap[j, i]
            if j in taken or overlap <= cleaned.min_overlap:
                continue
            if not low and (overlap > best_overlap or best_low):
                best, best_overlap, best_low = j, overlap, False
            elif low and best is None:
                best, best_low = j, True
        if best is not None:
            taken.add(best)
            right += not ignored and not best_low
    wrong = 0
    for j, low in there:
        covered = any(cleaned.frame.covered[j, i] > cleaned.min_overlap for i in cleaned.dont_care)
        wrong += j not in taken and not low and not covered
    return right, wrong


def score_thresholds(scores: list[float], objects: int) -> list[float]:
    scores = sorted(scores, reverse=True)
    thresholds, wanted = [], 0.0
    for i, score in enumerate(scores):
        last = i == len(scores) - 1
        here, after = (i + 1) / objects, (i + 1 if last else i + 2) / objects
        if after - wanted < wanted - here and not last:
            continue
        thresholds.append(score)
        wanted += 1 / 40
    return thresholds


def precision_curve(frames: list[PlainFrame], name: str, level: str) -> list[float]:
    cleaned = [clean(frame, name, level) for frame in frames]
    objects = sum(not ignored for frame in cleaned for ignored in frame.object_ignored)
    found = [score for frame in cleaned for score in scores_found(frame)]
    precision = [0.0] * 41
    for t, threshold in enumerate(score_thresholds(found, objects)):
        counts = [count(frame, threshold) for frame in cleaned]
        right, wrong = (sum(column) for column in zip(*counts))
        precision[t] = right / (right + wrong) if right + wrong else 0.0
    return [max(precision[t:]) for t in range(41)]


def plain_average_precision(frames: list[PlainFrame]) -> dict[str, dict[str, list[float]] | None]:
    """The 41 precisions by class and difficulty; None for a class that was never detected."""
    result: dict[str, dict[str, list[float]] | None] = {}
    for name in CLASSES:
        detected = any(
            kind == name.lower() and box[0] >= 0
            for frame in frames
            for kind, box in zip(frame.detection_types, frame.detections)
        )
        curves = {level: precision_curve(frames, name, level) for level in LEVELS} if detected else None
        result[name] = curves
    return result


# Random frames


OBJECT_TYPES = ("Car", "Car", "Car", "Pedestrian", "Cyclist", "Van", "Person_sitting", "Truck", "DontCare")
FOUND_TYPES = ("Car", "Car", "Car", "Pedestrian", "Cyclist", "Van", "car", "PEDESTRIAN")
HEIGHTS = (24.99, 25, 25.01, 30, 39.99, 40, 40.01, 60, 120)


def random_frame(
    rng: np.random.Generator, objects: int, detections: int, ties: bool = True
) -> tuple[str, str]:
    """A label file and a result file, of so many lines: heights around the limits, crowded objects,
    detections that are shifted objects or each other's copies. Without `ties` no two scores of a million
    are likely equal."""
    lines, boxes = [], []
    for _ in range(objects):
        kind = OBJECT_TYPES[rng.integers(len(OBJECT_TYPES))]
        boxes.append(random_box(rng, kind))
        if kind == "DontCare":
            lines.append(f"DontCare -1 -1 -10 {numbers(boxes[-1])} -1 -1 -1 -1000 -1000 -1000 -10")
            continue
        truncation = rng.choice([0.0, 0.15, 0.16, 0.3, 0.31, 0.5, 0.51], p=[0.7, *[0.05] * 6])
        occlusion = rng.integers(0, 4)
        lines.append(f"{kind} {truncation:.2f} {occlusion} 0.10 {numbers(boxes[-1])} 1 1 1 1 1 9 0.10")
    found = []
    for _ in range(detections):
        kind = FOUND_TYPES[rng.integers(len(FOUND_TYPES))]
        if boxes and rng.random() < 0.7:
            box = boxes[rng.integers(len(boxes))]
            shift = rng.choice([0.0, 0.05, 0.15], p=[0.2, 0.5, 0.3]) * rng.normal(size=4)
            box = box + shift * np.tile(box[2:] - box[:2], 2)
        else:
            box = random_box(rng, kind)
        if rng.random() < 0.03:
            box = box[[0, 3, 2, 1]]  # upside down: as high as before, and overlapping nothing
        score = f"{rng.integers(-3, 9) / 10:.1f}" if ties else f"{rng.normal():.9f}"
        found.append(f"{kind} -1 -1 -10 {numbers(box)} -1 -1 -1 -1000 -1000 -1000 -10 {score}")
    return "".join(line + "\n" for line in lines), "".join(line + "\n" for line in found)


def random_box(rng: np.random.Generator, kind: str) -> np.ndarray:
    """Some stand close together, so that several objects want one detection."""
    height = HEIGHTS[rng.integers(len(HEIGHTS))]
    width = height * {"Car": 1.5, "Van": 1.4, "DontCare": 2.0}.get(kind, 0.5)
    x, y = rng.uniform(0, 1100), rng.uniform(120, 200)
    if rng.random() < 0.4:
        x, y = 300 + 6 * rng.integers(0, 6), 150 + 4 * rng.integers(0, 3)
    return np.round([x, y, x + width, y + height], 2)


def numbers(box: np.ndarray) -> str:
    return " ".join(f"{v:.2f}" for v in box)
