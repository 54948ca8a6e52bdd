"""What pydantic finds wrong with data that a person wrote, as one sentence."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from imitation.common.texts import shown
from imitation.common.wording import did_you_mean


def sentence(error: ValidationError, model: type, given: Any = None) -> str:
    """The first mistake, with its place, the value, and the nearest name where a name is unknown; and how
    many more there are. `model`: the pydantic model or dataclass that was asked for; `given`: the data as it
    was written, where the value must be shown from there and not from what was validated."""
    mistakes = error.errors(include_url=False)
    more = f" (and {len(mistakes) - 1} more)" if len(mistakes) > 1 else ""
    return sentences(error, model, given)[0] + more


def sentences(error: ValidationError, model: type, given: Any = None) -> list[str]:
    """Every mistake, as `sentence` has the first."""
    return [_told(mistake, model, given) for mistake in error.errors(include_url=False)]


def _told(mistake: Any, model: type, given: Any) -> str:
    loc, kind, text = mistake["loc"], mistake["type"], mistake["msg"]
    place = ""
    for step in loc:
        place += f"[{step}]" if isinstance(step, int) else f".{step}" if place else str(step)
    head = f"{place}: " if place else ""
    if kind in ("extra_forbidden", "unexpected_keyword_argument"):
        return f"{head}there is no such field; {did_you_mean(str(loc[-1]), _fields(model, loc[:-1]))}"
    if kind == "missing":
        return f"{head}this field is required"
    if kind == "value_error":
        return head + text.removeprefix("Value error, ")
    return f"{head}{text[0].lower()}{text[1:]}, found {shown(_value(mistake, given))}"


def _value(mistake: Any, given: Any) -> Any:
    """The value where the mistake is, as it was written."""
    if given is None:
        return mistake["input"]
    try:
        for step in mistake["loc"]:
            given = given[step]
    except (KeyError, IndexError, TypeError):  # deeper than what was written
        return mistake["input"] if given is None else given
    return given


def _fields(model: Any, loc: Sequence[Any]) -> list[str]:
    """The fields of the model that lies at a place inside of another."""
    for step in loc:
        if isinstance(step, str) and step in (hints := typing.get_type_hints(model)):
            model = next(_models(hints[step]), model)
    if issubclass(model, BaseModel):
        return list(model.model_fields)
    return [field.name for field in dataclasses.fields(model)]


def _models(annotation: Any) -> Iterator[type]:
    """The models and dataclasses in an annotation such as `tuple[Actor, ...] | None`."""
    if isinstance(annotation, type) and (
        dataclasses.is_dataclass(annotation) or issubclass(annotation, BaseModel)
    ):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from _models(inner)
