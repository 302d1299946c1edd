"""The checks of `trailhound doctor` on index templates, and on the indices made from them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from opensearchpy import OpenSearch

from trailhound.app.doctor.check import Check, CheckVerdict, failed
from trailhound.cluster import differences, templates
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.differences import Difference, described
from trailhound.cluster.templates import Names
from trailhound.errors import ForeignTemplateError
from trailhound.settings import Settings

_NAMED = 3
_PUT_BACK = (
    "run `trailhound init`, which applies them as this release and the settings have them (shards, "
    "replicas, refresh interval, codec and sorting: `index.*`)"
)
_COMPONENT = "correct or remove the component template that says so: see `composed_of` of {}"
_INIT = "run `trailhound init`"
_REMAKE = (
    "a field of another type, or not searchable: reindex it, or delete it and run `trailhound "
    "backfill --force` for its day"
)
_ALIAS = "add the alias (`POST _aliases`): reports and `status` search the days by it"
_REFRESH = "set its index.refresh_interval to null (`PUT INDEX/_settings`)"
_FOREIGN = "an index that Trailhound has not made: rename it, or set a namespace"


def index_templates(client: OpenSearch, settings: Settings) -> Check:
    """Whether new indices become what this release makes them. Raises `ClusterError`s and
    opensearch-py's exceptions."""
    what = "index templates"
    try:
        templates.check(client, settings)
    except ForeignTemplateError as error:
        return failed(what, error)
    names = Names(settings.prefix)
    found = dict(_of_templates(client, settings))
    if found:
        fact = "; ".join(f"{name}: {described(each)}" for name, each in found.items())
        only_settings = all(
            each.path.startswith("settings.") for some in found.values() for each in some
        )
        verdict: CheckVerdict = "warning" if only_settings else "failed"
        return Check(what, verdict, fact, _PUT_BACK)
    wanted = templates.mapping("events", settings, dialect_of(client))
    new = templates.applied(client, names.no_day).get("mappings") or {}
    if by_component := differences.mapping_differences(wanted, new):
        fact = f"of new days, {described(by_component)}"
        return Check(what, "failed", fact, _COMPONENT.format(names.template("events")))
    return Check(what, "ok", "current")


def _of_templates(client: OpenSearch, settings: Settings) -> Iterator[tuple[str, list[Difference]]]:
    """Name of a template, and how it differs."""
    for kind in templates.MAPPINGS:
        name = Names(settings.prefix).template(kind)
        there = templates.get_template(client, name)
        if there is None:
            yield name, [Difference("the template", None, "")]
            continue
        wanted = templates.template(kind, settings, dialect_of(client))
        if found := differences.template_differences(wanted, there):
            yield name, found


def indices(client: OpenSearch, settings: Settings) -> Check:
    """Whether the indices that are there accept, store and find what this release writes. Raises
    opensearch-py's exceptions."""
    names = Names(settings.prefix)
    there = templates.descriptions(client, names.every)
    wanted = {
        kind: templates.mapping(kind, settings, dialect_of(client)) for kind in templates.MAPPINGS
    }
    number = 0
    alike: dict[str, list[str]] = {}
    advice: dict[str, None] = {}
    for index, body in sorted(there.items()):
        kind = templates.mark_of(body["mappings"]).get("kind")
        if kind in wanted:
            found = list(_of_index(names, wanted[kind], body))
        elif any(names.day_of(each) for each in (index, *body["aliases"])):
            found = [(Difference("the mark of Trailhound", None, ""), _FOREIGN)]
        else:
            continue
        number += 1
        if found:
            alike.setdefault(described([each for each, _ in found]), []).append(index)
            advice |= dict.fromkeys(each for _, each in found)
    if not alike:
        return Check("indices", "ok", f"{number:,}, as this release needs them")
    named = [_named(which, text) for text, which in alike.items()]
    more = [f"and {len(named) - _NAMED:,} more"] if len(named) > _NAMED else []
    return Check("indices", "warning", "; ".join([*named[:_NAMED], *more]), "; ".join(advice))


def _of_index(
    names: Names, wanted: Mapping[str, Any], body: Mapping[str, Any]
) -> Iterator[tuple[Difference, str]]:
    """How an index differs, with what to do. Fields that an earlier release did not have are none:
    the day may be read-only, and its events are found as before."""
    mark = templates.mark_of(body["mappings"])
    ours = templates.mark_of(wanted)
    for each in differences.mapping_differences(wanted, body["mappings"]):
        if each.there is not None or mark.get("fingerprint") == ours["fingerprint"]:
            yield each, _REMAKE if each.stays else _INIT
    if mark.get("kind") == "events" and names.alias not in body["aliases"]:
        yield Difference(f"the alias {names.alias}", None, ""), _ALIAS
    if (body["settings"].get("index") or {}).get("refresh_interval") == "-1":
        yield Difference("index.refresh_interval", "-1", None), _REFRESH


def _named(which: list[str], text: str) -> str:
    more = f" and {len(which) - 1:,} more" if len(which) > 1 else ""
    return f"{which[0]}{more}: {text}"
