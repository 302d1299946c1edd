from __future__ import annotations

import logging
import random
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from enrich.enricher import Enricher
from enrich.geo import GeoDatabase, packaged_city_database
from trailhound.errors import GeoDatabaseError


def located(enricher: Enricher, ip: str) -> Any:
    record = {"eventTime": "2024-05-01T10:00:00Z", "sourceIPAddress": ip}
    return enricher.document_fields(record).get("geolocation")


@pytest.mark.parametrize("name", ["GeoIP2-City-Test.mmdb", "GeoLite2-City-Test.mmdb"])
@pytest.mark.parametrize(
    ("ip", "code", "city"),
    [
        ("81.2.69.142", "GB", "London"),
        ("2.125.160.216", "GB", "Boxford"),
        ("89.160.20.112", "SE", "Linköping"),
        ("216.160.83.56", "US", "Milton"),
        ("2001:218::1", "JP", None),
    ],
)
def test_known_addresses(
    shared_data: Path, name: str, ip: str, code: str, city: str | None
) -> None:
    place = located(Enricher(city=GeoDatabase.open(shared_data / "mmdb" / name)), ip)
    assert place["country_code"] == code
    assert place.get("city") == city
    assert place["location"] == {"lat": place["latitude"], "lon": place["longitude"]}
    assert place["country"]


def test_the_network_is_added_to_the_place(shared_data: Path) -> None:
    city = GeoDatabase.open(shared_data / "mmdb" / "GeoLite2-City-Test.mmdb")
    asn = GeoDatabase.open(shared_data / "mmdb" / "GeoLite2-ASN-Test.mmdb")
    assert (city.kind, asn.kind) == ("city", "asn")
    assert city.build_date >= date(2020, 1, 1)
    place = located(Enricher(city=city, asn=asn), "216.160.83.56")
    assert (place["asn"], place["city"]) == (209, "Milton")
    assert located(Enricher(asn=asn), "1.128.0.1") == {"asn": 1221, "as_org": "Telstra Pty Ltd"}


@pytest.mark.parametrize("ip", ["10.0.0.1", "AWS Internal", "ec2.amazonaws.com", "", "1.1.1.1"])
def test_no_place_for_services_private_and_unknown(shared_data: Path, ip: str) -> None:
    city = GeoDatabase.open(shared_data / "mmdb" / "GeoLite2-City-Test.mmdb")
    assert located(Enricher(city=city), ip) is None


def test_a_fault_inside_is_told_once_and_finds_nothing(
    shared_data: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = GeoDatabase.open(shared_data / "mmdb" / "GeoIP2-City-Test-Broken-Double-Format.mmdb")
    enricher = Enricher(city=broken)
    with caplog.at_level(logging.WARNING):
        assert located(enricher, "81.2.69.142") is None
        assert located(enricher, "2.125.160.216") is None
    assert broken.faults == 2
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    "name",
    ["GeoIP2-City-Test-Invalid-Node-Count.mmdb", "MaxMind-DB-test-broken-search-tree-24.mmdb"],
)
def test_a_broken_file_is_refused(shared_data: Path, name: str) -> None:
    with pytest.raises(GeoDatabaseError) as caught:
        GeoDatabase.open(shared_data / "mmdb" / name)
    assert name in caught.value.message
    assert caught.value.hint


def test_a_missing_empty_or_foreign_file_is_refused(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.mmdb", tmp_path / "text.mmdb"
    empty.write_bytes(b"")
    text.write_bytes(b"no database\n" * 1000)
    for path in (tmp_path / "missing.mmdb", tmp_path, empty, text):
        with pytest.raises(GeoDatabaseError, match=str(path)):
            GeoDatabase.open(path)


def test_bytes_gone_bad_never_raise_from_a_look_up(shared_data: Path, tmp_path: Path) -> None:
    whole = (shared_data / "mmdb" / "GeoLite2-City-Test.mmdb").read_bytes()
    dice = random.Random(7)
    opened = 0
    for turn in range(60):
        data = bytearray(whole)
        for _ in range(40):
            data[dice.randrange(len(data))] = dice.randrange(256)
        path = tmp_path / f"{turn}.mmdb"
        path.write_bytes(data)
        try:
            database = GeoDatabase.open(path)
        except GeoDatabaseError:
            continue
        opened += 1
        for ip in ("81.2.69.142", "2.125.160.216", "216.160.83.56", "2001:218::1"):
            located(Enricher(city=database), ip)
    assert opened > 10


def test_the_packaged_database_is_found() -> None:
    path = packaged_city_database()
    if path is None:
        pytest.skip("the geo extra is not installed")
    database = GeoDatabase.open(path)
    assert database.kind == "city"
    assert database.find("8.8.8.8")["country_code"] == "US"


def test_two_databases_share_a_file(shared_data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "city.mmdb"
    shutil.copyfile(shared_data / "mmdb" / "GeoLite2-City-Test.mmdb", copy)
    first, second = GeoDatabase.open(copy), GeoDatabase.open(str(copy))
    assert first.find("81.2.69.142") == second.find("81.2.69.142") != {}


def test_a_file_that_is_written_over_is_no_crash(shared_data: Path, tmp_path: Path) -> None:
    """In a process of its own: a mapped file that is cut short ends it by SIGBUS."""
    copy = tmp_path / "city.mmdb"
    shutil.copyfile(shared_data / "mmdb" / "GeoLite2-City-Test.mmdb", copy)
    code = (
        "import sys; from enrich.geo import GeoDatabase; "
        "database = GeoDatabase.open(sys.argv[1]); open(sys.argv[1], 'w').close(); "
        "print(database.find('81.2.69.142')['country_code'])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout.strip()) == (0, "GB"), ended.stderr
