from __future__ import annotations

import pytest

from enrich.address import Origin, origin


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
    ],
)
def test_internal_addresses(text: str, ip: str) -> None:
    assert origin(text) == Origin(ip=ip, external=False)


@pytest.mark.parametrize(
    "text",
    ["AWS Internal", "aws internal", "", " ", "redacted", "<Victim source IP>", "1.2.3",
     "1.2.3.256", "fe80::1%eth0", "1.2.3.4.5", "x" * 100_000, "," * 10_000, "\u0661.2.3.4", "\x00"],
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
        ("eks.amazonaws.com.example.org", True),
        ("evilamazonaws.com", True),
        ("gateway.example.org", True),
    ],
)
def test_host_names(text: str, external: bool) -> None:
    assert origin(text) == Origin(host=text.lower(), external=external)
