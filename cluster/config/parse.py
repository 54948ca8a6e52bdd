"""From YAML and `section.key=value` to a `Config`; whatever is wrong is one sentence that names the key."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from cluster.config.schema import Config, _meant
from cluster.config.secrets import masked
from imitation.common.formats import old_names
from imitation.common.settings import UserError
from imitation.common.texts import parse_yaml, shown, text_of
from imitation.common.wording import NEAREST, did_you_mean


def parse(data: Mapping[str, Any], where: str = "configuration") -> Config:
    """Validates plain data. Raises UserError in one sentence a problem."""
    try:
        return Config.model_validate(old_names.settings(data))
    except ValidationError as error:
        raise UserError("; ".join(_sentence(problem, where) for problem in error.errors())) from None


def load(path: str | os.PathLike[str], overrides: Iterable[str] = ()) -> Config:
    """Reads a YAML file (safely) and applies `section.key=value` on top; values are YAML.

    Raises UserError for a missing or unreadable file, an unknown key or an impossible value.

    >>> load("ray_config.yaml", ["train.steps=200"]).train.steps
    200
    """
    try:
        data = parse_yaml(text_of(Path(path).read_bytes(), str(path)), str(path)) or {}
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); name a configuration file") from None
    if not isinstance(data, dict):
        raise UserError(f"{path}: expected sections such as 'run:' and 'data:', found {shown(data)}")
    data = old_names.settings(data, say=True)
    for override in overrides:
        apply_override(data, override)
    return parse(data, str(path))


def load_defaults(overrides: Iterable[str] = ()) -> Config:
    """The defaults with `section.key=value` on top."""
    data: dict[str, Any] = {}
    for override in overrides:
        apply_override(data, override)
    return parse(data, "options")


def apply_override(data: dict[str, Any], override: str) -> None:
    """Sets one `section.key=value` in plain data, in place."""
    key, equals, text = override.partition("=")
    parts = old_names.setting(key.strip()).split(".")
    if not equals or len(parts) < 2 or not all(parts):
        raise UserError(f"{override!r} is no option; write section.key=value, for example train.steps=200")
    try:
        value = parse_yaml(text, key)
    except UserError:
        value = text
    target = data
    for i, part in enumerate(parts[:-1]):
        if target.get(part) is None:
            target[part] = {}
        target = target[part]
        if not isinstance(target, dict):
            raise UserError(f"{override!r}: {'.'.join(parts[: i + 1])} is a value, not a section")
    target[parts[-1]] = value


def keys(model: type[BaseModel] = Config, prefix: str = "") -> list[str]:
    """Every valid key, such as "train.steps"."""
    names: list[str] = []
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += keys(info.annotation, f"{prefix}{name}.")
        else:
            names.append(prefix + name)
    return names


def _sentence(problem: Mapping[str, Any], where: str) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "extra_forbidden":
        known = keys()
        sections = sorted({name.split(".")[0] for name in known})
        if "." not in key:
            hint = did_you_mean(key, sections, said=NEAREST, cutoff=0.5)
            return f"{where}: there is no section {key!r}; {hint}"
        otherwise = f"see {key.split('.')[0]!r} in ray_config.yaml"
        hint = did_you_mean(key, known, otherwise, said=NEAREST, cutoff=0.5)
        return f"{where}: there is no key {key!r}; {hint}"
    message = problem["msg"].removeprefix("Value error, ") + _meant(problem)
    if not key:
        return f"{where}: {message}"
    return f"{where}: {key} is {masked(key, problem['input'])}: {masked(key, message, plain=True)}"
