"""Exceptions from alerts: which fields are chosen, and what the written filter matches."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule

from detections.matcher import SigmaMatcher
from detections.packs.actions import Actions
from detections.packs.documents import Document, documents
from detections.packs.narrowing import Condition, choose, exception_content, written
from trailhound.errors import UsageError

ROLE = "arn:aws:iam::111122223333:role/deploy"
RULE = SigmaRule.from_dict(
    {
        "title": "A rule",
        "id": "5f0c3f0e-8b1a-4a52-9d0c-0c8f5f7b1a01",
        "logsource": {"product": "aws", "service": "cloudtrail"},
        "detection": {"s": {"eventName": "x"}, "condition": "s"},
    }
)


def event(**changes: Any) -> dict[str, Any]:
    return {
        "eventName": "PutKeyPolicy",
        "userIdentity": {"type": "IAMUser", "arn": "arn:aws:iam::111122223333:user/ada"},
        "user": {"name": "ada"},
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2",
        "resource": {"bucket": ["b", "c"]},
        **changes,
    }


def session(name: str, issuer: str = ROLE) -> dict[str, Any]:
    arn = f"arn:aws:sts::111122223333:assumed-role/deploy/{name}"
    context = {"sessionIssuer": {"arn": issuer}}
    return {"type": "AssumedRole", "arn": arn, "sessionContext": context}


def test_of_a_rule_that_counts_calls_it_is_by_the_principal_and_a_network_that_stays() -> None:
    def called(name: str, address: str, asn: int = 64500, who: str = "s1") -> dict[str, Any]:
        source = {"source": {"ip": address}, "geolocation": {"asn": asn}}
        return event(eventName=name, userIdentity=session(who), **source)

    of_the_alert = [called("GetKey", "192.0.2.1"), called("ListKeys", "192.0.2.1")]
    other = event(userIdentity=session("x", f"{ROLE}-2"), source={"ip": "192.0.2.9"})

    def fields(*others: dict[str, Any]) -> list[tuple[str, tuple[str, ...]]]:
        chosen = choose(of_the_alert, counted=[other, *others])
        return [(each.field, each.values) for each in chosen]

    who = ("userIdentity.sessionContext.sessionIssuer.arn", (ROLE,))
    assert fields() == [who, ("source.ip", ("192.0.2.1",))]
    moved = called("GetKey", "192.0.2.2", who="s2")
    assert fields(moved) == [who, ("geolocation.asn", ("64500",))]
    assert fields(moved, called("GetKey", "192.0.2.3", 64501)) == [who]
    service = event(userIdentity=session("s1"), sourceIPAddress="glue.amazonaws.com")
    assert fields(service) == [who]


@pytest.mark.parametrize(
    ("events", "by", "conditions"),
    [
        (
            [event(), event(eventName="GetKey")],
            (),
            [
                ("userIdentity.arn", "arn:aws:iam::111122223333:user/ada"),
                ("sourceIPAddress", "198.51.100.7"),
            ],
        ),
        (  # a role stands for its sessions, a tool for its many addresses
            [event(userIdentity=session(f"s{n}"), sourceIPAddress=f"10.0.0.{n}") for n in range(9)],
            (),
            [("userIdentity.sessionContext.sessionIssuer.arn", ROLE), ("userAgent", "aws-cli/2")],
        ),
        (  # of a resource with several names those that all have
            [
                event(sourceIPAddress=f"10.0.0.{n}", userAgent=f"a{n}", resource={"bucket": bucket})
                for n, bucket in enumerate((["b", "c"], ["c"], ["c", "d"], ["c"]))
            ],
            (),
            [("userIdentity.arn", "arn:aws:iam::111122223333:user/ada"), ("resource.bucket", "c")],
        ),
        (
            [event(userIdentity={"type": "AWSService", "invokedBy": "x.amazonaws.com"})],
            ("call", "principal"),
            [("eventName", "PutKeyPolicy"), ("userIdentity.invokedBy", "x.amazonaws.com")],
        ),
    ],
    ids=["user", "role", "resource", "asked"],
)
def test_the_fields_are_narrow_enough(
    events: list[dict[str, Any]], by: tuple[str, ...], conditions: list[tuple[str, str]]
) -> None:
    assert choose(events, by) == tuple(Condition(field, (value,)) for field, value in conditions)


def test_the_role_of_a_permission_set_is_everybodys_so_the_person_is_taken() -> None:
    issuer = f"{ROLE[:-6]}aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123"
    (who, _) = choose([event(userIdentity=session("ada@example.com", issuer))])
    assert (who.field, who.values[0][-16:]) == ("userIdentity.arn", "/ada@example.com")


@pytest.mark.parametrize(
    ("by", "message"),
    [
        (("userAgnt",), "have no userAgnt"),
        (("requestParameters.x",), "1 of its 2 events have no requestParameters.x"),
        (("userAgent|contains",), "not a field"),
    ],
)
def test_what_cannot_be_told_apart_by_is_named(by: tuple[str, ...], message: str) -> None:
    events = [event(requestParameters={"x": 1}), event()]
    with pytest.raises(UsageError, match=message.replace("|", r"\|")):
        choose(events, by)


def content_of(*conditions: Condition) -> dict[str, Any]:
    return exception_content(
        [RULE], conditions, title="t", description="d", author="ada", today=date(2025, 3, 1)
    )


TEXTS = st.text(min_size=1, max_size=12).filter(lambda text: text.strip())
HOSTILE = st.sampled_from(
    [
        "0\x85",
        "a\u2028b",
        "*",
        "a*",
        "?",
        "\\",
        "\\*",
        "a\\",
        "null",
        "001",
        "~",
        "No",
        "%x%",
        "a: b",
        "\u202ea",
        "#",
    ]
)


@given(st.one_of(TEXTS, HOSTILE), st.one_of(TEXTS, HOSTILE))
def test_the_written_filter_leaves_out_its_values_and_no_others(
    tmp_path_factory: pytest.TempPathFactory, value: str, other: str
) -> None:
    file = Path(tmp_path_factory.mktemp("e"), "e.yml")
    file.write_text(written(content_of(Condition("userAgent", (value,)))), "utf-8")
    (document,) = documents(file)
    assert isinstance(document, Document), document
    parsed = Actions().parse(document)
    assert isinstance(parsed, SigmaFilter)
    passes = SigmaMatcher.from_detections(parsed.filter, {}).matches
    assert not passes({"userAgent": value})
    assert passes({"userAgent": other}) == (other.lower() != value.lower())


def test_the_same_exception_has_the_same_id() -> None:
    one, other = Condition("a", ("1", "2")), Condition("b", ("3",))
    assert content_of(one, other)["id"] == content_of(other, one)["id"]
    assert content_of(one)["id"] != content_of(other)["id"]
