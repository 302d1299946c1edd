"""Modifiers that Sigma lacks: they compare a part of a name with another field.

    userIdentity.arn|fieldref|lastpart: requestParameters.userName
    requestParameters.documentName|fieldref|accountpart: recipientAccountId

The session `dana` of `arn:aws:sts::111122223333:assumed-role/Ops/dana` equals the user `dana`. The
session `jordana` does not, although Sigma's own `endswith` matches it. And a document of another
account may be named after this one, which `contains` takes for one's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from sigma.modifiers import SigmaValueModifier, modifier_mapping, reverse_modifier_mapping
from sigma.types import SigmaFieldReference


def last_part(text: str) -> str:
    """What follows the last slash; all of a text without one.

    >>> last_part("arn:aws:sts::1:assumed-role/Ops/dana"), last_part("dana")
    ('dana', 'dana')
    """
    return text.rpartition("/")[2]


def account_part(text: str) -> str:
    """The account of an ARN; all of a text that is none.

    >>> account_part("arn:aws:kms:eu-west-1:1:alias/2"), account_part("2")
    ('1', '2')
    """
    parts = text.split(":", 5)
    return parts[4] if len(parts) == 6 and parts[0].lower() == "arn" else text


@dataclass
class PartReference(SigmaFieldReference):
    """Compares a part of this field's values with the other field."""

    def part(self, text: str) -> str:
        """The part that is compared."""
        raise NotImplementedError


@dataclass
class LastPartReference(PartReference):
    """What is after the last `/`."""

    def part(self, text: str) -> str:
        return last_part(text)


@dataclass
class AccountPartReference(PartReference):
    """The account of an ARN."""

    def part(self, text: str) -> str:
        return account_part(text)


class _PartModifier(SigmaValueModifier[SigmaFieldReference, SigmaFieldReference]):
    """Applies to a field reference only: pySigma rejects any other value by its type."""

    reference: ClassVar[type[PartReference]]

    def modify(self, val: SigmaFieldReference) -> SigmaFieldReference:
        return self.reference(val.field, val.starts_with, val.ends_with)


class LastPartModifier(_PartModifier):
    reference = LastPartReference


class AccountPartModifier(_PartModifier):
    reference = AccountPartReference


for _name, _modifier in (("lastpart", LastPartModifier), ("accountpart", AccountPartModifier)):
    modifier_mapping[_name] = _modifier
    reverse_modifier_mapping[_modifier.__name__] = _name
