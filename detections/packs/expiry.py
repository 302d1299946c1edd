"""The end of an exception: the last day on which it applies, `trailhound: {expires: DAY}`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from detections.packs.documents import Document, documents, rule_files
from trailhound.errors import RuleError

KEYS: Final = ("expires",)
"""The keys under `trailhound:` of an exception."""
_HINT: Final = "write its last day (UTC) as 2026-12-31"


def today() -> date:
    """The current UTC day, which decides."""
    return datetime.now(UTC).date()


def expiry(content: Mapping[str, Any]) -> date | None:
    """The last day of an exception, of its document or pySigma's custom attributes; None for one
    without an end. Raises `RuleError`."""
    own = content.get("trailhound")
    if own is None:
        return None
    if not isinstance(own, Mapping):
        raise RuleError("`trailhound:` is not a mapping", hint="indent its keys below it")
    unknown = [str(key) for key in own if key not in KEYS]
    if unknown:
        raise RuleError(
            f"`trailhound:` of an exception has no key {unknown[0]!r}",
            hint=f"it takes {', '.join(KEYS)}",
        )
    return day_of(own["expires"]) if "expires" in own else None


def day_of(value: object) -> date:
    """The value of `expires`. Raises `RuleError`."""
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise RuleError(f"expires: {str(value)[:40]!r} is no day", hint=_HINT) from None


@dataclass(frozen=True, slots=True)
class Ended:
    """An exception that no longer applies."""

    title: str
    last: date

    def sentence(self) -> str:
        """That it ended, for people."""
        return f"the exception {self.title!r} ended with {self.last:%Y-%m-%d} and no longer applies"


def ended_exceptions(paths: Sequence[Path], now: date | None = None) -> list[Ended]:
    """The exceptions in files and folders that have ended. Reads YAML alone, and passes over what
    cannot be read: loading the rules says that."""
    day = now or today()
    return [each for path in paths for each in _ended(path.expanduser(), day)]


def _ended(path: Path, day: date) -> Iterator[Ended]:
    for file in rule_files(path):
        if not isinstance(file, Path):
            continue
        for document in documents(file):
            if isinstance(document, Document) and "filter" in document.content:
                try:
                    last = expiry(document.content)
                except RuleError:
                    continue
                if last is not None and last < day:
                    yield Ended(str(document.content.get("title") or file.name), last)
