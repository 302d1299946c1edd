"""One event by two routes is one document; two events under one id are two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.commands import command
from tests.helpers.trails import (
    backfill,
    dead_letters,
    documents,
    own_settings,
    prepared,
    record,
    sources,
    write_trail,
)
from trailhound.settings import Settings

KMS = {"eventSource": "kms.amazonaws.com", "eventName": ["Decrypt", "GenerateDataKey"]}


@pytest.fixture
def settings(engine: str, namespace: str, tmp_path: Path) -> Settings:
    made = own_settings(engine, namespace, tmp_path / "home", filter=[KMS])
    prepared(made)
    return made


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nulls(each) for key, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("first", ["with", "without"])
def test_a_route_that_drops_nulls_gives_no_second_document(
    settings: Settings, tmp_path: Path, first: str
) -> None:
    events = [
        record(requestParameters=None),
        record(
            requestParameters={"tags": [{"key": "a", "value": None}], "policy": {"id": None}},
            userIdentity={"type": "Root", "sessionContext": {"attributes": None}},
            somethingNew=None,
        ),
        record(requestParameters="moved", responseElements={"a": {"b": None}}),
        # Needs the engine's repair, with nulls beside what is moved.
        record(requestParameters={"x": "y" * 40_000, "z": None}, errorMessage=None),
    ]
    both = {"with": events, "without": [without_nulls(each) for each in events]}
    last = next(name for name in both if name != first)
    folder = tmp_path / "trail"
    for number, name in enumerate((first, last)):
        write_trail(folder, both[name], str(number))
        path = folder / f"{number}.json.gz"
        report = backfill(settings, path)
        assert report.conflicts == 0
        assert report.complete
        wanted = (len(events), 0) if name == first else (0, len(events))
        assert (report.counts.indexed, report.counts.duplicates) == wanted
    assert len(documents(prepared(settings), settings)) == len(events)


def test_a_record_that_imitates_the_canonical_form_of_another_is_kept(
    settings: Settings, tmp_path: Path
) -> None:
    event = json.dumps(record(requestParameters={"x": "MARK"})).encode()
    pairs = [
        (b'{"a":1,"a":2}', b'{"\\u0000pairs":[["a",1],["a",2]]}'),
        (b'{"n":1e400}', b'{"n":["\\u0000float","1e400"]}'),
        (b'{"n":NaN}', b'{"n":["\\u0000constant","NaN"]}'),
        (b'{"t":"\xff"}', b'{"t":"\\udcff"}'),
        (b'{"n":1e-400}', b'{"n":0}'),
        (b'{"n":0.1}', b'{"n":0.10000000000000000001}'),
    ]
    for number, pair in enumerate(pairs):
        identifier = record()["eventID"].encode()
        own = json.loads(event)["eventID"].encode()
        texts = [event.replace(own, identifier).replace(b'{"x": "MARK"}', each) for each in pair]
        write_trail(tmp_path / "trail", texts, f"{number}")
    report = backfill(settings, tmp_path / "trail")
    assert report.counts.as_dict() == {
        "read": 2 * len(pairs),
        "indexed": 2 * len(pairs),
        "duplicates": 0,
        "dead_lettered": 0,
        "filtered": 0,
    }
    assert report.conflicts == len(pairs)
    client = prepared(settings)
    assert len(documents(client, settings)) == 2 * len(pairs)
    again = backfill(settings, tmp_path / "trail", force=True)
    assert again.counts.duplicates == 2 * len(pairs)


def test_a_number_that_no_float_holds_is_indexed_with_a_filter(
    settings: Settings, tmp_path: Path
) -> None:
    texts = [json.dumps(record(requestParameters={"x": "MARK"})).encode() for _ in range(4)]
    numbers = [b"1e999", b"-1e999", b"9" * 6000]
    odd = [text.replace(b'"MARK"', each) for text, each in zip(texts, numbers, strict=False)]
    identity = json.dumps(record(userIdentity="MARK")).encode()
    dropped = json.dumps(record(eventSource=KMS["eventSource"], eventName="Decrypt", n="MARK"))
    write_trail(
        tmp_path / "trail",
        [
            *odd,
            identity.replace(b'"MARK"', b'{"type":1e999}'),
            dropped.encode().replace(b'"MARK"', b"1e999"),
        ],
    )
    config = tmp_path / "filter.yaml"
    config.write_text(json.dumps({"filter": [KMS]}))
    ended = command(
        settings, "backfill", str(tmp_path / "trail"), "--config", str(config), "--json"
    )
    assert ended.exit_code == 0, ended.output
    counts = json.loads(ended.stdout)
    assert [counts[name] for name in ("read", "indexed", "filtered", "dead_lettered")] == [
        5,
        4,
        1,
        0,
    ]
    client = prepared(settings)
    assert sum(b"1e999" in each for each in sources(client, settings).values()) == 3
    assert dead_letters(client, settings) == []
