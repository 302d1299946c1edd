"""Listings: columns by width, one line a row in a pipe, safe CSV, and their page."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from typer.testing import CliRunner

from tests.helpers.postures import posture
from tests.helpers.processes import LONGEST
from tests.helpers.schemas import require_listing
from tests.listings import BLOCK, pages
from trailhound.cli import (
    alert_precision,
    alerts,
    automation,
    aws_alarms,
    aws_changes,
    aws_check,
    aws_checklist,
    aws_logs_query,
    aws_removal,
    config,
    dashboards,
    deadletters,
    doctor,
    events,
    graph,
    hunt,
    incidents,
    ledger,
    movements,
    notify,
    paths,
    roi,
    rule_noise,
    rule_runs,
    rules,
    sample,
    setup,
    timeline,
)
from trailhound.cli.columns import Column, ColumnType
from trailhound.cli.listing import Form, Listing, form_of
from trailhound.cli.main import app, main
from trailhound.cli.table_layout import drawn_table, layout
from trailhound.errors import UsageError
from trailhound.settings.effective import Effective

ROOT = Path(__file__).parents[3]
LISTINGS: dict[str, Listing[Any]] = {
    "alerts list": alerts.LISTING,
    "alerts precision": alert_precision.LISTING,
    "automation list": automation.LISTING,
    "aws alarms": aws_changes.LISTING,
    "aws alarms --check": aws_alarms.FINDINGS,
    "aws check": aws_check.listing(posture()),
    "aws checklist": aws_checklist.LISTING,
    "aws logs-query": aws_logs_query.LISTING,
    "aws setup": aws_changes.LISTING,
    "aws setup --destroy": aws_removal.REMOVALS,
    "config show": config.LISTING,
    "dashboards import": dashboards.LISTING,
    "deadletters list": deadletters.LISTING,
    "doctor": doctor.LISTING,
    "events": events.LISTING,
    "graph": graph.LISTING,
    "hunt": hunt.LISTING,
    "incidents list": incidents.LISTING,
    "init": setup.LISTING,
    "ledger list": ledger.LISTING,
    "notify test": notify.LISTING,
    "roi": roi.LISTING,
    "paths": paths.PATHS,
    "paths --lateral": movements.MOVEMENTS,
    "rules noise": rule_noise.LISTING,
    "rules backtest": rule_runs.BACKTEST,
    "rules backtest --detail": rule_runs.DETAIL,
    "rules fields": rule_runs.FIELDS,
    "rules list": rules.LISTING,
    "sample --grade": sample.GRADES,
    "timeline": timeline.LISTING,
}
SCHEMA = json.loads((ROOT / "docs/listings.schema.json").read_text("utf-8"))

TITLE = "A workload’s credentials are used from a network that is not Amazon’s"
HOSTILE = '=HYPERLINK("http://x")\x1b[2J\r\n\t[red]\u202eexe.nozama'


def alert(number: int, **values: Any) -> dict[str, Any]:
    return {
        "id": f"{number:08x}5f1c0a0123456789",
        "level": "critical",
        "state": "acknowledged",
        "last_seen": (datetime.now(UTC) - timedelta(hours=3)).isoformat(),
        "rule": {"name": TITLE},
        "entity": {
            "principal": ["AWSReservedSSO_AdministratorAccess_0123/ada@example.com", "other"],
            "address": ["203.0.113.255"],
            "account": ["111122223333"],
        },
        "calls": [{"name": "GetSecretValue", "count": 2, "failed": 0}],
        "count": 1_234_567,
        **values,
    }


ROWS = [alert(number) for number in range(3)]


def drawn(rows: list[Any], width: int, listing: Listing[Any] = alerts.LISTING) -> str:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    console.print(drawn_table(layout(listing.columns, rows, width), rows, header=True))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_at_80_columns_an_alert_has_its_level_time_rule_principal_count_and_short_id() -> None:
    head, *lines = drawn(ROWS, 80).splitlines()
    assert head.split() == ["level", "when", "rule", "who", "count", "id"]
    assert max(map(len, lines)) <= 80
    place = slice(head.index("rule"), head.index("who"))
    title = " ".join(line[place].strip() for line in lines[: len(lines) // 3])
    assert title == TITLE
    for text in ("critical", "3 h ago", "1,234,567", "…", "00000000"):
        assert text in lines[0]


def test_times_of_one_column_have_one_form() -> None:
    recent, old = datetime.now(UTC) - timedelta(days=3), datetime.now(UTC) - timedelta(days=40)
    young = drawn([alert(1, last_seen=recent.isoformat()), alert(2)], 80)
    assert ("3 d ago" in young, "3 h ago" in young) == (True, True)
    both = drawn([alert(1, last_seen=when.isoformat()) for when in (recent, old)], 80)
    assert (f"{recent:%Y-%m-%d}" in both, f"{old:%Y-%m-%d}" in both, "ago" in both) == (
        True, True, False,
    )  # fmt: skip


def test_at_80_columns_a_dead_letter_has_its_code_and_reason_whole() -> None:
    letter: dict[str, Any] = {
        "at": datetime.now(UTC).isoformat(),
        "code": "document_parsing_exception",
        "reason": "failed to parse field [requestParameters] of type [flat_object] in document",
        "object": "s3://logs/AWSLogs/111122223333/CloudTrail/eu-west-1/2025/03/01/one.json.gz",
        "id": "5f1c0a0123456789",
        "position": 7,
    }
    for rows, listing in (
        ([deadletters.LetterReason(letter, 12)], deadletters.REASONS),
        ([letter], deadletters.LISTING),
    ):
        head, *lines = drawn(rows, 80, listing).splitlines()
        place = slice(head.index("why"), head.index("id", head.index("why")))
        assert " ".join(line[place].strip() for line in lines).strip() == letter["reason"]
        assert letter["code"] in lines[0]
        assert max(map(len, [head, *lines])) <= 80


@pytest.mark.parametrize("width", [80, 100, 120, 160, 400])
def test_a_wider_terminal_has_more_columns_and_no_line_is_wider(width: int) -> None:
    head, *lines = drawn(ROWS, width).splitlines()
    assert all(len(line) <= width for line in [head, *lines])
    assert ("state" in head, "calls" in head) == (width >= 160, width >= 400)
    if width == 400:  # everything has room: nothing is cut or folded
        assert len(lines) == 3
        assert ROWS[0]["id"] in lines[0]
        assert "ada@example.com +1" in lines[0]


def line(number: int, **changes: Any) -> dict[str, Any]:
    made = {"kind": "calls", "line": number, "time": "2025-03-01T10:00:00.000Z", "until": ""}
    made |= {"count": 10_000, "call": "DeleteObjects", "error": "", "outcome": "success"}
    made |= {"principal": "role:payroll-export-nightly@111122223333", "traced": False}
    made |= {"as": "role:payroll-export-nightly@111122223333", "address": "203.0.113.240"}
    made |= {
        "resources": ["payroll-prod"],
        "resources_total": 1,
        "outsiders": [],
        "relation": "did",
        "account": "111122223333",
    }
    return made | {"level": "", "id": f"{number:032}", "region": "eu-west-1"} | changes


def test_at_80_columns_a_line_of_a_time_line_says_from_where_it_came() -> None:
    alert = {"entity": {"principal": ["payroll-export", "ada", "eve", "bob"]}}
    alarm = line(2, kind="alert", call=f"high: {TITLE}", line=None, alert=alert)
    head, *lines = drawn([line(1), alarm], 80, timeline.LISTING).splitlines()
    assert head.split() == ["line", "time", "(UTC)", "call", "who", "from"]
    assert max(map(len, lines)) <= 80
    assert "203.0.113.240" in lines[0]
    assert "2025-03-01 10:00:00" in lines[0]
    who = lines[0][head.index("who") : head.index("from")]
    assert who.startswith("role:")
    assert who.rstrip().endswith(" ?")
    place = slice(head.index("call"), head.index("who"))
    calls = " ".join(each[place].strip() for each in lines)
    assert "DeleteObjects ×10,000 on payroll-prod" in calls
    assert " +3  203.0.113.240" in "\n".join(lines)
    assert TITLE in " ".join(each[place].strip() for each in lines)


def test_a_line_of_a_time_line_says_on_what_and_an_expanded_event_which_it_is() -> None:
    policy = "arn:aws:iam::111122223333:policy/team/Ops"
    changes = {"call": "AttachUserPolicy", "count": 1, "resources_total": 12, "risk": 7}
    rows = [
        line(1, **changes, resources=["ada", policy]),
        line(1, kind="event", id="6070cb27-0000", own=[policy, "eve"]),
        line(2, call="ListUsers", count=1, resources=[], resources_total=0),
        line(4, call="PutKeyPolicy", count=1, outsiders=["arn:aws:iam::444455556666:root", "*"]),
        line(3, call="GetObject", count=1, outcome="failure", error="AccessDenied"),
    ]
    (call,) = (each for each in timeline.LISTING.columns if each.name == "call")
    assert call.shown is not None
    assert list(map(call.shown, rows)) == [
        "AttachUserPolicy on ada +11",
        "  6070cb27 on Ops, eve",
        "ListUsers",
        "PutKeyPolicy on payroll-prod, lets in 444455556666 +1",
        "GetObject on payroll-prod (AccessDenied)",
    ]
    head, first, *_ = drawn(rows, 160, timeline.LISTING).splitlines()
    assert first[head.index("risk") :].split() == ["7"]


def test_the_title_is_whole_at_any_width() -> None:
    text = drawn([alert(1, entity={}, calls=[])], 80)
    assert all(word in text.split() for word in TITLE.split())


def test_on_a_terminal_the_file_of_an_alert_is_behind_its_title() -> None:
    name = "111122223333_CloudTrail_us-east-1_20250301T1205Z_AbCdEfGh.json.gz"
    found = {"object": f"s3://logs/AWSLogs/1/{name}", "expected": "", "found": ""}
    text = drawn([alert(1, entity={}, calls=[], file=found)], 160)
    assert name in "".join(line[slice(*_place(text, "rule", "who"))].strip() for line in
                           text.splitlines()[1:])  # fmt: skip
    assert "file" not in text.splitlines()[0]


def _place(text: str, *headings: str) -> tuple[int, ...]:
    return tuple(map(text.splitlines()[0].index, headings))


def test_a_text_of_thousands_of_characters_does_not_fill_the_screen() -> None:
    lines = drawn([alert(1, rule={"name": "x" * 5_000}, entity={})], 80).splitlines()
    assert len(lines) <= 11
    assert "…" in "".join(lines)


def test_at_80_columns_the_variable_that_a_setting_comes_from_is_whole() -> None:
    longest = Effective("detections.known_automation.expires_days", "x" * 30, "default")
    given = Effective("namespace", "ours", "TRAILHOUND_NAMESPACE")
    text = drawn([longest, given], 80, config.LISTING)
    assert "TRAILHOUND_NAMESPACE" in text
    assert max(map(cell_len, text.splitlines())) <= 80


def test_wide_characters_keep_the_columns_in_line() -> None:
    rows = [
        alert(1, entity={"principal": ["管理者" * 20]}),
        alert(2, entity={"principal": ["ada"]}),
    ]
    console = Console(width=80)
    widths = {console.measure(line).maximum for line in drawn(rows, 80).splitlines()}
    assert max(widths) <= 80


def test_in_a_pipe_a_row_is_one_line_with_every_value_whole() -> None:
    row = alert(1, rule={"name": HOSTILE})
    head, line = "".join(alerts.LISTING.tab_lines([row])).splitlines()
    values = dict(zip(head.split("\t"), line.split("\t"), strict=True))
    assert values["rule"] == ('=HYPERLINK("http://x")\\x1b[2J\\x0d\\x0a\\x09[red]\\u202eexe.nozama')
    assert values["principal"].endswith("ada@example.com, other")
    assert (values["count"], values["id"]) == ("1234567", row["id"])


def test_no_text_in_csv_is_a_formula() -> None:
    texts = [HOSTILE, "+1", "-1", "@SUM(A1)", "＝1+1", "  =1", "\t=1", 'a,"b"\n=c', "plain", ""]
    listing = Listing[str](
        "texts",
        (Column("text", lambda each: each), Column("size", len, kind=ColumnType.NUMBER)),
        lambda each: {"text": each},
    )
    written = "".join(listing.csv_lines(texts))
    head, *rows = csv.reader(io.StringIO(written))
    assert head == ["text", "size"]
    assert [int(size) for _, size in rows] == list(map(len, texts))
    assert len(written.splitlines()) == len(texts) + 1
    for text, _ in rows:
        assert text.lstrip()[:1] not in {"=", "+", "-", "@", "＝"}
    assert "plain" in (text for text, _ in rows)


def test_no_part_of_a_text_in_csv_is_a_formula_where_semicolons_separate() -> None:
    """There the commas and the quotes after them are parts of one cell, and each `;` ends it."""
    texts = ["a;=1+1;b", "a; \t@SUM(A1)", 'a;"=1', "a;＝1", ";;-1", "Mozilla/5.0 (X11; Linux)"]
    listing = Listing[str](
        "texts",
        (Column("number", len, kind=ColumnType.NUMBER), Column("text", str)),
        lambda each: {"text": each},
    )
    for line in listing.csv_lines(texts):
        for cell in line.split(";")[1:]:
            assert cell.lstrip(' "')[:1] not in {"=", "+", "-", "@", "＝"}
    written = list(csv.reader(io.StringIO("".join(listing.csv_lines(texts)))))
    assert written[1][1] == "a;'=1+1;b"
    assert written[-1][1] == texts[-1]


def test_json_is_one_object_and_ndjson_one_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    alerts.LISTING.show(ROWS, Form.JSON, beside={"more": False})
    assert json.loads(capsys.readouterr().out) == {"alerts": ROWS, "more": False}
    alerts.LISTING.show(iter(ROWS), Form.NDJSON)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == ROWS


def test_nothing_more_is_read_for_a_reader_that_has_ended() -> None:
    script = (
        "from itertools import repeat\n"
        "from trailhound.cli.listing import Column, Form, Listing\n"
        "texts = Listing('texts', (Column('text', str),), lambda each: {'text': each})\n"
        "texts.show(repeat('x'), Form.NDJSON)\n"
        "texts.follow(repeat(['x']), Form.CSV)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b'{"text": "x"}\n'
    process.stdout.close()
    assert process.wait(LONGEST) == 0


def test_json_is_short_for_its_form_and_contradicts_the_others() -> None:
    assert form_of(None, json=False) is Form.TABLE
    assert form_of(Form.JSON, json=True) is form_of(None, json=True) is Form.JSON
    with pytest.raises(UsageError):
        form_of(Form.CSV, json=True)


@pytest.mark.parametrize("form", [["--output", "json"], ["--output=ndjson"], ["--json"]])
def test_an_error_is_an_object_in_every_form_for_programs(
    form: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["rules", "list", "--rules", "/nowhere", *form]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 2


def test_rules_are_as_the_schema_says() -> None:
    done = CliRunner().invoke(app, ["rules", "list", "--output", "json"])
    require_listing(json.loads(done.stdout), "rules list")


def _where(column: Column[Any]) -> str:
    if column.piped:
        return "in another column"
    return "if there is room" if column.priority else "always"


@pytest.mark.parametrize("command", LISTINGS)
def test_the_page_has_every_column(command: str) -> None:
    text = (ROOT / "docs/json.md").read_text("utf-8").split(f"### `trailhound {command}`")[1]
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \|", text.split("###")[0], re.MULTILINE)
    assert rows == [(each.name, _where(each)) for each in LISTINGS[command].columns]
    assert command in SCHEMA["$defs"]


ELSEWHERE = {
    **dict.fromkeys(
        ("aws alarms", "aws alarms --check", "aws logs-query", "aws setup", "aws setup --destroy"),
        "docs/aws.md",
    ),
    "aws check": "docs/aws-check.md",
    "automation list": "docs/detections.md",  # a week of a sample knows nothing
    **dict.fromkeys(("graph", "hunt"), "docs/investigation.md"),
    "aws checklist": "docs/aws-check.md",
    "paths": "docs/investigation.md",
    "paths --lateral": "docs/investigation.md",
    "roi": "docs/aws.md",
    "sample --grade": "docs/investigation.md",
}
"""Listings that `make listings` does not show, and why or where they are described."""


@pytest.mark.parametrize("command", sorted(set(LISTINGS) - set(ELSEWHERE)))
def test_a_page_shows_every_listing_as_it_is_at_80_columns(command: str) -> None:
    blocks = [found for page in pages() for found in BLOCK.finditer(page.read_text("utf-8"))]
    shown = [each["shown"] for each in blocks if f"{each['command']} ".startswith(f"{command} ")]
    assert shown
    for text in shown:
        lines = text.splitlines()
        assert lines
        if command not in {"doctor", "notify test"}:  # lines as they come, without a head
            assert max(map(cell_len, lines)) <= 80
            named = alerts.FOLDED if command == "alerts list" and "alerts" in lines[0] else None
            columns = named.columns if named else LISTINGS[command].columns
            headings = [column.heading for column in columns if not column.priority]
            assert [each for each in headings if each not in lines[0]] == []


def test_the_legend_of_a_time_line_is_there_only_with_a_name_that_has_the_mark() -> None:
    alert = line(3) | {"kind": "alert", "alert": {}}
    assert timeline.legend([line(1, traced=True), alert]) == ""
    assert timeline.legend([line(1, traced=True), line(2)]).startswith("? after a name: ")


def test_an_attempt_is_marked_in_the_list_of_alerts() -> None:
    (rule,) = (each for each in alerts.LISTING.columns if each.name == "rule")
    assert rule.shown is not None
    for attempt, said in (True, "Trail stopped (attempt)"), (False, "Trail stopped"):
        row = {"rule": {"name": "Trail stopped"}, "attempt": attempt}
        assert rule.shown(row) == said
        assert rule.value(row) == "Trail stopped"
