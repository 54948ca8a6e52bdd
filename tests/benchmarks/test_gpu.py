"""The benchmark for a machine with a GPU, at a tiny size: nothing of it may fail for the first time there."""

import json

import pytest

from benchmarks import gpu


def test_it_finds_figures_on_a_cpu(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = ["training", "inference", "host"]
    monkeypatch.setattr("sys.argv", ["gpu", "--self-test", "--parts", *parts])
    gpu.main()
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert list(told["found"]) == parts
    assert not [part for part in told["found"].values() if "failed" in part or "skipped" in part]
    trained = [v for k, v in told["found"]["training"].items() if k.startswith(("fp32", "bf16"))]
    assert len(trained) >= 3
    assert all(figures["images_per_second"] > 0 for figures in trained)
    assert told["found"]["inference"]["fp32"]["images_per_second"] > 0
    assert told["found"]["host"]["decode, torchvision"] > 0


def test_what_fails_or_has_no_time_says_so_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(machine: gpu.Machine) -> gpu.Figures:
        raise RuntimeError("no EGL here")

    monkeypatch.setitem(gpu.PARTS, "renderer", broken)
    monkeypatch.setitem(gpu.PARTS, "host", lambda machine: {"found": 1})
    monkeypatch.setattr("sys.argv", ["gpu", "--self-test", "--parts", "renderer", "host"])
    gpu.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["found"]
    assert found["renderer"]["failed"] == "RuntimeError: no EGL here"
    assert found["host"]["found"] == 1
    monkeypatch.setattr("sys.argv", ["gpu", "--self-test", "--minutes", "-1", "--parts", "host"])
    gpu.main()
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["found"]
    assert found["host"] == {"skipped": "the -1 minutes were over"}
