"""An object of the ledger as a row for programs."""

from __future__ import annotations

import pytest

from trailhound.app.search.ledger import object_row
from trailhound.cli.ledger import LISTING
from trailhound.state.objects import Integrity, ObjectState

URI = "s3://a-trail/AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/01/x.json.gz"


@pytest.mark.parametrize(
    "entry",
    [
        ObjectState(uri=URI, state="claimed", token="t"),
        ObjectState(uri=URI, state="released"),
        ObjectState(
            uri=URI,
            state="done",
            sha256="a",
            integrity=Integrity(verdict="tampered", at="2025-03-01", expected="b", found="a"),
        ),
    ],
    ids=["claimed", "released", "done"],
)
def test_every_column_has_a_value_however_far_it_was_read(entry: ObjectState) -> None:
    made = object_row(ObjectState.parse(entry.identifier, entry.document()))
    assert "token" not in made
    assert made["object"] == entry.document()["object"]
    for column in LISTING.columns:
        column.value(made)
    assert made["state"] == entry.state
    assert bool(made["integrity"]) == (entry.integrity is not None)
