"""Search spaces: what is refused before anything starts, what is drawn, and what it is applied to."""

import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from cluster.config.parse import load, load_defaults, parse
from cluster.config.schema import Config
from cluster.experiments.sweep.search_space import (
    Choice,
    Range,
    beyond_defaults,
    read_space,
    trial_id,
    variants,
    with_settings,
)
from imitation.common.settings import UserError

ROOT = Path(__file__).resolve().parents[4]
EXAMPLE = (
    "{aggregation.max_synthetic_ratio: {choice: [0.25, 0.5, 1.0]}, "
    "randomize.strength: {uniform: [0.3, 1.0]}, "
    "train.learning_rate: {loguniform: [1e-4, 1e-2]}, policy.name: {grid: [imitation, random]}}"
)


def space(text: str, *options: str):
    return read_space(load_defaults([f"sweep.space={text}", *options]))


def test_the_documented_example_is_read():
    assert space(EXAMPLE) == (
        Choice("aggregation.max_synthetic_ratio", (0.25, 0.5, 1.0), grid=False),
        Range("randomize.strength", 0.3, 1.0),
        Range("train.learning_rate", 1e-4, 1e-2, log=True),
        Choice("policy.name", ("imitation", "random"), grid=True),
    )


def test_sections_may_be_nested_as_in_the_rest_of_the_file():
    nested = "{train: {learning_rate: {choice: [1e-3]}, augment: {flip: {uniform: [0, 1]}}}}"
    assert space(nested) == (
        Choice("train.learning_rate", (0.001,), grid=False),
        Range("train.augment.flip", 0.0, 1.0),
    )
    by_option = load_defaults(["sweep.space.train.learning_rate={uniform: [0.001, 0.002]}"])
    assert read_space(by_option) == (Range("train.learning_rate", 0.001, 0.002),)


def test_a_part_of_a_mapping_may_vary():
    (dimension,) = space("{policy.kind_weights.missed: {uniform: [0, 4]}}")
    config = with_settings(load_defaults(), {dimension.key: 3.0})
    assert config.policy.kind_weights["missed"] == 3.0
    assert config.policy.kind_weights["background"] == 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", "sweep.space is empty"),
        ("{train.learning_rat: {choice: [1]}}", "no setting 'train.learning_rat'; the nearest is"),
        ("{trian.steps: {choice: [1]}}", "no setting 'trian.steps'; the nearest is 'train.steps'"),
        ("{train: {stepz: {choice: [1]}}}", "no setting 'train.stepz'; the nearest is 'train.steps'"),
        ("{run.seed: {choice: [1, 2]}}", "run.seed may not vary: a sweep would pick the luckiest seed"),
        ("{run.name: {choice: [a, b]}}", "run.name may not vary"),
        ("{ray.num_cpus: {choice: [2, 4]}}", "ray.num_cpus changes no result"),
        ("{simulate.actors: {choice: [2, 4]}}", "simulate.actors changes no result"),
        ("{train.cache_mb: {choice: [1, 4]}}", "train.cache_mb changes no result"),
        ("{data.splits.val: {choice: [0.1]}}", "data.splits.val may not vary: trials on other data"),
        ("{world.gap: {uniform: [0, 1]}}", "world.gap may not vary: trials on other data"),
        ("{loop.cycles: {choice: [1, 2]}}", "loop.cycles may not vary: it is read off each trial"),
        ("{loop.metric: {choice: [map]}}", "loop.metric may not vary: it is what trials are compared by"),
        ("{loop.twin: {choice: [true]}}", "loop.twin may not vary: it is no part of the method"),
        ("{sweep.seed: {choice: [1]}}", "sweep.seed may not vary"),
        ("{evaluate.batch_size: {choice: [1]}}", "evaluate.batch_size may not vary"),
        ("{train.steps: 7}", "train.steps is 7; write what to draw it from, one of choice, grid, uniform"),
        ("{train.steps: {choice: [1], grid: [2]}}", "write what to draw it from"),
        ("{train.steps: {chioce: [1]}}", "there is no 'chioce' to draw from; the nearest is 'choice'"),
        ("{train.steps: {choice: []}}", "choice is []; list the values"),
        ("{train.steps: {choice: 3}}", "choice is 3; list the values"),
        ("{train.steps: {choice: [3, 3]}}", "choice has 3 twice"),
        ("{train.learning_rate: {uniform: [0.1]}}", "uniform is [0.1]; it takes numbers, [low, high]"),
        ("{train.learning_rate: {uniform: [a, b]}}", "it takes numbers, [low, high]"),
        ("{train.learning_rate: {uniform: [true, 1]}}", "it takes numbers, [low, high]"),
        ("{train.learning_rate: {uniform: [0.1, .inf]}}", "it takes numbers, [low, high]"),
        ("{train.learning_rate: {uniform: [0.2, 0.1]}}", "goes from 0.2 to 0.1; the second must"),
        ("{train.learning_rate: {loguniform: [0, 0.1]}}", "its logarithm needs more than 0"),
        ("{train.steps: {int: [1.5, 3]}}", "it takes whole numbers"),
        ("{train.learning_rate: {quniform: [0.1, 0.2]}}", "it takes numbers, [low, high, step]"),
        ("{train.learning_rate: {quniform: [0.1, 0.2, 1]}}", "the step is 1; it must lie above 0"),
        # what the configuration itself refuses
        ("{train.learning_rate: {uniform: [0.001, 20]}}", "train.learning_rate is 20"),
        ("{randomize.strength: {uniform: [0.5, 1.5]}}", "(randomize.strength=1.5)"),
        ("{train.steps: {choice: [10, many]}}", "train.steps is 'many'"),
        ("{train.steps: {uniform: [10, 20]}}", "train.steps is 13.82"),
        ("{policy.kind_weights.mised: {choice: [1]}}", "'mised' is no kind of failure"),
        (
            "{train.augment.scale_min: {choice: [0.5, 1.4]}, train.augment.scale_max: {choice: [1.0, 1.5]}}",
            "scale_min 1.4 is above scale_max 1.0",
        ),
        (
            "{policy.kind_weights: {choice: [{missed: 2}]}, policy.kind_weights.missed: {choice: [1]}}",
            "are about the same setting",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_space_is_told_in_a_sentence(text, message):
    with pytest.raises(UserError) as error:
        space(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{policy.name: {grid: [imitation, random]}}", "is a grid, which optuna cannot follow"),
        (
            "{detector.strides: {choice: [[8, 16], [16]]}}",
            "optuna takes numbers, words, true",
        ),
    ],
)
def test_what_optuna_cannot_search_is_told(text, message):
    with pytest.raises(UserError, match=message):
        space(text, "sweep.search=optuna")
    space(text)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("sweep.grace=1", "sweep.grace is 1"),  # cycle 1 often lies below the baseline
        ("sweep.samples=0", "sweep.samples is 0"),
        ("sweep.search=grid", "sweep.search is 'grid'"),
        ("sweep.name=a/b", "sweep.name is 'a/b'"),
        ("sweep.max_concurrent=0", "sweep.max_concurrent"),
    ],
)
def test_impossible_settings_of_a_sweep_are_refused(option, message):
    with pytest.raises(UserError, match=message):
        load_defaults([option])


def draws(dimension, count=4000):
    rng = np.random.default_rng(1)
    return [dimension.draw(rng) for _ in range(count)]


def test_draws_are_distributed_as_they_are_called():
    uniform = draws(Range("k", 2.0, 4.0))
    assert min(uniform) >= 2.0
    assert max(uniform) <= 4.0
    assert np.mean(uniform) == pytest.approx(3.0, abs=0.03)
    logarithmic = draws(Range("k", 1e-4, 1e-2, log=True))
    assert min(logarithmic) >= 1e-4
    assert max(logarithmic) <= 1e-2
    assert np.mean([value < 1e-3 for value in logarithmic]) == pytest.approx(0.5, abs=0.03)
    whole = Counter(draws(Range("k", 1, 4, whole=True)))
    assert sorted(whole) == [1, 2, 3, 4], "both ends are included"
    assert min(whole.values()) > 900
    assert all(isinstance(value, int) for value in whole)
    stepped = Counter(draws(Range("k", 0.1, 0.45, step=0.1)))
    assert sorted(stepped) == [0.1, 0.2, 0.3, 0.4], "low plus whole steps, without crumbs"
    powers = Counter(draws(Range("k", 1, 64, log=True, whole=True)))
    assert (min(powers), max(powers)) == (1, 64)
    assert sum(powers[v] for v in range(1, 8)) / 4000 == pytest.approx(math.log(8) / math.log(65), abs=0.03)


def test_a_drawn_number_is_one_that_a_person_can_write():
    for value in draws(Range("k", 1e-4, 1e-2, log=True), 100):
        assert value == float(f"{value:.4g}")


def test_every_draw_meets_every_combination_of_the_grids_and_no_trial_comes_twice():
    config = load_defaults([f"sweep.space={EXAMPLE}", "sweep.samples=5"])
    trials = variants(read_space(config), config.sweep)
    assert len(trials) == 10
    for imitation, random in zip(trials[::2], trials[1::2], strict=True):
        assert (imitation["policy.name"], random["policy.name"]) == ("imitation", "random")
        assert imitation | {"policy.name": "random"} == random, "compared on equal terms"
    assert trials == variants(read_space(config), config.sweep), "the same seed, the same trials"
    other = load_defaults([f"sweep.space={EXAMPLE}", "sweep.samples=5", "sweep.seed=1"])
    assert trials != variants(read_space(other), other.sweep)
    few = load_defaults(["sweep.space={mining.folds: {choice: [2, 3]}}", "sweep.samples=50"])
    assert len(variants(read_space(few), few.sweep)) == 2
    grid = load_defaults(["sweep.space={mining.folds: {grid: [2, 3]}}", "sweep.samples=50"])
    assert len(variants(read_space(grid), grid.sweep)) == 2, "with nothing to draw one round is all"


def test_a_trials_name_follows_from_its_settings_alone():
    one = {"train.steps": 3, "policy.name": "random"}
    assert trial_id(one) == trial_id(dict(reversed(one.items()))) != trial_id(one | {"train.steps": 4})


def test_what_lies_beyond_the_defaults_is_enough_to_load_the_same_configuration(tmp_path):
    config = with_settings(
        load_defaults(["data.kind=kitti", "data.root=/data", "data.mapping={Van: car}"]),
        {"train.learning_rate": 0.01, "policy.kind_weights.missed": 2.0, "detector.strides": [8, 16]},
    )
    short = beyond_defaults(config)
    assert parse(json.loads(json.dumps(short))) == config
    assert set(short) == {"data", "train", "policy", "detector"}
    assert beyond_defaults(Config()) == {}
    assert load(ROOT / "ray_config.yaml").sweep == Config().sweep
