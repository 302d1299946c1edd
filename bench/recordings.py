"""Events to measure rules on: recorded attacks, recorded ordinary events, and a sample's.

Recordings lie beside the checkout (`../shared/data`), where they are there at all.
"""

from __future__ import annotations

import gzip
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson

from bench.rule_replay import Event
from enrich.enricher import Enricher
from trailhound.errors import RecordError
from trailhound.sample import SampleSpec, write_sample

DATA = Path(__file__).parents[2] / "shared" / "data"

_TOOL = re.compile(
    r"stratus[-_ ]?red[-_ ]?team|stratus|red[-_ ]?exercise|red[-_ ]?team|grimoire|\bpacu\b|"
    r"cloud[-_ ]?goat|cloudfox|scout ?suite|prowler|trufflehog|malicious|backdoor|"
    r"(?<=[/.-])(?:kali|parrot|pentoo)",
    re.IGNORECASE,
)
_AGENT = "aws-sdk-go-v2/1.36.1 os/linux lang/go#1.23.6 md/GOOS#linux md/GOARCH#amd64"


def unmarked(record: dict[str, Any]) -> dict[str, Any]:
    """The record without what gives an attack tool away: in its user agent, in any name.

    >>> made = unmarked({"userAgent": "stratus-red-team_1", "requestParameters": {"a": "Pacu-1"}})
    >>> made["userAgent"][:14], made["requestParameters"]
    ('aws-sdk-go-v2/', {'a': 'app-1'})
    """
    agent = record.get("userAgent")
    neutral = isinstance(agent, str) and _TOOL.search(agent)
    made: dict[str, Any] = json.loads(_TOOL.sub("app", json.dumps(record, ensure_ascii=False)))
    return made | {"userAgent": _AGENT} if neutral else made


def enriched(records: Iterable[dict[str, Any]], enricher: Enricher) -> Iterator[Event]:
    """As they would be indexed; records that are dead-lettered for their time are left out."""
    for record in records:
        try:
            fields = enricher.document_fields(record)
        except RecordError:
            continue
        yield Event.of({**record, **fields})


def techniques(data: Path) -> dict[str, list[dict[str, Any]]]:
    """The recorded attacks by technique, which is the file's name."""
    return {
        path.stem: json.loads(path.read_bytes())
        for path in sorted((data / "stratus").glob("*.json"))
    }


def harmless(data: Path) -> list[dict[str, Any]]:
    """Events of which others have said that no rule should speak of them.

    What one rule's test leaves alone may be what another's expects (administrator rights given,
    in a test on new users): a call that is expected anywhere, parameters and all, is left out.
    """
    lines = (data / "panther" / "labelled_events.jsonl").read_text("utf-8").splitlines()
    labelled = [json.loads(line) for line in lines if line.strip()]
    expected = {_call(each["event"]) for each in labelled if each["expected"]}
    return [each["event"] for each in labelled if _call(each["event"]) not in expected]


def _call(event: dict[str, Any]) -> bytes:
    parts = ("eventSource", "eventName", "errorCode", "requestParameters")
    return orjson.dumps([event.get(part) for part in parts], option=orjson.OPT_SORT_KEYS)


def ordinary(events: int, seed: int = 1, days: int = 7) -> Iterator[dict[str, Any]]:
    """A sample's events without attacks: administrators and pipelines at work (`SampleSpec`)."""
    with tempfile.TemporaryDirectory(prefix="trailhound-bench-") as name:
        folder = Path(name) / "trail"
        write_sample(folder, SampleSpec(events=events, seed=seed, attacks=False, days=days))
        for path in sorted(folder.rglob("*.json.gz")):
            yield from orjson.loads(gzip.decompress(path.read_bytes()))["Records"]
