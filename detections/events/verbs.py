"""Which calls only read, also where an event does not say it."""

from __future__ import annotations

from typing import Any, Final

READING: Final = (
    *("BatchGet", "Check", "Describe", "Detect", "Estimate", "Filter", "Get", "Head", "List"),
    *("Lookup", "Query", "Scan", "Search", "Select", "Simulate", "Test", "Validate", "View"),
)
"""How the names of calls begin that only read. AWS's own `readOnly` decides where an event has it:
events of version 1.05 and before do not."""


def reads(name: str, read_only: Any = None) -> bool:
    """Whether a call only read, by what its event says, and else by its name.

    >>> reads("ListBuckets"), reads("CreateUser"), reads("GetFederationToken", False)
    (True, False, False)
    >>> reads("ListBuckets", "false")
    False
    """
    if read_only is None:
        return name.startswith(READING)
    return read_only is True or read_only == "true"
