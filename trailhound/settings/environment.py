"""Settings given as environment variables, as a mapping shaped like the settings file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from trailhound.settings.variables import DELIMITER, NULL, PREFIX

if TYPE_CHECKING:
    from pydantic import BaseModel

TEXTS: Final = frozenset({"home", "namespace"})
"""The settings of the first level that are texts: their variables need no parser."""


def environment(model: type[BaseModel]) -> tuple[dict[str, Any], list[str]]:
    """The settings in the variables of the process, and the names of variables that should hold
    JSON and do not.

    A variable whose first part names no setting is left out; see `variables.unknown_variables`.
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
