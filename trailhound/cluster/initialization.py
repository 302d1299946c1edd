"""`init`: the index templates and the indices made from them are created once, and brought to the
present release in place.

What carries the mark of this release is compared nonetheless: somebody may have changed it since.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError, TransportError

from trailhound.cluster import differences
from trailhound.cluster.dialect import dialect_of
from trailhound.cluster.differences import described
from trailhound.cluster.refusals import from_response, is_index_block
from trailhound.cluster.request_params import CLOSED_TOO
from trailhound.cluster.templates import (
    MAPPINGS,
    IndexKind,
    Names,
    check,
    check_singles,
    descriptions,
    get_template,
    index_marks,
    mapping,
    mark_of,
    single_indices,
    template,
)
from trailhound.errors import ForeignTemplateError, SettingsError, TrailhoundError
from trailhound.settings import Settings


@dataclass(frozen=True, slots=True)
class InitChange:
    """The name of a template or index that `init` looked at, and what was done to it."""

    name: str
    action: Literal["created", "upgraded", "corrected", "unchanged", "kept", "skipped"]
    """`corrected`: it was of this release, but somebody had changed it since.
    `kept`: an index of which some fields stay as they are, since only a reindex can change them.
    `skipped`: an index that is read-only, whose metadata is blocked, or that is not ours."""
    detail: str = ""


def init(client: OpenSearch, settings: Settings) -> list[InitChange]:
    """Create or upgrade templates and indices; idempotent.

    Raises `ForeignTemplateError` where a name of ours is taken by something that isn't ours.
    """
    changes = [_init_template(client, settings, kind) for kind in MAPPINGS]
    check(client, settings)
    there = single_indices(client, settings)
    kinds = [kind for kind in MAPPINGS if kind != "events"]
    indices = [_init_index(client, settings, kind, there) for kind in kinds]
    upgraded = _upgrade(client, settings)
    # An index has one line: what happened to it.
    named = {each.name for each in upgraded}
    return changes + [each for each in indices if each.name not in named] + upgraded


def _init_template(client: OpenSearch, settings: Settings, kind: IndexKind) -> InitChange:
    name = Names(settings.prefix).template(kind)
    wanted = template(kind, settings, dialect_of(client))
    there = get_template(client, name)
    if there is None:
        _put_template(client, settings, name, wanted)
        return InitChange(name, "created", "index template")
    if not mark_of(there):
        raise ForeignTemplateError(
            f"the index template {name} was not made by Trailhound",
            hint="rename or delete it, or set a namespace",
        )
    found = differences.template_differences(wanted, there)
    # Compare both marks: that of a mapping edited by hand differs from its template's.
    inside = mark_of((there.get("template") or {}).get("mappings") or {})
    expected = mark_of(wanted), mark_of(wanted["template"]["mappings"])
    is_current = (mark_of(there), inside) == expected
    if is_current and not found:
        return InitChange(name, "unchanged", "index template")
    _put_template(client, settings, name, differences.keep_user_changes(wanted, there))
    if not is_current:
        return InitChange(name, "upgraded", "index template")
    return InitChange(name, "corrected", f"index template: {described(found, 'was')}")


def _put_template(
    client: OpenSearch, settings: Settings, name: str, wanted: dict[str, Any]
) -> None:
    """Raises `SettingsError` where the cluster does not have the codec of the settings or refuses
    another value, `ForeignTemplateError` where something else has the same indices or the alias."""
    dialect = dialect_of(client)
    if settings.index.codec not in dialect.codecs:
        raise SettingsError(
            f"index.codec: {dialect.product} has no codec {settings.index.codec}",
            hint=f"set index.codec to one of {', '.join(sorted(dialect.codecs))}",
        )
    try:
        client.indices.put_index_template(name=name, body=wanted)
    except RequestError as error:
        raise _template_refused(name, wanted, error) or error from error


_OVERLAPS: Final = re.compile(r"matching patterns from existing templates \[([^\]]+)\]")
_ALIAS_TAKEN: Final = re.compile(r"[Ii]nvalid alias name \[([^\]]+)\].*same name as the alias")
_SETTING: Final = re.compile(r"\[index\.([a-z_.]+)\]")
_VALUE: Final = re.compile(r"value \[([^\]]*)\]")
_NAMED_OTHERWISE: Final = {"number_of_shards": "shards", "number_of_replicas": "replicas"}
_OURS: Final = re.compile(rf"(?:.*-)?trailhound-(?:{'|'.join(MAPPINGS)})")


def _template_refused(
    name: str, wanted: Mapping[str, Any], error: RequestError
) -> TrailhoundError | None:
    """What a refusal of an index template means; None where it is not known."""
    text, reason = str(error.info), from_response(error).message
    if found := _OVERLAPS.search(text):
        others = found[1].split(",")
        if all(_OURS.fullmatch(each.strip()) for each in others):
            hint = "this is another namespace's, and one lies within the other: choose a namespace "
            hint += "that does not go on after another one's name with `-cloudtrail`"
        else:
            hint = "give that template another priority, or set a namespace"
        patterns = ", ".join(wanted["index_patterns"])
        return ForeignTemplateError(
            f"the index template {name} for {patterns} would apply to the same indices as "
            f"{', '.join(map(str.strip, others))}, of the same priority ({wanted['priority']})",
            hint=hint,
        )
    if found := _ALIAS_TAKEN.search(text):
        return ForeignTemplateError(
            f"there is an index {found[1]}, and the alias of the daily indices has this name",
            hint="rename or delete it, or set a namespace",
        )
    if "index.codec" in reason:
        known = re.search(r"must be one of \[([^\]]+)\]", reason)
        codec = wanted["template"]["settings"]["index"]["codec"]
        return SettingsError(
            f"index.codec: the cluster has no codec {codec}",
            hint=(f"it knows {known[1]}: " if known else "")
            + "set index.codec to one of them, or install the plugin opensearch-custom-codecs",
        )
    setting, value = _SETTING.search(text), _VALUE.search(text)
    if setting and value:
        ours = f"index.{_NAMED_OTHERWISE.get(setting[1], setting[1])}"
        return SettingsError(
            f"{ours}: the cluster does not take the value {value[1]} ({reason})",
            hint=f"set {ours} to another value: docs/settings.md",
        )
    return None


def _init_index(
    client: OpenSearch, settings: Settings, kind: IndexKind, there: Collection[str]
) -> InitChange:
    name = Names(settings.prefix).single(kind)
    if name in there:
        return InitChange(name, "unchanged", "index")
    try:
        client.indices.create(index=name)
    except RequestError as error:
        if "resource_already_exists" not in str(error.error):
            raise
        check_singles(client, settings)
        return InitChange(name, "unchanged", "index")
    return InitChange(name, "created", "index")


def _upgrade(client: OpenSearch, settings: Settings) -> list[InitChange]:
    """Bring the mappings of existing indices to the present one, as far as they can change."""
    names = Names(settings.prefix)
    found, there = index_marks(client, names.every), descriptions(client, names.every)
    dialect = dialect_of(client)
    todays = {kind: mapping(kind, settings, dialect) for kind in MAPPINGS}
    changes = []
    for index, mark in sorted(found.items()):
        if (kind := mark.get("kind")) in MAPPINGS:
            mappings = there[index]["mappings"] if index in there else None
            changes += _upgrade_index(client, index, mark, todays[kind], mappings)
    foreign = "not made by Trailhound: left as it is, and events of its day are not written to it"
    ours = {index for index, mark in found.items() if mark.get("kind") in MAPPINGS}
    return changes + [
        InitChange(index, "skipped", foreign) for index in sorted(_names(client, names.days) - ours)
    ]


def _upgrade_index(
    client: OpenSearch,
    index: str,
    mark: dict[str, Any],
    wanted: dict[str, Any],
    there: dict[str, Any] | None,
) -> list[InitChange]:
    """`there`: its mapping; None where a block hides it. Nothing if it is current."""
    is_current = mark.get("fingerprint") == mark_of(wanted)["fingerprint"]
    found = differences.mapping_differences(wanted, there) if there is not None else []
    stay = [each for each in found if each.stays]
    change = [each for each in found if not each.stays]
    done = None
    if change or not is_current:
        try:
            if there is None:  # refused by the block
                there = client.indices.get_mapping(index=index)[index]["mappings"]
            client.indices.put_mapping(index=index, body=differences.missing(wanted, there))
        except NotFoundError:
            return []  # it was removed meanwhile
        except RequestError as error:
            return [InitChange(index, "kept", from_response(error).message)]
        except TransportError as error:
            if not is_index_block(error):
                raise
            detail = "read-only: its mapping stays as it is, its events are found as before"
            return [InitChange(index, "skipped", detail)]
        done = InitChange(index, "upgraded", "fields added to its mapping")
        if is_current:
            done = InitChange(index, "corrected", f"its mapping: {described(change, 'was')}")
    if stay:
        more = f"; {done.action}: {done.detail}" if done is not None else ""
        return [InitChange(index, "kept", f"only a reindex can change it: {described(stay)}{more}")]
    return [done] if done is not None else []


def _names(client: OpenSearch, pattern: str) -> set[str]:
    """The names of all indices of a pattern; none where one of them hides its metadata."""
    try:
        return set(client.indices.get_alias(index=pattern, params=CLOSED_TOO))
    except TransportError as error:
        if not is_index_block(error):
            raise
        return set()
