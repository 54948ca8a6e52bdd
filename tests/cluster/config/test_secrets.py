"""No secret in a configuration, in a message, or in a simulator's options as they are written."""

from pathlib import Path

import pytest

from cluster.cli.main import main
from cluster.config.parse import load_defaults
from cluster.config.secrets import masked
from imitation.common.settings import UserError
from imitation.common.storage.errors import StorageError, without_secrets
from sim_actors.simulators.registry import SimulatorSpec, build_simulator, from_environment
from tests.sim_actors.simulators.toy_simulators import PATH

ROOT = Path(__file__).resolve().parents[3]
SECRET = "wJalrXUtnFEMI"


@pytest.mark.parametrize(
    ("option", "said"),
    [
        (
            f"run.storage=s3://AKIA:{SECRET}@bucket/runs",
            "run.storage holds a user and password (s3://bucket/runs)",
        ),
        (f"run.storage=s3://AKIA:ab/{SECRET}@bucket/runs", "run.storage holds a user and password"),
        (f"tracking.mlflow=https://me:{SECRET}@host:5000", "MLFLOW_TRACKING_PASSWORD"),
        (f"ray.address=ray://me:{SECRET}@head:10001", "ray.address holds a user and password"),
        (f"run.storage=abfs://c/x?client_secret={SECRET}", "its option 'client_secret'"),
        (f"run.storage=abfs://c/x?sv=1&sig={SECRET}", "its option 'sig'"),
        (f"simulate.options={{api_token: {SECRET}}}", "simulate.options.api_token looks like a secret"),
        (f"simulate.options={{login: {{password: {SECRET}}}}}", "simulate.options.login.password looks like"),
        (f"simulate.options={{apiKey: {SECRET}}}", "simulate.options.apiKey looks like"),
        (f"simulate.options={{hosts: ['http://a:{SECRET}@b']}}", "simulate.options.hosts holds a user"),
        # a wrong type as well: the message about it must not tell either
        (f"ray.num_cpus=http://a:{SECRET}@b", "ray.num_cpus is 'http://b'"),
        (f"ray.token={SECRET}", "there is no key 'ray.token'"),
    ],
)
def test_a_secret_is_refused_and_not_repeated(option, said):
    with pytest.raises(UserError) as caught:
        load_defaults([option])
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    "option",
    [
        "run.storage=s3://bucket/runs?endpoint_override=http://127.0.0.1:5000&region=eu-west-1",
        "run.storage=hdfs://user@namenode:8020/runs",
        "run.storage=s3://bucket/who@where:x",
        "tracking.mlflow=http://host:5000/a@b",
        "simulate.options={token: '${env:RENDER_TOKEN}', keyboard: x, tokens: [1, 2], monkey: y}",
        "data.mapping={key: car}",
    ],
)
def test_what_is_no_secret_is_taken(option):
    key = option.partition("=")[0]
    load_defaults([option, *(["data.kind=coco", "data.root=x"] if key.startswith("data") else [])])


def test_messages_do_not_tell_a_password():
    for uri, plain in [
        (f"s3://AKIA:{SECRET}@bucket/x", "s3://bucket/x"),
        (f"two: s3://a:{SECRET}@b and http://c:{SECRET}@d:80/e", "two: s3://b and http://d:80/e"),
        (f"s3://AKIA:a/b+{SECRET}/c@bucket/x", "s3://bucket/x"),
        ("http://host:8080/me@there", "http://host:8080/me@there"),
        ("s3://bucket/a:b@c", "s3://bucket/a:b@c"),
        ("/a/b@c", "/a/b@c"),
    ]:
        assert without_secrets(uri) == plain
    assert SECRET not in str(StorageError("read", f"s3://a:{SECRET}@b", "no"))
    assert masked("a.password", SECRET) == "(not shown)"
    assert masked("a.uri", f"x://b?sig={SECRET}&n=1") == "'x://b?sig=...&n=1'"


def test_the_command_line_does_not_repeat_a_password(capfd):
    for words in (
        ["run", str(ROOT / "ray_config.yaml"), f"run.storage=s3://AKIA:{SECRET}@bucket/runs"],
        ["report", f"memory://me:{SECRET}@host/run"],
        ["evaluate", f"nothing://me:{SECRET}@host/run"],
    ):
        assert main(words) == 1
        said = capfd.readouterr()
        assert said.err.startswith("imitate: ")
        assert SECRET not in said.out + said.err


def test_a_simulator_reads_its_secret_where_it_runs(monkeypatch, tmp_path):
    monkeypatch.setenv("RENDER_LOG", str(tmp_path / "log"))
    options = {"log": "${env:RENDER_LOG}", "raises": ["a", "${env:RENDER_LOG}.b"], "delay_s": 0.5}
    simulator = build_simulator(SimulatorSpec(PATH, options))
    assert simulator.log == str(tmp_path / "log")
    assert simulator.raises == ["a", f"{tmp_path / 'log'}.b"]
    assert simulator.delay_s == 0.5
    assert from_environment("x", {"a": ["${env:RENDER_LOG}", 1, None]}) == {
        "a": [str(tmp_path / "log"), 1, None]
    }


def test_a_variable_that_is_not_set_is_named(monkeypatch):
    monkeypatch.delenv("RENDER_TOKEN", raising=False)
    with pytest.raises(UserError, match=r"options\.markers asks for .* RENDER_TOKEN, which is not set"):
        build_simulator(SimulatorSpec(PATH, {"markers": "${env:RENDER_TOKEN}"}))
