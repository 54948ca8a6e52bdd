"""KITTI's AP: the official program's verdicts, the plain evaluator, and what must not change a number."""

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imitation.common.settings import DataError, UserError
from imitation.evaluation.detections import ANY_LABEL, Detections, FrameDetections, GroundTruth
from imitation.metrics.protocols.kitti import (
    CATEGORIES,
    DIFFICULTIES,
    KittiAP,
    KittiFrames,
    kitti_average_precision,
    kitti_from_rows,
    parse_kitti,
    read_label_dir,
)
from tests.imitation.metrics.protocols.kitti_plain import (
    PlainFrame,
    parse_plain,
    plain_average_precision,
    random_frame,
)

MICRO = Path(__file__).parent / "kitti_micro"
CASES = sorted(path.name for path in MICRO.iterdir() if path.is_dir())
CAR = "Car 0.00 0 -1.60 100.00 100.00 200.00 180.00 1.50 1.60 4.00 1.00 1.50 20.00 -1.60"

Text = tuple[str, str]


def packed(texts: list[Text]) -> KittiFrames:
    return parse_kitti(
        (f"label_2/{i:06d}.txt", label.encode(), f"results/{i:06d}.txt", result.encode())
        for i, (label, result) in enumerate(texts)
    )


def curves(frames: KittiFrames) -> dict[str, dict[str, list[float]] | None]:
    return {
        name: levels and {level: list(ap.precision) for level, ap in levels.items()}
        for name, levels in kitti_average_precision(frames).items()
    }


def texts_of(
    seed: int, frames: int = 12, objects: int = 8, detections: int = 20, ties: bool = True
) -> list[Text]:
    rng = np.random.default_rng(seed)
    return [
        random_frame(rng, int(rng.integers(0, objects + 1)), int(rng.integers(0, detections + 1)), ties)
        for _ in range(frames)
    ]


def check_official(ours: dict[str, dict[str, KittiAP] | None], official: dict[str, Any]) -> None:
    assert set(ours) == set(official) == set(CATEGORIES)
    for name, levels in official.items():
        told = ours[name]
        if levels is None:
            assert told is None
            continue
        assert told is not None
        for level in DIFFICULTIES:
            assert told[level].precision == pytest.approx(levels[level]["precision"], abs=1e-12, rel=0)
            assert told[level].ap_r40 == pytest.approx(levels[level]["AP_R40"], abs=1e-12, rel=0)
            assert told[level].ap_r11 == pytest.approx(levels[level]["AP_R11"], abs=1e-12, rel=0)


# The official program


def test_all_cases_are_here() -> None:
    assert len(CASES) == 33


@pytest.mark.parametrize("case", CASES)
def test_official_verdict_on_one_rule(case: str) -> None:
    frames = read_label_dir(str(MICRO / case / "label_2"), str(MICRO / case / "results"))
    official = json.loads((MICRO / case / "official.json").read_text())
    assert len(frames) == official["n_frames"]
    check_official(kitti_average_precision(frames), official["classes"])


@pytest.mark.parametrize("case", CASES)
def test_the_plain_evaluator_agrees_with_the_official(case: str) -> None:
    folder = MICRO / case
    frames = [
        parse_plain((folder / "label_2" / path.name).read_text(), path.read_text())
        for path in sorted((folder / "results").iterdir())
    ]
    official = json.loads((folder / "official.json").read_text())["classes"]
    for name, levels in plain_average_precision(frames).items():
        expected = official[name] and {level: official[name][level]["precision"] for level in DIFFICULTIES}
        assert levels == expected


def test_official_verdict_on_real_labels(shared_data: Path) -> None:
    folder = shared_data / "kitti_eval"
    frames = read_label_dir(str(folder / "label_2"), str(folder / "results"))
    official = json.loads((folder / "official.json").read_text())["classes"]
    check_official(kitti_average_precision(frames), official)


# The plain evaluator


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 10), st.booleans())
def test_equal_to_the_plain_evaluator(seed: int, objects: int, ties: bool) -> None:
    texts = texts_of(seed, objects=objects, ties=ties)
    assert curves(packed(texts)) == plain_average_precision([parse_plain(*text) for text in texts])


def test_equal_to_the_plain_evaluator_where_objects_crowd() -> None:
    """Fifty objects a frame, most of which share detections: many turns, and more than one chunk."""
    rng = np.random.default_rng(5)
    texts = [random_frame(rng, 60, 150) for _ in range(6)]
    assert curves(packed(texts)) == plain_average_precision([parse_plain(*text) for text in texts])


def test_a_threshold_without_any_positive_has_precision_0() -> None:
    """Looking for thresholds, the van takes the better score and leaves the car its detection; at that
    threshold the van takes the better overlap, and what is left lies in DontCare: 0 / 0."""
    label = "\n".join(
        [
            CAR.replace("Car", "Van"),
            CAR.replace("200.00 180.00", "185.00 180.00"),
            "DontCare -1 -1 -10 0.00 0.00 500.00 300.00 -1 -1 -1 -1000 -1000 -1000 -10",
        ]
    )
    found = "Car -1 -1 -10 100.00 100.00 {} 180.00 -1 -1 -1 -1000 -1000 -1000 -10 {}\n"
    texts = [(label, found.format("230.00", "0.9") + found.format("200.00", "0.8"))]
    levels = kitti_average_precision(packed(texts))["Car"]
    assert levels is not None
    assert levels["easy"].precision == (0.0,) * 41
    assert curves(packed(texts)) == plain_average_precision([parse_plain(*text) for text in texts])


def test_scores_far_below_zero_find_nothing() -> None:
    """The official program's "no detection" is a score of -10,000,000."""
    for score, found in (("-9999999", 1.0), ("-10000000", 0.0), ("-2e7", 0.0)):
        texts = [(f"{CAR}\n", f"{CAR} {score}\n")]
        levels = kitti_average_precision(packed(texts))["Car"]
        assert levels is not None
        assert levels["hard"].precision[0] == found
        assert curves(packed(texts)) == plain_average_precision([parse_plain(*text) for text in texts])


# What must not change a number


def shuffled(text: str, rng: np.random.Generator) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[i] for i in rng.permutation(len(lines)))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_order_of_detections_without_ties_is_nothing(seed: int) -> None:
    """Without equal scores or exact copies; ignored detections are taken in file order, so that those
    lower than a limit are left out."""
    rng = np.random.default_rng(seed)
    texts = []
    for label, result in texts_of(seed, ties=False):
        by_box = {line.split()[4:8].__str__(): line for line in result.splitlines()}
        high = [line for line in by_box.values() if float(line.split()[7]) - float(line.split()[5]) >= 40]
        texts.append((label, "".join(line + "\n" for line in high)))
    moved = [(label, shuffled(result, rng)) for label, result in texts]
    order = rng.permutation(len(texts))
    assert curves(packed(moved)) == curves(packed(texts))
    assert curves(packed([moved[i] for i in order])) == curves(packed(texts))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([(8, -4), (0.5, 3), (1000, 0)]))
def test_a_rising_change_of_the_scores_is_nothing(seed: int, line: tuple[float, float]) -> None:
    frames = packed(texts_of(seed))
    assert curves(replace(frames, scores=line[0] * frames.scores + line[1])) == curves(frames)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_each_class_is_judged_by_itself(seed: int) -> None:
    """Cyclists far above the height limits, found or not, are nothing to cars."""
    texts = texts_of(seed)
    cyclist = "{} 0 0 0 {} 100.00 {} 300.00 1 1 1 1 1 9 0{}\n"
    more = [
        (label + cyclist.format("Cyclist", 0, 50, ""), result + cyclist.format("Cyclist", 9, 50, " 0.5"))
        for label, result in texts
    ]
    assert curves(packed(more))["Car"] == curves(packed(texts))["Car"]


# Rows


def row_of(frame: PlainFrame, name: str, error: str | None = None) -> FrameDetections:
    """As the KITTI reader and the default category map would make it."""
    written = {kind.lower(): kind for kind in (*CATEGORIES, "Van", "Person_sitting", "DontCare")}
    label = {"car": 1, "van": 1, "pedestrian": 2, "person_sitting": 2, "cyclist": 3, "dontcare": ANY_LABEL}
    kept = [i for i, kind in enumerate(frame.object_types) if kind in label]
    kinds = [frame.object_types[i] for i in kept]
    found = [i for i, kind in enumerate(frame.detection_types) if kind.title() in CATEGORIES]
    truncation = np.array([frame.truncation[i] for i in kept])
    return FrameDetections(
        frame_id=name,
        split="test",
        detector="d",
        width=1242,
        height=375,
        detections=Detections(
            frame.detections[found],
            np.array([frame.scores[i] for i in found]),
            np.array([label[frame.detection_types[i]] for i in found], dtype=np.int64),
        ),
        objects=GroundTruth(
            frame.objects[kept],
            np.array([label[kind] for kind in kinds], dtype=np.int64),
            ignore=np.array([kind in ("van", "person_sitting", "dontcare") for kind in kinds], dtype=bool),
            truncation=np.where(truncation == -1, np.nan, truncation),
            occlusion_level=np.array([frame.occlusion[i] for i in kept], dtype=np.int64),
            category=np.array([written[kind] for kind in kinds], dtype=object),
        ),
        error=error,
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32))
def test_rows_tell_what_files_tell(seed: int) -> None:
    """Rows are float32, and hold neither objects nor detections of other classes; limits are met."""
    texts = [
        (label, "".join(line for line in result.splitlines(keepends=True) if not line.startswith("Van")))
        for label, result in texts_of(seed)
    ]
    rows = [row_of(parse_plain(*text), str(i)) for i, text in enumerate(texts)]
    failed = replace_error(rows[0], "an unreadable image")
    frames = kitti_from_rows([failed, *rows], ("car", "Pedestrian", "CYCLIST"))
    assert frames.left_out == ("0",)
    assert curves(frames) == curves(packed(texts))


def replace_error(row: FrameDetections, error: str) -> FrameDetections:
    return FrameDetections(row.frame_id, row.split, row.detector, row.width, row.height, error=error)


def test_rows_without_source_names_go_by_their_categories() -> None:
    row = row_of(parse_plain(*texts_of(3, frames=1, objects=20)[0]), "0")
    row.objects.category[:] = ""
    types = kitti_from_rows([row], CATEGORIES).object_types
    expected = np.where(row.objects.labels == ANY_LABEL, 5, row.objects.labels - 1)
    assert types.tolist() == expected.tolist()


def test_no_rows() -> None:
    frames = kitti_from_rows([], CATEGORIES)
    assert len(frames) == 0
    assert kitti_average_precision(frames) == dict.fromkeys(CATEGORIES)


# Files


def make_folders(folder: Path, labels: dict[str, bytes], results: dict[str, bytes]) -> tuple[str, str]:
    for name, files in (("label_2", labels), ("results", results)):
        (folder / name).mkdir()
        for file, content in files.items():
            (folder / name / file).write_bytes(content)
    return str(folder / "label_2"), str(folder / "results")


def test_blank_lines_tabs_crlf_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    plain = f"{CAR}\n{CAR}\n".encode(), f"{CAR} 0.5\n{CAR} 0.25\n".encode()
    odd = b"\xef\xbb\xbf" + plain[0].replace(b"\n", b"\r\n\r\n"), plain[1].replace(b" ", b"\t")[:-1]
    frames = [parse_kitti([("l", label, "r", result)]) for label, result in (plain, odd)]
    for name in ("object_types", "object_boxes", "scores", "detection_boxes", "detection_starts"):
        assert getattr(frames[0], name).tolist() == getattr(frames[1], name).tolist()
    assert frames[0].object_types.tolist() == [0, 0]
    assert frames[0].scores.tolist() == [0.5, 0.25]


def test_unknown_values_of_what_is_not_used_are_passed_over() -> None:
    nan = CAR.replace("20.00 -1.60", "nan nan")
    frames = parse_kitti([("l", nan.encode(), "r", f"{nan} 0.5".encode())])
    assert frames.scores.tolist() == [0.5]


def test_frames_without_a_result_are_named(tmp_path: Path) -> None:
    folders = make_folders(
        tmp_path,
        {f"00000{i}.txt": f"{CAR}\n".encode() for i in range(3)},
        {"000001.txt": b"", "notes.md": b"not a result"},
    )
    frames = read_label_dir(*folders)
    assert (len(frames), frames.left_out) == (1, ("000000.txt", "000002.txt"))
    assert read_label_dir(*(f"file://{folder}" for folder in folders)).left_out == frames.left_out


@pytest.mark.parametrize(
    ("label", "result", "place", "says"),
    [
        (f"{CAR}\nCar 0 0", "", "label_2/000000.txt:2", "3 columns instead of 15"),
        (f"{CAR} 0.5", "", "label_2/000000.txt:1", "16 columns instead of 15 (a result file with scores?)"),
        (
            "",
            f"\n{CAR} 0.5\n{CAR}",
            "results/000000.txt:3",
            "15 columns instead of 16 (a label file",
        ),
        (CAR.replace("180.00", "x180"), "", "label_2/000000.txt:1", "box y2 is 'x180', not a number"),
        (CAR.replace("20.00", "2o.00"), "", "label_2/000000.txt:1", "z is '2o.00', not a number"),
        ("", f"{CAR} 0.5\n{CAR} high", "results/000000.txt:2", "score is 'high', not a number"),
        ("", f"{CAR} nan", "results/000000.txt:1", "score is nan, not a finite number"),
        (
            CAR.replace("100.00", "1e999"),
            "",
            "label_2/000000.txt:1",
            "box x1 is 1e999, not a finite number",
        ),
        (f"{CAR}\n{CAR}\xe9", "", "label_2/000000.txt:2", "not UTF-8 text"),
        # one column too few and one too many come out even: only line by line is it seen
        (f"{CAR[:-6]}\n{CAR} 1", "", "label_2/000000.txt:1", "14 columns instead of 15"),
        ("\x00\x01\x02", "", "label_2/000000.txt:1", "1 columns instead of 15"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, label: str, result: str, place: str, says: str) -> None:
    good = f"{CAR}\n".encode()
    folders = make_folders(
        tmp_path,
        {"000000.txt": label.encode("latin-1"), "000001.txt": good},
        {"000000.txt": result.encode("latin-1"), "000001.txt": b""},
    )
    with pytest.raises(DataError) as error:
        read_label_dir(*folders)
    assert error.value.where == str(tmp_path / place)
    assert error.value.what.startswith(says)


def test_folders_that_will_not_do(tmp_path: Path) -> None:
    labels, results = make_folders(tmp_path, {"000000.txt": b""}, {"000000.txt": b"", "000007.txt": b""})
    with pytest.raises(DataError, match=r"000007\.txt: there is no label file 000007\.txt"):
        read_label_dir(labels, results)
    for missing in (str(tmp_path / "gone"), f"file://{tmp_path}/gone", str(tmp_path / "label_2/000000.txt")):
        with pytest.raises(UserError, match=r"there is no such folder|cannot be read as a folder"):
            read_label_dir(labels, missing)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no text files"):
        read_label_dir(str(tmp_path / "empty"), results)


def peak_bytes(work: Callable[[], KittiFrames]) -> float:
    """The most memory held while making and scoring frames, by detection; inputs are not counted."""
    tracemalloc.start()
    try:
        frames = work()
        kitti_average_precision(frames)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak / len(frames.scores)


def test_at_most_200_bytes_a_detection() -> None:
    rng = np.random.default_rng(0)
    texts = [random_frame(rng, 7, 20) for _ in range(200)]
    files = [("l", label.encode(), "r", result.encode()) for label, result in texts]
    rows = [row_of(parse_plain(*text), "0") for text in texts]
    kitti_average_precision(parse_kitti(files[:1]))  # what a first call keeps is not counted
    assert peak_bytes(lambda: parse_kitti(files * 10)) < 200
    assert peak_bytes(lambda: kitti_from_rows(chain.from_iterable(repeat(rows, 10)), CATEGORIES)) < 200
