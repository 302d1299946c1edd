"""Whether what a source holds may be listed and read, by a few requests."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Final

from ingest.objects import Selection, Source
from ingest.reading.recognise import may_be_trail
from ingest.sources.s3 import S3Source
from ingest.sources.s3_accounts import listed_accounts
from trailhound.errors import FoldersDeniedError
from trailhound.plural import plural

_ACCOUNTS: Final = 1_000
"""Folders of accounts that are listed at most."""
_HEAD_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at a source found: a trail file that could be read, empty if there is none, of so
    many `objects` looked at; and how many `accounts` have folders that may be listed."""

    readable: str
    objects: int
    accounts: int = 0

    def fact(self) -> str:
        """What was found, where a file is readable."""
        if not self.accounts:
            return f"{self.readable} is readable"
        folders = (
            "its account's folder"
            if self.accounts == 1
            else f"the folders of {'its first ' if self.accounts == _ACCOUNTS else ''}"
            f"{plural(self.accounts, 'account')}"
        )
        return f"{folders} may be listed, and {self.readable} is readable"


def look_at(source: Source, most: int) -> Looked:
    """Read the head of one trail file, which is among the first so many objects: the first may be a
    note. And list the folder of each account of a bucket: a policy may deny that of one.

    Raises `SourceError`, for folders that may not be listed `FoldersDeniedError`.
    """
    first = list(islice(source.objects(Selection()), most))
    accounts = 0
    if isinstance(source, S3Source):
        accounts, denied = listed_accounts(source, _ACCOUNTS)
        if denied:
            raise FoldersDeniedError(denied)
    for each in first:
        if may_be_trail(source.head(each, _HEAD_BYTES)):
            return Looked(each.uri, len(first), accounts)
    return Looked("", len(first), accounts)
