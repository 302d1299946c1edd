from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from enrich.enricher import Enricher
from enrich.threat import ThreatLists

LIST = """\
# Exit nodes
# Last updated: 2024-03-09 10:11:12 UTC
203.0.113.7
198.51.100.0/24   # a whole network
2001:db8:bad::/48 ; another
::ffff:192.0.2.77
192.0.2.10-192.0.2.13
"8.8.4.4","quoted",1

127.0.0.1 ads.example.org
*.evil.example.net
this is no entry, but its first word has no dot
0.0.0.0/0
"""


def threat(enricher: Enricher, source: str) -> Any:
    record = {"eventTime": "2024-05-01T10:00:00Z", "sourceIPAddress": source}
    return enricher.document_fields(record).get("threat")


@pytest.fixture
def lists(tmp_path: Path) -> ThreatLists:
    path = tmp_path / "exits.txt"
    path.write_text(LIST, encoding="utf-8")
    return ThreatLists.load([(path, "tor")])


@pytest.mark.parametrize(
    ("source", "kind", "name"),
    [
        ("203.0.113.7", "ipv4-addr", "203.0.113.7"),
        ("198.51.100.42", "ipv4-addr", "198.51.100.0/24"),
        ("192.0.2.77", "ipv4-addr", "::ffff:192.0.2.77"),
        ("192.0.2.12", "ipv4-addr", "192.0.2.10-192.0.2.13"),
        ("8.8.4.4", "ipv4-addr", "8.8.4.4"),
        ("2001:db8:bad::99", "ipv6-addr", "2001:db8:bad::/48"),
    ],
)
def test_addresses_networks_and_ranges(
    lists: ThreatLists, source: str, kind: str, name: str
) -> None:
    assert threat(Enricher(threats=lists), source) == {
        "indicator": {
            "type": kind,
            "ip": source,
            "name": [name],
            "provider": ["tor"],
            "modified_at": "2024-03-09T10:11:12Z",
        }
    }


@pytest.mark.parametrize("source", ["ads.example.org", "a.b.Evil.example.net", "evil.example.net"])
def test_domains_match_host_names_and_those_below(lists: ThreatLists, source: str) -> None:
    found = threat(Enricher(threats=lists), source)
    assert found["indicator"]["type"] == "domain-name"
    assert "ip" not in found["indicator"]


@pytest.mark.parametrize(
    "source",
    ["203.0.113.8", "192.0.2.14", "2001:db8:bae::1", "notevil.example.net", "example.net", "", "x"],
)
def test_the_innocent(lists: ThreatLists, source: str) -> None:
    assert threat(Enricher(threats=lists), source) is None


def test_what_is_not_understood_is_counted(lists: ThreatLists) -> None:
    (loaded,) = lists.lists
    assert loaded.skipped == 2  # the sentence, and a network that is everybody
    assert loaded.entries == 9  # the range is two networks


def test_several_lists_and_the_narrowest_first(tmp_path: Path) -> None:
    wide, narrow = tmp_path / "wide.txt", tmp_path / "narrow.txt"
    wide.write_text("203.0.113.0/24\n203.0.0.0/16\n", encoding="utf-8")
    narrow.write_text("203.0.113.7\n", encoding="utf-8")
    os.utime(wide, (1_700_000_000, 1_700_000_000))
    os.utime(narrow, (1_600_000_000, 1_600_000_000))
    lists = ThreatLists.load([(wide, None), (narrow, None)])
    indicator = threat(Enricher(threats=lists), "203.0.113.7")["indicator"]
    assert indicator["name"] == ["203.0.113.7", "203.0.113.0/24", "203.0.0.0/16"]
    assert indicator["provider"] == ["narrow", "wide"]
    assert indicator["modified_at"] == "2020-09-13T12:26:40Z"


def test_a_stix_bundle(tmp_path: Path) -> None:
    def one(pattern: str, **more: Any) -> dict[str, Any]:
        return {"type": "indicator", "pattern": pattern, "pattern_type": "stix"} | more

    bundle = {
        "type": "bundle",
        "objects": [
            one("[ipv4-addr:value = '203.0.113.7']", modified="2024-01-02T03:04:05.678Z"),
            one("[ipv4-addr:value = '203.0.113.8' OR ipv4-addr:value = '203.0.113.9']"),
            one("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", modified="2023-01-01T00:00:00Z"),
            one("[ipv6-addr:value = '2001:db8::7']"),
            one("[domain-name:value = 'bad.example.org']", modified="nonsense"),
            one("[ipv4-addr:value = '192.0.2.1' AND url:value = 'http://x']"),
            one("[ipv4-addr:value = '192.0.2.2']", revoked=True),
            one("[file:hashes.MD5 = 'd41d8cd98f00b204e9800998ecf8427e']"),
            {"type": "malware"},
            "junk",
        ],
    }
    path = tmp_path / "bundle.json"
    path.write_text(json.dumps(bundle), encoding="utf-8")
    enricher = Enricher(threats=ThreatLists.load([(path, None)]))
    for source in ("203.0.113.7", "203.0.113.8", "203.0.113.9", "198.51.100.1", "2001:db8::7"):
        indicator = threat(enricher, source)["indicator"]
        assert indicator["provider"] == ["bundle"]
        assert indicator["modified_at"] == "2024-01-02T03:04:05Z"
    assert threat(enricher, "bad.example.org")
    assert threat(enricher, "192.0.2.1") is None
    assert threat(enricher, "192.0.2.2") is None


def test_an_unreadable_list_is_a_problem_and_the_others_work(tmp_path: Path) -> None:
    good, broken, other = tmp_path / "good.txt", tmp_path / "broken.json", tmp_path / "other.json"
    good.write_text("203.0.113.7\n", encoding="utf-8")
    broken.write_text('{"objects": [', encoding="utf-8")
    other.write_text('{"a": 1}', encoding="utf-8")
    missing = tmp_path / "missing.txt"
    lists = ThreatLists.load([(missing, None), (broken, None), (other, None), (good, None)])
    assert [str(path) in problem.message for path, problem in
            zip((missing, broken, other), lists.problems, strict=True)] == [True] * 3  # fmt: skip
    assert threat(Enricher(threats=lists), "203.0.113.7")


def test_bytes_of_any_kind_are_no_crash(tmp_path: Path) -> None:
    path = tmp_path / "noise.txt"
    path.write_bytes(bytes(range(256)) * 50)
    (loaded,) = ThreatLists.load([(path, None)]).lists
    assert loaded.entries == 0


def test_a_long_list_finds_every_entry(tmp_path: Path) -> None:
    path = tmp_path / "long.txt"
    addresses = [f"11.{i >> 8 & 255}.{i & 255}.{i % 251}" for i in range(60_000)]
    path.write_text("\n".join(addresses), encoding="utf-8")
    lists = ThreatLists.load([(path, None)])
    assert all(lists.of_address(ip) for ip in addresses[::97])
    assert lists.of_address("12.0.0.1") == []


def test_bad_lines_are_named_with_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "partly.txt"
    bad = [f"not an entry {i}" for i in range(20)]
    path.write_text("\n".join(["# a list", "203.0.113.7", "", *bad]), encoding="utf-8")
    (loaded,) = ThreatLists.load([(path, None)]).lists
    assert (loaded.entries, loaded.skipped) == (1, 20)
    assert [each.number for each in loaded.examples] == [4, 5, 6, 7, 8]
    assert loaded.examples[0].text == "not"


def test_what_a_bundle_holds_beside_addresses_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "bundle.json"
    patterns = ["[ipv4-addr:value = '203.0.113.7']", "[file:name = 'x']",
                "[ipv4-addr:value = '203.0.113.8' AND url:value = 'x']"]  # fmt: skip
    objects = [{"type": "indicator", "pattern": pattern} for pattern in patterns]
    path.write_bytes(orjson.dumps({"type": "bundle", "objects": objects}))
    (loaded,) = ThreatLists.load([(path, None)]).lists
    assert (loaded.entries, loaded.skipped) == (1, 2)
    assert [each.number for each in loaded.examples] == [2, 3]


def test_a_list_that_became_unreadable_keeps_its_entries(tmp_path: Path) -> None:
    one, other = tmp_path / "one.txt", tmp_path / "other.txt"
    one.write_text("203.0.113.7\nevil.example.org\n", encoding="utf-8")
    other.write_text("203.0.113.7\n198.51.100.1\n", encoding="utf-8")
    before = ThreatLists.load([(one, None), (other, None)])
    one.unlink()
    other.write_text("198.51.100.2\n", encoding="utf-8")
    after = ThreatLists.load([(one, None), (other, None)], previous=before)
    assert [source.name for source in after.kept] == ["one"]
    assert [match.source.name for match in after.of_address("203.0.113.7")] == ["one"]
    assert after.of_host("c2.evil.example.org")
    assert after.of_address("198.51.100.1") == []
    renamed = ThreatLists.load([(one, "another name")], previous=before)
    assert renamed.lists == []
