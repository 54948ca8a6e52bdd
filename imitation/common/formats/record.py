"""The base of what a run writes for programs: records that are checked when written and when read."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from imitation.common.settings import UserError

Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class Record(BaseModel):
    """A frozen record: unknown fields, other types and non-finite numbers are refused. Each field's
    description says its unit and its range; docs/summary.md is made of them."""

    documented: ClassVar[str] = ""
    """Where an error sends the reader, behind what is wrong: "; see docs/summary.md"."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, safe for JSON."""
        return self.model_dump(mode="json", by_alias=True)

    @classmethod
    def from_dict(cls, data: Any, where: str = "") -> Self:
        """The inverse of `to_dict`. Raises UserError naming `where` (the record, if left out), the field and
        its value."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            value = "" if first["type"] == "missing" else f" is {first['input']!r:.80}"
            about = f"{field}{value}: " if field else ""
            message = first["msg"].removeprefix("Value error, ")
            raise UserError(f"{where or cls.__name__.lower()}: {about}{message}{cls.documented}") from None
