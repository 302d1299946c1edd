"""Paths and names of trail files, as CloudTrail delivers them to S3."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from random import Random

from isal import igzip

from trailhound.errors import UsageError
from trailhound.sample.estate import Estate
from trailhound.sample.identifiers import alphanumeric
from trailhound.sample.spec import SampleSpec

PREFIX = "security/trails"
"""What precedes `AWSLogs` in the prefixed layout."""
_LEVEL = 1


class SampleFolder:
    """Writes files into a folder laid out as a trail's bucket is, and counts them.

    The time of delivery is a file's modification time, so writing a sample again changes nothing
    for a reader that identifies files by size and time.
    """

    def __init__(self, directory: Path, spec: SampleSpec, estate: Estate) -> None:
        self.files = 0
        self.bytes = 0
        self.uncompressed_bytes = 0
        self._compressed = spec.compressed
        root = directory / PREFIX if spec.layout == "prefixed" else directory
        root /= "AWSLogs"
        self._root = root / estate.organization if spec.layout == "organization" else root
        self._folders: set[str] = set()

    def put(
        self, account: str, region: str, delivered: datetime, rng: Random, records: list[bytes]
    ) -> None:
        """One file with these records, named after its delivery and a random tail."""
        folder = f"{self._root}/{account}/CloudTrail/{region}/{delivered:%Y/%m/%d}"
        if folder not in self._folders:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)
        stamp = f"{delivered:%Y%m%dT%H%M}Z"
        ending = ".json.gz" if self._compressed else ".json"
        name = f"{account}_CloudTrail_{region}_{stamp}_{alphanumeric(rng, 16)}{ending}"
        path = f"{folder}/{name}"
        content = b'{"Records":[' + b",".join(records) + b"]}"
        self.uncompressed_bytes += len(content)
        if self._compressed:
            content = igzip.compress(content, compresslevel=_LEVEL, mtime=0)
        moment = int(delivered.timestamp())
        try:
            with open(path, "wb") as file:  # noqa: PTH123 - half the time of Path's
                file.write(content)
            os.utime(path, (moment, moment))
        except OSError as error:
            raise UsageError(
                f"cannot write {path}: {error.strerror}", hint="make room, or give another folder"
            ) from None
        self.files += 1
        self.bytes += len(content)
