"""Which records may be spliced as they are: those whose top-level names are all CloudTrail's.

A name of ours in a record (`risk_score`, a dotted `source.ip`) would be a second value beside the
added one, or a forged one where we add none. A decoder that knows every name of CloudTrail's
record reference recognises such a record while it reads it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from enrich.view import ABSENT, RecordView, view_of
from ingest.repair.record import collides

_NAMES: Final = (
    "eventVersion", "userIdentity", "eventTime", "eventSource", "eventName", "awsRegion",
    "sourceIPAddress", "userAgent", "errorCode", "errorMessage", "requestParameters",
    "responseElements", "additionalEventData", "requestID", "eventID", "readOnly", "resources",
    "eventType", "apiVersion", "managementEvent", "recipientAccountId", "sharedEventID",
    "serviceEventDetails", "vpcEndpointId", "vpcEndpointAccountId", "eventCategory", "tlsDetails",
    "sessionCredentialFromConsole", "addendum", "edgeDeviceDetails", "eventContext",
    "insightDetails",
)  # fmt: skip
"""All of "CloudTrail record contents", in the order in which CloudTrail writes them: the decoder
looks for a name from the place of the one before on, which takes a tenth less than in any other."""


def _strict_record() -> type[RecordView]:
    """A struct with the fields of `RecordView` and, only skipped over, but known, the rest."""
    read = {field.name: field for field in msgspec.structs.fields(RecordView)}
    fields = [
        (name, read[name].type, read[name].default) if name in read else (name, msgspec.Raw, ABSENT)
        for name in dict.fromkeys((*_NAMES, *read))
    ]
    # No subclass: the fields of that would come after those of `RecordView`, whatever their order.
    made: Any = msgspec.defstruct("StrictRecord", fields, forbid_unknown_fields=True, gc=False)
    return made  # type: ignore[no-any-return]


decode = msgspec.json.Decoder(_strict_record()).decode
"""The view of a record whose names are all known. Raises one of `UNKNOWN` for any other."""

UNKNOWN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_names = msgspec.json.Decoder(dict[str, msgspec.Raw])


def view(record: bytes | msgspec.Raw) -> RecordView | None:
    """The view of a record that `decode` refused; None where one of its names collides with ours.

    A name that is merely new is no reason: CloudTrail grows.
    Raises `RecordError` where it is no JSON object.
    """
    try:
        names = _names.decode(record)
    except UNKNOWN:
        return None
    return None if any(map(collides, names)) else view_of(record)
