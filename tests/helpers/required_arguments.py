"""The arguments that each command requires."""

from __future__ import annotations

ARGUMENTS: dict[tuple[str, ...], list[str]] = {
    ("backfill",): ["{trail}"],
    ("sample",): ["{new}"],
    ("alerts", "show"): ["some-id"],
    ("event",): ["some-id"],
    ("alerts", "ack"): ["some-id"],
    ("alerts", "close"): ["some-id"],
    ("enrich",): ["{trail}"],
    ("verify",): ["."],
    ("alerts", "reopen"): ["some-id"],
    ("alerts", "assign"): ["some-id"],
    ("alerts", "note"): ["some-id", "--note", "x"],
    ("incidents", "note"): ["some-id", "--note", "x"],
    ("incidents", "show"): ["some-id"],
    **{("incidents", verb): ["some-id"] for verb in ("ack", "assign", "close", "reopen")},
    ("timeline",): ["some-name"],
    ("whois",): ["some-name"],
    ("rules", "except"): ["some-id"],
    ("automation", "forget"): ["some-id"],
    ("automation", "trust"): [
        *("--role", "arn:aws:iam::111122223333:role/deploy"),
        *("--call", "PutRule", "--network", "203.0.113.0/24"),
    ],
    ("aws", "logs-query"): ["fields eventName", "--log-group", "trail"],
    ("ledger", "show"): ["some-id"],
    ("ledger", "gone"): ["some-name"],
    ("reconcile",): ["{trail}"],
    ("deadletters", "show"): ["some-id"],
    ("deadletters", "dismiss"): ["some-id"],
    ("rules", "show"): ["RootAccountUsage"],
    ("rules", "explain"): ["RootAccountUsage"],
    ("rules", "check"): ["{trail}"],
    ("dashboards", "open"): ["some-id"],
    ("rules", "export"): ["--monitors"],
}
"""Command → arguments; `{trail}` is a folder of trail files, `{new}` one that is not there."""
