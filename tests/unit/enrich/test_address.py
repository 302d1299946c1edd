from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import pytest

from enrich.address import AWS_DOMAINS, Origin, origin
from enrich.enricher import Enricher
from enrich.geo import GeoDatabase


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("8.8.8.8", "8.8.8.8"),
        ("192.0.2.1", "192.0.2.1"),  # documentation ranges are external
        ("198.51.100.42", "198.51.100.42"),
        ("203.0.113.9", "203.0.113.9"),
        ("253.252.51.7", "253.252.51.7"),  # reserved, but nobody's private range
        ("035.249.051.07", "35.249.51.7"),
        ("172.15.0.1", "172.15.0.1"),
        ("172.32.0.1", "172.32.0.1"),
        ("100.63.255.255", "100.63.255.255"),
        ("100.128.0.0", "100.128.0.0"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("2600:1f18:0:0::5", "2600:1f18::5"),
        ("::ffff:8.8.8.8", "8.8.8.8"),
        (" 8.8.8.8 ", "8.8.8.8"),
        ("10.0.0.1, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9, 198.51.100.1", "203.0.113.9"),
        ("unknown, 203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:443", "203.0.113.9"),
        ("203.0.113.9:1, 198.51.100.1:2", "203.0.113.9"),
        ("10.0.0.1:80;203.0.113.9:443", "203.0.113.9"),
        ("[203.0.113.9]", "203.0.113.9"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8::1]:65535", "2001:db8::1"),
        ("2001:db8:0:0:0:0:0:1:443", "2001:db8::1"),
        ("::ffff:203.0.113.9:443", "203.0.113.9"),
        ("[::ffff:203.0.113.9]:443", "203.0.113.9"),
        ("2001:db8::1%eth0", "2001:db8::1"),
    ],
)
def test_external_addresses(text: str, ip: str) -> None:
    assert origin(text) == Origin(ip=ip, external=True)


@pytest.mark.parametrize(
    ("text", "ip"),
    [
        ("10.0.1.100", "10.0.1.100"),
        ("172.16.0.1", "172.16.0.1"),
        ("172.31.255.255", "172.31.255.255"),
        ("192.168.1.1", "192.168.1.1"),
        ("100.64.0.1", "100.64.0.1"),
        ("100.127.255.255", "100.127.255.255"),
        ("127.0.0.1", "127.0.0.1"),
        ("169.254.169.254", "169.254.169.254"),
        ("0.0.0.0", "0.0.0.0"),  # noqa: S104
        ("224.0.0.1", "224.0.0.1"),
        ("255.255.255.255", "255.255.255.255"),
        ("::1", "::1"),
        ("::", "::"),
        ("fd00:ec2::254", "fd00:ec2::254"),
        ("fe80::1", "fe80::1"),
        ("ff02::1", "ff02::1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("10.0.0.1, 192.168.0.1", "10.0.0.1"),
        ("10.0.0.1:50000", "10.0.0.1"),
        ("[::1]", "::1"),
        ("[fd00::1]:443", "fd00::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%25eth0]:22", "fe80::1"),
        ("::ffff:10.0.0.1:443", "10.0.0.1"),
    ],
)
def test_internal_addresses(text: str, ip: str) -> None:
    assert origin(text) == Origin(ip=ip, external=False)


@pytest.mark.parametrize(
    "text",
    ["AWS Internal", "aws internal", "", " ", "redacted", "<Victim source IP>", "1.2.3",
     "1.2.3.256", "1.2.3.256:443", "1.2.3.4:", "1.2.3.4:999999", "1.2.3.4%eth0", "1.2.3.4.5",
     ":443", "[]", "[]:443", "[1.2.3.4", "[[::1]]", "[" * 5_000, ":" * 200, "%",
     "x" * 100_000, "," * 10_000, "\u0661.2.3.4", "\x00"],
)  # fmt: skip
def test_what_is_no_place(text: str) -> None:
    assert origin(text) == Origin()


@pytest.mark.parametrize(
    ("text", "external"),
    [
        ("ec2.amazonaws.com", False),
        ("CloudTrail.amazonaws.com", False),
        ("firehose.amazonaws.com.cn", False),
        ("console.aws.amazon.com", False),
        ("ec2.us-iso-east-1.c2s.ic.gov", False),
        ("s3.us-isob-east-1.sc2s.sgov.gov", False),
        ("kms.eu-isoe-west-1.cloud.adc-e.uk", False),
        ("sts.us-isof-south-1.csp.hci.ic.gov", False),
        ("sts.eusc-de-east-1.amazonaws.eu", False),
        ("s3.us-east-1.api.aws", False),
        ("console.amazonaws-us-gov.com", False),
        ("console.amazonaws.cn", False),
        ("ec2.notc2s.ic.gov", True),
        ("www.ic.gov", True),
        ("example.uk", True),
        ("eks.amazonaws.com.example.org", True),
        ("evilamazonaws.com", True),
        ("gateway.example.org", True),
    ],
)
def test_host_names(text: str, external: bool) -> None:
    assert origin(text) == Origin(host=text.lower(), external=external)


def test_a_port_after_a_host_is_left_out() -> None:
    assert origin("EC2.amazonaws.com:443") == Origin(host="ec2.amazonaws.com")
    assert origin("gateway.example.org:8443") == Origin(host="gateway.example.org", external=True)


def test_every_partition_of_aws_is_known() -> None:
    """Against the partitions that botocore ships: a new one fails here."""
    found = files("botocore").joinpath("data/partitions.json").read_text(encoding="utf-8")
    outputs = [partition["outputs"] for partition in json.loads(found)["partitions"]]
    suffixes = {each[key] for each in outputs for key in ("dnsSuffix", "dualStackDnsSuffix")}
    assert suffixes <= set(AWS_DOMAINS)
    for suffix in suffixes:
        assert origin(f"ec2.{suffix}") == Origin(host=f"ec2.{suffix}")


def test_a_port_changes_neither_risk_nor_place(shared_data: Path) -> None:
    city = GeoDatabase.open(shared_data / "mmdb" / "GeoLite2-City-Test.mmdb")
    made = []
    for text in ("81.2.69.142", "81.2.69.142:443", "[81.2.69.142]:443", "::ffff:81.2.69.142"):
        record = {"eventTime": "2024-05-01T10:00:00Z", "sourceIPAddress": text}
        made.append(Enricher(city=city).document_fields(record))
    assert made[0]["risk_reasons"] == ["external_address"]
    assert made[0]["geolocation"]["country_code"] == "GB"
    assert all(fields == made[0] for fields in made)
