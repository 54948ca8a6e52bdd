"""The suite, end to end: from a run of toys, with the real renderer, to detectors that are tried on it."""

import json
import shutil
from dataclasses import replace
from unittest import mock

import pytest

import cluster.probing.of_run
import cluster.probing.suite_run
from cluster.cli.main import main
from cluster.config.simulator import simulators
from imitation.datasets.parquet.files import read_frames, write_frames
from imitation.suites.record import read_suite
from tests.cluster import light_run

SMALL = ["--distance", "1,1.5", "--occlusion", "0,0.5", "--hour", "12", "--weather", "clear,fog"]


class Rendering(light_run.Services):
    """Toys, but the embedded renderer draws, in this process."""

    def pool(self, embedded=False):
        class Here:
            def __enter__(_):
                return light_run.Pool(self.config.simulate, simulators(self.config))

            def __exit__(_, *error):
                pass

        return Here()


@pytest.fixture(scope="module")
def made(light, tmp_path_factory):
    """A suite of three failures, and the run that they are from."""
    folder = tmp_path_factory.mktemp("suites") / "cases"
    with (
        mock.patch.object(cluster.probing.of_run, "Services", Rendering),
        mock.patch.object(cluster.probing.of_run, "unusable", return_value=()),
    ):
        assert main(["suite", "add", str(folder), str(light), "--failures", "3", "--cycle", "0", *SMALL]) == 0
    return folder


@pytest.fixture
def detecting():
    """Checkpoints are judged by toys."""
    with (
        mock.patch.object(cluster.probing.suite_run, "evaluate", light_run.judge),
        mock.patch.object(cluster.probing.suite_run, "start_ray"),
    ):
        yield


def predictions(folder, path, found=lambda scene: True):
    """Perfect detections of what a scene is about, in COCO's format."""
    (uri,) = (folder / "coco" / "annotations").glob("*.json")
    coco = json.loads(uri.read_text())
    ids = {image["imitation"]["frame_id"]: image["id"] for image in coco["images"]}
    boxes = {}
    for annotation in coco["annotations"]:
        boxes.setdefault(annotation["image_id"], []).append(annotation)
    told = []
    for scene in read_suite(str(folder)).scenes:
        if found(scene):
            about = boxes[ids[scene.scene_id]][scene.object]
            told.append({key: about[key] for key in ("image_id", "category_id", "bbox")} | {"score": 0.9})
    path.write_text(json.dumps(told))
    return str(path)


def run(capsys, *words):
    capsys.readouterr()
    code = main(["suite", "run", *map(str, words), "--json"])
    out, err = capsys.readouterr()
    return code, json.loads(out) if out else err


def test_it_is_frozen_with_lineage_pictures_and_coco(made):
    suite = read_suite(str(made))
    assert 1 <= len(suite.cases) <= 3
    frames = {frame.frame_id: frame for frame in read_frames(str(made / "frames"))}
    assert set(frames) == {scene.scene_id for scene in suite.scenes}
    for scene in suite.scenes:
        origin = frames[scene.scene_id].origin
        assert json.loads(origin.scene)["seed"] == scene.seed
        assert origin.failures == (next(c for c in suite.cases if c.case == scene.case).failure_id,)
        assert not frames[scene.scene_id].objects[scene.object].ignore
    assert len(list((made / "coco").rglob("*.jpg"))) == len(suite.scenes)
    assert not (made / ".building").exists()
    hidden = {scene.occlusion for scene in suite.scenes}
    assert {None, 0.0, 0.5} >= hidden


def test_rendered_again_it_is_the_same(made, renderer_here, capsys):
    capsys.readouterr()
    assert main(["suite", "show", str(made), "--rerender", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told["rendered_again"].values()) == {"equal"}
    assert len(told["rendered_again"]) == len(told["scenes"])


def test_perfect_predictions_pass_and_those_that_miss_hidden_ones_show_where(made, tmp_path, capsys):
    code, told = run(capsys, made, predictions(made, tmp_path / "all.json"), "--name", "all")
    assert code == 0
    assert told["passed"] == told["scenes"] == len(read_suite(str(made)).scenes)
    blind = predictions(made, tmp_path / "blind.json", lambda scene: scene.occlusion != 0.5)
    code, told = run(capsys, made, blind, "--against", "all", "--threshold", "0.5")
    assert code == 0
    for place in told["maps"]["distance and occlusion"]:
        assert place["passed"] == (0 if place["y"] == 0.5 else place["scenes"])
    hidden = [scene.scene_id for scene in read_suite(str(made)).scenes if scene.occlusion == 0.5]
    assert sorted(told["against"]["regressed"]) == sorted(hidden)
    assert (made / "results" / "all.png").read_bytes().startswith(b"\x89PNG")


def test_a_regression_fails_where_that_is_asked_for(made, tmp_path, capsys):
    good = predictions(made, tmp_path / "good.json")
    run(capsys, made, good, "--name", "good")
    one = read_suite(str(made)).scenes[0].scene_id
    worse = predictions(made, tmp_path / "worse.json", lambda scene: scene.scene_id != one)
    asked = ["--against", "good", "--fail-on-regression", "--threshold", "0.5"]
    assert run(capsys, made, worse, *asked)[0] == 1
    assert run(capsys, made, good, *asked)[0] == 0
    assert run(capsys, made, good, "--fail-on-regression")[0] == 2  # against what?
    assert run(capsys, made, tmp_path / "nowhere.json", *asked)[0] == 2


def test_kitti_results_by_the_scenes_names(made, tmp_path, capsys):
    folder = tmp_path / "results"
    folder.mkdir()
    suite = read_suite(str(made))
    objects = {scene.scene_id: scene.object for scene in suite.scenes}
    for frame in read_frames(str(made / "frames")):
        obj = frame.objects[objects[frame.frame_id]]
        line = f"{obj.category} 0 0 0 {' '.join(map(str, obj.box))} 1 1 1 0 0 0 0 0.9\n"
        (folder / f"{frame.frame_id}.txt").write_text(line)
    code, told = run(capsys, made, folder)
    assert code == 0
    assert told["passed"] == told["scenes"] == len(suite.scenes)


def test_a_run_is_tried_by_its_chosen_detector_and_its_report_shows_it(made, run_folder, detecting, capsys):
    code, told = run(capsys, made, run_folder)
    assert code == 0
    assert told["threshold_chosen_on"] == "val"
    assert told["scenes"] == len(read_suite(str(made)).scenes)
    page = (run_folder / "report.html").read_text()
    assert "Regression suites" in page
    assert "passes by distance and occlusion" in page
    code, other = run(capsys, made, run_folder / "best", "--name", "best")
    assert code == 0
    assert other["fates"].keys() == told["fates"].keys()


def test_what_was_changed_is_refused(made, tmp_path, capsys):
    copy = shutil.copytree(made, tmp_path / "copy")
    (part,) = (copy / "frames").glob("*.parquet")
    frames = list(read_frames(str(part)))
    first = read_frames(str(part)).__next__()
    write_frames(
        [*frames[1:], type(first)(**{n: getattr(first, n) for n in first.__slots__} | {"image": b"x"})],
        str(part),
    )
    code, err = run(capsys, copy, predictions(made, tmp_path / "p.json"))
    assert code == 2
    assert "is not what was frozen" in err


def test_fixed_failures_become_cases_and_come_once(run_folder, toys, tmp_path, capsys):
    """By the run's own fates: those that cycle 0 failed on and cycle 1 finds, none of test."""
    folder = tmp_path / "fixed"
    words = ["suite", "add", str(folder), str(run_folder), *SMALL]
    assert main(words) == 0
    suite = read_suite(str(folder))
    assert {case.why for case in suite.cases} == {"fixed in cycle 1"}
    fates = (run_folder / "fates.csv").read_text()
    for case in suite.cases:
        assert case.failure_id in fates
        assert "test" not in case.frame_id
    capsys.readouterr()
    assert main(words) == 1
    assert "no new case" in capsys.readouterr().err
    assert read_suite(str(folder)) == suite
    # others may be added to it
    assert main([*words, "--failures", "2", "--cycle", "0"]) == 0
    grown = read_suite(str(folder))
    assert grown.cases[: len(suite.cases)] == suite.cases
    assert len(grown.cases) > len(suite.cases)


def test_an_addition_that_was_cut_short_leaves_nothing_behind(made, run_folder, toys, tmp_path, capsys):
    copy = shutil.copytree(made, tmp_path / "copy")
    before = read_suite(str(copy))
    orphan = copy / "frames" / "001.parquet"  # written, and then killed before suite.json
    frames = [
        replace(frame, frame_id=f"lost-{i}") for i, frame in enumerate(read_frames(str(copy / "frames")))
    ]
    write_frames(frames, str(orphan))
    code, told = run(capsys, copy, predictions(copy, tmp_path / "p.json"))
    assert (code, told["scenes"]) == (0, len(before.scenes))
    assert main(["suite", "add", str(copy), str(run_folder), *SMALL]) == 0
    grown = read_suite(str(copy))
    assert len(grown.scenes) > len(before.scenes)
    assert {frame.frame_id for frame in read_frames(str(copy / "frames"))} == {
        s.scene_id for s in grown.scenes
    }
