"""The base of what a run writes for programs: records that are checked when written and when read."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class Record(BaseModel):
    """A frozen record: unknown fields, other types and non-finite numbers are refused. Each field's
    description says its unit and its range; docs/summary.md is made of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, safe for JSON."""
        return self.model_dump(mode="json", by_alias=True)
