"""The base of every settings section.

Each section is a small frozen pydantic model that stands beside the code it configures;
`cluster.config.schema` assembles them into the one configuration file.
"""

from pydantic import BaseModel, ConfigDict

from imitation.common.errors import DataError, UserError

__all__ = ["DataError", "Settings", "UserError"]


class Settings(BaseModel):
    """Frozen settings that refuse unknown keys and non-finite numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)
