"""Records of every shape through a backfill: each is indexed, with the fields that it must get."""

from __future__ import annotations

from pathlib import Path
from uuid import NAMESPACE_OID, uuid5

from tests.helpers.records import RECORDS, value_at
from tests.helpers.trails import backfill, documents, own_settings, prepared, write_trail


def test_every_shape_is_indexed_with_its_fields(
    engine: str, namespace: str, tmp_path: Path
) -> None:
    settings = own_settings(engine, namespace, tmp_path / "home", enrich={"geolocation": False})
    client = prepared(settings)
    ids = {name: str(uuid5(NAMESPACE_OID, name)) for name in RECORDS}
    records = [sample.record | {"eventID": ids[name]} for name, sample in RECORDS.items()]
    write_trail(tmp_path / "trail", records)
    report = backfill(settings, tmp_path / "trail")
    found = documents(client, settings)
    # Without the name and the source of a call, these two are no CloudTrail records.
    assert (report.counts.indexed, report.counts.dead_lettered) == (len(found), 2)
    missing = {name for name in RECORDS if ids[name] not in found}
    assert missing == {"odd-types", "odd-nulls"}
    for name, sample in RECORDS.items():
        if name not in missing:
            document = found[ids[name]]
            assert {
                path: value_at(document, path) for path in sample.expected
            } == sample.expected, name
