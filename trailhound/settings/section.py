"""What every branch of the settings is made of."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

MIB = 1024 * 1024


class Section(BaseModel):
    """A branch of the tree: unknown names are errors, so a typing slip is never silent."""

    model_config = ConfigDict(extra="forbid", frozen=True)
