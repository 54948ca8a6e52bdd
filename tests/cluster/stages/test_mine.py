"""Anyone's detections into failures, requests and frames: the loop's middle without our detector."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cluster.cli.main import main
from imitation.datasets.parquet.files import read_frames
from imitation.evaluation.failures import read_failures
from imitation.report.words import kind_name
from imitation.requests import Request
from tests.sim_actors.scenes import COARSE

CALIB = "P2: 700 0 320 0 0 700 96 0 0 0 1 0\n"
NEAR = "{} 0.00 0 0 {} 90.00 {} 140.00 1.50 1.60 3.90 {} 1.65 20.00 0.00"
RESULT = "{} -1 -1 -10 {} 90.00 {} 140.00 -1 -1 -1 -1000 -1000 -1000 -10 {}"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Eight frames, each with a car on the left and one on the right; three in train."""
    root = tmp_path / "kitti"
    for folder in ("image_2", "label_2", "calib"):
        (root / "training" / folder).mkdir(parents=True)
    picture = io.BytesIO()
    Image.fromarray(np.full((192, 640, 3), 90, np.uint8)).save(picture, "JPEG")
    for i in range(8):
        lines = [NEAR.format("Car", 100 + i, 230 + i, -4.0), NEAR.format("Car", 400 + i, 530 + i, 4.0)]
        (root / f"training/label_2/{i:06}.txt").write_text("\n".join(lines) + "\n")
        (root / f"training/calib/{i:06}.txt").write_text(CALIB)
        (root / f"training/image_2/{i:06}.jpg").write_bytes(picture.getvalue())
    (root / "ImageSets").mkdir()
    (root / "ImageSets/train.txt").write_text("000000\n000001\n000002\n000003\n")
    (root / "ImageSets/val.txt").write_text("000004\n000005\n000006\n000007\n")
    return root


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Frame 0 all right; in frame 1 the right car missed; in frame 2 a Tram for it and a false car;
    nothing on frame 3."""
    folder = tmp_path / "results"
    folder.mkdir()
    left, right = (100, 230), (400, 530)

    def line(name, place, shift, score):
        return RESULT.format(name, place[0] + shift, place[1] + shift, score)

    (folder / "000000.txt").write_text(line("Car", left, 0, 0.9) + "\n" + line("Car", right, 0, 0.8) + "\n")
    (folder / "000001.txt").write_text(line("Car", left, 1, 0.7) + "\n")
    found = [line("Car", left, 2, 0.9), line("Tram", right, 2, 0.9), line("Car", (260, 380), 0, 0.6)]
    (folder / "000002.txt").write_text("\n".join(found) + "\n")
    return folder


@pytest.mark.usefixtures("renderer_here")
def test_results_become_failures_requests_and_frames(data, results, tmp_path, capsys):
    out = tmp_path / "mined"
    assert main([*words_of(data, results, out), "--budget", "4", "--threshold", "0.5"]) == 0
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert (found["frames"], found["left_out"], found["threshold"]) == (3, 1, 0.5)
    assert {kind: n for kind, n in found["failures"].items() if n} == {"missed": 2, "background": 1}
    assert "Tram (1)" in told.err
    failures = list(read_failures(str(out / "failures.parquet")))
    assert {(f.frame_id, f.kind, f.object_index) for f in failures} == {
        ("000001", "missed", 1),
        ("000002", "missed", 1),
        ("000002", "background", None),
    }
    requests = [Request.from_row(row) for row in json.loads((out / "requests.json").read_text())["requests"]]
    assert {request.parent for request in requests} == {"000001", "000002"}
    assert sum(request.variations for request in requests) == 4
    (clutter,) = [request.clutter for request in requests if request.parent == "000002"]
    assert [tuple(box) for box in clutter] == [(260.0, 90.0, 380.0, 140.0)]

    pictures = tmp_path / "pictures"
    assert main(["render", "--requests", str(out / "requests.json"), *COARSE, "--out", str(pictures)]) == 0
    frames = list(read_frames(str(pictures / "frames.parquet")))
    assert sorted({frame.origin.parent for frame in frames}) == ["000001", "000002"]
    known = {failure.failure_id for failure in failures}
    for frame in frames:
        assert set(frame.origin.failures) <= known
        assert (frame.width, frame.height) == (640, 192)
        assert {obj.category for obj in frame.objects} <= {"Car"}
    assert (pictures / "contact-sheet.png").exists()


def words_of(data: Path, results: Path, out: Path) -> list[str]:
    found = ["--detections", str(results), "--out", str(out), "--json"]
    return ["mine", "data.kind=kitti", f"data.root={data}", *found]


def test_the_threshold_of_greatest_f1_is_chosen_and_said(data, results, tmp_path, capsys):
    words = [
        "data.kind=kitti",
        f"data.root={data}",
        "--detections",
        str(results),
        "--out",
        str(tmp_path / "m"),
    ]
    assert main(["mine", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["threshold"] == pytest.approx(0.7)
    assert found["threshold_chosen_on"] == "train"
    assert main(["mine", *words]) == 0
    out = capsys.readouterr().out
    text = " ".join(out.split())
    assert "operating threshold 0.700 (of greatest F1 on train itself)" in text
    for kind, count in found["failures"].items():
        assert f"{kind_name(kind)} {count} " in text
    assert f"all, mAP50 {100 * found['map50']:.1f}" in text
    assert found["requests_file"] in out
    assert all(len(line) <= 80 for line in out.splitlines() if "/" not in line)


def test_results_of_another_dataset_are_refused(data, tmp_path, capsys):
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "elsewhere.txt").write_text(RESULT.format("Car", 1, 2, 0.5) + "\n")
    words = [
        "data.kind=kitti",
        f"data.root={data}",
        "--detections",
        str(folder),
        "--out",
        str(tmp_path / "m"),
    ]
    assert main(["mine", *words]) == 1
    assert "speaks of no frame of split 'train'" in capsys.readouterr().err
    assert main(["mine", "--detections", str(folder), "--out", str(tmp_path / "n")]) == 1
    assert "data.kind=kitti data.root=FOLDER" in capsys.readouterr().err


def test_a_file_that_is_no_requests_file_is_refused(tmp_path, capsys):
    path = tmp_path / "requests.json"
    path.write_text('{"requests": 7}')
    assert main(["render", "--requests", str(path), "--out", str(tmp_path / "o")]) == 1
    assert "is no requests file" in capsys.readouterr().err


def test_coco_results_and_an_evaluation_give_the_same_failures(tmp_path, capsys):
    """One set of detections, told in COCO's way and in ours."""
    from imitation.data.images import encode_png
    from imitation.evaluation.detection_files import write_detections
    from imitation.evaluation.detections import Detections, FrameDetections

    root = tmp_path / "coco"
    (root / "images").mkdir(parents=True)
    (root / "annotations").mkdir()
    for split, ids in (("train", (7, 8)), ("val", (20, 21))):
        for i in ids:
            (root / "images" / f"{i}.png").write_bytes(encode_png(np.zeros((64, 96, 3), np.uint8)))
        labels = {
            "images": [{"id": i, "file_name": f"{i}.png", "width": 96, "height": 64} for i in ids],
            "categories": [{"id": 3, "name": "car"}, {"id": 5, "name": "person"}],
            "annotations": [
                {"id": 10 * i + n, "image_id": i, "category_id": 3, "bbox": [40 * n, 5, 30, 20], "iscrowd": 0}
                for i in ids
                for n in (0, 1)
            ],
        }
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(labels))
    told = [
        {"image_id": 7, "category_id": 3, "bbox": [0, 5, 30, 20], "score": 0.9},
        {"image_id": 8, "category_id": 3, "bbox": [0, 5, 30, 20], "score": 0.8},
        {"image_id": 8, "category_id": 3, "bbox": [60, 40, 30, 20], "score": 0.7},
    ]
    (tmp_path / "results.json").write_text(json.dumps(told))
    rows = [
        FrameDetections("7", "train", "ours", 96, 64, Detections([[0, 5, 30, 25]], [0.9], [1])),
        FrameDetections(
            "8", "train", "ours", 96, 64, Detections([[0, 5, 30, 25], [60, 40, 90, 60]], [0.8, 0.7], [1, 1])
        ),
    ]
    write_detections(rows, str(tmp_path / "rows.parquet"), ["car"])
    found = []
    for name in ("results.json", "rows.parquet"):
        out = tmp_path / f"mined-{name}"
        words = ["data.kind=coco", f"data.root={root}", "--threshold", "0.5", "--out", str(out)]
        assert main(["mine", *words, "--detections", str(tmp_path / name), "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["frames"] == 2
        found.append({f.failure_id: f.source_category for f in read_failures(str(out / "failures.parquet"))})
    assert found[0] == found[1] == {"7#missed-o1": "car", "8#missed-o1": "car", "8#background-d1": None}


@pytest.mark.usefixtures("renderer_here")
def test_all_splits_of_a_set_too_small_to_be_cut(data, results, tmp_path, capsys):
    for name in ("train.txt", "val.txt"):
        (data / "ImageSets" / name).unlink()
    (data / "ImageSets").rmdir()
    for folder in ("image_2", "label_2", "calib"):
        for path in (data / "training" / folder).iterdir():
            if path.stem not in ("000001", "000002"):
                path.unlink()
    out = tmp_path / "mined"
    assert main([*words_of(data, results, out), "--split", "all", "--threshold", "0.5", "--budget", "2"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["frames"], found["failures"]["missed"]) == (2, 2)
    pictures = tmp_path / "pictures"
    assert main(["render", "--requests", str(out / "requests.json"), *COARSE, "--out", str(pictures)]) == 0
    assert len(list(read_frames(str(pictures / "frames.parquet")))) == 2


@pytest.mark.usefixtures("renderer_here")
def test_requests_are_set_into_photos_of_train_alone(data, results, tmp_path, capsys):
    out = tmp_path / "mined"
    assert main([*words_of(data, results, out), "--budget", "4", "--threshold", "0.5"]) == 0
    asked = out / "requests.json"
    words = ["render", "--requests", str(asked), "--backdrop", *COARSE, "--out"]
    assert main([*words, str(tmp_path / "a")]) == 0
    frames = list(read_frames(str(tmp_path / "a" / "frames.parquet")))
    scenes = [json.loads(frame.origin.scene) for frame in frames]
    assert any("backdrop" in scene for scene in scenes)
    for frame, scene in zip(frames, scenes):
        if "backdrop" in scene:
            assert scene["backdrop"]["frame_id"] == frame.origin.parent
            assert len(frame.objects) > 2  # both real cars and what came on top
            assert len(frame.origin.scene) < 5000
    told = json.loads(asked.read_text())
    asked.write_text(json.dumps(told | {"split": "all", "requests": [_about("000005", told["requests"][0])]}))
    capsys.readouterr()
    assert main([*words, str(tmp_path / "b")]) == 1
    assert "frame '000005' is of neither train nor mine" in capsys.readouterr().err


def _about(parent: str, request: dict) -> dict:
    return request | {"parent": parent, "request_id": f"c01-{parent}", "focus": [], "clutter": []}


ODD = Path(__file__).parents[2] / "imitation" / "evaluation" / "odd_results"


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """A COCO folder of the odd results' annotations; its images are grey."""
    root = tmp_path / "shots"
    (root / "images").mkdir(parents=True)
    truth = json.loads((ODD / "annotations.json").read_text())
    picture = io.BytesIO()
    Image.fromarray(np.full((360, 640, 3), 90, np.uint8)).save(picture, "JPEG")
    for image in truth["images"]:
        (root / "images" / image["file_name"]).write_bytes(picture.getvalue())
    (root / "annotations.json").write_text(json.dumps(truth))
    return root


def mined(root: Path, results: list[dict], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    (tmp_path / "results.json").write_text(json.dumps(results))
    words = ["data.kind=coco", f"data.root={root}", "--split", "all", "--out", str(tmp_path / "m")]
    assert main(["mine", *words, "--detections", str(tmp_path / "results.json"), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_results_by_file_name_are_the_same_and_odd_ones_are_remarked(shots, tmp_path, capsys):
    good = json.loads((ODD / "good.json").read_text())
    plain = mined(shots, good, tmp_path, capsys)
    assert plain["remarks"] == []
    requests = json.loads((tmp_path / "m" / "requests.json").read_text())
    assert requests["numbering"] == {"kind": "coco", "numbers": {"car": 1, "person": 2, "bicycle": 3}}
    named = [item | {"image_id": f"shot_{item['image_id']:04}"} for item in good]
    by_stem = mined(shots, named, tmp_path, capsys)
    assert "the results were matched by file name" in by_stem["remarks"][0]
    text = [item | {"image_id": str(item["image_id"])} for item in good]
    assert mined(shots, text, tmp_path, capsys)["ap50"] == by_stem["ap50"] == plain["ap50"]
    for spoilt, said in (
        ([i | {"category_id": i["category_id"] % 3 + 1} for i in good], "the category ids look shifted"),
        ([i | {"score": 0.5} for i in good] * 2, "stand twice"),
        ([i | {"bbox": [v / 640 for v in i["bbox"]]} for i in good], "normalised"),
    ):
        assert any(said in remark for remark in mined(shots, spoilt, tmp_path, capsys)["remarks"])
    words = ["data.kind=coco", f"data.root={shots}", "--split", "all", "--out", str(tmp_path / "m")]
    assert main(["mine", *words, "--detections", str(tmp_path / "results.json")]) == 0
    assert "normalised" in " ".join(capsys.readouterr().out.split())  # and in the tables for people


def test_frames_without_results_and_a_cut_are_remarked_of_a_kitti_folder(data, results, tmp_path, capsys):
    assert main([*words_of(data, results, tmp_path / "m"), "--threshold", "0.5"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["remarks"] == ["no result for 1 of the 4 frames, such as 000003"]


@pytest.mark.parametrize("first", [0, 1])
def test_results_as_ultralytics_writes_them_are_of_its_own_dataset(shots, tmp_path, capsys, first):
    good = json.loads((ODD / "good.json").read_text())
    coco = mined(shots, good, tmp_path, capsys)
    out = tmp_path / "yolo"
    assert main(["export", "data.kind=coco", f"data.root={shots}", "--to", "yolo", "--out", str(out)]) == 0
    # a file of one's own, whose names are not those of the ids
    for path in [*out.rglob("*.jpg"), *out.rglob("labels/**/*.txt")]:
        path.rename(
            path.with_stem(f"{int(path.stem) + 700:06}" if int(path.stem) % 2 else f"shot_{path.stem}")
        )
    capsys.readouterr()

    def stem(image: int) -> int | str:
        return image + 700 if image % 2 else f"shot_{image}"

    def name(image: int) -> str:
        return f"{stem(image):06}.jpg" if image % 2 else f"{stem(image)}.jpg"

    told = [
        item | {"image_id": stem(item["image_id"]), "file_name": name(item["image_id"]),
                "category_id": item["category_id"] - 1 + first}
        for item in good
    ]  # fmt: skip
    (tmp_path / "predictions.json").write_text(json.dumps(told))
    words = ["data.kind=yolo", f"data.root={out}", "--split", "all", "--out", str(tmp_path / "y")]
    assert main(["mine", *words, "--detections", str(tmp_path / "predictions.json"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["ap50"] == pytest.approx(coco["ap50"], abs=1e-6)
    assert found["remarks"] == []
