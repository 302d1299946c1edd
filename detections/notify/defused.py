"""Addresses in texts of events, written so that no reader of a mail or chat makes them links.

A caller chooses names, resources, user agents and session names, also in calls that are denied. In
a message about an alert, a link of theirs would look as if Trailhound had put it there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

_SCHEME: Final = re.compile(r":(?=//)|(?<=\bmailto):|(?<=\btel):", re.IGNORECASE)
_HOST: Final = re.compile(
    r"(?<![\w:/@.\[\]-])(?:(www)\.|((?:[\w-]+\.)*[\w-]+)\.(?=[a-z]{2,}(?::\d+)?[/?#]))",
    re.IGNORECASE,
)
"""Of a host without a scheme: the dot after `www`, or the last one of a host with a path."""
_OF_RULES: Final = frozenset({"description", "response", "references", "falsepositives", "url"})
"""Members of an alert that a rule or a setting says, not an event."""


def unlinked(text: object) -> str:
    """Text whose addresses become no links.

    >>> unlinked("x https://example.com, www.example.com, example.com/login or mailto:a@b.example")
    'x https[:]//example.com, www[.]example.com, example[.]com/login or mailto[:]a@b.example'
    >>> unlinked("arn:aws:s3:::my.bucket.com/key of ec2.amazonaws.com, aws-cli/2.1 md/x#1.2")
    'arn:aws:s3:::my.bucket.com/key of ec2.amazonaws.com, aws-cli/2.1 md/x#1.2'
    """
    return _HOST.sub(lambda it: f"{it[1] or it[2]}[.]", _SCHEME.sub("[:]", str(text)))


def defused(value: Any) -> Any:
    """A part of an alert as templates get it: without links in what events say. What the rule says
    stays as it is.

    >>> defused({"entity": {"resource": ["see https://x.example"]}, "references": ["https://a"]})
    {'entity': {'resource': ['see https[:]//x.example']}, 'references': ['https://a']}
    """
    if isinstance(value, str):
        return unlinked(value)
    if isinstance(value, Mapping):
        return {key: it if key in _OF_RULES else defused(it) for key, it in value.items()}
    if isinstance(value, list | tuple):
        return [defused(each) for each in value]
    return value
