"""How the condition of a statement limits whom it lets in, and what of it is one's own."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Any, Final, TypeVar

from enrich.address import origin
from enrich.policies import texts

_Network = IPv4Network | IPv6Network
_Net = TypeVar("_Net", IPv4Network, IPv6Network)

_LIMITING: Final = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths",
        "aws:sourceaccount", "aws:sourcearn", "aws:sourceip", "aws:sourceorgid",
        "aws:sourceorgpaths", "aws:sourceowner", "aws:sourcevpc", "aws:sourcevpce", "aws:userid",
        "kms:calleraccount", "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)  # fmt: skip
"""Condition keys that keep a statement for everybody from being public: "The meaning of 'public'",
Amazon S3 User Guide, and those that other services have for the same."""
_ADDRESSES: Final = frozenset({"aws:sourceip"})
_PATHS: Final = frozenset({"aws:principalorgpaths", "aws:sourceorgpaths"})
_OPERATORS: Final = frozenset(
    {"arnequals", "arnlike", "ipaddress", "stringequals", "stringequalsignorecase", "stringlike"}
)
"""Operators that require a value. With `IfExists`, or for all values, a request that has none
passes."""
_NAMING_ACCOUNTS: Final = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:sourceaccount", "aws:sourcearn",
        "aws:sourceowner", "kms:calleraccount", "s3:dataaccesspointaccount",
        "s3:dataaccesspointarn",
    }
)  # fmt: skip
"""Keys whose values are accounts, or ARNs that have one."""
_CALLERS: Final = frozenset(
    {
        "aws:principalaccount", "aws:principalarn", "aws:principalorgid", "aws:principalorgpaths",
        "aws:userid", "kms:calleraccount",
    }
)  # fmt: skip
"""Keys that say who calls, not from where or for what."""
WILD: Final = re.compile(r"[*?]|\$\{")
"""What a value is not fixed with: wildcards and policy variables, which a request fills in."""
_VARIABLE: Final = re.compile(r"\$\{[^}]*\}?")
_IDS: Final = re.compile(
    r"o-[a-z0-9]{10,32}|vpce?-[0-9a-f]{8,17}|A(?:ID|RO)A[A-Z0-9]{12,124}|[0-9a-f]{64}"
)


class Own:
    """What is known to be one's own: ids of organisations, VPCs, VPC endpoints, users and roles,
    canonical ids of accounts, and networks. Raises `ValueError`, naming it, for anything else."""

    def __init__(self, given: Iterable[str] = ()) -> None:
        self._ids: set[str] = set()
        networks: list[_Network] = []
        for each in given:
            if _IDS.fullmatch(each):
                self._ids.add(each)
            elif (network := _network(each)) is not None:
                networks.append(network)
            else:
                raise ValueError(
                    f"{each!r} is no id of an organization, VPC, VPC endpoint, user or role, "
                    "no canonical id of an account, and no network"
                )
        self._v4 = _collapsed(each for each in networks if isinstance(each, IPv4Network))
        self._v6 = _collapsed(each for each in networks if isinstance(each, IPv6Network))

    def has(self, text: str) -> bool:
        """Whether an id, or all of a network, is one's own.

        >>> own = Own(["o-a1b2c3d4e5", "192.0.2.0/24"])
        >>> own.has("o-a1b2c3d4e5"), own.has("192.0.2.7"), own.has("192.0.0.0/16")
        (True, True, False)
        """
        if text in self._ids:
            return True
        network = _network(text) if self._v4 or self._v6 else None
        if network is None:
            return False
        ranges = self._v4 if network.version == 4 else self._v6
        first, last = int(network.network_address), int(network.broadcast_address)
        before = bisect_right(ranges, (first, 1 << 128)) - 1
        return before >= 0 and last <= ranges[before][1]


def names_accounts(key: str) -> bool:
    """Whether the values of a condition's key, in lower case, are accounts or parts of one."""
    return key in _NAMING_ACCOUNTS


def is_about_callers(key: str) -> bool:
    """Whether a condition's key, in lower case, says who calls."""
    return key in _CALLERS


def decisive(key: str, value: str) -> str:
    """The part of a value that says who or where: the organisation of a path, the id of a role
    before the session's name; empty for networks that nobody outside can have.

    >>> decisive("aws:principalorgpaths", "o-a1/r-b2/*"), decisive("aws:sourceip", "10.0.0.0/8")
    ('o-a1', '')
    """
    if key in _PATHS:
        return value.partition("/")[0]
    if key == "aws:userid":
        return value.partition(":")[0]
    if key in _ADDRESSES:
        network = _network(value)
        outside = network is not None and origin(str(network.network_address)).external
        return value if outside else ""
    return value


def limits(condition: Any) -> Iterator[tuple[str, list[str]]]:
    """The keys, in lower case, by which a condition limits who is let in, with their values."""
    if not isinstance(condition, Mapping):
        return
    for operator, tests in condition.items():
        name = operator.lower().removeprefix("foranyvalue:")
        if name not in _OPERATORS or not isinstance(tests, Mapping):
            continue
        for key, given in tests.items():
            values = texts(given)
            if values and key.lower() in _LIMITING and _narrow(key.lower(), values):
                yield key.lower(), values


def _narrow(key: str, values: list[str]) -> bool:
    """Whether the values of a condition's key leave nearly everybody out, as AWS sees it: "The
    meaning of 'public'" requires fixed values."""
    if key in _ADDRESSES:
        return _are_few_addresses(values)
    return all(_is_fixed(key, value) for value in values)


def _is_fixed(key: str, value: str) -> bool:
    """Whether a value names an account, an organisation or the like, and no wildcard of them.

    >>> [_is_fixed("aws:principalarn", f"arn:aws:iam::{each}:role/*") for each in ("*", "1" * 12)]
    [False, True]
    >>> _is_fixed("aws:sourcearn", "arn:aws:s3:::mine"), _is_fixed("aws:userid", "AROAEXAMPLE:*")
    (True, True)
    >>> _is_fixed("aws:principalarn", "arn:aws:iam::${aws:PrincipalAccount}:*")
    False
    """
    value = _VARIABLE.sub("*", value)
    part = decisive(key, value)
    if value.startswith("arn:"):
        part = (value.split(":", 5) + [""] * 5)[4] or value
    return bool(part) and not WILD.search(part)


def _are_few_addresses(values: list[str]) -> bool:
    """Whether the networks are at most as many addresses as a /8 of IPv4, a /32 of IPv6: AWS takes
    wider ones for public.

    >>> _are_few_addresses(["192.0.2.0/24"]), _are_few_addresses(["0.0.0.0/1"])
    (True, False)
    """
    shares = 0.0
    for value in values:
        network = _network(value)
        if network is None:
            return False
        shares += 2.0 ** ((8 if network.version == 4 else 32) - network.prefixlen)
    return shares <= 1.0


def _network(text: str) -> _Network | None:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        return None


def _collapsed(networks: Iterable[_Net]) -> list[tuple[int, int]]:
    """The first and last addresses of networks of one version, in order and apart."""
    return [
        (int(each.network_address), int(each.broadcast_address))
        for each in collapse_addresses(networks)
    ]
