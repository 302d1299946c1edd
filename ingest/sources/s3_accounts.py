"""Which folders of accounts in a bucket may be listed: a policy may deny that of one account."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ingest.objects import Selection
from ingest.sources.lookahead import Lookahead
from ingest.sources.s3 import S3Source
from ingest.sources.s3_listing import AHEAD, Folder, Listing, Step
from trailhound.errors import ListingDeniedError

_ACCOUNT = re.compile(r"(?:^|/)AWSLogs/(?:[oO]-[A-Za-z0-9]+/)?\d{12}/(.?)")
_LEVELS = 7
"""Levels of folders down to the accounts: foreign ones, AWSLogs, the organisation, the accounts."""


class _Accounts(Listing):
    """Lists the folders above those of accounts, and of each account's a page."""

    def look(self, most: int) -> tuple[int, dict[str, ListingDeniedError]]:
        accounts: list[str] = []

        def above(steps: Iterator[Step]) -> Iterator[Step]:
            for step in steps:
                if not isinstance(step, Folder):
                    continue
                found = _ACCOUNT.search(step.prefix)
                if found is not None and (found[1] or len(accounts) == most):
                    continue
                if found is not None:
                    accounts.append(step.prefix)
                yield step

        with Lookahead(AHEAD) as ahead:
            steps = above(iter([Folder(self._prefix)]))
            for _ in range(_LEVELS):
                steps = above(self._descend(ahead, steps, Selection()))
            for _ in steps:
                pass
        return len(accounts), dict(sorted(self._denied.items()))


def listed_accounts(source: S3Source, most: int) -> tuple[int, dict[str, ListingDeniedError]]:
    """How many folders of accounts there are, up to so many, and what was said of the folders that
    may not be listed, by their `s3://bucket/folder/`. Raises `SourceUnreachableError`."""
    return _Accounts(source.client, source.bucket, source.prefix, source.payer).look(most)
