"""Which of ATT&CK's tactics a technique serves.

Alerts and rules name tactics and techniques, but not which technique belongs to which tactic. The
techniques of cloud platforms are listed here, so that none is shown under a wrong tactic.
Source: https://attack.mitre.org/matrices/enterprise/cloud/ (version 18.1, the last that
has Defense Evasion: version 19 divides it into Stealth and Defense Impairment)
"""

from __future__ import annotations

from collections.abc import Mapping

_SERVE: Mapping[str, str] = {
    "initial-access": "T1078 T1133 T1189 T1190 T1195 T1199 T1566",
    "execution": "T1053 T1059 T1072 T1106 T1203 T1204 T1569 T1609 T1610 T1648 T1651",
    "persistence": (
        "T1037 T1053 T1078 T1098 T1133 T1136 T1505 T1525 T1543 T1546 T1547 T1554 T1556 T1574 T1671"
    ),
    "privilege-escalation": (
        "T1037 T1053 T1068 T1078 T1098 T1134 T1484 T1543 T1546 T1547 T1548 T1574 T1611"
    ),
    "defense-evasion": (
        "T1036 T1070 T1078 T1134 T1211 T1484 T1535 T1548 T1550 T1556 T1562 T1564 T1574 T1578 "
        "T1599 T1610 T1666 T1672"
    ),
    "credential-access": (
        "T1003 T1040 T1056 T1110 T1111 T1187 T1212 T1528 T1539 T1552 T1555 T1556 T1557 T1606 T1621 "
        "T1649"
    ),
    "discovery": (
        "T1007 T1016 T1018 T1033 T1040 T1046 T1049 T1057 T1069 T1082 T1083 T1087 T1135 T1201 "
        "T1482 T1518 T1526 T1538 T1580 T1613 T1614 T1615 T1619 T1654 T1680"
    ),
    "lateral-movement": "T1021 T1072 T1080 T1210 T1534 T1550 T1570",
    "collection": "T1005 T1039 T1056 T1074 T1113 T1114 T1119 T1213 T1530 T1557 T1560",
    "command-and-control": "T1071 T1090 T1095 T1102 T1105 T1132 T1219 T1568 T1571 T1572 T1573",
    "exfiltration": "T1011 T1020 T1029 T1030 T1041 T1048 T1052 T1537 T1567",
    "impact": (
        "T1485 T1486 T1489 T1490 T1491 T1495 T1496 T1498 T1499 T1529 T1531 T1561 T1565 T1657"
    ),
}

_TACTICS_OF: dict[str, frozenset[str]] = {}
for _tactic, _techniques in _SERVE.items():
    for _technique in _techniques.split():
        _TACTICS_OF[_technique] = _TACTICS_OF.get(_technique, frozenset()) | {_tactic}

BEFORE_THE_TRAIL = frozenset({"reconnaissance", "resource-development"})
"""Tactics before the first call of an attacker, which leave no record in a trail."""


_SINCE_19: Mapping[str, str] = {
    "stealth": "defense-evasion",
    "defense-impairment": "defense-evasion",
}
"""The tactics that replaced Defense Evasion in version 19, which other rules are tagged with."""


def tactic_id(text: str) -> str:
    """The name of a tactic in version 18, however it is written.

    >>> tactic_id("Defense_Evasion"), tactic_id("attack.stealth")
    ('defense-evasion', 'defense-evasion')
    """
    name = text.lower().removeprefix("attack.").replace("_", "-").replace(" ", "-")
    return _SINCE_19.get(name, name)


def belongs_to_tactic(technique: str, tactic: str) -> bool:
    """Whether a technique (`T1098.001`) is one of a tactic; of one not listed, it may be.

    >>> belongs_to_tactic("T1098.001", "persistence"), belongs_to_tactic("T9", "impact")
    (True, True)
    >>> belongs_to_tactic("T1530", "persistence")
    False
    """
    tactics = _TACTICS_OF.get(technique.upper().partition(".")[0])
    return tactics is None or tactic in tactics
