"""The base class of all sections of the settings, and of their text fields."""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

MIB = 1024 * 1024


class Section(BaseModel):
    """A section of the settings. Unknown names are errors, so that a misspelt one is never
    ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


FORMS: Final[dict[str, str]] = {}
"""Pattern of a setting → advice on what to write: a pattern alone does not help a user."""


def pattern_field(pattern: str, advice: str, **more: Any) -> Any:
    """A field whose text has to match `pattern`; otherwise the fault's text is `advice`."""
    FORMS[pattern] = advice
    return Field(pattern=pattern, **more)
