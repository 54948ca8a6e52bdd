"""What can be staged is one answer, said before anything is trained."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.config.schema import Config
from cluster.data.stageable import Labels, Teller, feasible, look, other_words, outlook
from cluster.experiments.compare.command import dry_run
from cluster.observability.callbacks import Watch
from cluster.observability.console import Reporter
from cluster.stages.prepare import prepare
from cluster.stages.services import Services
from cluster.workspace.run_folder import Workspace
from imitation.aggregation import check_budgets
from imitation.common.settings import UserError
from imitation.data.categories import CategoryMap
from imitation.data.images import encode_jpeg
from imitation.datasets.kitti.reader import KittiReader
from sim_actors.scene.category_words import meant_by
from sim_actors.staging.stage import asset_names

KITTI = KittiReader.categories


def coco(root: Path, names: list[str], frames: int = 10) -> Path:
    """A COCO folder, every frame with one object of each category."""
    (root / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    images, objects = [], []
    for i in range(1, frames + 1):
        picture = encode_jpeg(rng.integers(0, 256, (64, 128, 3), dtype=np.uint8))
        (root / f"images/{i}.jpg").write_bytes(picture)
        images.append({"id": i, "file_name": f"{i}.jpg", "width": 128, "height": 64})
        for k in range(len(names)):
            box = [5 + 30 * k, 20, 20, 30]
            objects.append({"id": len(objects) + 1, "image_id": i, "category_id": k + 1, "bbox": box,
                            "area": 600, "iscrowd": 0})  # fmt: skip
    categories = [{"id": k + 1, "name": name} for k, name in enumerate(names)]
    (root / "labels.json").write_text(
        json.dumps({"images": images, "annotations": objects, "categories": categories})
    )
    return root


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return coco(tmp_path / "warehouse", ["person", "forklift", "pallet"])


@pytest.fixture
def pallets(tmp_path: Path) -> Path:
    return coco(tmp_path / "pallets", ["forklift", "pallet"])


def words(root: Path, *options: str) -> list[str]:
    return ["data.kind=coco", f"data.root={root}", *options]


def test_inspect_says_what_can_be_staged_what_cannot_and_what_to_do(warehouse, capsys):
    assert main(["inspect", *words(warehouse)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "staging: can be staged: person (6 objects)" in said
    assert "no body of it: forklift (6 objects), pallet (6)." in said
    assert "renderer.bodies" in said
    assert "data.mapping" in said
    assert "no object has a 3D label: places are guessed" in said
    assert "no frame has a camera: a field of view of 80 degrees is assumed" in said


def test_inspect_says_that_a_run_refuses_what_cannot_be_staged_at_all(pallets, capsys):
    assert main(["inspect", *words(pallets), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert "none of forklift, pallet can be staged" in problem["what"]
    assert main(["inspect", *words(pallets, "policy.name=oversample"), "--json"]) == 0


def begun(config: Config, folder: Path) -> None:
    """What a run refuses before its first training."""
    with open("/dev/null", "w") as nowhere:
        data = prepare(config, Workspace(str(folder / "run")), Services(config), Watch(Reporter(nowhere)))
    check_budgets(config.aggregation.budgets or (), config.aggregation, data.parts["train"].frames)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["mining.folds=9"], "mining.folds: 6 frames in 6 independent groups"),
        (["aggregation.budgets=[100]"], "over the cap of 3"),
        (["data.splits.folds=20"], "cannot make 20 "),
        (["renderer.bodies=no-such-bodies.yaml"], "no-such-bodies.yaml"),
    ],
)
def test_inspect_says_what_else_a_run_refuses_in_its_words(warehouse, tmp_path, capsys, options, said):
    assert main(["inspect", *words(warehouse, *options), "--json"]) == 1
    (problem,) = json.loads(capsys.readouterr().out)["problems"]
    assert said in problem["what"]
    with pytest.raises(UserError) as caught:
        begun(load_defaults(words(warehouse, *options)), tmp_path)
    assert problem["what"].removeprefix("mining.folds: ") in str(caught.value)


def test_a_word_of_ones_own_for_what_is_there_is_proposed(tmp_path, capsys):
    root = coco(tmp_path / "a", ["taxi", "person", "motor"])
    assert main(["inspect", *words(root)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert '"data.mapping={motor: motorcycle, taxi: car}"' in said
    assert main(["inspect", *words(root, "data.categories=[pedestrian, car]"), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert any('"data.mapping={person: pedestrian, taxi: car}"' in note for note in told["notes"])


@pytest.mark.parametrize(
    ("word", "meant"),
    [("Taxi", "car"), ("vehicle.bus.rigid", "bus"), ("human.pedestrian.adult", "pedestrian"),
     ("TYPE_TRUCK", "truck"), ("persons", "person"), ("forklift", None), ("vehicle.forklift", None)],
)  # fmt: skip
def test_words_of_other_datasets(word, meant):
    assert meant_by(word, ("car", "bus", "truck", "pedestrian", "person")) == meant


def test_a_word_that_means_the_same_class():
    assert other_words(["person", "dog"], ["pedestrian", "car"]) == {"person": "pedestrian"}


def test_prepare_tells_it_before_anything_is_trained_and_refuses_what_is_hopeless(
    warehouse, pallets, tmp_path
):
    lines: list[str] = []
    for name, root in (("one", warehouse), ("two", pallets)):
        config = load_defaults(words(root))
        tell = Teller(config, lines.append)
        with open("/dev/null", "w") as nowhere:
            watch = Watch(Reporter(nowhere))
            workspace = Workspace(str(tmp_path / name))
            if root is warehouse:
                data = prepare(config, workspace, Services(config), watch, tell)
                assert (data.cuboids, data.cameras) == (0, 0)
                assert lines[0] == "staging: can be staged: person (6 objects)"
                assert "forklift (6 objects), pallet (6)" in lines[1]
                continue
            with pytest.raises(UserError, match=r"none of forklift, pallet can be staged.*renderer\.bodies"):
                prepare(config, workspace, Services(config), watch, tell)


class Repeats:
    """A policy of somebody's own that needs no simulator."""

    name, adds = "repeats", "repeated"

    def __init__(self, settings):
        pass

    def request(self, mined, *, cycle, budget, rng):
        return []


def test_a_policy_that_repeats_real_frames_needs_nothing_staged(pallets):
    name = f"policy.name={__name__}:Repeats"
    config = load_defaults(words(pallets, name))
    told = look(config, config.data.open())
    assert told is not None
    assert told.hopeless is not None
    Teller(config, lambda sentence: None)(told, True)


def test_a_comparison_tells_it_in_its_plan(warehouse, pallets):
    said = "\n".join(dry_run(load_defaults(words(warehouse))))
    assert "staging: can be staged: person (6 objects)" in said
    assert "forklift (6 objects), pallet (6)" in said
    with pytest.raises(UserError, match="none of forklift, pallet can be staged"):
        dry_run(load_defaults(words(pallets)))
    assert outlook([load_defaults(words(pallets, "policy.name=oversample"))]) == []


def test_a_first_look_is_said_to_be_one_and_not_said_twice(warehouse):
    config = load_defaults(words(warehouse))
    told = look(config, config.data.open(), 3)
    assert told is not None
    assert told.labels == Labels(Counter(person=3, forklift=3, pallet=3), 0, 3, 0)
    lines: list[str] = []
    tell = Teller(config, lines.append)
    tell(told, False)
    assert lines[0].startswith("staging, by the first 3 frames: can be staged: person")
    count = len(lines)
    tell(look(config, config.data.open()), True)
    assert len(lines) == count
    assert outlook([load_defaults()]) == []


def test_kitti_as_it_is_can_be_staged_where_it_stood():
    labels = Labels({"Car": 50, "Van": 5, "Cyclist": 2, "DontCare": 1}, 58, 20, 20)
    told = feasible(load_defaults(), KITTI, labels)
    assert told.staged == {"Car": 50, "Cyclist": 2}
    assert told.missing == {}
    assert told.hopeless is None
    assert "every object has a 3D label and every frame a camera" in told.sentences()[-1]


def test_a_simulator_that_does_not_say_is_asked_scene_by_scene():
    config = load_defaults(["simulate.simulator=mine:Simulator"])
    identity = CategoryMap.identity(("forklift", "car"))
    told = feasible(config, identity, Labels({"forklift": 3, "car": 2}, 5, 4, 4))
    assert told.missing == {}
    assert "does not say what it can stage" in told.sentences()[0]
    guessed = feasible(config, identity, Labels({"forklift": 3, "car": 2}, 0, 4, 4))
    assert guessed.unsized == {"forklift": 3}
    assert "neither 3D labels nor a usual size: forklift (3 objects)" in " ".join(guessed.sentences())


def test_spaces_and_hyphens_are_no_other_category():
    assert asset_names(["Person sitting", "person-sitting"], {}, frozenset({"person_sitting"})) == {
        "Person sitting": "Person sitting", "person-sitting": "person-sitting",
    }  # fmt: skip


def test_a_run_says_it_before_training_and_below_its_table(warehouse, tmp_path, monkeypatch, capfd):
    import cluster.run.loop
    import cluster.run.main_job
    import cluster.stages.evaluate
    from tests.cluster import light_run

    monkeypatch.setattr(cluster.run.loop, "Services", light_run.Services)
    monkeypatch.setattr(cluster.stages.evaluate, "evaluate", light_run.judge)
    monkeypatch.setattr(cluster.run.main_job, "check_renderer", lambda config: None)
    options = [*light_run.OPTIONS, f"run.storage={tmp_path / 'runs'}", "acceptance.enabled=false"]
    cluster.run.main_job.run(load_defaults(words(warehouse, *options)), Reporter())
    said = capfd.readouterr()
    lines = said.err.splitlines()
    first = next(i for i, line in enumerate(lines) if "no body of it: forklift (6 objects)" in line)
    assert first < next(i for i, line in enumerate(lines) if "training" in line)
    assert "Not staged, for the simulator cannot: forklift (6 objects in train)" in " ".join(said.out.split())
