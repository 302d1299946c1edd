"""Builds Lucene queries, the language of every panel, since DQL has no ranges such as
`risk_score:>=7`."""

from __future__ import annotations


def calls(*names: str) -> str:
    """Events of these calls. A name may end in `*`.

    >>> calls("CreateUser", "Delete*")
    'eventName:(CreateUser OR Delete*)'
    """
    return f"eventName:({' OR '.join(names)})"


def services(*names: str) -> str:
    """Events of these services, by the name before `.amazonaws.com`.

    >>> services("iam")
    'eventSource:(iam.amazonaws.com)'
    """
    return f"eventSource:({' OR '.join(f'{name}.amazonaws.com' for name in names)})"


def both(*queries: str) -> str:
    """What all of these queries find.

    >>> both("a:1", "b:2 OR c:3")
    '(a:1) AND (b:2 OR c:3)'
    """
    return " AND ".join(f"({query})" for query in queries)


def either(*queries: str) -> str:
    """What any of these queries finds.

    >>> either("a:1", "b:2")
    '(a:1) OR (b:2)'
    """
    return " OR ".join(f"({query})" for query in queries)


CHANGES = "NOT readOnly:true AND NOT eventName:(Get* OR List* OR Describe* OR Head*)"
"""Calls that change something; old event versions have no `readOnly`."""
