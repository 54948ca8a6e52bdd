"""Several simulators in `simulate.simulator`: what is read, what is refused, and what each is alone."""

import pytest

from cluster.config.parse import load_defaults, parse
from cluster.config.simulator import each_apart, simulator_spec, simulators
from cluster.experiments.capacity import room
from cluster.experiments.sweep.plan import dry_run as sweep_dry_run
from cluster.run.main_job import check_renderer
from cluster.workspace.run_folder import differences
from imitation.common.settings import UserError

TWO = "simulate.simulator=[{name: opengl, weight: 0.8}, {name: a.b:c, weight: 0.2, options: {host: x}}]"


def test_a_list_is_read_and_written_again():
    config = load_defaults([TWO])
    assert [(m.label, m.weight) for m in config.simulate.members] == [("opengl", 0.8), ("a.b:c", 0.2)]
    assert parse(config.plain()) == config
    assert config.simulate.title == "opengl + a.b:c"
    mixture = simulators(config)
    assert mixture.shares() == {"opengl": pytest.approx(0.8), "a.b:c": pytest.approx(0.2)}
    assert [spec.simulator for spec in mixture.specs.values()] == ["opengl", "a.b:c"]
    assert mixture.specs["a.b:c"].options == {"host": "x"}


def test_one_name_stays_what_it_was():
    config = load_defaults(["simulate.simulator=a.b:c", "simulate.options={host: x}"])
    assert config.plain()["simulate"]["simulator"] == "a.b:c"
    (spec,) = simulators(config).specs.values()
    assert spec == simulator_spec(config)
    assert spec.label == ""
    assert each_apart(config) == {"a.b:c": config}


def test_names_alone_have_equal_parts():
    assert simulators(load_defaults(["simulate.simulator=[opengl, a.b:c]"])).shares() == {
        "opengl": 0.5, "a.b:c": 0.5,
    }  # fmt: skip


def test_the_same_simulator_twice_needs_labels():
    twice = (
        "[{name: command, label: boxes, options: {command: [p]}}, {name: command, options: {command: [q]}}]"
    )
    specs = simulators(load_defaults([f"simulate.simulator={twice}"])).specs
    assert [(label, spec.simulator) for label, spec in specs.items()] == [
        ("boxes", "command"), ("command", "command"),
    ]  # fmt: skip
    assert specs["boxes"].options["command"] != specs["command"].options["command"]


def test_each_alone_has_its_own_options_settings_and_section():
    config = load_defaults(
        [
            "simulate.simulator=[{name: opengl, options: {supersampling: 1}}, {name: opengl, label: fine}, "
            "a.b:c]",
            "simulate.each={a.b:c: {actors: 2, scene_timeout_s: 600, scenes_per_actor: 4}}",
            "renderer.shadow_map=512",
            "simulate.actors=5",
        ]
    )
    apart = each_apart(config)
    coarse, fine, own = (apart[label] for label in ("opengl", "fine", "a.b:c"))
    assert (coarse.renderer.supersampling, fine.renderer.supersampling) == (1, 2)
    assert coarse.renderer.shadow_map == fine.renderer.shadow_map == 512
    assert simulators(config).specs["opengl"].options["supersampling"] == 1
    assert (own.simulate.actors, own.simulate.scene_timeout_s, own.simulate.scenes_per_actor) == (2, 600, 4)
    assert (fine.simulate.actors, fine.simulate.scene_timeout_s) == (5, 120)
    assert all(parse(each.plain()) == each for each in apart.values())


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["simulate.simulator=[]"], "the list names no simulator"),
        (["simulate.simulator=3"], "it is a name, or a list of several simulators, not 3"),
        (["simulate.simulator=[opengl, {name: opengll}]"], "did you mean 'opengl'"),
        (["simulate.simulator=[opengl, {name: a.b:c, wieght: 2}]"], "[1]: wieght: there is no such field"),
        (["simulate.simulator=[opengl, {weight: 2}]"], "[1]: name: this field is required"),
        (
            ["simulate.simulator=[{name: a.b:c, weight: 0, options: {api_token: hunter2}}]"],
            "[0]: weight: input should be greater than 0",
        ),
        (["simulate.simulator=[opengl, opengl]"], "2 of them are called 'opengl'; give each a label"),
        ([TWO, "simulate.options={x: 1}"], "of several simulators each has its own"),
        (["simulate.each={opengl: {actors: 1}}"], "it is for several simulators"),
        ([TWO, "simulate.each={opengll: {actors: 1}}"], "no simulator is called 'opengll'; did you mean"),
        ([TWO, "simulate.each={opengl: {cpus_per_actor: 0}}"], "each: opengl: actors: auto counts what fits"),
        (
            ["simulate.simulator=[opengl, {name: a.b:c, options: {api_token: hunter2}}]"],
            "simulate.simulator.options.api_token looks like a secret",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_what_to_do(options, sentence):
    with pytest.raises(UserError) as error:
        load_defaults(options)
    assert sentence in str(error.value)
    assert "hunter2" not in str(error.value)


def test_a_wrong_option_of_one_with_a_section_names_the_right_one():
    config = load_defaults(["simulate.simulator=[{name: opengl, options: {suprsampling: 1}}, a.b:c]"])
    with pytest.raises(
        UserError, match="opengl: options: suprsampling: there is no such field; did you mean"
    ):
        simulators(config)


def test_a_run_continues_with_other_numbers_of_workers_and_not_with_other_weights():
    def changes(*options: str) -> list[str]:
        return differences(load_defaults([TWO]).plain(), load_defaults(list(options)).plain())

    assert changes(TWO, "simulate.each={a.b:c: {actors: 1, cpus_per_actor: 2}}") == []
    assert changes(TWO, "simulate.each={a.b:c: {scene_timeout_s: 7}}") == [
        "simulate.each.a.b:c.scene_timeout_s was None, now 7.0"
    ]
    (change,) = changes(TWO.replace("0.8", "0.7"))
    assert change.startswith("simulate.simulator was ")


def test_a_dry_run_says_which_of_several_would_not_start_here(tmp_path):
    missing = "{name: command, label: boxes, options: {command: [no-such-program]}}"
    several = f"[opengl, {missing}, {{name: command, label: there, options: {{command: [python3]}}}}]"
    words = [f"run.storage={tmp_path}", "run.name=s"]
    space = f"sweep.space={{simulate.simulator: {{choice: [opengl, {several}]}}}}"
    said = [line for line in sweep_dry_run(load_defaults([*words, space])) if "would not start" in line]
    assert len(said) == 1
    assert said[0].startswith(
        "It would not start here: simulator boxes: simulate.options.command: there is no"
    )
    config = load_defaults([*words, f"simulate.simulator={several}"])
    with pytest.raises(UserError, match="simulator boxes"):
        check_renderer(config)
    check_renderer(load_defaults([*words, f"simulate.simulator={several}", "ray.address=head:6379"]))


def test_gpus_of_the_one_that_takes_most_count():
    config = load_defaults([TWO, "simulate.each={a.b:c: {gpus_per_actor: 1}}"])
    held = {"CPU": 64.0, "GPU": 4.0}
    assert room(config, resources=held) < room(load_defaults([TWO]), resources=held)
