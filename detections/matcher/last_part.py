"""`lastpart`, a modifier that Sigma lacks: compares the last part of a name with another field.

    userIdentity.arn|fieldref|lastpart: requestParameters.userName

The session `dana` of `arn:aws:sts::111122223333:assumed-role/Ops/dana` equals the user `dana`. The
session `jordana` does not, although Sigma's own `endswith` matches it.
"""

from __future__ import annotations

from dataclasses import dataclass

from sigma.modifiers import SigmaValueModifier, modifier_mapping, reverse_modifier_mapping
from sigma.types import SigmaFieldReference

NAME = "lastpart"


@dataclass
class LastPartReference(SigmaFieldReference):
    """Compares what is after the last `/` of this field's values with the other field."""


class LastPartModifier(SigmaValueModifier[SigmaFieldReference, SigmaFieldReference]):
    """Applies to a field reference only: pySigma rejects any other value by its type."""

    def modify(self, val: SigmaFieldReference) -> SigmaFieldReference:
        return LastPartReference(val.field, val.starts_with, val.ends_with)


modifier_mapping[NAME] = LastPartModifier
reverse_modifier_mapping[LastPartModifier.__name__] = NAME


def last_part(text: str) -> str:
    """What follows the last slash; all of a text without one.

    >>> last_part("arn:aws:sts::1:assumed-role/Ops/dana"), last_part("dana")
    ('dana', 'dana')
    """
    return text.rpartition("/")[2]
