"""Rules that find nothing, because nothing gives the fields that they ask for a value.

Places, networks and threat lists come from files that settings name, and not all of these are
shipped. A rule on such a field loads, runs and finds nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Final

from sigma.correlations import SigmaCorrelationRule

from detections.correlations.correlation import Correlation, Part
from detections.event_fields import named
from detections.kinds.travel import ImpossibleTravel
from detections.matcher.precheck import precheck
from detections.packs.pack import Pack
from detections.packs.reading import rule_id
from detections.rule import Rule
from enrich.geo import packaged_city_database
from trailhound.plural import plural
from trailhound.settings.enrich import EnrichSettings

CITY: Final = "enrich.city_database"
ASN: Final = "enrich.asn_database"
THREATS: Final = "enrich.threat_lists"
FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    CITY: (
        "geolocation.city",
        "geolocation.country",
        "geolocation.country_code",
        "geolocation.latitude",
        "geolocation.location",
        "geolocation.longitude",
    ),
    ASN: ("geolocation.asn", "geolocation.as_org"),
    THREATS: ("threat.",),
}
"""Settings → the fields that have a value only with them; one that ends with a dot stands for all
below it."""
_MOST_NAMED: Final = 3


def absent_data(settings: EnrichSettings) -> tuple[str, ...]:
    """Those of the settings of `FIELDS` that name no file. One that cannot be read is named."""
    city = settings.city_database or packaged_city_database()
    there = {
        CITY: settings.geolocation and city is not None,
        ASN: settings.geolocation and settings.asn_database is not None,
        THREATS: bool(settings.threat_lists),
    }
    return tuple(setting for setting, present in there.items() if not present)


def lacking(pack: Pack, absent: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The rules that find nothing without the settings `absent`, by id, each with those of them
    that it takes."""
    unset = [field for setting in absent for field in FIELDS[setting]]
    if not unset:
        return {}
    search = _Search(pack, tuple(unset))
    return {
        rule.id: tuple(each for each in absent if search.reads(rule, FIELDS[each]))
        for rule in pack.alerting
        if search.finds_nothing(rule)
    }


def sentence(pack: Pack, absent: Collection[str]) -> str:
    """The rules that find nothing, by what they lack, as a text; empty if there are none. It
    begins with `<number> rule`.

    >>> from detections.packs.pack import Pack
    >>> sentence(Pack(), ["enrich.asn_database"])
    ''
    """
    titles: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for name, settings in lacking(pack, absent).items():
        titles[settings].append(pack.rule(name).title)
    parts = []
    for settings, of_these in titles.items():
        find = "finds" if len(of_these) == 1 else "find"
        more = len(of_these) - _MOST_NAMED
        names = ", ".join(sorted(of_these)[:_MOST_NAMED]) + (
            f" and {more} more" if more > 0 else ""
        )
        parts.append(
            f"{plural(len(of_these), 'rule')} {find} nothing without {' and '.join(settings)}: "
            f"{names}"
        )
    return "; ".join(parts)


class _Search:
    def __init__(self, pack: Pack, unset: tuple[str, ...]) -> None:
        self._pack, self._unset = pack, unset

    def reads(self, rule: Rule, fields: tuple[str, ...]) -> bool:
        """Whether a rule, or one that it counts, reads any of these fields."""
        return any(_is_any(each, fields) for each in self._read(rule.definition, rule.id))

    def finds_nothing(self, rule: Rule) -> bool:
        """Whether no event can be a finding of the rule while the fields have no value."""
        definition = rule.definition
        if isinstance(definition, SigmaCorrelationRule):
            return self._no_window(Correlation.of(definition))
        return self._matches_nothing(rule.id) or any(map(self._is_unset, _grouped(definition)))

    def _is_unset(self, field: str) -> bool:
        return _is_any(field, self._unset)

    def _matches_nothing(self, name: str) -> bool:
        compiled = self._pack.compiled.get(name)
        if compiled is None or compiled.matcher is None:
            return False
        known = {field for field in compiled.matcher.fields if self._is_unset(field)}
        # An event of which only these are known, and that has none of them.
        possible = precheck(compiled.matcher, known) if known else None
        return possible is not None and not possible({})

    def _no_window(self, correlation: Correlation) -> bool:
        used = sum(not self._no_event(part) for part in correlation.parts)
        if correlation.expression is None and correlation.type.startswith("temporal"):
            return used < correlation.threshold.minimum
        return not used

    def _no_event(self, part: Part) -> bool:
        """Whether no event of a part can count: one without a value to group by is in no group."""
        if any(map(self._is_unset, (*part.group_by, *part.counted))):
            return True
        if isinstance(part.rule, Correlation):
            return self._no_window(part.rule)
        return self._matches_nothing(rule_id(part.rule))

    def _read(self, definition: object, name: str) -> set[str]:
        compiled = self._pack.compiled.get(name)
        read = set(compiled.matcher.fields) if compiled and compiled.matcher else set()
        if isinstance(definition, SigmaCorrelationRule):
            definition = Correlation.of(definition)
        if not isinstance(definition, Correlation):
            return read.union(_grouped(definition))
        for part in definition.parts:
            inner = part.rule if isinstance(part.rule, Correlation) else None
            below = "" if isinstance(part.rule, Correlation) else rule_id(part.rule)
            read |= {*map(named, (*part.group_by, *part.counted)), *self._read(inner, below)}
        return read


def _is_any(field: str, fields: tuple[str, ...]) -> bool:
    path = named(field)
    return any(path == each or (each.endswith(".") and path.startswith(each)) for each in fields)


def _grouped(definition: object) -> tuple[str, ...]:
    """The fields that a rule of a kind of our own compares, besides those of its detection."""
    if isinstance(definition, ImpossibleTravel):
        return ("geolocation.location", *definition.group_by)
    group_by = getattr(definition, "group_by", ())
    field = getattr(definition, "field", None)
    return (*group_by, field) if isinstance(field, str) else tuple(group_by)
