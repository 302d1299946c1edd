"""Which records may be spliced as they are: those whose top-level names are all CloudTrail's.

A name of ours in a record (`risk_score`, a dotted `source.ip`) would be a second value beside the
added one, or a forged one where we add none. A decoder that knows every name of CloudTrail's
record reference recognises such a record while it reads it.
"""

from __future__ import annotations

import msgspec

from enrich.view import ABSENT, RecordView, view_of
from ingest.repair.record import collides


class StrictRecord(RecordView, forbid_unknown_fields=True, gc=False):
    """The rest of "CloudTrail record contents": only skipped over, but known."""

    eventVersion: msgspec.Raw = ABSENT  # noqa: N815 - CloudTrail's own names
    requestID: msgspec.Raw = ABSENT  # noqa: N815
    apiVersion: msgspec.Raw = ABSENT  # noqa: N815
    managementEvent: msgspec.Raw = ABSENT  # noqa: N815
    readOnly: msgspec.Raw = ABSENT  # noqa: N815
    sharedEventID: msgspec.Raw = ABSENT  # noqa: N815
    vpcEndpointId: msgspec.Raw = ABSENT  # noqa: N815
    vpcEndpointAccountId: msgspec.Raw = ABSENT  # noqa: N815
    eventCategory: msgspec.Raw = ABSENT  # noqa: N815
    sessionCredentialFromConsole: msgspec.Raw = ABSENT  # noqa: N815
    tlsDetails: msgspec.Raw = ABSENT  # noqa: N815
    addendum: msgspec.Raw = ABSENT
    edgeDeviceDetails: msgspec.Raw = ABSENT  # noqa: N815
    eventContext: msgspec.Raw = ABSENT  # noqa: N815
    insightDetails: msgspec.Raw = ABSENT  # noqa: N815


decode = msgspec.json.Decoder(StrictRecord).decode
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
