"""The objects that a run did not fully read, for people: those with the same reason together.

A key that is denied, or an account's files, fail for one reason of several hundred characters, and
the objects are what differs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from trailhound.plural import plural

_REASONS = 5
_NAMED = 3
_THIS = "this object"


def failure_lines(failures: Sequence[tuple[str, str]], number: int) -> Iterator[str]:
    """Lines about `failures`, each an object and its reason, the first of `number` that failed:
    the most frequent reasons, and of each the first objects.

    >>> denied = [(f"s3://b/{name}", f"s3://b/{name}: denied (no kms:Decrypt)") for name in "abcde"]
    >>> print(*failure_lines([*denied, ("x.gz", "x.gz: torn")], 6), sep="\\n")
    5 objects: denied (no kms:Decrypt): s3://b/a, s3://b/b, s3://b/c and 2 more
    x.gz: torn
    """
    groups: dict[str, list[str]] = {}
    for uri, reason in failures:
        groups.setdefault(_without(uri, reason), []).append(uri)
    ordered = sorted(groups.items(), key=lambda group: -len(group[1]))[:_REASONS]
    for reason, uris in ordered:
        if len(uris) == 1:
            yield f"{uris[0]}: {reason.replace(_THIS, uris[0])}"
            continue
        more = f" and {len(uris) - _NAMED:,} more" if len(uris) > _NAMED else ""
        yield f"{plural(len(uris), 'object')}: {reason}: {', '.join(uris[:_NAMED])}{more}"
    left = number - sum(len(uris) for _, uris in ordered)
    if left > 0:
        yield f"… and {left:,} more"


def _without(uri: str, reason: str) -> str:
    """The reason without the name of its object, which AWS repeats as an ARN.

    >>> _without("s3://b/k.gz", "s3://b/k.gz: denied (on resource: arn:aws:s3:::b/k.gz)")
    'denied (on resource: this object)'
    """
    text = reason.removeprefix(f"{uri}: ")
    place = uri.partition("://")[2]
    return text.replace(f"arn:aws:s3:::{place}", _THIS) if place else text
