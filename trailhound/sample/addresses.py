"""Where calls come from: public ranges of many countries, AWS's, and the documentation ranges.

People get addresses of access providers that have held these ranges for years, so that a GeoIP
database of any age shows the country; attackers get documentation addresses (RFC 5737, RFC 3849)
and some of hosting providers and of countries where nobody in the organisation works.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from random import Random

HOMES: dict[str, tuple[str, ...]] = {
    "US": ("73.0.0.0/9", "71.160.0.0/12", "98.192.0.0/11", "24.0.0.0/13", "2601::/24"),
    "GB": ("86.128.0.0/11", "81.128.0.0/13", "90.192.0.0/12", "2a00:23c4::/32"),
    "DE": ("87.128.0.0/11", "91.0.0.0/11", "79.192.0.0/11", "2003:c0::/26"),
    "IE": ("86.40.0.0/14", "109.76.0.0/15", "2001:bb6::/32"),
    "FR": ("90.0.0.0/11", "86.192.0.0/12", "82.64.0.0/14", "2a01:cb00::/26"),
    "IN": ("122.160.0.0/12", "49.32.0.0/12", "106.192.0.0/12", "2409:4040::/28"),
    "AU": ("1.120.0.0/14", "101.160.0.0/12", "203.206.0.0/16", "2001:8003::/32"),
    "PL": ("83.0.0.0/12", "79.184.0.0/14", "2a02:a310::/28"),
    "ES": ("88.0.0.0/12", "83.32.0.0/12", "2a0c:5a80::/29"),
    "NL": ("77.160.0.0/12", "84.80.0.0/13", "2a02:a440::/28"),
    "CA": ("70.48.0.0/14", "99.224.0.0/12"),
    "SE": ("90.224.0.0/13", "78.64.0.0/13", "2001:2040::/32"),
    "IT": ("79.0.0.0/12", "87.0.0.0/12"),
    "BR": ("177.32.0.0/12", "189.0.0.0/11", "2804:14c::/31"),
    "JP": ("153.128.0.0/11", "126.0.0.0/10", "114.144.0.0/13", "2400:4050::/32"),
    "SG": ("116.14.0.0/16", "121.6.0.0/15"),
    "MX": ("187.128.0.0/11", "189.128.0.0/11"),
    "KR": ("121.128.0.0/11", "211.192.0.0/12"),
    "ZA": ("41.144.0.0/13",),
    "IL": ("79.176.0.0/14", "109.64.0.0/15"),
}
"""Access providers' ranges by country: where people work from."""

UTC_OFFSETS = {
    "US": -6, "GB": 0, "DE": 1, "IE": 0, "FR": 1, "IN": 5, "AU": 10, "PL": 1, "ES": 1, "NL": 1,
    "CA": -5, "SE": 1, "IT": 1, "BR": -3, "JP": 9, "SG": 8, "MX": -6, "KR": 9, "ZA": 2, "IL": 2,
}  # fmt: skip
"""Hours that each country's clocks are ahead of UTC in winter, by its largest zone."""

PIPELINES = ("40.76.0.0/15", "52.168.0.0/16", "20.109.0.0/16")
"""Where hosted build runners run."""

HOSTILE = ("185.220.101.0/24", "185.107.44.0/22", "95.24.0.0/14", "178.64.0.0/13", "14.160.0.0/12",
           "220.160.0.0/12", "2405:4800::/32", "105.112.0.0/14")  # fmt: skip
"""Anonymising exits, hosting, and countries where nobody in the organisation works."""

DOCUMENTATION = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
"""RFC 5737 and RFC 3849: assigned to nobody."""

CLOUD: dict[str, tuple[str, ...]] = {
    "us-east-1": ("3.208.0.0/13", "54.80.0.0/13"),
    "us-east-2": ("3.128.0.0/12",),
    "us-west-2": ("52.32.0.0/13",),
    "eu-west-1": ("54.72.0.0/14", "34.240.0.0/13"),
    "eu-west-2": ("3.8.0.0/14", "18.130.0.0/16"),
    "eu-central-1": ("3.120.0.0/14", "18.184.0.0/15"),
    "ap-southeast-1": ("13.228.0.0/15", "54.254.0.0/16"),
    "ap-southeast-2": ("3.104.0.0/14", "13.236.0.0/15"),
    "ap-northeast-1": ("13.112.0.0/14",),
    "ap-south-1": ("13.232.0.0/14", "3.6.0.0/15"),
    "ca-central-1": ("3.96.0.0/15",),
    "sa-east-1": ("18.228.0.0/15",),
}
"""Public addresses of instances by region; other regions use us-east-1's."""

PRIVATE = ("10.0.0.0/12", "172.16.0.0/14")
"""What a VPC endpoint shows of its callers."""


@dataclass(frozen=True, slots=True)
class Ranges:
    """Networks to draw addresses from, all with the same probability."""

    networks: tuple[tuple[int, int, bool], ...]
    """First address, number of host bits, whether IPv6."""

    @classmethod
    def of(cls, networks: tuple[str, ...]) -> Ranges:
        """From CIDR texts."""
        parsed = [ipaddress.ip_network(network) for network in networks]
        return cls(
            tuple(
                (int(net.network_address), net.max_prefixlen - net.prefixlen, net.version == 6)
                for net in parsed
            )
        )

    def draw(self, rng: Random) -> str:
        """One address, in its canonical text."""
        first, bits, v6 = self.networks[int(rng.random() * len(self.networks))]
        host = rng.getrandbits(bits)
        if v6:
            return str(ipaddress.IPv6Address(first + host))
        return str(ipaddress.IPv4Address(first + min(max(host, 1), (1 << bits) - 2)))


HOME_RANGES = {country: Ranges.of(networks) for country, networks in HOMES.items()}
CLOUD_RANGES = {region: Ranges.of(networks) for region, networks in CLOUD.items()}
PIPELINE_RANGES = Ranges.of(PIPELINES)
HOSTILE_RANGES = Ranges.of(HOSTILE)
DOCUMENTATION_RANGES = Ranges.of(DOCUMENTATION)
PRIVATE_RANGES = Ranges.of(PRIVATE)
EVERYWHERE = Ranges.of(tuple(network for networks in HOMES.values() for network in networks))


def cloud(region: str) -> Ranges:
    """Public addresses of instances in a region."""
    return CLOUD_RANGES.get(region, CLOUD_RANGES["us-east-1"])
