"""CloudTrail's event history as a source: `lookup://`, `lookup://eu-west-1,us-east-1`.

It has the management events of the last 90 days, with or without a trail. Its objects are windows
of six hours of an account and region (`ingest.lookup.windows`): first the windows of writes, the
newest first, then those of all events.
"""

from __future__ import annotations

import re
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import BinaryIO, Final, cast

import msgspec

from ingest.lookup.errors import NOT_ENABLED, code_of, lookup_error
from ingest.lookup.estimate import Estimate
from ingest.lookup.lane import PAGE, REQUESTS_A_SECOND, Lane
from ingest.lookup.windows import HISTORY, Choice, LookupWindow, first_day, starts
from ingest.objects import UNSEEN, Selection, TrailObject
from ingest.sources.aws_codes import FAILURES
from ingest.sources.layout import is_region
from ingest.sources.session import Clients
from trailhound.errors import (
    NotCloudTrailError,
    ObjectUnreadableError,
    SourceUnreachableError,
    UsageError,
)
from trailhound.settings import Settings

_ACCOUNT: Final = "{account}"
"""The text in `aws.role_arn` that stands for each `--account`."""
_CHOICES: Final[tuple[Choice, ...]] = ("writes", "all")
_CHECKED_AT_ONCE: Final = 16
_IN_MEMORY: Final = 1024 * 1024
"""The most bytes of a window that are kept in memory; larger ones go to a temporary file."""
_DEFAULT_REGION: Final = "us-east-1"
_PAST: Final = f"past the {HISTORY.days} days of the event history"


class LookupSource:
    """The event history. One instance serves many threads; `stop` ends requests under way."""

    ready = True
    """`open` has fetched all bytes when it returns: they are not to be copied into memory."""

    def __init__(self, text: str, settings: Settings) -> None:
        """Makes no request. Raises `UsageError`."""
        named = [each for each in re.split(r"[,/]", text.removeprefix("lookup://")) if each]
        for each in named:
            if not is_region(each):
                raise UsageError(
                    f"{text}: {each} is no region",
                    hint="write lookup:// for all regions, or lookup://eu-west-1,us-east-1",
                )
        self._named = tuple(dict.fromkeys(named))
        self._aws = settings.aws
        days = settings.retention.days
        self._now = datetime.now(UTC)
        self._oldest = self._now.date() - timedelta(days=days) if days is not None else None
        self._stop = threading.Event()
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._lock = threading.Lock()
        self.ignored: Mapping[str, int] = {}
        self.notes: list[str] = []
        """What the history cannot have, or a region that is left out; for people."""

    def stop(self) -> None:
        """End reading with an error for windows under way, and begin no further one."""
        self._stop.set()

    def objects(self, selection: Selection) -> Iterator[TrailObject]:
        """The windows selected. Raises `SourceUnreachableError` and `UsageError`.

        An account and region that may not be read has one object, and opening it raises the reason.
        """
        self._note_limits(selection)
        lanes = self._checked(selection)
        for lane in lanes:
            if lane.error is not None:
                yield TrailObject(_refused(lane), UNSEEN, 0)
        for window in self._windows(selection, [each for each in lanes if each.error is None]):
            yield window.item(self._now)

    def count(self, selection: Selection) -> int:
        """How many objects there are, without a request to CloudTrail."""
        lanes = [(lane.account, lane.region) for lane in self._lanes_of(selection)]
        return len(lanes) * len(_CHOICES) * sum(1 for _ in self._starts(selection))

    def estimate(self, selection: Selection) -> Estimate:
        """How long reading all of it takes, by two requests for each account and region."""
        lanes = [each for each in self._checked(selection) if each.error is None]
        begins = list(self._starts(selection))
        if not begins or not lanes:
            return Estimate(len(lanes))
        span = sum((min(self._now - each, timedelta(hours=6)) for each in begins), timedelta())
        with ThreadPoolExecutor(min(_CHECKED_AT_ONCE, len(lanes))) as asking:
            paces = list(
                asking.map(lambda pair: pair[0].pace(pair[1], self._now), product(lanes, _CHOICES))
            )
        requests: list[int] = []
        events = 0
        for number, pace in enumerate(paces):
            found = (
                round(pace.events / pace.seconds * span.total_seconds())
                if pace.more
                else pace.events
            )
            requests.append(max(len(begins), len(begins) // 2 + found // PAGE))
            if number % 2:  # of all events; the writes are among them
                events += found
        slowest = max(sum(requests[place : place + 2]) for place in range(0, len(requests), 2))
        return Estimate(
            len(lanes),
            len(lanes) * len(_CHOICES) * len(begins),
            events,
            sum(requests),
            slowest / REQUESTS_A_SECOND,
        )

    def open(self, item: TrailObject) -> BinaryIO:
        """A window's events, as `aws cloudtrail lookup-events` writes them, in a temporary file.

        Raises `ObjectAccessDeniedError`, `ObjectUnreadableError`, `SourceUnreachableError`, and
        `NotCloudTrailError` for a window that was past the history before its turn came.
        """
        for lane in self._lanes.values():
            if lane.error is not None and item.uri == _refused(lane):
                raise lane.error
        window = LookupWindow.of(item.uri)
        if window is None:
            raise ObjectUnreadableError(f"{item.uri}: no window of the event history")
        first, last = window.times(self._now, datetime.now(UTC))
        if first > last:
            raise NotCloudTrailError(f"{item.uri}: {_PAST}", kind=_PAST)
        lane = self._lanes[window.account, window.region]
        spool = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - handed out
        spool.write(b'{"Events":[')
        for number, event in enumerate(lane.events(window, self._now)):
            kept = {name: event.get(name) for name in ("EventId", "CloudTrailEvent")}
            spool.write((b"," if number else b"") + msgspec.json.encode(kept))
        spool.write(b"]}")
        spool.seek(0)
        return cast(BinaryIO, spool)

    def head(self, item: TrailObject, size: int) -> bytes:
        """The first bytes of a window. Raises as `open` does."""
        with self.open(item) as stream:
            return stream.read(size)

    def _starts(self, selection: Selection) -> Iterator[datetime]:
        return starts(selection, self._now, self._oldest)

    def _windows(self, selection: Selection, lanes: list[Lane]) -> Iterator[LookupWindow]:
        for choice in _CHOICES:
            for start in self._starts(selection):
                for lane in lanes:
                    yield LookupWindow(lane.account, lane.region, start, choice)

    def _note_limits(self, selection: Selection) -> None:
        first = first_day(self._now)
        if selection.since is not None and selection.since < first:
            self.notes = [
                f"the event history has {HISTORY.days} days: what is before {first} is not in it"
            ]

    def _lanes_of(self, selection: Selection) -> list[Lane]:
        """One lane for each account and region, the same ones each time. Raises
        `SourceUnreachableError`."""
        with self._lock:
            if not self._lanes:
                for clients, account in self._accounts(selection):
                    for region in self._regions(clients, account):
                        api = clients.of("cloudtrail", region, attempts=1)
                        self._lanes[account, region] = Lane(api, account, region, self._stop)
        return [
            lane
            for lane in self._lanes.values()
            if (not selection.accounts or lane.account in selection.accounts)
            and (not selection.regions or lane.region in selection.regions)
        ]

    def _checked(self, selection: Selection) -> list[Lane]:
        """The lanes, each after one request. Raises `SourceUnreachableError` for a fault that every
        lane would have."""
        lanes = self._lanes_of(selection)
        if lanes:
            with ThreadPoolExecutor(min(_CHECKED_AT_ONCE, len(lanes))) as asking:
                list(asking.map(Lane.check, lanes))
        for lane in lanes:
            if isinstance(lane.error, SourceUnreachableError):
                raise lane.error
        return lanes

    def _accounts(self, selection: Selection) -> Iterator[tuple[Clients, str]]:
        role = self._aws.role_arn
        if role is None or _ACCOUNT not in role:
            clients = Clients(self._aws)
            yield clients, _own_account(clients)
            return
        if not selection.accounts:
            raise UsageError(
                f"aws.role_arn has {_ACCOUNT}, and no account is named",
                hint="give --account ID, once for each account",
            )
        for account in sorted(selection.accounts):
            there = self._aws.model_copy(update={"role_arn": role.replace(_ACCOUNT, account)})
            yield Clients(there), account

    def _regions(self, clients: Clients, account: str) -> list[str]:
        """The regions named by the source, or else all that the account has enabled."""
        if self._named:
            return list(self._named)
        try:
            reply = clients.of("ec2", self._aws.region or _DEFAULT_REGION).describe_regions()
        except FAILURES as error:
            found = lookup_error(error, f"regions of {account}")
            if isinstance(found, SourceUnreachableError):
                raise found from error
            every = clients.session.get_available_regions("cloudtrail")
            return self._enabled(clients, account, every)
        return sorted(each["RegionName"] for each in reply["Regions"])

    def _enabled(self, clients: Clients, account: str, regions: list[str]) -> list[str]:
        """The regions that answer, for an account that denies `ec2:DescribeRegions`; the others are
        named."""

        def answers(region: str) -> bool:
            try:
                clients.of("cloudtrail", region).lookup_events(MaxResults=1)
            except FAILURES as error:
                return code_of(error) not in NOT_ENABLED
            return True

        with ThreadPoolExecutor(_CHECKED_AT_ONCE) as asking:
            there = list(asking.map(answers, regions))
        if not any(there):
            raise SourceUnreachableError(
                f"event history of {account}: no region accepts the credentials",
                hint="check the access key and the session token",
            )
        if out := [each for each, ok in zip(regions, there, strict=True) if not ok]:
            self.notes.append(f"regions that {account} has not enabled: {', '.join(out)}")
        return [each for each, ok in zip(regions, there, strict=True) if ok]


def _own_account(clients: Clients) -> str:
    try:
        reply = clients.of("sts", clients.aws.region or _DEFAULT_REGION).get_caller_identity()
    except FAILURES as error:
        raise SourceUnreachableError(
            f"event history: {lookup_error(error, 'the account').message}",
            hint=lookup_error(error, "").hint,
        ) from error
    return str(reply["Account"])


def _refused(lane: Lane) -> str:
    return f"lookup://{lane.account}/CloudTrail/{lane.region}/all.json"
