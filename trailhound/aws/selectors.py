"""Whether the event selectors of a trail log an event, as CloudTrail decides it.

An event is a mapping of the fields that selectors test: `eventCategory`, `readOnly`,
`resources.type`, `resources.ARN`, `eventName`, `eventSource`, `userIdentity.arn` (texts). For a
field that it does not have, `Equals`, `StartsWith` and `EndsWith` are false, and their negations
true.

Source: "AdvancedFieldSelector" and "EventSelector", CloudTrail API reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

Event = Mapping[str, str]

_POSITIVE: Final[Mapping[str, Callable[[str, str], bool]]] = {
    "Equals": str.__eq__,
    "StartsWith": str.startswith,
    "EndsWith": str.endswith,
}
_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "All": ("true", "false"),
    "ReadOnly": ("true",),
    "WriteOnly": ("false",),
}


def logs(selectors: Iterable[Mapping[str, Any]], event: Event) -> bool:
    """Whether one of a trail's selectors, basic or advanced, selects the event.

    >>> management = {"eventCategory": "Management", "readOnly": "true"}
    >>> logs([{"ReadWriteType": "WriteOnly", "IncludeManagementEvents": True}], management)
    False
    """
    return any(
        _advanced(each["FieldSelectors"], event)
        if "FieldSelectors" in each
        else _basic(each, event)
        for each in selectors
    )


def _advanced(fields: Iterable[Mapping[str, Any]], event: Event) -> bool:
    """Whether each field meets one of its positive conditions, if any, and all negated ones."""
    for field in fields:
        value = event.get(field["Field"])
        positive = [name for name in _POSITIVE if field.get(name)]
        if positive and (
            value is None
            or not any(_POSITIVE[name](value, text) for name in positive for text in field[name])
        ):
            return False
        if value is not None and any(
            holds(value, text)
            for name, holds in _POSITIVE.items()
            for text in field.get(f"Not{name}") or ()
        ):
            return False
    return True


def _basic(selector: Mapping[str, Any], event: Event) -> bool:
    if event.get("readOnly") not in _READS[selector.get("ReadWriteType") or "All"]:
        return False
    if event.get("eventCategory") == "Management":
        excluded = selector.get("ExcludeManagementEventSources") or ()
        return (
            selector.get("IncludeManagementEvents", True) is not False
            and event.get("eventSource") not in excluded
        )
    return any(
        each["Type"] == event.get("resources.type")
        and any(event.get("resources.ARN", "").startswith(text) for text in each.get("Values", ()))
        for each in selector.get("DataResources") or ()
    )
