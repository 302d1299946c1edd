"""Whether one object is in its source at the moment, by its name in the ledger."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from ingest.objects import HISTORY, TrailObject
from ingest.sources.local import path_of
from ingest.sources.s3 import S3Source
from trailhound.settings import Settings


def is_there(uri: str, settings: Settings) -> bool:
    """Whether a file, or a symbolic link, or an object of a bucket has this name. False also where
    a bucket does not say, as without the permission, and for what is no object of a source."""
    if uri.startswith("s3://"):
        source = S3Source(f"s3://{urlsplit(uri).netloc}/", settings)
        return bool(source.look_up(TrailObject(uri, "", 0)).etag)
    return not uri.startswith(HISTORY) and uri != "-" and os.path.lexists(path_of(uri))
