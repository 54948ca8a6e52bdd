from pathlib import Path

import pytest
import yaml

from cluster.config.parse import keys, load, load_defaults, parse
from cluster.config.schema import Config
from cluster.config.template import commented_yaml
from imitation.common.settings import UserError

ROOT = Path(__file__).resolve().parents[3]


def test_the_file_holds_every_setting_with_its_default():
    text = (ROOT / "ray_config.yaml").read_text(encoding="utf-8")
    assert text == commented_yaml(), "out of date: imitate defaults > ray_config.yaml"
    assert parse(yaml.safe_load(text)) == Config()


def test_every_key_of_the_file_is_explained():
    explained = False
    for line in (ROOT / "ray_config.yaml").read_text(encoding="utf-8").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            assert explained, f"no comment above {line!r}"
            explained = line.rstrip().endswith(":") and explained
        explained = line.lstrip().startswith("#")


def test_options_override_the_file(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("train: {steps: 7}\nrun: {name: a}\n")
    config = load(
        file, ["train.steps=9", "data.kind=kitti", "data.root=/data/kitti", "policy.kind_weights.missed=2"]
    )
    assert config.train.steps == 9
    assert config.data.root == "/data/kitti"
    assert config.policy.kind_weights["missed"] == 2
    assert config.run.name == "a"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["data.kind=cocco"], "there is no dataset 'cocco'; did you mean 'coco'?"),
        (["detector.name=gird"], "detector.name is 'gird': there is no detector 'gird'; did you mean 'grid'"),
        (["policy.name=imitaton"], "no policy 'imitaton'; did you mean 'imitation'"),
        (["train.step=9"], "there is no key 'train.step'; the nearest is 'train.steps'"),
        (["trian.steps=9"], "there is no section 'trian'; the nearest is 'train'"),
        (["train.steps=many"], "train.steps is 'many'"),
        (["train.steps=0"], "train.steps is 0"),
        (["loop.cycles=-1"], "loop.cycles is -1"),
        (["data.kind=kitty"], "data.kind is 'kitty'"),
        (["data.kind=kitti"], "needs data.root"),
        (["data.root=/x"], "data.root=/x: there is nothing there"),
        (["train.batch_size=9", "train.num_workers=2"], "multiple of num_workers"),
        (["train.learning_rate=.inf"], "train.learning_rate is inf"),
        (["run.name=../elsewhere"], "run.name is '../elsewhere'"),
        (["policy.kind_weights={mised: 1}"], "'mised' is no kind of failure"),
        (["steps=9"], "write section.key=value"),
        (["data.categories=[car, car]"], "names a category twice"),
        (["detector.width=640"], "width and height go together"),
    ],
)
def test_what_is_wrong_is_refused_in_one_sentence(options, message):
    with pytest.raises(UserError) as error:
        load_defaults(options)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_or_not_yaml(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.yaml: cannot be read"):
        load(tmp_path / "nowhere.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("run: [")
    with pytest.raises(UserError, match=r"bad\.yaml: not valid YAML"):
        load(bad)
    bad.write_text("- run\n")
    with pytest.raises(UserError, match="expected sections"):
        load(bad)


def test_yaml_cannot_run_code(tmp_path):
    bad = tmp_path / "bad.yaml"
    bad.write_text("run: !!python/object/apply:os.system [true]\n")
    with pytest.raises(UserError, match="not valid YAML"):
        load(bad)


def test_the_keys_that_the_documentation_promises():
    promised = {"data.kind", "data.root", "run.storage", "run.name", "loop.cycles", "train.steps"}
    assert promised <= set(keys())


@pytest.mark.parametrize(
    "option", ["run.storage=s3://KEY:hush@bucket/runs", "data.root=s3://KEY:hush@bucket/data"]
)
def test_a_password_in_a_place_is_refused_and_not_repeated(option):
    with pytest.raises(UserError, match=r"holds a user and password \(s3://bucket/") as error:
        load_defaults(["data.kind=kitti", "data.root=/data", option])
    assert "hush" not in str(error.value)
    load_defaults(["run.storage=sftp://somebody@host/runs"])
