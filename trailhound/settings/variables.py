"""How the variables of settings are named, and those that name none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

PREFIX: Final = "TRAILHOUND_"
DELIMITER: Final = "__"
NULL: Final = "null"
"""The text for null: it unsets a setting that can be null, as in the file."""
_ADDRESS_OF_A_SERVICE: Final = re.compile("(tcp|udp|sctp)://")
"""What Kubernetes writes into a variable such as TRAILHOUND_ENGINE_PORT."""


def unknown_variables(settings: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    """Variables of the process that name no section, in the order of their names: the variable,
    the name of the setting that it would be, and the name that may be meant (or nothing).

    A name with `__` is always a fault. Other names may belong to other programs (`TRAILHOUND_QUEUE`
    of compose.yaml, those that Kubernetes sets in every container for a service `trailhound`): they
    are faults only if they are very similar to a section's name, or are a setting's name with `_`
    for its dots.
    """
    fields = settings.model_fields
    for variable, value in sorted(os.environ.items()):
        name = variable.upper().removeprefix(PREFIX).lower()
        first, delimiter, _ = name.partition(DELIMITER)
        if not variable.upper().startswith(PREFIX) or not name or first in fields:
            continue
        near = get_close_matches(first, fields, n=1, cutoff=0.7 if delimiter else 0.85)
        if delimiter or near:
            yield variable, first, near[0] if near else ""
        elif "_" in name and not _ADDRESS_OF_A_SERVICE.match(value):
            meant = [each for each in settings_in(settings) if "_".join(each) == name]
            if meant:
                yield variable, name, PREFIX + DELIMITER.join(meant[0]).upper()


def settings_in(
    section: type[BaseModel], before: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """The paths of all sections and settings: `("cluster",)`, `("cluster", "hosts")`."""
    for name, field in section.model_fields.items():
        inner = field.annotation
        yield (*before, name)
        if isinstance(inner, type) and hasattr(inner, "model_fields"):
            yield from settings_in(inner, (*before, name))
