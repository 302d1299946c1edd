"""Listing of a bucket: all of a prefix, or only the day folders that a selection needs.

Without a selection one flat listing is the fewest requests: a request for 1,000 keys. With one,
the folders are descended by `CommonPrefixes` (accounts, kinds, regions), left out where they are
not selected, and each region is listed flat from its first day (`StartAfter`) until a key passes
its last. So finding days costs nothing, and at most the rest of a page is listed needlessly. What
lies beside the years in a region's folder has no day and is wanted by every selection of days, and
what lies in the folder of a year or a month, beside those of the days, by every selection that the
year or the month overlaps: up to five requests more for a region find it.
Folders are listed some ahead, in parallel, since an organisation has thousands of them. One that
may not be listed does not keep the others from it: an error names it at the end.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from ingest.objects import Selection
from ingest.sources.aws_codes import FAILURES
from ingest.sources.layout import INGESTED, is_other_service, is_region
from ingest.sources.lookahead import Lookahead
from ingest.sources.s3_errors import listing_error
from trailhound.errors import FoldersDeniedError, ListingDeniedError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ListObjectsV2OutputTypeDef

AHEAD: Final = 8
"""Listing requests under way at once."""
_FOREIGN_DEPTH: Final = 4
"""Folders outside the layout are descended this deep in search of `AWSLogs/`, then listed flat."""
_SURVEYED: Final = 500
"""Requests for the names above the days' folders."""
_LEVELS: Final = _FOREIGN_DEPTH + 5
"""Levels of folders at most: foreign ones, then AWSLogs, organisation, account, kind, region."""

_ROOT = re.compile(r"(?:^|/)AWSLogs/(?:[oO]-[A-Za-z0-9]+/)?$")
_ACCOUNT = re.compile(r"(?:^|/)AWSLogs/(?:[oO]-[A-Za-z0-9]+/)?(\d{12})/$")
_KIND = re.compile(r"(?:^|/)(\d{12})/(CloudTrail(?:-[A-Za-z]+)?)/$")
_REGION = re.compile(r"(?:^|/)(\d{12})/(CloudTrail(?:-[A-Za-z]+)?)/([^/]+)/")
_DAYS_FOLDER = re.compile(r"/\d{4}/(?:\d{2}/){0,2}$")
"""Of a year, a month or a day."""
_NEVER_OURS = re.compile(r"^aws-account-id=")
"""Flow logs in folders named for Hive, beside the accounts' own."""
_ACCOUNT_ID = re.compile(r"^\d{12}$")
_DIGITS: Final = (4, 2, 2)
"""The digits of a year, a month and a day as folders in a region's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One listed key: its etag without quotes, its size in bytes."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Folder:
    """A prefix to descend. `probe`: it is outside the layout, and perhaps small: look first."""

    prefix: str
    depth: int = 0
    probe: bool = False


@dataclass(frozen=True, slots=True)
class Span:
    """A prefix to list flat: the keys after `after` and before `before`; empty means no limit."""

    prefix: str
    after: str = ""
    before: str = ""


Step = Entry | Folder | Span


class Listing:
    """Lists one prefix of one bucket. `extra` goes with every request (`RequestPayer`, say).

    `after` may name, for a region's folder, the key behind which its files matter; what lies beside
    the years is then listed where `beside` is set. Of an account's folders those of `kinds` are,
    and where these hold events, those of no service.
    """

    def __init__(
        self,
        client: S3Client,
        bucket: str,
        prefix: str,
        extra: dict[str, Any] | None = None,
        *,
        after: Callable[[str], str] = lambda _: "",
        beside: bool = True,
        kinds: frozenset[str] = INGESTED,
    ) -> None:
        self._kinds = kinds
        self._after = after
        self._beside = beside
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._extra = extra or {}
        self._denied: dict[str, ListingDeniedError] = {}

    def entries(self, selection: Selection) -> Iterator[Entry]:
        """The keys that can matter to the selection, by ascending key within a folder.

        More than the selection may come, never less. Raises `SourceUnreachableError`, and after the
        last key `FoldersDeniedError` for folders that may not be listed.
        """
        self._denied = {}
        if selection.everything:
            yield from self._flat(Span(self._prefix))
            return
        with Lookahead(AHEAD) as ahead:
            steps: Iterator[Step] = iter([Folder(self._prefix)])
            for _ in range(_LEVELS):
                steps = self._descend(ahead, steps, selection)
            for step, page in ahead.map(
                self._first_page, steps, only=lambda step: not isinstance(step, Entry)
            ):
                if isinstance(step, Entry):
                    yield step
                else:
                    yield from self._rest(_flat(step), page)
        if self._denied:
            raise FoldersDeniedError(dict(sorted(self._denied.items())))

    def folders(self) -> Iterator[tuple[str, bool]]:
        """The names above the days' folders, and whether each is a folder; at most `_SURVEYED`
        requests. Raises `SourceUnreachableError`."""
        waiting = deque([Folder(self._prefix)])
        for _ in range(_SURVEYED):
            if not waiting:
                return
            folder = waiting.popleft()
            for step in self._children(folder, Selection()):
                if isinstance(step, Entry):
                    yield step.key, False
                elif _REGION.search(step.prefix):
                    yield step.prefix, True
                elif isinstance(step, Span):  # too wide to be descended
                    yield step.prefix + "…", False
                else:
                    yield step.prefix, True
                    waiting.append(step)

    def ends(self, folder: str) -> list[str]:
        """A key of the first and one of the last day below a region's folder, by a few requests;
        none if there is no folder of a day. Raises `SourceUnreachableError`."""
        keys: list[str] = []
        for choose in (min, max):
            inside = folder
            while days := [
                each
                for each in _prefixes(self._page(inside, delimiter=True))
                if _DAYS_FOLDER.search(each)
            ]:
                inside = choose(days)
            if inside != folder or _DAYS_FOLDER.search(inside):
                keys += [each.key for each in _entries(self._page(inside))][:1]
        return keys

    def neighbours(self) -> list[str]:
        """Where no key begins with the prefix: a sentence on what there is; otherwise empty.

        Raises `SourceUnreachableError`.
        """
        if not self._prefix or self._page(self._prefix).get("Contents"):
            return []
        above = self._prefix
        while above:
            above = above[: above.rstrip("/").rfind("/") + 1]
            page = self._page(above, delimiter=True)
            names = [*_prefixes(page), *(entry.key for entry in _entries(page))]
            if names:
                return [f"s3://{self._bucket}/{self._prefix}; there is {', '.join(names[:10])}"]
        return [f"s3://{self._bucket}/{self._prefix}; the bucket is empty"]

    def _descend(
        self,
        ahead: Lookahead,
        steps: Iterator[Step],
        selection: Selection,
    ) -> Iterator[Step]:
        """One level further down: each folder replaced by what it holds, the rest as it is."""

        def children(step: Step) -> list[Step]:
            if not isinstance(step, Folder):
                return [step]
            try:
                return self._children(step, selection)
            except ListingDeniedError as error:
                self._note_denied(step.prefix, error)
                return []

        for step, found in ahead.map(children, steps, only=lambda step: isinstance(step, Folder)):
            yield from [step] if found is None else found

    def _children(self, folder: Folder, selection: Selection) -> list[Step]:
        """What of a folder matters. At most two requests."""
        path = folder.prefix[: folder.prefix.rfind("/") + 1]
        if found := _REGION.search(path):
            account, _, region = found.groups()
            if not (_in(account, selection.accounts) and _of_region(region, selection)):
                return []
            whole = path[: found.end()]
            if re.match(r"[^\d]", folder.prefix[len(whole) :]):
                return [Span(folder.prefix)]  # beside the years
            span = _days(folder.prefix, whole, selection)
            if known := self._after(whole):
                span = replace(span, after=known)
            looked = (span.after or span.before) and (self._beside or not known)
            return [span, *(self._beside_days(span, span.prefix, whole) if looked else ())]
        if found := _KIND.search(path):
            if not _in(found[1], selection.accounts):
                return []
            return self._inside(folder, lambda name: _of_region(name, selection))
        if found := _ACCOUNT.search(path):
            if not _in(found[1], selection.accounts):
                return []
            return self._inside(folder, self._of_kind)
        if _ROOT.search(path):
            return self._inside(
                folder,
                lambda name: (
                    not _NEVER_OURS.match(name)
                    and (not _ACCOUNT_ID.match(name) or _in(name, selection.accounts))
                ),
            )
        return self._foreign(folder)

    def _of_kind(self, name: str) -> bool:
        """Whether an account's folder can hold what is listed. Events may also lie in a folder that
        is of no service: somebody's own, of Firehose say."""
        if self._kinds != INGESTED:
            return name in self._kinds
        return not is_other_service(name)

    def _beside_days(self, span: Span, prefix: str, region: str) -> Iterator[Step]:
        """What lies beside the folders of years, months and days, apart from what the span holds.

        Only folders that the span begins or ends in can hold some of it: the others are in the
        span, or their days are not selected.
        """
        level = prefix.count("/", len(region))
        if level >= len(_DIGITS):
            return
        for step in self._inside(Folder(prefix), lambda _: True):
            name = step.key if isinstance(step, Entry) else step.prefix
            last = name[:-1].rsplit("/", 1)[-1]
            if isinstance(step, Entry) or not (last.isdigit() and len(last) == _DIGITS[level]):
                if not _holds(span, name):
                    yield step if isinstance(step, Entry) else Span(name)
            elif span.after.startswith(name) or span.before.startswith(name):
                yield from self._beside_days(span, name, region)

    def _inside(self, folder: Folder, keep: Callable[[str], bool]) -> list[Step]:
        """The keys and the folders right inside, of the folders only those whose name is kept."""
        steps: list[Step] = []
        page = self._page(folder.prefix, delimiter=True)
        while True:
            steps += _entries(page)
            steps += [
                Folder(prefix) for prefix in _prefixes(page) if keep(prefix[:-1].rsplit("/", 1)[-1])
            ]
            if not (token := _next(page)):
                return steps
            page = self._page(folder.prefix, delimiter=True, token=token)

    def _foreign(self, folder: Folder) -> list[Step]:
        """A folder above `AWSLogs/`, or one that has nothing to do with trails.

        A small one costs one request. A large one is descended in search of `AWSLogs/`, but not
        where it holds over a page of folders, or lies deep: flat is cheaper there.
        """
        if folder.probe:
            page = self._page(folder.prefix)
            if not _next(page):
                return list(_entries(page))
            if folder.depth >= _FOREIGN_DEPTH:
                return [Span(folder.prefix)]
        page = self._page(folder.prefix, delimiter=True)
        if _next(page):
            return [Span(folder.prefix)]
        steps: list[Step] = list(_entries(page))
        for prefix in _prefixes(page):
            known = _ROOT.search(prefix) or _KIND.search(prefix)
            steps.append(Folder(prefix, folder.depth + 1, probe=not known))
        return steps

    def _note_denied(self, folder: str, error: ListingDeniedError) -> None:
        """Leave out a folder that may not be listed. Raises the error for the prefix itself."""
        if folder == self._prefix:
            raise error
        self._denied[f"s3://{self._bucket}/{folder}"] = error

    def _first_page(self, step: Step) -> ListObjectsV2OutputTypeDef:
        assert not isinstance(step, Entry)  # noqa: S101 - narrows the type; `only` sees to it
        span = _flat(step)
        try:
            return self._page(span.prefix, after=span.after)
        except ListingDeniedError as error:
            self._note_denied(span.prefix, error)
            return {"KeyCount": 0}  # type: ignore[typeddict-item]  # no key

    def _rest(self, span: Span, page: ListObjectsV2OutputTypeDef | None) -> Iterator[Entry]:
        """All keys of a span from its first page on, or those before a page that is denied."""
        try:
            yield from self._flat(span, page)
        except ListingDeniedError as error:
            self._note_denied(span.prefix, error)

    def _flat(self, span: Span, page: ListObjectsV2OutputTypeDef | None = None) -> Iterator[Entry]:
        """All keys of a span, a page at a time; `page` is its first where it is there already."""
        page = page or self._page(span.prefix, after=span.after)
        while True:
            for entry in _entries(page):
                if span.before and entry.key >= span.before:
                    return
                yield entry
            if not (token := _next(page)):
                return
            page = self._page(span.prefix, token=token)

    def _page(
        self, prefix: str, *, delimiter: bool = False, after: str = "", token: str = ""
    ) -> ListObjectsV2OutputTypeDef:
        wanted = dict(self._extra, Bucket=self._bucket, Prefix=prefix)
        if delimiter:
            wanted["Delimiter"] = "/"
        if token:
            wanted["ContinuationToken"] = token
        elif after:
            wanted["StartAfter"] = after
        try:
            return self._client.list_objects_v2(**wanted)
        except FAILURES as error:
            raise listing_error(error, f"s3://{self._bucket}/{prefix}") from error


def _in(name: str, chosen: frozenset[str]) -> bool:
    return not chosen or name in chosen


def _of_region(name: str, selection: Selection) -> bool:
    """Whether a kind's folder can hold what is selected: one that is not named for a region can."""
    return _in(name, selection.regions) or not is_region(name)


def _holds(span: Span, name: str) -> bool:
    return name > span.after and (not span.before or name < span.before)


def _flat(step: Folder | Span) -> Span:
    """A folder that is left after the last level is listed flat: nothing is ever left out."""
    return step if isinstance(step, Span) else Span(step.prefix)


def _days(prefix: str, region: str, selection: Selection) -> Span:
    """The span of a region's folder that holds the selected days; `prefix` may lie deeper.

    Keys compare as text, and `0` is the character after `/`, so `…/2024/03/080` is right behind
    the folder of that day.
    """
    last = selection.last_folder
    return Span(
        prefix,
        after=f"{region}{_folder(selection.since)}/" if selection.since else "",
        before=f"{region}{_folder(last)}0" if last else "",
    )


def _folder(day: date) -> str:
    return day.isoformat().replace("-", "/")


def _entries(page: ListObjectsV2OutputTypeDef) -> Iterator[Entry]:
    for item in page.get("Contents", ()):
        yield Entry(item["Key"], item.get("ETag", "").strip('"'), item.get("Size", 0))


def _prefixes(page: ListObjectsV2OutputTypeDef) -> Iterator[str]:
    for item in page.get("CommonPrefixes", ()):
        yield item["Prefix"]


def _next(page: ListObjectsV2OutputTypeDef) -> str:
    """The token of the next page; empty on the last."""
    return page.get("NextContinuationToken", "") if page.get("IsTruncated") else ""
