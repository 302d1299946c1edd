"""Opens an object; where its name does not show what it is, its first bytes are checked before."""

from __future__ import annotations

import io
from typing import BinaryIO, Final

from ingest.objects import UNSEEN, Source, TrailObject
from ingest.reading.recognise import is_compressed, kind_of, may_be_trail
from ingest.sources.layout import NameClass, classify
from trailhound.errors import NotCloudTrailError

HEAD_BYTES: Final = 64 * 1024
"""The most bytes fetched of an object with an unknown name, before it is read or skipped."""


def open_object(source: Source, item: TrailObject) -> BinaryIO:
    """The object's bytes, as `Source.open` gives them.

    Where its name is unknown, at most `HEAD_BYTES` are fetched first. Raises
    `NotCloudTrailError` where these show that it is something else.
    """
    name, place = classify(item.path)
    if name is not NameClass.UNNAMED:
        return source.open(item)
    # A notification may leave out both; of what could not be looked at the size is not known.
    known_empty = item.etag not in ("", UNSEEN) and not item.size
    head = b"" if known_empty else source.head(item, HEAD_BYTES)
    if place is not None and is_compressed(head):
        # Trail files that somebody has compressed anew, as to save space: the reader says that it
        # cannot read them. Elsewhere it is anybody's archive.
        return source.open(item)
    if not may_be_trail(head):
        kind = kind_of(head)
        raise NotCloudTrailError(f"{item.uri}: {kind}", kind=kind)
    return io.BytesIO(head) if len(head) == item.size else source.open(item)
