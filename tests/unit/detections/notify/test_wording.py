"""Messages: whole, bounded, escaped, in the user's own words where there are any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from detections.notify.renderer import MessageRenderer

ALERT: dict[str, Any] = {
    "id": "5f1c",
    "rule": {"id": "r", "name": "Key made"},
    "level": "high",
    "severity": 8,
    "reason": "",
    "count": 3,
    "count_relation": "eq",
    "first_seen": "2025-03-01T12:00:00.000Z",
    "last_seen": "2025-03-01T12:05:00.000Z",
    "entity": {"principal": ["ada"], "address": [f"10.0.0.{number}" for number in range(50)]},
    "attack": {"tactic": ["persistence"], "technique": ["T1098.001"]},
    "description": "A key was made.",
    "response": ["ask ada", "revoke it"],
    "evidence": {"event_id": ["e1"], "url": "https://dashboards.example/x"},
}


def test_the_subject_says_that_there_are_others() -> None:
    def subject(**entity: list[str]) -> str:
        return MessageRenderer().alert({**ALERT, "entity": entity}).subject

    six = [f"user{number}" for number in range(6)]
    accounts = ["111122223333", "444455556666", "777788889999"]
    assert subject(principal=six, account=accounts[:1]) == "[high] Key made: user0 and 5 more"
    assert subject(principal=six, account=accounts) == (
        "[high] Key made: user0 and 5 more, in 3 accounts"
    )
    assert subject(principal=six[:1], account=accounts) == "[high] Key made: user0"
    assert subject(account=accounts) == "[high] Key made"
    many = [f"user{number}" for number in range(50)]
    assert subject(principal=many) == "[high] Key made: user0 and 49 more"


def test_the_text_says_what_a_person_asks_first() -> None:
    message = MessageRenderer().alert(ALERT)
    assert message.key == "5f1c"
    assert message.subject == "[high] Key made: ada"
    for part in (
        "HIGH: Key made",
        "ada: 3 events, 2025-03-01 12:00:00 to 12:05:00 UTC",
        "T1098.001",
        "- revoke it",
    ):
        assert part in message.text
    assert message.text.count("ada") == 2, "who, and whom to ask"
    assert message.text.index("- revoke it") < message.text.index("Address: ")
    assert "10.0.0.4 and 15 more" in message.text, "of what fits into a message"
    assert message.alert is not None
    assert len(message.alert["entity"]["address"]) == 20
    assert not message.markup


@pytest.mark.parametrize("style", ["text", "html", "markdown"])
def test_no_heading_is_the_name_of_a_field(style: str) -> None:
    group = ["userIdentity.arn=arn:aws:iam::1:user/a=b", "resource.security_group=sg-1 <b>"]
    entity = ALERT["entity"] | {"arn": ["arn:aws:iam::1:user/c"]}
    message = MessageRenderer().alert(ALERT | {"group": group, "entity": entity}, style)
    said = message.markup or message.text
    for part in ("Same principal", "Same security group", "ARN", "Address"):
        assert part in said
    for raw in ("userIdentity", "security_group", "security\\_group", "Arn"):
        assert raw not in said
    assert "user/a=b" in said
    assert ("<b>" in said) == (style == "text")


def test_it_says_with_what_and_from_where_and_how_to_go_on() -> None:
    known = {"address": "10.0.0.0", "country": "Chile", "network": "AS64500 Example <b>"}
    origin = {"access_keys": ["AKIAEXAMPLE"], "addresses": [known], "tools": ["x https://e.org/"]}
    alert = ALERT | {"incident": "1c9f", "origin": origin}
    for style in ("text", "html", "markdown"):
        message = MessageRenderer().alert(alert, style, per_incident=True)
        text = message.markup.replace("\\", "") or message.text
        for part in (
            "AKIAEXAMPLE",
            "x https[:]//e.org/",
            "trailhound alerts show 5f1c",
            "trailhound incidents show 1c9f",
            "You get another message about this incident only if",
        ):
            assert part in text, style
        network = "AS64500 Example &lt;b&gt;" if style == "html" else "AS64500 Example <b>"
        assert f"10.0.0.0 (Chile, {network}), 10.0.0.1" in text
    alone = MessageRenderer().alert(ALERT).text
    assert "incident" not in alone
    assert "Tool" not in alone


def test_it_says_whose_key_opened_a_session() -> None:
    alert = ALERT | {"access_keys": ["AKIAEXAMPLE"], "opened_by": ["<b>ada</b>", "*bob*"]}
    said = {"html": "&lt;b&gt;ada&lt;/b&gt;, *bob*", "markdown": r"\<b\>ada\</b\>, \*bob\*"}
    for style in ("text", "html", "markdown"):
        message = MessageRenderer().alert(alert, style)
        text = message.markup or message.text
        opener = text[text.index("Session opened by") :].partition("\n")[0]
        assert said.get(style, "<b>ada</b>, *bob*") in opener
        assert text.index("AKIAEXAMPLE") < text.index("Session opened by")
    assert "opened by" not in MessageRenderer().alert(ALERT).text


@pytest.mark.parametrize("style", ["text", "html", "markdown"])
def test_what_a_caller_chose_is_no_link(style: str) -> None:
    """Nor in the subject; what the rule says and the link to the events stay, and programs get the
    values as they are."""
    lure = "see https://evil.ex/in, www.evil.ex or evil.ex/x"
    entity = {"principal": [lure], "arn": [f"arn:aws:iam::1:user/{lure}"], "resource": [lure]}
    other = {"id": "9", "level": "high", "rule": f"Other {lure}"}
    hostile = {
        "entity": entity,
        "group": [f"user.name={lure}"],
        "reason": lure,
        "access_keys": [lure],
        "opened_by": [lure],
        "of_incident": {"id": "1c9f", "alerts": 4, "others": [other, other]},
        "response": ["read https://docs.example/x"],
    }
    message = MessageRenderer().alert(ALERT | hostile, style)
    said = (message.markup or message.text).replace("\\", "")
    for text in (said, message.text, message.subject):
        assert "see https[:]//evil.ex/in, www[.]evil.ex or evil[.]ex/x" in text
        assert "https://evil" not in text
        assert "www.evil" not in text
        assert " evil.ex/x" not in text
    assert "https://docs.example/x" in said
    assert "https://dashboards.example/x" in said
    assert said.count("high: Other") == 1
    assert "×2" in said
    assert message.alert is not None
    assert message.alert["entity"] == entity


def test_html_is_escaped() -> None:
    hostile = ALERT | {"entity": {"principal": ["<script>alert(1)</script>"]}}
    message = MessageRenderer().alert(hostile, "html")
    assert "<script>" not in message.markup
    assert "&lt;script&gt;" in message.markup
    assert "<script>" in message.text


def test_markdown_is_escaped() -> None:
    hostile = ALERT | {"entity": {"principal": ["[x](https://evil.example) **b**"]}}
    message = MessageRenderer().alert(hostile, "markdown")
    assert "[x](https://evil" not in message.markup
    assert "**b**" not in message.markup


def test_own_templates_go_first_and_a_broken_one_holds_nothing_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "subject.txt.j2").write_text("mine: {{ alert.rule.name }}")
    (tmp_path / "alert.txt.j2").write_text("{{ alert.nothing.at.all }}")
    message = MessageRenderer(tmp_path).alert(ALERT)
    assert message.subject == "mine: Key made"
    assert "HIGH: Key made" in message.text
    assert "alert.txt.j2 fails" in caplog.text


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ alert.update({'id': 'x'}) }}",
        "{{ range(10**9) | list }}",
        "{% include '/etc/passwd' %}",
        "{{ alert.level | dictsort }}",
        "{% include 'alert.txt.j2' %}",
        "{{ alert.count.bit_length.x.y }}",
    ],
)
def test_templates_run_in_a_sandbox(tmp_path: Path, attack: str) -> None:
    (tmp_path / "alert.txt.j2").write_text(attack)
    assert "HIGH: Key made" in MessageRenderer(tmp_path).alert(ALERT).text


def test_a_template_that_cannot_be_read_holds_nothing_back(tmp_path: Path) -> None:
    (tmp_path / "alert.txt.j2").write_bytes(b"\xff")
    (tmp_path / "subject.txt.j2").mkdir()
    message = MessageRenderer(tmp_path).alert(ALERT)
    assert "HIGH: Key made" in message.text
    assert "Key made" in message.subject


def test_an_event_is_no_template() -> None:
    hostile = ALERT | {"reason": "{{ 7 * 7 }}"}
    assert "{{ 7 * 7 }}" in MessageRenderer().alert(hostile).text


def test_a_digest_says_how_many_of_what() -> None:
    message = MessageRenderer().digest("slack", "k", {"low": 2, "critical": 1}, 20, more=False)
    assert message.text.splitlines()[-2:] == ["1 critical", "2 low"]
    assert "3 alerts are held back: 20 messages a minute may be sent to slack" in message.text
    assert message.subject == "3 alerts are held back"


def test_a_digest_counts_one_alert_and_more_than_were_read() -> None:
    one = MessageRenderer().digest("slack", "k", {"low": 1}, 20, more=False)
    assert one.subject == "1 alert is held back"
    assert "1 alert is held back: 20 messages" in one.text
    more = MessageRenderer().digest("slack", "k", {"low": 1}, 20, more=True)
    assert more.subject == "1 or more alerts are held back"
    assert "1 or more alerts are held back: 20 messages" in more.text
    caught_up = MessageRenderer().catch_up("k", {"low": 1}, {"Key made": 1}, "each rule runs")
    assert caught_up.subject == "1 alert for a time in which the scheduled rules did not run"
