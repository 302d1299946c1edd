"""Decides by its first bytes what an object holds whose name does not show it.

A prefix may contain anything beside trail files: digests, AWS Config's history, flow logs,
Parquet, CSV, notes. An object that could hold CloudTrail records is read, and the reader decides;
every other one is skipped and counted by kind.
"""

from __future__ import annotations

import re
from typing import Final

from ingest.reading.encoded import beginnings
from ingest.reading.gzip_layers import GzipDamage, inflated

_MOST_INFLATED: Final = 1024 * 1024

_RECORD: Final = re.compile(
    rb'"(?:eventSource|eventName|eventTime|eventVersion|CloudTrailEvent|logEvents|detail-type)'
    rb'\\*"'
)
"""A key of a record or of an envelope, as it is or escaped within a string."""
_COMPRESSED: Final = (
    (b"PK\x03\x04", "zip archive"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x28\xb5\x2f\xfd", "zstandard"),
)
_BINARY: Final = (
    (b"PAR1", "Parquet (Security Lake or Athena; convert it to JSON first)"),
    (b"Obj\x01", "Avro"),
    (b"ORC", "ORC"),
    *_COMPRESSED,
    (b"%PDF", "PDF"),
    (b"\x89PNG", "image"),
    (b"\xff\xd8\xff", "image"),
    (b"SQLite format 3", "SQLite database"),
)
_JSON: Final = (
    (re.compile(rb'"digestStartTime"'), "digest"),
    (re.compile(rb'"configurationItems?"|"configSnapshotId"'), "AWS Config history"),
    (re.compile(rb'"class_uid"'), "OCSF (CloudTrail's own files are read, not Security Lake's)"),
)
_LABELS: Final = re.compile(rb'\{\s*"spec":\s*\{\s*"events":')
_TEXT: Final = (
    (re.compile(rb"# What happened here\? One intruder"), "answers to a Trailhound exercise"),
    (re.compile(rb"The solution of a Trailhound exercise"), "solution of a Trailhound exercise"),
    (re.compile(rb"version account-id|\d+ \d{12} eni-"), "VPC flow log"),
    (re.compile(rb"(?:https?|h2|wss?|grpcs?|tls) \d{4}-\d\d-\d\dT"), "load balancer log"),
    (re.compile(rb"[0-9a-f]{64} \S+ \[\d\d/\w{3}/\d{4}"), "S3 access log"),
    (re.compile(rb"#Version: \d"), "CloudFront log"),
    (re.compile(rb"<\?xml|<[A-Za-z!]"), "XML or HTML"),
    (re.compile(rb'(?:[^,\r\n"]+|"[^"\r\n]*")(?:,(?:[^,\r\n"]*|"[^"\r\n]*")){2,}\r?\n'), "CSV"),
    (
        re.compile(
            rb'(?:(?:[^,"\r\n]*|"[^"\r\n]*"),(?! )(?:[^,"\r\n]*|"[^"\r\n]*")(?:\r?\n|\Z)){2}'
        ),
        "CSV",
    ),
)
_COLUMN: Final = rb"[\w@ ./:-]{1,100}"
_HEADER: Final = re.compile(rb'(?:%b|"%b")(?:[,;\t](?:%b|"%b"))*+[ \t]*\r?\n' % ((_COLUMN,) * 4))
_EVENT_COLUMN: Final = re.compile(
    rb'(?:^|[,;\t"])(?:event ?(?:json|name|time|id|source)|useridentity|@?message)(?=[",;\t\r\n])',
    re.IGNORECASE,
)
"""A column of CloudTrail Lake, Athena, Logs Insights, or of the console's event history."""
_EXPORT: Final = (
    "CSV export (of CloudTrail Lake, Athena, Logs Insights or the console; get JSON instead)"
)
_BLANK: Final = b" \t\r\n\xef\xbb\xbf"


def may_be_trail(head: bytes) -> bool:
    """Whether content that begins so may hold CloudTrail records."""
    text = plain(head)
    if _json_kind(text) is not None or _is_export(text):
        return False
    return bool(_RECORD.search(text)) or any(map(_RECORD.search, beginnings(text)))


def is_compressed(head: bytes) -> bool:
    """Whether content that begins so is compressed in a way that is not read: it may hold records.

    >>> is_compressed(b"BZh91AY"), is_compressed(b"PAR1...")
    (True, False)
    """
    return plain(head).startswith(tuple(magic for magic, _ in _COMPRESSED))


def kind_of(head: bytes) -> str:
    """What content is that holds no CloudTrail records, for a count: `CSV`, `digest`, …

    >>> kind_of(b"a,b,c\\n1,2,3\\n"), kind_of(b"PAR1..."), kind_of(b"")
    ('CSV', 'Parquet (Security Lake or Athena; convert it to JSON first)', 'empty file')
    >>> kind_of(b"user,time\\nada,1\\n"), kind_of(b"Dear all, see below\\nBye, Ada\\n")
    ('CSV', 'text')
    """
    text = plain(head)
    for magic, name in _BINARY:
        if text.startswith(magic):
            return name
    text = text.lstrip(_BLANK)
    if not text:
        return "empty file"
    if text[:1] in b"{[":
        sample = "labels of a Trailhound sample" if _LABELS.match(text) else None
        return _json_kind(text) or sample or "other JSON"
    if _is_export(text):
        return _EXPORT
    for pattern, name in _TEXT:
        if pattern.match(text):
            return name
    return "binary" if b"\0" in text[:1024] else "text"


def _json_kind(text: bytes) -> str | None:
    return next((name for pattern, name in _JSON if pattern.search(text)), None)


def _is_export(text: bytes) -> bool:
    """Whether this is a table of events, by the names of its columns.

    >>> _is_export(b'"eventJson"\\n"{...}"\\n'), _is_export(b'user,time\\nada,1\\n')
    (True, False)
    """
    header = _HEADER.match(text.lstrip(_BLANK))
    return header is not None and _EVENT_COLUMN.search(header[0]) is not None


def plain(head: bytes) -> bytes:
    """The beginning of the content below its gzip layers, as far as it can be inflated."""
    parts: list[bytes] = []
    try:
        for piece in inflated(iter((head,)), _MOST_INFLATED, careful=True):
            parts.append(piece)
            if sum(map(len, parts)) >= _MOST_INFLATED:
                break
    except GzipDamage:  # the rest of the object is not here
        return b"".join(parts) or head
    return b"".join(parts)
