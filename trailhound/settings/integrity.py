"""The scheduled verification of trail files by CloudTrail's digests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from trailhound.settings.section import Section


class IntegritySettings(Section):
    """What the daemon verifies. Nothing is verified while `every` is not set."""

    every: Annotated[float, Field(ge=60)] | None = None
    """Seconds between two verifications, such as 3600: CloudTrail delivers a digest each hour."""
    days: Annotated[int, Field(ge=1, le=3_650)] = 7
    """Digests and files delivered in the last days are verified, each time anew."""
    sources: list[str] = []
    """Buckets (`s3://bucket/prefix`) and folders. Default: those that `run.sources` polls and
    watches; the bucket of a queue is not known."""
    public_keys: Path | None = None
    """A file with the output of `aws cloudtrail list-public-keys`. Default: the keys are fetched
    from each region."""
