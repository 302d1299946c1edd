"""Threat lists: addresses, networks and domains to mark events by, from local files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network, summarize_address_range
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from enrich import address
from enrich.view import loads
from trailhound.errors import ThreatListError

_WORD = re.compile(r"[\s,;|]+")
_DATE = re.compile(
    r"\b(20[0-9]{2}-[01][0-9]-[0-3][0-9])(?:[T ]([0-2][0-9]:[0-5][0-9]:[0-5][0-9]))?"
)
_DOMAIN = re.compile(
    r"(?:\*?\.)?((?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9])\.?"
)
_STIX = re.compile(
    r"(?:ipv4-addr|ipv6-addr|domain-name):value\s*(?:=|ISSUBSET)\s*'((?:[^'\\]|\\.)*)'"
)
_STIX_COMPLEX = re.compile(r"\b(?:AND|NOT|FOLLOWEDBY|LIKE|MATCHES|ISSUPERSET)\b|!=")
_SINKS = {"0.0.0.0", "127.0.0.1", "::", "::1"}  # noqa: S104 - what hosts files point domains to
_WIDEST = {4: 8, 6: 16}
"""The shortest prefix taken: anything wider is a slip that would mark half the internet."""

Network = IPv4Network | IPv6Network


MOST_SKIPPED = 5
"""Lines not understood that are kept of a list, to be named; all are counted."""
LONGEST_SKIPPED = 60
"""Characters kept of such a line."""


class SkippedEntry(NamedTuple):
    """An entry not understood. `number` is its line, or its place in a STIX bundle; both from 1."""

    number: int
    text: str


class ThreatList(NamedTuple):
    """One list as loaded. `modified` is ISO 8601 in UTC; `skipped` counts the entries not
    understood, and `examples` has the first `MOST_SKIPPED` of them.
    """

    name: str
    path: Path
    modified: str
    entries: int
    skipped: int
    examples: tuple[SkippedEntry, ...] = ()


class Match(NamedTuple):
    """An entry of a list that an event's source fell under: `name` as the list has it."""

    name: str
    source: ThreatList


@dataclass(slots=True)
class ThreatLists:
    """All lists, in tables that cost one look-up for each prefix length in use."""

    lists: list[ThreatList] = field(default_factory=list)
    problems: list[ThreatListError] = field(default_factory=list)
    """Files that could not be read: a warning each; the other lists work."""
    kept: list[ThreatList] = field(default_factory=list)
    """Of `lists`, those taken from `previous` because their file could no longer be read."""
    _networks: dict[tuple[int, int], dict[int, list[Match]]] = field(default_factory=dict)
    _domains: dict[str, list[Match]] = field(default_factory=dict)

    @classmethod
    def load(
        cls,
        lists: Iterable[tuple[Path | str, str | None]],
        *,
        previous: ThreatLists | None = None,
    ) -> ThreatLists:
        """The lists in files, each with its name (default: the file's). Of a file that cannot be
        read, what `previous` had of it is kept, where it had that file under that name.

        A file is text, with an address, CIDR, range `a-b` or domain first on each line and `#`,
        `;` or `//` before a comment; or a STIX 2 bundle, whose indicators' patterns are read.
        A list's date is its own (one in its leading comments; the newest `modified`), else the
        file's.
        """
        loaded = cls()
        for given, given_name in lists:
            path, name = Path(given), given_name or Path(given).stem
            try:
                loaded._add(path, name)
            except ThreatListError as error:
                loaded.problems.append(error)
                if previous is not None:
                    loaded._keep(previous, path, name)
        return loaded

    def of_address(self, ip: str) -> list[Match]:
        """The entries that hold an address, the narrowest first."""
        parsed = address.parse(ip)
        if parsed is None:
            return []
        number, width = int(parsed), parsed.max_prefixlen
        found: list[Match] = []
        for version, length in sorted(self._networks, reverse=True):
            if version == parsed.version:
                table = self._networks[version, length]
                found += table.get(number >> (width - length), ())
        return found

    def of_host(self, host: str) -> list[Match]:
        """The entries that are a host's name or a domain above it, the narrowest first."""
        found: list[Match] = []
        labels = host.lower().rstrip(".").split(".")
        for start in range(len(labels) - 1):
            found += self._domains.get(".".join(labels[start:]), ())
        return found

    def _add(self, path: Path, name: str) -> None:
        if path.exists() and not path.is_file():  # a pipe or a device: reading it may never end
            raise ThreatListError(
                f"the threat list {path} cannot be read: it is not a file",
                path=path,
                hint="check enrich.threat_lists in the settings",
            )
        try:
            data = path.read_bytes()
            changed = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        except OSError as error:
            raise ThreatListError(
                f"the threat list {path} cannot be read: {error.strerror}",
                path=path,
                hint="check enrich.threat_lists in the settings",
            ) from None
        texts, own_date = _read(path, data)
        networks: list[tuple[str, Network]] = []
        domains: list[str] = []
        skipped = 0
        examples: list[SkippedEntry] = []
        for number, text in texts:
            entry = _networks_of(text)
            domain = None if entry else _DOMAIN.fullmatch(text.lower())
            if entry:
                networks += ((text, network) for network in entry)
            elif domain:
                domains.append(domain[1])
            else:
                skipped += 1
                if len(examples) < MOST_SKIPPED:
                    examples.append(SkippedEntry(number, text[:LONGEST_SKIPPED]))
        modified = own_date or f"{changed:%Y-%m-%dT%H:%M:%SZ}"
        entries = len(networks) + len(domains)
        source = ThreatList(name, path, modified, entries, skipped, tuple(examples))
        self.lists.append(source)
        for text, network in networks:
            bits = network.max_prefixlen - network.prefixlen
            table = self._networks.setdefault((network.version, network.prefixlen), {})
            table.setdefault(int(network.network_address) >> bits, []).append(Match(text, source))
        for domain_name in domains:
            self._domains.setdefault(domain_name, []).append(Match(domain_name, source))

    def _keep(self, previous: ThreatLists, path: Path, name: str) -> None:
        """Takes over the entries that `previous` had of a file."""
        for source in previous.lists:
            if (source.path, source.name) != (path, name):
                continue
            self.lists.append(source)
            self.kept.append(source)
            for size, before in previous._networks.items():
                _merge(self._networks.setdefault(size, {}), before, source)
            _merge(self._domains, previous._domains, source)


Key = TypeVar("Key", int, str)


def _merge(
    table: dict[Key, list[Match]], before: Mapping[Key, list[Match]], source: ThreatList
) -> None:
    for key, matches in before.items():
        if own := [match for match in matches if match.source is source]:
            table.setdefault(key, []).extend(own)


def indicator(matches: list[Match], ip: str) -> dict[str, Any]:
    """`threat.indicator` for a source, named as ECS has it: `name` and `provider` are lists, since
    several lists may hold it; `modified_at` is the date of the list of the narrowest entry.
    """
    kind = ("ipv6-addr" if ":" in ip else "ipv4-addr") if ip else "domain-name"
    found: dict[str, Any] = {"type": kind}
    if ip:
        found["ip"] = ip
    found["name"] = list(dict.fromkeys(match.name for match in matches))[:100]
    found["provider"] = list(dict.fromkeys(match.source.name for match in matches))
    found["modified_at"] = matches[0].source.modified
    return found


Numbered = tuple[int, str]


def _read(path: Path, data: bytes) -> tuple[Iterable[Numbered], str]:
    """The entries of a file as texts with their numbers, and the list's own date if it has one."""
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in {b"{", b"["}:
        return _read_stix(path, data.removeprefix(b"\xef\xbb\xbf"))
    text = data.decode("utf-8-sig", "replace")
    return _lines(text), _own_date(text)


def _lines(text: str) -> Iterator[Numbered]:
    for number, line in enumerate(text.splitlines(), 1):
        for mark in ("#", ";", "//"):
            line = line.partition(mark)[0]
        words = [word.strip('"') for word in _WORD.split(line.strip()) if word]
        if not words:
            continue
        yield number, words[1] if len(words) > 1 and words[0] in _SINKS else words[0]


def _own_date(text: str) -> str:
    """The first date in the comments before the first entry."""
    for line in text.splitlines()[:100]:
        if line.strip() and not line.lstrip().startswith(("#", ";", "//")):
            return ""
        date = _date(line)
        if date:
            return date
    return ""


def _date(text: str) -> str:
    """The first date in a text, as ISO 8601 in UTC; `""` if none is on the calendar."""
    found = _DATE.search(text)
    if found is None:
        return ""
    try:
        moment = datetime.fromisoformat(f"{found[1]}T{found[2] or '00:00:00'}")
    except ValueError:
        return ""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _read_stix(path: Path, data: bytes) -> tuple[list[Numbered], str]:
    try:
        bundle = loads(data)
    except (ValueError, RecursionError) as error:
        raise ThreatListError(
            f"the threat list {path} is broken JSON: {error}", path=path, hint="download it again"
        ) from None
    objects = bundle.get("objects") if isinstance(bundle, dict) else bundle
    if not isinstance(objects, list):
        raise ThreatListError(
            f"the threat list {path} is JSON but not a STIX 2 bundle",
            path=path,
            hint="give a bundle with `objects`, or a text file with one entry per line",
        )
    texts: list[Numbered] = []
    newest = ""
    for number, item in enumerate(objects, 1):
        if not isinstance(item, dict) or item.get("type") != "indicator" or item.get("revoked"):
            continue
        pattern = item.get("pattern")
        if not isinstance(pattern, str) or item.get("pattern_type", "stix") != "stix":
            texts.append((number, f"no STIX pattern {pattern}"))
            continue
        bare = _STIX.sub("", pattern)
        if _STIX_COMPLEX.search(bare):
            # Counted as skipped: half of a condition would mark the innocent.
            texts.append((number, f"compound pattern {pattern}"))
            continue
        values = _STIX.findall(pattern) or [f"no address or domain {pattern}"]
        texts += ((number, text) for text in values)
        newest = max(newest, _date(str(item.get("modified", ""))))
    return texts, newest


def _networks_of(text: str) -> list[Network]:
    """The networks a text spells: an address, a CIDR, a range; none otherwise or if too wide."""
    try:
        first, dash, last = text.partition("-")
        if dash:
            low, high = address.parse(first), address.parse(last)
            if low is None or high is None or low.version != high.version:
                return []
            found: list[Network] = list(summarize_address_range(low, high))
        else:
            single = address.parse(text)
            found = [ip_network(single if single is not None else text, strict=False)]
    except (ValueError, TypeError):
        return []
    return found if all(net.prefixlen >= _WIDEST[net.version] for net in found) else []
