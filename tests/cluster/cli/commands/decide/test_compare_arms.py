"""`imitate compare` as typed: arms, two evaluations, and the record of finished comparisons."""

import pytest

from cluster.cli.commands.decide.compare import command
from cluster.cli.main import main
from imitation.report.comparison.record import write_comparison
from tests.cluster.experiments.compare.toy import RESAMPLES, collected, finished, plan_of


def test_a_dry_run_prints_what_it_would_cost_and_starts_nothing(tmp_path, capsys):
    words = ["compare", "ray_config.yaml", "--dry-run", f"run.storage={tmp_path}", "compare.seeds=5"]
    arms = "compare.arms=[real,longer,oversample,sim,random,imitation]"
    assert main([*words, arms, "train.warm_start=true"]) == 0
    out = capsys.readouterr().out
    assert " ".join(out.split()).startswith(
        "30 runs: baseline, imitation, longer, sim, oversample, random; seeds 0, 1, 2, 3, 4"
    )
    assert "trainings" in out
    assert "rates assumed, not measured" in " ".join(out.split())
    assert all(len(line) <= 80 for line in out.splitlines())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name a configuration to compare arms"),
        (["ray_config.yaml", "--split", "test"], "--split is for two evaluations"),
        (["ray_config.yaml", "--resamples", "5"], "a comparison of arms has compare.resamples=..."),
        (["a", "b", "train.steps=3"], "train.steps=3: two evaluations take no settings"),
        (["a", "b", "--dry-run"], "--dry-run: two evaluations take no settings"),
        (["ray_config.yaml", "compare.arms=[real,nothing]"], "there is no arm 'nothing'"),
        (["--record", "nowhere"], "nowhere: no comparison here"),
        (["a", "--record", "nowhere"], "--record takes folders of comparisons alone"),
    ],
)
def test_what_makes_no_sense_is_told_in_a_sentence(words, said, capsys):
    assert main(["compare", *words]) == 1
    err = capsys.readouterr().err.strip()
    assert err.startswith("imitate: ")
    assert said in err
    assert len(err.splitlines()) == 1


def test_the_command_in_a_record_names_no_place_of_this_machine():
    options = ["run.storage=/somewhere/runs", "data.root=/data/kitti101/", "compare.arms=[real,sim]"]
    assert command("/home/me/ray_config.yaml", options) == (
        "imitate compare ray_config.yaml data.root=KITTI101 'compare.arms=[real,sim]'"
    )
    assert command("../mine/my.yaml", []) == "imitate compare my.yaml"
    assert command("docs/records/world.yaml", []) == "imitate compare docs/records/world.yaml"


def test_a_record_is_written_from_folders(tmp_path, capsys):
    plan = plan_of(tmp_path, RESAMPLES)
    write_comparison(collected(plan, finished(plan)), f"{plan.folder}/comparison.json")
    out = tmp_path / "record.md"
    assert main(["compare", "--record", plan.folder, plan.folder, "--out", str(out)]) == 0
    text = out.read_text()
    assert text.count("**Primary endpoint.**") == 2
    assert text.count("    imitate compare my.yaml") == 2
    assert main(["compare", "--record", plan.folder]) == 0
    assert capsys.readouterr().out.endswith(text[: len(text) // 2 - 1].splitlines()[-1] + "\n")
