"""What a sweep varies: search spaces as written in YAML, checked, drawn from, and applied.

All errors of a space are raised before any work is done: unknown settings, settings that
would make trials incomparable, impossible bounds, and values that the configuration itself refuses.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cluster.config.parse import keys, parse
from cluster.config.schema import Config
from cluster.config.sweep import SweepSettings
from cluster.run.baseline import NO_RESULT
from cluster.workspace.run_folder import covers
from imitation.common.formats import old_names
from imitation.common.settings import UserError
from imitation.common.texts import shown
from imitation.common.wording import NEAREST, did_you_mean

KINDS = ("choice", "grid", "uniform", "loguniform", "quniform", "int", "logint")
MAY_VARY = (
    "detector", "train", "mining", "policy", "aggregation", "stopping", "simulate.simulator",
    "simulate.options", "renderer", "restage", "randomize", "free", "acceptance",
)  # fmt: skip
WHY_NOT = {
    "run.seed": "a sweep would pick the luckiest seed",
    "loop.cycles": "it is read off each trial: loop.cycles is the most that any of them may have, and the "
    "cycle of its best val score is the number that suits it",
    "loop.metric": "it is what trials are compared by",
    "data": "trials on other data cannot be compared",
    "world": "trials on other data cannot be compared",
}
DIGITS = 4  # significant ones of a drawn number: readable, and finer than any effect
PROBES = 512  # combinations of edges that are tried out
_INSIDE = 0.381966  # a position within a range that gives no round number


@dataclass(frozen=True)
class Choice:
    """One of some values; `grid`: each of them."""

    key: str
    values: tuple[Any, ...]
    grid: bool

    def draw(self, rng: np.random.Generator) -> Any:
        return self.values[int(rng.integers(len(self.values)))]

    def probes(self) -> tuple[Any, ...]:
        """Values that stand for all."""
        return self.values


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole, or a whole number of `step`s above `low`."""

    key: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    step: float | None = None

    def draw(self, rng: np.random.Generator) -> Any:
        if self.step is not None:
            steps = math.floor((self.high - self.low) / self.step + 1e-9)
            return _tidy(self.low + self.step * int(rng.integers(steps + 1)))
        if self.whole and not self.log:
            return int(rng.integers(int(self.low), int(self.high) + 1))
        low, high = (self.low, self.high + self.whole) if self.whole else (self.low, self.high)
        value = math.exp(rng.uniform(math.log(low), math.log(high))) if self.log else rng.uniform(low, high)
        value = math.floor(value) if self.whole else _rounded(value)
        return min(max(value, type(value)(self.low)), type(value)(self.high))

    def probes(self) -> tuple[Any, ...]:
        """Both ends, and a number between them that is not round, like a drawn one."""
        inside = self.low + _INSIDE * (self.high - self.low)
        if self.whole:
            return int(self.low), int(self.high)
        return (self.low, self.high) if self.step is not None else (self.low, self.high, _rounded(inside))


Dimension = Choice | Range


def read_space(config: Config) -> tuple[Dimension, ...]:
    """The dimensions of `config.sweep.space`, in its order.

    Raises UserError, a sentence, for whatever is wrong with them.
    """
    space = tuple(_dimension(old_names.setting(key), spec) for key, spec in _entries(config.sweep.space))
    if not space:
        raise UserError(
            "sweep.space is empty; name what varies, for example "
            "'sweep.space={aggregation.max_synthetic_ratio: {choice: [0.25, 0.5, 1.0]}}'"
        )
    names = [dimension.key for dimension in space]
    for one, other in itertools.permutations(names, 2):
        if covers(one, other):
            raise UserError(f"sweep.space: {one} and {other} are about the same setting; keep one of them")
    if config.sweep.search == "optuna":
        for dimension in space:
            if isinstance(dimension, Choice):
                _suits_optuna(dimension)
    _probe(space, config)
    return tuple(_normal(dimension, config) for dimension in space)


def _entries(space: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(setting, what to draw it from); sections may be nested or written with dots."""
    for name, value in space.items():
        key = f"{prefix}{name}"
        known = any(covers(key, setting) or covers(setting, key) for setting in keys())
        nested = isinstance(value, dict) and not any(kind in value for kind in KINDS)
        if nested and value and known and key not in keys():
            yield from _entries(value, f"{key}.")
        else:
            yield key, value


def _dimension(key: str, spec: Any) -> Dimension:
    _may_vary(key)
    where = f"sweep.space: {key}"
    if not isinstance(spec, dict) or len(spec) != 1:
        raise UserError(
            f"{where} is {shown(spec)}; write what to draw it from, one of {', '.join(KINDS)}, for example "
            "{choice: [1, 2]}"
        )
    ((kind, values),) = spec.items()
    if kind not in KINDS:
        hint = did_you_mean(str(kind), KINDS, said=NEAREST, cutoff=0.4)
        raise UserError(f"{where}: there is no {kind!r} to draw from; {hint}")
    if kind in ("choice", "grid"):
        return _choice(key, kind, values, where)
    return _range(key, kind, values, where)


def _may_vary(key: str) -> None:
    if any(covers(setting, key) for setting in NO_RESULT):
        raise UserError(f"sweep.space: {key} changes no result, only how the work is carried out")
    for setting, why in WHY_NOT.items():
        if covers(setting, key):
            raise UserError(f"sweep.space: {key} may not vary: {why}")
    known = keys()
    if not any(covers(setting, key) for setting in known):
        hint = did_you_mean(key, known, "ray_config.yaml has them all", said=NEAREST, cutoff=0.5)
        raise UserError(f"sweep.space: there is no setting {key!r}; {hint}")
    if not any(covers(section, key) for section in MAY_VARY):
        raise UserError(
            f"sweep.space: {key} may not vary: it is no part of the method. These may: {', '.join(MAY_VARY)}"
        )


def _choice(key: str, kind: str, values: Any, where: str) -> Choice:
    if not isinstance(values, list) or not values:
        raise UserError(f"{where}: {kind} is {shown(values)}; list the values, for example [0.25, 0.5]")
    texts = [json.dumps(value, sort_keys=True, default=str) for value in values]
    for i, text in enumerate(texts):
        if text in texts[:i]:
            raise UserError(f"{where}: {kind} has {shown(values[i])} twice")
    return Choice(key, tuple(values), kind == "grid")


def _range(key: str, kind: str, values: Any, where: str) -> Range:
    count = 3 if kind == "quniform" else 2
    shape = "[low, high, step]" if kind == "quniform" else "[low, high]"
    numbers = [_number(value) for value in values] if isinstance(values, list) else []
    if len(numbers) != count or any(number is None for number in numbers):
        raise UserError(f"{where}: {kind} is {shown(values)}; it takes numbers, {shape}")
    low, high, *rest = (float(number) for number in numbers if number is not None)
    if not low < high:
        raise UserError(f"{where}: {kind} goes from {low:g} to {high:g}; the second must be the larger")
    if kind.startswith("log") and low <= 0:
        raise UserError(f"{where}: {kind} goes from {low:g}, but its logarithm needs more than 0")
    if kind in ("int", "logint") and not (low.is_integer() and high.is_integer()):
        raise UserError(f"{where}: {kind} is {shown(values)}; it takes whole numbers")
    step = rest[0] if rest else None
    if step is not None and not 0 < step <= high - low:
        raise UserError(
            f"{where}: the step is {step:g}; it must lie above 0 and fit into {low:g} to {high:g}"
        )
    return Range(key, low, high, kind.startswith("log"), kind in ("int", "logint"), step)


def _number(value: Any) -> float | None:
    """A finite number; YAML reads 1e-4, without a dot, as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _suits_optuna(dimension: Choice) -> None:
    if dimension.grid:
        raise UserError(
            f"sweep.space: {dimension.key} is a grid, which optuna cannot follow; make it a choice, or set "
            "sweep.search to random"
        )
    for value in dimension.values:
        if not isinstance(value, str | int | float | bool | None):
            raise UserError(
                f"sweep.space: {dimension.key} has the value {shown(value)}, but optuna takes numbers, "
                "words, true, false and null alone; set sweep.search to random"
            )


def _probe(dimensions: Sequence[Dimension], config: Config) -> None:
    """Tries the edges out on the configuration: all combinations, or each alone where they are too many."""
    edges = [dimension.probes() for dimension in dimensions]
    if math.prod(map(len, edges)) <= PROBES:
        combinations: Iterator[tuple[Any, ...]] = itertools.product(*edges)
    else:
        first = tuple(values[0] for values in edges)
        combinations = (
            (*first[:i], value, *first[i + 1 :]) for i, values in enumerate(edges) for value in values
        )
    for values in combinations:
        with_settings(config, dict(zip([d.key for d in dimensions], values, strict=True)))


def _normal(dimension: Dimension, config: Config) -> Dimension:
    """Choices as the configuration reads them: "1e-4", which is text in YAML, becomes a number."""
    if isinstance(dimension, Range):
        return dimension
    values = tuple(
        value_of(with_settings(config, {dimension.key: value}), dimension.key) for value in dimension.values
    )
    return Choice(dimension.key, values, dimension.grid)


def value_of(config: Config, key: str) -> Any:
    """A setting's value, as plain data."""
    return _at(config.plain(), key)


def with_settings(config: Config, settings: Mapping[str, Any]) -> Config:
    """The configuration with some settings changed ("section.key" -> value).

    Raises UserError that names the setting where the configuration refuses its value.
    """
    plain = config.plain()
    for key, value in settings.items():
        *path, leaf = key.split(".")
        target: Any = plain
        for part in path:
            target = target[part]
        target[leaf] = value
    pairs = ", ".join(f"{key}={shown(value)}" for key, value in settings.items())
    return parse(plain, f"sweep.space ({pairs})")


# --- trials --------------------------------------------------------------------------------------


def variants(dimensions: Sequence[Dimension], settings: SweepSettings) -> list[dict[str, Any]]:
    """The settings of every trial of a random search, in order, each once: `samples` draws, and with each
    of them every combination of the grids, so that what a grid compares is compared on equal terms."""
    rng = np.random.default_rng(settings.seed)
    grids = [dimension for dimension in dimensions if isinstance(dimension, Choice) and dimension.grid]
    drawn = [dimension for dimension in dimensions if dimension not in grids]
    by_id: dict[str, dict[str, Any]] = {}
    for _ in range(settings.samples if drawn else 1):
        draw = {dimension.key: dimension.draw(rng) for dimension in drawn}
        for values in itertools.product(*(grid.values for grid in grids)):
            chosen = draw | dict(zip([grid.key for grid in grids], values, strict=True))
            by_id.setdefault(trial_id(chosen), {d.key: chosen[d.key] for d in dimensions})
    return list(by_id.values())


def trial_id(settings: Mapping[str, Any]) -> str:
    """The name of a trial's folder: the same settings, the same trial."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:8]


def beyond_defaults(config: Config) -> dict[str, Any]:
    """What differs from the defaults, as sections; enough to load the same configuration."""
    defaults, plain = Config().plain(), config.plain()
    result: dict[str, Any] = {}
    for key in keys():
        value = _at(plain, key)
        if value != _at(defaults, key):
            *path, leaf = key.split(".")
            target = result
            for part in path:
                target = target.setdefault(part, {})
            target[leaf] = value
    return result


def _at(plain: dict[str, Any], key: str) -> Any:
    value: Any = plain
    for part in key.split("."):
        value = value[part]
    return value


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")


def _tidy(value: float) -> float:
    """Rounds off binary fractions: 0.1 + 2 * 0.1 is 0.3."""
    return float(f"{value:.12g}")
