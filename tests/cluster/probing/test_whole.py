"""Probe and suite on a real run: Ray's pool, the renderer and networks."""

import json

import pytest

from cluster.cli.main import main
from tests.cluster.pages.commands import TINY


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.timeout(900)
def test_probe_and_suite_on_a_real_run(tmp_path, ray_session, capsys):
    run = tmp_path / "runs" / "tiny"
    options = [*TINY, f"run.storage={tmp_path / 'runs'}", "run.name=tiny"]
    assert main(["run", "ray_config.yaml", *options]) == 0
    words = ["probe", str(run), "--failures", "3", "--factor", "paint", "--factor", "nearer", "--json"]
    capsys.readouterr()
    assert main([*words, "--cycle", "0"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert len(told["cases"]) == 3
    # three steps of training find nothing: every failure that can be judged survives
    assert all(case["control"] != "found" for case in told["cases"])
    assert "What failures hang on" in (run / "report.html").read_text()
    suite = str(tmp_path / "cases")
    small = ["--distance", "1", "--occlusion", "0,0.5", "--hour", "12", "--weather", "clear"]
    assert main(["suite", "add", suite, str(run), "--failures", "2", "--cycle", "0", *small]) == 0
    capsys.readouterr()
    assert main(["suite", "run", suite, str(run), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["scenes"] == len(result["fates"]) > 0
    assert main(["suite", "show", suite, "--rerender", "2", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["rendered_again"]
    assert set(again.values()) == {"equal"}
