"""What every branch of the settings is made of."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024


class Section(BaseModel):
    """A branch of the tree: unknown names are errors, so a typing slip is never silent."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


FORMS: Final[dict[str, str]] = {}
"""By the pattern of a setting, what to write: a pattern alone does not help a reader."""


def form(pattern: str, said: str, **more: Any) -> Any:
    """A field whose text has to match `pattern`; where it does not, the fault is `said`."""
    FORMS[pattern] = said
    return Field(pattern=pattern, **more)
