"""Settings given as environment variables, as a mapping shaped like the settings file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pydantic import BaseModel

PREFIX: Final = "TRAILHOUND_"
DELIMITER: Final = "__"
NULL: Final = "null"
"""The text for null: it unsets a setting that can be null, as in the file."""
TEXTS: Final = frozenset({"home", "namespace"})
"""The settings of the first level that are texts: their variables need no parser."""
_ADDRESS_OF_A_SERVICE: Final = re.compile("(tcp|udp|sctp)://")
"""What Kubernetes writes into a variable such as TRAILHOUND_ENGINE_PORT."""


def environment(model: type[BaseModel]) -> tuple[dict[str, Any], list[str]]:
    """The settings in the variables of the process, and the names of variables that should hold
    JSON and do not.

    A variable whose first part names no setting is left out; see `unknown_variables`.
    """
    given = {
        name.lower(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)
    }
    skipped = len(PREFIX)
    named = {name[skipped:]: value for name, value in given.items()}
    if not any(name.partition(DELIMITER)[0] in model.model_fields for name in named.keys() - TEXTS):
        texts = {name: named[name] for name in TEXTS & named.keys()}
        return {name: None if text == NULL else text for name, text in texts.items()}, []
    # Imported only here: few processes need it, and its import takes longer than all other
    # settings.
    from trailhound.settings.nested_environment import parsed

    return parsed(model)


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


def layered(layers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Nested mappings merged into one; an earlier layer has precedence.

    >>> layered([{"a": {"b": 1}}, {"a": {"b": 2, "c": 3}, "d": 4}])
    {'a': {'b': 1, 'c': 3}, 'd': 4}
    """
    made: dict[str, Any] = {}
    for layer in layers:
        for name, value in layer.items():
            above = made.get(name)
            if name not in made:
                made[name] = value
            elif isinstance(above, dict) and isinstance(value, dict):
                made[name] = layered([above, value])
    return made
