"""Parses `sourceIPAddress`: an IP address, a service, or neither."""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

INTERNAL_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = (
    IPv4Network("0.0.0.0/8"),  # "this" network, RFC 1122
    IPv4Network("10.0.0.0/8"),  # private, RFC 1918
    IPv4Network("100.64.0.0/10"),  # carrier-grade NAT, RFC 6598
    IPv4Network("127.0.0.0/8"),  # loopback
    IPv4Network("169.254.0.0/16"),  # link-local, the metadata service among it
    IPv4Network("172.16.0.0/12"),  # private
    IPv4Network("192.168.0.0/16"),  # private
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("255.255.255.255/32"),  # broadcast
    IPv6Network("::/128"),  # unspecified
    IPv6Network("::1/128"),  # loopback
    IPv6Network("fc00::/7"),  # unique local, RFC 4193
    IPv6Network("fe80::/10"),  # link-local
    IPv6Network("fec0::/10"),  # site-local, deprecated
    IPv6Network("ff00::/8"),  # multicast
)
"""Ranges that are not external. `ipaddress.is_private` depends on the Python version, includes
the documentation ranges (recordings use them for outside addresses: external here) and excludes
100.64.0.0/10. Reserved 240.0.0.0/4 is no private range, so external."""

AWS_DOMAINS = (
    "amazonaws.com",
    "api.aws",
    "amazonaws.com.cn",  # China
    "api.amazonwebservices.com.cn",
    "amazonaws.eu",  # European Sovereign Cloud
    "api.amazonwebservices.eu",
    "c2s.ic.gov",  # isolated partitions: iso, iso-b, iso-e, iso-f
    "api.aws.ic.gov",
    "sc2s.sgov.gov",
    "api.aws.scloud",
    "cloud.adc-e.uk",
    "api.cloud-aws.adc-e.uk",
    "csp.hci.ic.gov",
    "api.aws.hci.ic.gov",
    "aws.amazon.com",  # consoles
    "amazonaws.cn",
    "amazonaws-us-gov.com",
    "amazonaws-eusc.eu",
    "aws.internal",
)
"""Hosts under these are AWS services: the suffixes of every partition in botocore's
`partitions.json`, the consoles' domains, and the name that AWS uses internally."""

LONGEST = 255  # a host name's limit; lists of addresses are cut into parts first

_V4 = tuple(
    (int(net.network_address), int(net.netmask))
    for net in INTERNAL_NETWORKS
    if isinstance(net, IPv4Network)
)
_V6 = tuple(
    (int(net.network_address), int(net.netmask))
    for net in INTERNAL_NETWORKS
    if isinstance(net, IPv6Network)
)
_LEADING_ZEROS = re.compile(r"(?<![0-9])0+(?=[0-9])")
_DOTTED = re.compile(r"[0-9]{1,4}(?:\.[0-9]{1,4}){3}")
_ENDPOINT = re.compile(r"\[([^\[\]]*)\](?::[0-9]{1,5})?|([^:]+):[0-9]{1,5}")
"""An address in brackets, or an IPv4 address or host with a port."""
_WITH_PORT = re.compile(
    r"((?:[0-9a-f]{1,4}:){7}[0-9a-f]{1,4}|[0-9a-f:]*:[0-9]{1,3}(?:\.[0-9]{1,3}){3}):[0-9]{1,5}",
    re.IGNORECASE,
)
"""All of an IPv6 address (eight groups, or an IPv4 one at its end) and a port, no brackets."""
_SEPARATORS = re.compile(r"[,;]")
_HOST = re.compile(
    r"(?=.{4,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)


class Origin(NamedTuple):
    """`ip` is empty unless the source is an address, `host` unless it is a host name."""

    ip: str = ""
    host: str = ""
    external: bool = False


NOWHERE = Origin()


def is_external(address: IPv4Address | IPv6Address) -> bool:
    """Whether an address is outside the private and other internal ranges.

    >>> is_external(IPv4Address("203.0.113.7")), is_external(IPv4Address("100.64.0.1"))
    (True, False)
    """
    number = int(address)
    table = _V4 if address.version == 4 else _V6
    return not any(number & mask == network for network, mask in table)


def parse(text: str) -> IPv4Address | IPv6Address | None:
    """The address in a text, or `None`.

    An IPv4-mapped IPv6 address is the IPv4 one, as OpenSearch's `ip` field stores it. Leading
    zeros (`035.249.1.2`, which OpenSearch rejects) are read as decimal.
    """
    if _DOTTED.fullmatch(text):
        text = _LEADING_ZEROS.sub("", text)
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id:
            return None  # an `ip` field does not accept a zone: `origin` removes it
        return address.ipv4_mapped or address
    return address


def origin(text: str) -> Origin:
    """The origin in `sourceIPAddress`. Of several, the first external one, else the first.

    An address may have a port, brackets or an IPv6 zone (`fe80::1%eth0`), which are removed.

    >>> origin("10.0.0.7, 203.0.113.9")
    Origin(ip='203.0.113.9', host='', external=True)
    >>> origin("ec2.amazonaws.com")
    Origin(ip='', host='ec2.amazonaws.com', external=False)
    >>> origin("[2001:db8::1]:443").ip
    '2001:db8::1'
    >>> origin("AWS Internal")
    Origin(ip='', host='', external=False)
    """
    first = NOWHERE
    for piece in _SEPARATORS.split(text[:4096], 64):
        found = _one(piece.strip())
        if found.external:
            return found
        if first == NOWHERE:
            first = found
    return first


def _one(text: str) -> Origin:
    if not text or len(text) > LONGEST:
        return NOWHERE
    address = parse(text)
    if address is None:
        text = _bare(text)
        address = parse(text)
    if address is not None:
        return Origin(ip=str(address), external=is_external(address))
    host = text.lower().rstrip(".")
    if not _HOST.fullmatch(host):
        return NOWHERE  # `AWS Internal`, `redacted`: their location is unknown
    aws = any(host == domain or host.endswith("." + domain) for domain in AWS_DOMAINS)
    return Origin(host=host, external=not aws)


def _bare(text: str) -> str:
    """An address or host without its brackets, port and zone."""
    endpoint = _ENDPOINT.fullmatch(text)
    if endpoint:
        text = endpoint[1] or endpoint[2] or ""
    elif whole := _WITH_PORT.fullmatch(text):
        text = whole[1]
    return text.partition("%")[0].strip() if ":" in text else text
