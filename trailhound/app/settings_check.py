"""Checks of settings beyond their types, made before a daemon starts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import ip_network
from pathlib import Path

from trailhound.settings import Settings
from trailhound.settings.provenance import Location

_OF_KINDS: Mapping[str, tuple[str, ...]] = {
    "every": ("poll", "watch"),
    "since": ("poll",),
    "overlap_minutes": ("poll",),
    "late_days": ("poll",),
    "role_arn": ("queue", "poll"),
    "external_id": ("queue", "poll"),
    "region": ("queue", "poll"),
}
"""The fields of `run.sources` that not every kind of source uses, and those that do."""


_LARGEST: Mapping[int, int] = {4: 8, 6: 16}
"""The shortest prefix of a network that is trusted without a question, by IP version."""
_NARROW: Mapping[int, int] = {4: 16, 6: 32}
"""The shortest prefix by which learning recognizes a network without a warning."""


def check(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Faults: filters that are not valid Sigma, unreadable files, a source that is given twice."""
    yield from check_filter(settings)
    for location, file in _files(settings):
        if file is not None:
            try:
                with file.open("rb"):
                    pass
            except OSError as error:
                yield location, f"the file cannot be read ({error.strerror})"
    seen: set[str] = set()
    for position, source in enumerate(settings.run.sources):
        place = source.place
        if place in seen:
            yield ("run", "sources", position), "an earlier source follows the same place"
        seen.add(place)


def missing_folders(settings: Settings) -> Iterator[tuple[Location, str]]:
    """The folders of `run.sources` that do not exist. A daemon starts all the same and waits until
    they do: something else may make them."""
    for position, source in enumerate(settings.run.sources):
        if source.watch is not None and not source.watch.expanduser().is_dir():
            yield ("run", "sources", position, "watch"), f"there is no folder {source.watch}"


def settings_warnings(settings: Settings) -> Iterator[tuple[Location, str]]:
    """What is no fault, and hardly what the author of the settings expects of them."""
    yield from doubtful_filters(settings)
    yield from _blinding_filters(settings)
    yield from _wide_trust(settings)
    yield from without_effect(settings)


def _blinding_filters(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Blocks of `filter` that drop what shipped rules look for."""
    if settings.filter and settings.detections.shipped:
        from trailhound.app.filtered_rules import filtered_rules  # reads the samples of all rules

        for position, message in filtered_rules(settings.filter):
            yield ("filter", position), message


def _wide_trust(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Networks that are one's own, or of known automation, and hold nearly every address; and calls
    of known automation that no event has."""
    for position, name in enumerate(settings.enrich.own):
        if "/" in name and is_wide(name):
            yield (
                ("enrich", "own", position),
                f"{name}: whom a policy lets in from nearly any address counts as yours",
            )
    chosen, where = settings.detections.known_automation, ("detections", "known_automation")
    for position, each in enumerate(chosen.trusted):
        wide = [name for name in each.networks if is_wide(name)]
        if wide:
            yield (
                (*where, "trusted", position, "networks"),
                (
                    f"{' and '.join(wide)}: whoever has the credentials of {each.role} is not "
                    f"reported for {', '.join(each.calls)}, from nearly any address"
                ),
            )
        patterns = [call for call in each.calls if not call.replace("_", "").isalnum()]
        if patterns:
            yield (
                (*where, "trusted", position, "calls"),
                (
                    f"{', '.join(patterns)}: no call has this name; each is written out, as "
                    "CloudTrail writes it in `eventName`"
                ),
            )
    for name, version in (("ipv4_prefix", 4), ("ipv6_prefix", 6)):
        prefix = getattr(chosen, name)
        if prefix < _NARROW[version]:
            yield (
                (*where, name),
                (
                    f"addresses of a whole /{prefix} count as one network: what is learned "
                    "is known from networks of many owners"
                ),
            )


def is_wide(network: str) -> bool:
    """Whether a network is too large to say anything about who calls from it.

    >>> is_wide("0.0.0.0/0"), is_wide("10.0.0.0/8"), is_wide("2001::/12")
    (True, False, True)
    """
    found = ip_network(network, strict=False)
    return found.prefixlen < _LARGEST[found.version]


def without_effect(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Settings that were given and change nothing beside the others: no fault, but their author
    expects something of them."""
    for position, source in enumerate(settings.run.sources):
        for name, kinds in _OF_KINDS.items():
            default = type(source).model_fields[name].default
            if source.kind not in kinds and getattr(source, name) != default:
                yield (
                    ("run", "sources", position, name),
                    f"has no effect on a source of `{source.kind}`, only on `{'`, `'.join(kinds)}`",
                )
    retention = settings.retention
    if retention.days is None and retention.action != "delete":
        yield ("retention", "action"), "has no effect without `retention.days`"
    if retention.cold_after is None and retention.repository is not None:
        yield ("retention", "repository"), "has no effect without `retention.cold_after`"


def check_filter(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Faults of `filter`, including fields that no CloudTrail event has."""
    if not settings.filter:
        return
    # Imported here: the Sigma matcher takes longer to load than the rest of a backfill.
    from ingest.documents.noise_filter import filter_faults

    for path, fault in filter_faults(settings.filter):
        yield ("filter", *path), fault


def doubtful_filters(settings: Settings) -> Iterator[tuple[Location, str]]:
    """Blocks of `filter` that drop events by what a caller chooses. They are used all the same."""
    if not settings.filter:
        return
    from ingest.documents.noise_filter import filter_doubts

    for position, doubt in filter_doubts(settings.filter):
        yield ("filter", position), doubt


def _files(settings: Settings) -> Iterator[tuple[Location, Path | None]]:
    for section in ("cluster", "dashboards"):
        for name in ("password_file", "api_key_file", "ca_bundle", "client_cert", "client_key"):
            yield (section, name), getattr(getattr(settings, section), name)
    for position, channel in enumerate(settings.notify.channels):
        for name in ("url_file", "secret_file", "ca_bundle"):
            yield ("notify", "channels", position, name), getattr(channel, name)
    yield ("aws", "sse_customer_key_file"), settings.aws.sse_customer_key_file
